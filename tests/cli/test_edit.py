"""`facedial edit`: what changes, what stays, and that the library does the same."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import facedial as library
from facedial import parsing
from facedial.composing import recolours_hair
from facedial.faces.crop import align

from .conftest import NARROW, Facedial, read, told


@pytest.mark.usefixtures("few_steps")
def test_command_line_and_library_agree_byte_for_byte(
    facedial: Facedial, astronaut: Path, tmp_path: Path
) -> None:
    done = facedial("edit", astronaut, "--set", "smiling=1", "--add", "Male=1", "--keep", "young")
    assert (done.code, done.out, done.err) == (0, "astronaut-edited.png\n", "")
    with library.Editor.open() as editor:
        (portrait, *_) = editor.read(library.Photo.open(astronaut))
        edit = library.Edit({"Smiling": 1}, {"Male": 1}, frozenset({"Young"}))
        editor.render(portrait, edit).save(tmp_path / "library.png")
    assert (tmp_path / "library.png").read_bytes() == Path("astronaut-edited.png").read_bytes()


def test_nothing_outside_the_head_changes(facedial: Facedial, astronaut: Path) -> None:
    facedial(
        "edit", astronaut, "--set", "Narrow_Eyes=1.2", "--set", "Eyeglasses=1", "-o", "out.png"
    )
    with library.Editor.open() as editor:
        (portrait, *_) = editor.read(library.Photo.open(astronaut))
    corners = np.array([[0, 0, 1], [127, 0, 1], [0, 127, 1], [127, 127, 1]])
    seen = corners @ portrait.crop.to_photo.T
    (x0, y0), (x1, y1) = np.floor(seen.min(axis=0)) - 1, np.ceil(seen.max(axis=0)) + 2
    inside = np.zeros((512, 512), bool)
    inside[max(0, int(y0)) : int(y1), max(0, int(x0)) : int(x1)] = True
    assert inside.mean() < 0.5
    changed = (read(Path("out.png")) != read(astronaut)).any(axis=-1)
    assert changed.any()
    assert not (changed & ~inside).any()


def test_who_loses_sunglasses_is_told_that_the_eyes_are_drawn(
    facedial: Facedial, astronaut: Path
) -> None:
    with library.Editor.open() as editor:
        (portrait, *_) = editor.read(library.Photo.open(astronaut))
        for name, darkness in (("dark", 1.0), ("clear", 0.0)):
            wish = library.Edit({"Eyeglasses": 1}, lens_darkness=darkness)
            editor.render(portrait, wish).save(f"{name}.png")
    told = [
        facedial("edit", photo, "--set", "Eyeglasses=0", "-o", "out.png", "--overwrite").err
        for photo in ("dark.png", "clear.png", astronaut)
    ]
    assert "dark.png shows no eyes behind its glasses, so they are drawn" in told[0]
    assert not any("behind its glasses" in one for one in told[1:])


def test_dyed_hair_leaves_the_wall_behind_it_alone(astronaut: Path) -> None:
    photo = library.Photo.open(astronaut)
    with library.Editor.open() as editor:
        (portrait, *_) = editor.read(photo)
        edited = editor.render(portrait, {"Black_Hair": 1})
        person = parsing.person(parsing.classes_of(editor.model, portrait))
    after = align(edited, portrait.face, "head", 128).pixels.astype(float)
    apart = np.abs(after - portrait.crop.pixels).mean(2)
    wall, hair = person < 0.05, np.zeros((128, 128), bool)
    hair[10:35, 35:95] = True
    assert wall.mean() > 0.2
    assert apart[wall].mean() < 1 < 20 < apart[hair & (person > 0.9)].mean()


def test_a_bald_head_shows_what_is_behind_it_and_begins_gently(astronaut: Path) -> None:
    photo = library.Photo.open(astronaut)
    with library.Editor.open() as editor:
        (portrait, *_) = editor.read(photo)
        drawn = {a: editor.render(portrait, {"Bald": a}) for a in (0.02, 1.0)}
    apart = {a: np.abs(p.pixels - photo.pixels.astype(float)) for a, p in drawn.items()}
    assert apart[0.02].max() < 25 and apart[0.02].mean() < 0.02 * apart[1.0].mean() + 0.05
    crop = align(drawn[1.0], portrait.face, "head", 128).pixels.astype(float)
    # Where hair stood out beside the brow there is wall now, as grey as above the head.
    wall, where_hair_was = crop[2:6, 50:80].mean((0, 1)), crop[45:60, 18:24].mean((0, 1))
    before = portrait.crop.pixels[45:60, 18:24].mean((0, 1))
    assert np.abs(where_hair_was - wall).max() < 25 < 50 < np.abs(before - wall).max()


def test_strength_zero_and_empty_edits_are_refused(facedial: Facedial, head: Path) -> None:
    for words in ([], ["--set", "Narrow_Eyes=1.2", "--strength", "0"], ["--keep", "Male"]):
        told(facedial("edit", head, *words), "nothing to change", "--set", code=2)


def test_a_shift_of_nothing_returns_the_photo(facedial: Facedial, head: Path) -> None:
    Path("p.json").write_text('{"set": {}, "add": {"Smiling": 0}}')
    told(facedial("edit", head, "--preset", "p.json"), "nothing to change", code=2)


def test_what_goes_with_a_wish_is_said_and_exactly_leaves_it_out(
    facedial: Facedial, head: Path
) -> None:
    along = ("--method", "direction")  # the flow edits a target and what it implies in one step
    done = facedial("edit", head, *along, "--set", "Goatee=1", "-o", "whole.png")
    assert (done.code, done.out) == (0, "whole.png\n")
    assert "also set, as implied: No_Beard=0 (--exactly" in done.err
    exact = facedial("edit", head, *along, "--set", "Goatee=1", "--exactly", "-o", "exact.png")
    assert (exact.code, exact.err) == (0, "")
    both = facedial(
        "edit",
        head,
        *along,
        "--set",
        "Goatee=1",
        "--set",
        "No_Beard=0",
        "--exactly",
        "-o",
        "both.png",
    )
    assert (both.code, both.err) == (0, "")
    pictures = [read(Path(f"{name}.png")) for name in ("whole", "exact", "both")]
    assert not np.array_equal(pictures[0], pictures[1])
    assert np.array_equal(pictures[0], pictures[2])


def test_add_is_a_shift_and_keep_limits_it(facedial: Facedial, head: Path) -> None:
    pictures = []
    for i, words in enumerate(
        (["Pale_Skin=1.2"], ["Smiling=2"], ["Pale_Skin=1.2", "--keep", "Male"])
    ):
        assert facedial("edit", head, "--add", *words, "-o", f"{i}.png").code == 0
        pictures.append(read(Path(f"{i}.png")))
    assert not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


def test_strip(facedial: Facedial, two: Path) -> None:
    done = facedial("edit", two, "--set", "Narrow_Eyes=1.2", "--face", "all", "--strip")
    assert done.code == 0
    strip = read(Path("two-edited.png"))
    assert strip.shape == (2 * 128 + 2, 3 * 128 + 4, 3)
    facedial("reconstruct", two, "--face", "all", "--size", 128, "-o", "pairs.png")
    assert np.array_equal(strip[:, :258], read(Path("pairs.png")))
    assert not np.array_equal(strip[:, :128], strip[:, 260:])


@pytest.mark.usefixtures("few_steps")
def test_one_face_or_all(facedial: Facedial, two: Path) -> None:
    changed = {}
    for face in (1, 2, "all"):
        out = f"{face}.png"
        assert (
            facedial("edit", two, "--set", "Narrow_Eyes=1.2", "--face", face, "-o", out).code == 0
        )
        there = (read(Path(out)) != read(two)).any(axis=(0, 2))
        changed[face] = bool(there[:200].any()), bool(there[300:].any())
    assert changed == {1: (True, False), 2: (False, True), "all": (True, True)}
    told(
        facedial("edit", two, "--set", "Narrow_Eyes=1.2", "--face", 3, "-o", "3.png"),
        "two.png has 2 faces, so there is no face 3",
        code=2,
    )


def test_each_face_has_settings_of_its_own(facedial: Facedial, two: Path) -> None:
    first, second = ("--add", "Narrow_Eyes=2"), ("--hair-colour", "#7a3318", "--strength", 0.5)
    done = facedial("edit", two, "--face", 1, *first, "--face=rightmost", *second, "-o", "both.png")
    assert (done.code, done.out, done.err) == (0, "both.png\n", "")
    facedial("edit", two, "--face", 1, *first, "-o", "first.png")
    facedial("edit", "first.png", "--face", 2, *second, "-o", "in-turn.png")
    # The second face is found anew in the first one's result, a fraction of a pixel away.
    apart = np.abs(read(Path("both.png")).astype(int) - read(Path("in-turn.png")))
    assert apart.max() <= 4 and apart.mean() < 0.01
    with library.Editor.open() as editor:
        one, other = editor.portraits(library.Photo.open(two), [1, "rightmost"])
        edits = (
            library.Edit(shifts={"Narrow_Eyes": 2}),
            library.Edit(hair_colour="#7a3318", strength=0.5),
        )
        made = editor.edited_all([(one, edits[0]), (other, edits[1])])
    assert np.array_equal(made[-1].photo.pixels, read(Path("both.png")))


def test_settings_before_the_first_face_hold_for_all_that_are_named(
    facedial: Facedial, two: Path
) -> None:
    Path("p.json").write_text('{"add": {"Narrow_Eyes": 1}, "strength": 0.5}')
    common = ("--add", "Narrow_Eyes=2", "--strength", 0.5, "--exactly")
    own = ("--face", 1, "--face", 2, "--add", "narrow_eyes=1", "--strength", 1)
    assert facedial("edit", two, *common, *own, "-o", "a.png").code == 0
    apart = ("--face", 1, "--preset", "p.json", "--add", "Narrow_Eyes=2", "--exactly")
    apart = (*apart, "--face", 2, "--add", "Narrow_Eyes=1", "--exactly")
    assert facedial("edit", two, *apart, "-o", "b.png").code == 0
    assert np.array_equal(read(Path("a.png")), read(Path("b.png")))
    # With one --face, settings are that face's wherever they stand.
    for name, words in (("c", (*common, "--face", 2)), ("d", ("--face", 2, *common))):
        assert facedial("edit", two, *words, "-o", f"{name}.png").code == 0
    assert np.array_equal(read(Path("c.png")), read(Path("d.png")))


def test_faces_that_are_named_twice_or_given_nothing_are_refused(
    facedial: Facedial, two: Path
) -> None:
    smile = ("--set", "Smiling=0")
    for words, sentence in (
        (("--face", 2, *smile, "--face", 2), "--face 2 is given twice"),
        (("--face", "all", *smile, "--face", 2), "--face all names every face"),
        (("--face", 2, *smile, "--face", 1), "--face 1: nothing to change"),
        ((*smile, "--face", 1, "--face", "leftmost"), "two.png: 1 and leftmost are one face"),
        ((*smile, "--face", 1, "--face", 3), "there is no face 3"),
        ((*smile, "--face", 1, "--face", 2, "--ask"), "--ask is for one face"),
        ((*smile, "--face", 1, "--face", 2, "--eyes", "1,2,3,4"), "--eyes is for one face"),
        (("--face", 1, *smile, "--face", 2, "--set", "Smilling=1"), "did you mean Smiling"),
    ):
        told(facedial("edit", two, *words), sentence, code=2)
    assert not Path("two-edited.png").exists()


@pytest.mark.usefixtures("few_steps")
def test_preset_and_what_wins(facedial: Facedial, head: Path) -> None:
    preset = {"set": {"Narrow_Eyes": 1.2}, "keep": ["Male"], "strength": 0.5}
    Path("p.json").write_text(json.dumps(preset))
    assert facedial("edit", head, "--preset", "p.json", "-o", "a.png").code == 0
    words = ("--set", "Narrow_Eyes=1.2", "--keep", "Male", "--strength", 0.5)
    assert facedial("edit", head, *words, "-o", "b.png").code == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    # the options win over the preset, also where it keeps what they change
    assert facedial("edit", head, "--preset", "p.json", "--add", "male=1", "-o", "c.png").code == 0
    assert (
        facedial("edit", head, "--preset", "p.json", "--set", "smiling=0", "-o", "d.png").code == 0
    )
    assert Path("d.png").read_bytes() != Path("a.png").read_bytes()


def test_hair_takes_a_colour_by_its_number(
    facedial: Facedial, astronaut: Path, tmp_path: Path
) -> None:
    """The option is the library's edit, wins over a preset's colour, and needs a parser."""
    Path("p.json").write_text('{"hair_colour": "#102030", "hair_amount": 0.5}')
    words = ("edit", astronaut, "--preset", "p.json", "--hair-colour", "#7A3318", "-o", "a.png")
    done = facedial(*words)
    with library.Editor.open() as editor:
        if not recolours_hair(editor.model):
            told(done, "no parser of heads", code=2)
            return
        (portrait,) = editor.read(library.Photo.open(astronaut))
        editor.render(portrait, library.Edit(hair_colour="#7a3318")).save(tmp_path / "library.png")
    assert (done.code, done.out, done.err) == (0, "a.png\n", "")
    assert Path("a.png").read_bytes() == (tmp_path / "library.png").read_bytes()


def test_dark_lenses(facedial: Facedial, astronaut: Path, tmp_path: Path) -> None:
    """The option is the library's edit, wins over a preset's, and is checked."""
    Path("p.json").write_text('{"set": {"Eyeglasses": 1}, "lens_darkness": 0.2}')
    done = facedial("edit", astronaut, "--preset", "p.json", "--lens-darkness", 1, "-o", "a.png")
    assert (done.code, done.out, done.err) == (0, "a.png\n", "")
    with library.Editor.open() as editor:
        (portrait,) = editor.read(library.Photo.open(astronaut))
        edit = library.Edit({"Eyeglasses": 1}, lens_darkness=1)
        editor.render(portrait, edit).save(tmp_path / "library.png")
    assert Path("a.png").read_bytes() == (tmp_path / "library.png").read_bytes()
    words = ("edit", astronaut, "--set", "Eyeglasses=1", "-o", "b.png", "--lens-darkness")
    told(facedial(*words, 2), "lens darkness must lie in 0..1, found 2", code=2)
    told(facedial(*words, 1, "--method", "flow"), "the method flow draws lenses", code=2)


def test_eyes_where_no_face_is_found(facedial: Facedial, head: Path) -> None:
    with Image.open(head) as image:
        image.transpose(Image.Transpose.ROTATE_180).save("upside-down.png")
    words = ("edit", "upside-down.png", "--set", "Big_Nose=1.2")
    done = facedial(*words, "--eyes", "142,173,98,172")
    assert (done.code, done.err) == (0, "")
    assert not np.array_equal(read(Path("upside-down-edited.png")), read(Path("upside-down.png")))
    told(facedial(*words, "--eyes", "1,2,3", "-o", "e.png"), "--eyes wants four numbers", code=2)
    told(facedial(*words, "--eyes", "1,2,3,nan", "-o", "e.png"), "two eyes are four", code=2)
    told(facedial(*words, "--eyes", "1,2,900,2", "-o", "e.png"), "upside-down.png", code=2)
    told(facedial(*words, head, "--eyes", "1,2,3,4"), "--eyes is for one face of one photo", code=2)


@pytest.mark.parametrize("ending", ["jpg", "webp", "tif", "bmp"])
def test_result_has_the_format_of_the_photo(facedial: Facedial, head: Path, ending: str) -> None:
    with Image.open(head) as image:
        image.save(f"me.{ending}")
    done = facedial("edit", f"me.{ending}", "--set", "Narrow_Eyes=1.2")
    assert done.lines == [f"me-edited.{ending}"]
    with Image.open(f"me-edited.{ending}") as edited, Image.open(f"me.{ending}") as photo:
        assert (edited.format, edited.size) == (photo.format, photo.size)


@pytest.mark.usefixtures("few_steps")
def test_batches_go_into_a_folder(facedial: Facedial, head: Path, two: Path) -> None:
    for folder in ("a", "b"):
        Path(folder).mkdir()
        Path(folder, "me.png").write_bytes(head.read_bytes())
    Path("a", ".hidden.png").write_bytes(b"no picture")
    Path("a", "notes.txt").write_bytes(b"no picture")
    done = facedial("edit", "a", "b", two, "a/me.png", "--set", "Narrow_Eyes=1.2", "-o", "out/deep")
    assert (done.code, done.err) == (
        0,
        "facedial: a: left out 1 file that is not a picture\n",
    )
    names = ("me-edited.png", "me-2-edited.png", "two-edited.png")
    assert done.lines == [str(Path("out/deep", name)) for name in names]
    one = facedial("edit", head, "--set", "Narrow_Eyes=1.2", "-o", "single")
    assert one.lines == [str(Path("single", "head-edited.png"))]


def test_a_batch_goes_on(facedial: Facedial, head: Path, two: Path) -> None:
    Path("in").mkdir()
    Path("in", "1.png").write_bytes(head.read_bytes())
    Path("in", "2.png").write_bytes(b"no picture")
    Path("in", "3.png").write_bytes(two.read_bytes())
    Path("empty").mkdir()
    done = facedial(
        *("edit", "empty", "in", "gone.png", "--set", "Narrow_Eyes=1.2", "--face", "2", "-o", "out")
    )
    assert done.code == 1
    assert done.lines == [str(Path("out", "3-edited.png"))]
    *sentences, summary = done.err.splitlines()
    assert summary == "facedial: 1 of 5 done, 4 failed"
    for sentence, name in zip(sentences, ("empty", "1.png", "2.png", "gone.png"), strict=True):
        assert name in sentence


@pytest.mark.usefixtures("small_demo")
def test_a_batch_reports_failures_as_json(facedial: Facedial, head: Path) -> None:
    Path("bad.png").write_bytes(b"no picture")
    for verb in ("attributes", "reconstruct", "align"):
        done = facedial(verb, head, "bad.png", "--json")
        assert done.code == 1
        report = json.loads(done.out)
        assert [row["input"] for row in report["results"]] == [str(head)]
        assert [row["input"] for row in report["failed"]] == ["bad.png"]
        assert "1 of 2 done, 1 failed" in done.err
    done = facedial("encode", "bad.png", head, "-o", "codes.npz")
    assert (done.code, done.lines) == (1, ["codes.npz"])
    done = facedial("demo", head, "bad.png", "--no-show")
    assert (done.code, done.lines) == (1, ["demo.png"])


def test_identity_is_reported_explained_and_kept(
    facedial: Facedial, head: Path, with_identity: Path
) -> None:
    words = ("edit", head, "--set", "Smiling=0", "--method", "direction", "--model", with_identity)

    def reported(*more: str) -> dict[str, float]:
        done = facedial(*words, *more, "--json", "--overwrite", "-o", "out.png")
        assert done.code == 0, done.err
        (row,) = json.loads(done.out)["results"]
        assert row["input"] == str(head) and row["output"] == "out.png"
        return row

    whole, tenth = reported(), reported("--strength", "0.1")
    assert (whole["strength"], tenth["strength"]) == (1, 0.1)
    assert whole["identity"] < tenth["identity"] < 1
    explained = facedial(*words, "--explain", "-o", "explained.png")
    assert f"head.png: identity {whole['identity']:.2f}" in explained.err
    least = (whole["identity"] + tenth["identity"]) / 2
    kept = reported("--min-identity", str(least))
    assert kept["identity"] >= least and 0.1 < kept["strength"] < 1
    Path("preset.json").write_text(json.dumps({"min_identity": least}))
    assert reported("--preset", "preset.json") == kept
    lowered = facedial(*words, "--min-identity", str(least), "-o", "lowered.png")
    assert (lowered.code, lowered.out) == (0, "lowered.png\n")
    assert f"head.png: strength lowered from 1 to {kept['strength']:.2g}" in lowered.err
    told(facedial(*words, "--min-identity", "1", "-o", "no.png"), "even a tenth", "head.png")
    assert not Path("no.png").exists()


def test_a_report_and_a_picture_do_not_both_go_to_standard_output(
    facedial: Facedial, head: Path
) -> None:
    words = ("edit", head, *NARROW)
    told(facedial(*words, "--json", "-o", "-"), "--json and -o -", code=2)
    (row,) = json.loads(facedial(*words, "--json").out)["results"]
    with library.Editor.open() as editor:
        assert (row["identity"] is not None) is editor.model.has_identity
