"""`facedial index` and `facedial find`: a small album, extended, pruned and searched."""

import csv
import json
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from facedial.cli.entry import main

from .conftest import Facedial, read, told


def filled(folder: Path, head: Path, two: Path) -> Path:
    """A folder with a head, its mirror image, the head twice in one photo, and a photo of nothing."""
    folder.mkdir()
    with Image.open(head) as image:
        image.save(folder / "head.png")
        ImageOps.mirror(image).save(folder / "mirrored.png")
    (folder / "two.png").write_bytes(two.read_bytes())
    Image.new("RGB", (64, 64), (90, 120, 150)).save(folder / "nothing.png")
    return folder


@pytest.fixture(scope="session")
def album(head: Path, two: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An album that does not change."""
    return filled(tmp_path_factory.mktemp("album") / "album", head, two)


@pytest.fixture(scope="session")
def faces(album: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its index, which is searched alone."""
    folder = tmp_path_factory.mktemp("faces") / "faces"
    with pytest.raises(SystemExit) as left:
        main(["index", str(album), "-o", str(folder)])
    assert left.value.code == 0
    return folder


def test_an_album_is_indexed_extended_and_pruned(
    facedial: Facedial, head: Path, two: Path, tmp_path: Path
) -> None:
    album = filled(tmp_path / "album", head, two)
    (album / "bad.png").write_bytes(b"no picture")
    done = facedial("index", album, "-o", album / "faces")
    assert done.code == 1 and "bad.png is not a picture" in done.err
    holds = "4 photos, 4 faces"
    assert done.lines == [f"{album / 'faces'}: {holds} (4 new, 0 changed, 0 unchanged, 0 removed)"]
    (album / "bad.png").unlink()
    with Image.open(album / "mirrored.png") as image:
        changed = image.rotate(5)
    changed.save(album / "mirrored.png")
    (album / "two.png").unlink()
    done = facedial("index", album, "-o", album / "faces", "--json")
    assert done.code == 0 and len(done.err.splitlines()) == 1
    assert "1 photo of the index no longer exists, as" in done.err and "--prune" in done.err
    (row,) = json.loads(done.out)["results"]
    counts = ("photos", "faces", "new", "changed", "unchanged", "removed")
    assert [row[name] for name in counts] == [4, 4, 0, 1, 2, 0]
    assert row["gone"] == [str(album / "two.png")]
    done = facedial("index", album, "-o", album / "faces", "--prune", "--workers", 1)
    assert (done.code, done.err) == (0, "")
    assert "3 photos, 2 faces (0 new, 0 changed, 3 unchanged, 1 removed)" in done.out


def test_the_same_person_is_found_wherever_the_face_is(
    facedial: Facedial, album: Path, faces: Path, head: Path
) -> None:
    done = facedial("find", head, "--in", faces, "--picture", "found.png")
    assert (done.code, done.err) == (0, "found.png\n")
    assert done.lines[0] == f"{head}, face 1" and len(done.lines) == 5
    for rank, line in enumerate(done.lines[1:], 1):
        assert line.startswith((f"  {rank}. 0.9", f"  {rank}. 1.00"))
        assert line.endswith("(likely the same person)") and ".png, face " in line
    assert read(Path("found.png")).shape == (150, 5 * 130 - 2, 3)
    done = facedial("find", album / "two.png", "--face", "all", "--in", faces, "--json")
    assert [row["query_face"] for row in json.loads(done.out)["results"]] == [1, 1, 1, 2, 2, 2]


def test_faces_are_found_by_code_and_the_face_itself_is_left_out(
    facedial: Facedial, album: Path, faces: Path
) -> None:
    done = facedial("find", album / "head.png", "--in", faces, "--by", "code", "-n", 3, "--json")
    rows = json.loads(done.out)["results"]
    assert [row["rank"] for row in rows] == [1, 2, 3] and "same_person" not in rows[0]
    assert {Path(row["file"]).name for row in rows} == {"two.png", "mirrored.png"}
    scores = [row["score"] for row in rows]
    assert scores == sorted(scores, reverse=True) and len(rows[0]["box"]) == 4


def test_faces_are_sorted_by_an_attribute(facedial: Facedial, faces: Path) -> None:
    done = facedial("find", "--in", faces, "--sort-by", "smiling", "--least", "--csv")
    values = [float(row["score"]) for row in csv.DictReader(done.lines)]
    assert len(values) == 4 and values == sorted(values) and values[0] > 0.5


WRONG = [
    (["find", "--in", "faces"], "give either a PHOTO with the face to look for, or --sort-by"),
    (["find", "HEAD", "--in", "faces", "--sort-by", "Male"], "give either a PHOTO"),
    (["find", "HEAD", "--in", "faces", "--least"], "--least is for --sort-by"),
    (["find", "--sort-by", "Male", "--by", "code", "--in", "faces"], "does not go with --sort-by"),
    (["find", "HEAD", "--in", "faces", "--json", "--csv"], "choose one of --json and --csv"),
    (["find", "HEAD", "--in", "faces", "--picture", "x.txt"], "cannot write x.txt"),
    (
        ["find", "HEAD", "--in", "faces", "--face", "2"],
        "head.png has 1 face, so there is no face 2",
    ),
    (["find", "HEAD", "--by", "hair", "--in", "faces"], "'hair' is not one of 'person', 'code'"),
    (["find", "--sort-by", "Smilling", "--in", "faces"], "did you mean Smiling?"),
    (["index", "photo.png", "-o", "."], ". exists and is no index; give the name of a new folder"),
]


def test_wrong_uses_are_one_sentence(facedial: Facedial, faces: Path, head: Path) -> None:
    Path("photo.png").write_bytes(head.read_bytes())
    for words, sentence in WRONG:
        done = facedial(*({"HEAD": head, "faces": faces}.get(word, word) for word in words))
        told(done, sentence, code=2)
    told(facedial("find", head, "--in", "gone"), "gone is no index: it has no index.json")


def test_without_pyarrow_an_index_says_what_to_install(
    facedial: Facedial, head: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for words in (("index", head, "-o", "faces"), ("find", head, "--in", "faces")):
        told(facedial(*words), "an index needs pyarrow: pip install 'facedial[search]'", code=2)
