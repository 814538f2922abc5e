"""Planning: which files a folder gives, where results go, what is refused, skipped and said."""

import cProfile
import os
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facedial.cli import outputs
from facedial.cli.batch import Input, Inputs, Tally
from facedial.cli.options import FORMATS, Output, output
from facedial.errors import BadRequest
from facedial.files import READABLE, WRITABLE

from .conftest import NARROW, Facedial, told


@pytest.fixture(autouse=True)
def _in_an_empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def planned(*paths: str, out: str | None = None, recursive: bool = False, **how: bool) -> list[str]:
    """Where results go, as texts."""
    tally = Tally()
    inputs = tally.expand([Path(path) for path in paths], recursive=recursive)
    plan = outputs.plan(inputs, None if out is None else output(out), "edited", **how)
    tally.skip(plan.skipped)
    return [str(target) for target in plan.targets]


def test_16000_photos_of_40_folders_get_a_name_each() -> None:
    folders = [f"f{i}" for i in range(40)]
    touch(*(f"{folder}/{i}.jpg" for folder in folders for i in range(400)))
    targets = planned(*folders, out="out")
    assert len(set(targets)) == len(targets) == 16_000
    assert targets[:1] + targets[-1:] == ["out/0-edited.jpg", "out/99-40-edited.jpg"]


def test_planning_four_times_as_many_photos_is_four_times_the_work() -> None:
    """Counted in calls, which no other work on the machine changes."""
    calls = []
    for folders in (5, 20):
        names = [f"{folders}-{i}" for i in range(folders)]
        touch(*(f"{name}/{i}.jpg" for name in names for i in range(100)))
        profile = cProfile.Profile()
        profile.runcall(planned, *names, out="out")
        calls.append(sum(entry.callcount for entry in profile.getstats()))
    assert calls[1] < 4.4 * calls[0]


NAMES = st.text(st.sampled_from("aA2-é"), min_size=1, max_size=3)


@given(st.lists(st.tuples(NAMES, st.sampled_from([".jpg", ".JPG", ".gif"])), max_size=40))
def test_no_two_results_share_a_name_even_where_case_is_ignored(
    names: list[tuple[str, str]],
) -> None:
    photos = [Input(Path(f"{i}/{stem}{end}")) for i, (stem, end) in enumerate(names)]
    targets = outputs.plan(Inputs(photos, True), None, "edited").targets
    assert len({str(target).casefold() for target in targets}) == len(names)
    for photo, target in zip(photos, targets, strict=True):
        assert target.name.startswith(photo.path.stem)


@pytest.mark.parametrize("stem", ["a" * 245, "顔" * 83 + "a", "\udce9" * 251])
def test_names_too_long_are_cut_to_fit_and_differ(stem: str) -> None:
    for folder in "123":
        touch(f"{folder}/{stem}.jpg")
    assert len(os.fsencode(f"{stem}.jpg")) > 245
    targets = planned("1", "2", "3", out="out")
    names = [Path(target).name for target in targets]
    assert len(set(names)) == 3
    for name in names:
        assert name.startswith(stem[:10])
        # three digits more, for faces of one photo
        assert len(os.fsencode(name)) <= 255 - len("-999")
        Path(name).touch()


def test_a_long_name_is_edited(facedial: Facedial, head: Path) -> None:
    photo = Path("a" * 245 + ".png")
    photo.write_bytes(head.read_bytes())
    done = facedial("align", photo)
    assert (done.code, done.err) == (0, "")
    assert Path(done.lines[0]).is_file()


ONE, TWO, FOLDER = ("a.png",), ("a.png", "b.png"), ("one",)
PLACES = [
    (ONE, None, "a-edited.png"),
    (ONE, "out.jpg", "out.jpg"),
    (ONE, "smiling.v2/", "smiling.v2/a-edited.png"),
    (ONE, "out.jpg/", "out.jpg/a-edited.png"),
    (ONE, "there.v2", "there.v2/a-edited.png"),
    (ONE, "there.jpg", "there.jpg/a-edited.png"),
    (ONE, "smiling", "smiling/a-edited.png"),
    (TWO, "smiling.v2/", "smiling.v2/a-edited.png"),
    (TWO, "smiling.v2", "smiling.v2/a-edited.png"),
    (TWO, "out.jpg/", "out.jpg/a-edited.png"),
    (TWO, "there.jpg", "there.jpg/a-edited.png"),
    (FOLDER, None, "in-one-edited.png"),
    (FOLDER, "smiling.v2/", "smiling.v2/in-one-edited.png"),
    (FOLDER, "smiling.v2", "smiling.v2/in-one-edited.png"),
    (FOLDER, "there.v2", "there.v2/in-one-edited.png"),
]


@pytest.mark.parametrize(("paths", "out", "first"), PLACES)
def test_a_folder_or_a_file(paths: tuple[str, ...], out: str | None, first: str) -> None:
    touch("a.png", "b.png", "one/in-one.png", "there.v2/x", "there.jpg/x")
    assert planned(*paths, out=out)[0] == first
    assert Path(first).parent.is_dir()
    assert not Path(first).exists()


REFUSED = [
    (TWO, "out.jpg", "out.jpg is named like a picture, and several photos need a folder for -o"),
    (TWO, "out.GIF", "write out.GIF/ where a folder of that name is meant"),
    (FOLDER, "out.jpg", "a folder of photos need"),
    (TWO, "file.txt", "file.txt is a file; several results need a folder"),
    (ONE, "out.v2", "cannot write out.v2: use one of .png"),
    (ONE, "file.txt/", "file.txt is a file"),
]


@pytest.mark.parametrize(("paths", "out", "sentence"), REFUSED)
def test_what_cannot_be_meant_is_refused(paths: tuple[str, ...], out: str, sentence: str) -> None:
    touch("a.png", "b.png", "one/in-one.png", "file.txt")
    before = sorted(Path().rglob("*"))
    with pytest.raises(BadRequest, match=sentence.replace(".", r"\.")):
        planned(*paths, out=out)
    assert sorted(Path().rglob("*")) == before


def test_results_that_exist_are_refused_replaced_or_skipped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    touch("a.png", "b.png", "c.png", "out/a-edited.png", "out/c-edited.png")
    every = [f"out/{name}-edited.png" for name in "abc"]
    with pytest.raises(BadRequest, match=r"out/a-edited\.png exists, and 1 more result .* --skip"):
        planned("a.png", "b.png", "c.png", out="out")
    assert planned("a.png", "b.png", "c.png", out="out", overwrite=True) == every
    assert capsys.readouterr().err == ""
    assert planned("a.png", "b.png", "c.png", out="out", skip_existing=True) == every[1:2]
    assert capsys.readouterr().err == "facedial: 2 photos skipped, as the results exist\n"
    assert planned("a.png", out="out/a-edited.png", skip_existing=True) == []
    Path("out/b-edited.png").mkdir()
    for how in ({"overwrite": True}, {"skip_existing": True}):
        with pytest.raises(BadRequest, match=r"b-edited\.png is a folder"):
            planned("b.png", out="out", **how)
    with pytest.raises(click.UsageError, match="choose one of --overwrite and --skip-existing"):
        planned("a.png", out="out", overwrite=True, skip_existing=True)


def test_a_second_run_does_only_what_is_missing(facedial: Facedial, head: Path) -> None:
    for name in ("1.png", "2.png"):
        Path(name).write_bytes(head.read_bytes())
    words = ("align", "1.png", "2.png", "-o", "out")
    assert facedial(*words[:2], *words[3:]).code == 0
    first = Path("out/1-aligned.png").read_bytes()
    Path("out/1-aligned.png").write_bytes(b"as it was")
    told(facedial(*words), "out/1-aligned.png exists", code=2)
    done = facedial(*words, "--skip-existing", "--json")
    assert done.code == 0
    assert done.err == "facedial: 1 photo skipped, as the results exist\n"
    assert '"skipped": [\n  {\n   "input": "1.png"' in done.out
    assert Path("out/1-aligned.png").read_bytes() == b"as it was"
    assert Path("out/2-aligned.png").read_bytes() == first


def test_what_a_folder_holds_besides_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    touch("in/b.png", "in/a.JPG", "in/notes.txt", "in/list.csv", "in/.hidden.txt", "in/.git/x.png")
    touch("in/deep/c.png", "in/deep/er/d.png", "in/deep/er/e.txt", "in/other.png/f.png")
    tally = Tally()
    assert tally.expand([Path("in")]).paths == [Path("in/a.JPG"), Path("in/b.png")]
    assert capsys.readouterr().err == (
        "facedial: in: left out 2 sub-folders (--recursive includes them) and "
        "2 files that are not pictures\n"
    )
    found = tally.expand([Path("in")], recursive=True)
    assert [str(photo.path) for photo in found.photos] == [
        *("in/a.JPG", "in/b.png", "in/deep/c.png", "in/deep/er/d.png", "in/other.png/f.png")
    ]
    assert capsys.readouterr().err == "facedial: in: left out 3 files that are not pictures\n"
    assert (tally.failed, tally.total) == ([], 0)


def test_a_folder_of_sub_folders_alone_says_how_to_take_them() -> None:
    touch("in/deep/c.png")
    tally = Tally()
    assert tally.expand([Path("in")]).paths == []
    ((_, sentence),) = tally.failed
    assert sentence.startswith("the folder in holds no pictures (")
    assert sentence.endswith("; it has 1 sub-folder (--recursive includes them)")


def test_sub_folders_are_mirrored() -> None:
    touch("in/a.png", "in/deep/a.png", "in/deep/er/a.jpg", "too/deep/a.png", "too/x.gif")
    assert planned("in", "too", "in/a.png", out="out", recursive=True) == [
        "out/a-edited.png",
        "out/deep/a-edited.png",
        "out/deep/er/a-edited.jpg",
        "out/x-edited.png",
        "out/deep/a-2-edited.png",
    ]
    assert Path("out/deep/er").is_dir()


def test_results_inside_the_folder_are_not_taken_for_photos_and_links_are_not_followed() -> None:
    touch("in/a.png", "in/out/a-edited.png", "in/out/deep/b-edited.png")
    Path("in/loop").symlink_to(Path("in").absolute())
    inputs = Tally().expand([Path("in")], recursive=True, leave_out=Path("in/out"))
    assert inputs.paths == [Path("in/a.png")]


def test_each_photo_is_taken_once() -> None:
    touch("in/a.png", "in/b.png")
    paths = [Path(name) for name in ("in/b.png", "in", "./in/a.png", "in")]
    assert Tally().expand(paths).paths == [Path("in/b.png"), Path("in/a.png")]


@pytest.mark.parametrize("ending", [".jfif", ".jpe", ".heif", ".hif", ".tga", ".jp2", ".JPG"])
def test_every_kind_of_picture_is_taken_from_a_folder(ending: str) -> None:
    touch(f"in/a{ending}")
    assert Tally().expand([Path("in")]).paths == [Path(f"in/a{ending}")]


def test_endings_of_options_are_endings_that_are_written() -> None:
    assert {f".{name}" for name in FORMATS} <= WRITABLE.keys() <= READABLE


def test_a_slash_at_the_end_names_a_folder() -> None:
    assert output("a.b/") == Output(Path("a.b"), is_folder=True)
    assert output("a.b") == Output(Path("a.b"))


def test_a_bad_ending_is_told_on_the_command_line(facedial: Facedial, head: Path) -> None:
    two = [head, head.parent / "gone.png"]
    told(facedial("edit", *two, *NARROW, "-o", "out.jpg"), "named like a picture", code=2)
    assert list(Path().iterdir()) == []
