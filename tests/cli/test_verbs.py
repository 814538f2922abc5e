"""Every verb over real files: what it writes, what it says, that it can be repeated."""

import json
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facedial import folder, scores
from facedial.cli.entry import VERBS
from facedial.codes.attributes import ATTRIBUTES
from facedial.codes.code import load_codes
from facedial.editor import Editor
from facedial.faces.photo import Photo

from .conftest import QUICK, Facedial, read, told

ALL = folder.names(VERBS)


@pytest.mark.parametrize("verb", ALL)
@pytest.mark.parametrize("ask", ["--help", "-h"])
def test_help_of_every_verb(facedial: Facedial, verb: str, ask: str) -> None:
    done = facedial(verb, ask)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: facedial {verb} ")


@pytest.mark.parametrize("words", [["--help"], ["-h"], []])
def test_help_lists_every_verb(facedial: Facedial, words: list[str]) -> None:
    done = facedial(*words)
    assert (done.code, done.err) == (0, "")
    for verb in ALL:
        assert f"\n  {verb} " in done.out


def test_version(facedial: Facedial) -> None:
    done = facedial("--version")
    assert (done.code, done.out) == (0, f"facedial, version {metadata.version('facedial')}\n")


def test_reconstruct(facedial: Facedial, two: Path) -> None:
    done = facedial("reconstruct", two, "--face", "all", "-o", "pairs.png")
    assert done.code == 0
    assert [line.split(":")[0] for line in done.lines] == ["pairs.png", "pairs.png"]
    assert "4096 bytes" in done.lines[0]
    assert read(Path("pairs.png")).shape == (2 * 256 + 2, 2 * 256 + 2, 3)


def test_reconstruct_in_bytes_as_json(facedial: Facedial, head: Path) -> None:
    done = facedial("reconstruct", head, "--bytes", "--json")
    (row,) = json.loads(done.out)["results"]
    assert (row["bytes"], row["input"], row["output"]) == (
        1024,
        str(head),
        "head-reconstructed.png",
    )
    assert row["psnr"] > 5
    assert -1 <= row["ssim"] <= 1


def test_attributes(facedial: Facedial, head: Path) -> None:
    done = facedial("attributes", head)
    assert done.code == 0
    assert done.lines[0] == f"{head}, face 1"
    values = [float(line.split()[0]) for line in done.lines[1:]]
    assert len(values) == len(ATTRIBUTES)
    assert values == sorted(values, reverse=True)


def test_attributes_as_json(facedial: Facedial, two: Path) -> None:
    done = facedial("attributes", two, "--face", "all", "--json")
    report = json.loads(done.out)
    assert report["failed"] == []
    assert [row["face"] for row in report["results"]] == [1, 2]
    for row in report["results"]:
        assert list(row["attributes"]) == [a.name for a in ATTRIBUTES]
        assert all(0 <= value <= 1 for value in row["attributes"].values())
        assert row["auc"].keys() == row["attributes"].keys()
    (second,) = json.loads(facedial("attributes", two, "--face", 2, "--json").out)["results"]
    assert second["face"] == 2
    assert second["attributes"] == pytest.approx(report["results"][1]["attributes"], abs=1e-4)


def test_attributes_as_csv(facedial: Facedial, head: Path, tmp_path: Path) -> None:
    odd = tmp_path / 'a "b", c.png'
    odd.write_bytes(head.read_bytes())
    done = facedial("attributes", odd, "--csv")
    import csv

    heading, row = csv.reader(done.lines)
    assert heading[:42] == ["file", "face", *(a.name for a in ATTRIBUTES)]
    assert row[:2] == [str(odd), "1"]
    assert len(row) == len(heading)


def test_align(facedial: Facedial, two: Path) -> None:
    done = facedial("align", two, "--face", "all", "--size", 96, "--json")
    report = json.loads(done.out)
    assert [row["output"] for row in report["results"]] == [
        "two-aligned.png",
        "two-aligned-2.png",
    ]
    for row in report["results"]:
        assert read(Path(row["output"])).shape == (96, 96, 3)
        assert np.array(row["to_photo"]).shape == (2, 3)
        assert 0 < row["inside"] <= 1
    left, right = (np.array(row["to_photo"]) @ [48, 48, 1] for row in report["results"])
    assert left[0] < 256 < right[0]


@pytest.mark.parametrize("frame", ["center150", "squash128"])
def test_align_without_a_face(facedial: Facedial, frame: str) -> None:
    Image.linear_gradient("L").save("ramp.png")
    done = facedial("align", "ramp.png", "--frame", frame)
    assert (done.code, done.lines) == (0, ["ramp-aligned.png"])
    assert read(Path("ramp-aligned.png")).shape == (128, 128, 3)


def test_encode_then_decode(facedial: Facedial, two: Path) -> None:
    assert facedial("encode", two, "--face", "all", "-o", "codes.npz").lines == ["codes.npz"]
    table = load_codes("codes.npz")
    assert table.names == ("two.png", "two.png#2")
    assert table.values.shape == (2, 1024)
    done = facedial("decode", "codes.npz", "--single")
    assert done.lines == [str(Path("decoded", name)) for name in ("two.png", "two-2.png")]
    facedial("decode", "codes.npz")
    sheet = read(Path("decoded.png"))
    for x, line in zip((0, 258), done.lines, strict=True):
        assert np.array_equal(sheet[:, x : x + 256], read(Path(line)))
    with Editor.open() as editor:
        (portrait, _) = editor.read(Photo.open(two))
        drawn = editor.decode([portrait.code], size=256)[0]
    # batches of one and of two may round differently
    assert np.abs(read(Path(done.lines[0])).astype(int) - drawn).max() <= 1


def test_parquet_keeps_codes_exactly(facedial: Facedial, head: Path) -> None:
    pytest.importorskip("pyarrow")
    facedial("encode", head, "-o", "codes.npz")
    facedial("encode", head, "-o", "codes.parquet")
    one, other = load_codes("codes.npz"), load_codes("codes.parquet")
    assert np.array_equal(one.values, other.values)
    assert (one.names, one.space) == (other.names, other.space)


def test_a_coded_face_has_some_hundred_bytes(facedial: Facedial, head: Path, two: Path) -> None:
    assert facedial("encode", head, "-o", "face.fd", "--bytes", 160).lines == ["face.fd"]
    assert 140 < Path("face.fd").stat().st_size <= 160
    facedial("encode", head, "-o", "fine.fd", "--quality", 100)
    facedial("encode", head, "-o", "code.npz")
    for name in ("face.fd", "fine.fd", "code.npz"):
        facedial("decode", name, "--size", 128, "-o", f"{name}.png")
    whole = read(Path("code.npz.png")).astype(int)
    coarse, fine = (np.abs(read(Path(f"{n}.fd.png")) - whole).mean() for n in ("face", "fine"))
    assert fine < 6 and fine < 0.6 * coarse < 12
    Path("cut.fd").write_bytes(Path("face.fd").read_bytes()[:100])
    told(facedial("decode", "cut.fd", "-o", "cut.png"), "damaged: its checksum differs", code=2)
    assert not Path("cut.png").exists()
    done = facedial("decode", "cut.fd", "--partial", "-o", "cut.png")
    assert done.lines == ["cut.png"] and "decoded as far as it goes" in done.err
    told(
        facedial("encode", two, "--face", "all", "-o", "two.fd"), "holds one face, found 2", code=2
    )
    told(facedial("encode", head, "-o", "x.npz", "--bytes", 99), "are for .fd files", code=2)
    told(
        facedial("encode", head, "-o", "x.fd", "--bytes", 99, "--quality", 5),
        "give one of them",
        code=2,
    )


def test_a_single_code_may_become_a_single_file(facedial: Facedial, head: Path) -> None:
    facedial("encode", head, "-o", "code.npz")
    assert facedial("decode", "code.npz", "--single", "-o", "face.png").lines == ["face.png"]
    assert read(Path("face.png")).shape == (256, 256, 3)
    small = facedial("decode", "code.npz", "--size", 128, "--single", "-o", "small.png")
    assert small.lines == ["small.png"]
    assert read(Path("small.png")).shape == (128, 128, 3)
    told(
        facedial("decode", "code.npz", "--size", 200, "-o", "odd.png"),
        "draws faces of 128 or 256 px, found 200",
        code=2,
    )
    assert not Path("odd.png").exists()


@pytest.mark.usefixtures("few_steps")
def test_generate_same_seed_same_picture(facedial: Facedial) -> None:
    words = ("generate", "--steps", 2, "-n", 4, "--size", 128)
    for name in ("a.png", "b.png"):
        assert facedial(*words, "--seed", 7, "-o", name).lines == [name]
    facedial(*words, "--seed", 8, "-o", "c.png")
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    assert Path("a.png").read_bytes() != Path("c.png").read_bytes()
    assert read(Path("a.png")).shape == (258, 258, 3)


@pytest.mark.usefixtures("few_steps")
def test_generate_single_files_and_codes(facedial: Facedial) -> None:
    words = ("generate", "--steps", 2, "--seed", 5, "--size", 128)
    done = facedial(*words, "-n", 3, "--single", "--codes", "codes.npz")
    names = [str(Path("faces", f"face-{i:04d}.png")) for i in range(3)]
    assert done.lines == [*names, "codes.npz"]
    assert load_codes("codes.npz").names == tuple(f"seed-5-face-{i:04d}" for i in range(3))
    facedial(*words, "-n", 2, "--codes", "two.npz")
    again = facedial(*words, "-n", 1, "--first", 2, "--single", "-o", "one")
    assert again.lines == [str(Path("one", "face-0002.png"))]
    assert np.array_equal(read(Path("one/face-0002.png")), read(Path("faces/face-0002.png")))
    assert np.array_equal(load_codes("two.npz").values, load_codes("codes.npz").values[:2])


@pytest.mark.usefixtures("few_steps")
def test_generate_with_wishes_and_priors(facedial: Facedial) -> None:
    def codes(*words: object) -> np.ndarray:
        sizes = ("-n", 2, "--size", 128, "--codes", "c.npz", "--overwrite")
        done = facedial("generate", *sizes, *words)
        assert done.code == 0, done.err
        return load_codes("c.npz").values

    few = ("--steps", 2)
    plain = codes(*few)
    assert not np.array_equal(plain, codes(*few, "--set", "male=0", "--set", "Blond_Hair=1"))
    uniform = codes("--prior", "uniform", "--temperature", 1)
    assert uniform.min() >= 0
    assert uniform.max() <= 1
    middle = codes(*few, "--temperature", 0)
    assert np.array_equal(middle[0], middle[1])
    # The learned prior draws people, of whom the grey are not blond anyway.
    asked = ("--prior", "gaussian", "--set", "Gray_Hair=1")
    grey = codes(*asked)
    assert not np.array_equal(grey, codes(*asked, "--exactly"))
    others = [word for c in ("Black", "Blond", "Brown") for word in ("--set", f"{c}_Hair=0")]
    assert np.array_equal(grey, codes(*asked, *others, "--exactly"))


def test_generate_says_what_goes_with_a_wish(facedial: Facedial) -> None:
    done = facedial("generate", *QUICK, "-n", 1, "--set", "Gray_Hair=1")
    assert (done.code, done.out) == (0, "faces.png\n")
    assert "Black_Hair=0, Blond_Hair=0, Brown_Hair=0 (--exactly" in done.err
    assert facedial("generate", *QUICK, "-n", 1, "--set", "Male=1", "--overwrite").err == ""


@pytest.mark.usefixtures("few_steps")
def test_generated_faces_go_back_in(facedial: Facedial) -> None:
    files = facedial("generate", "-n", 2, "--single", "--seed", 3).lines
    eyes = "99.9,133,156.1,133"  # of the head frame at 256 px
    for file in files:
        done = facedial("edit", file, "--add", "Smiling=1", "--eyes", eyes, "-o", "out.png")
        assert (done.code, done.err) == (0, "")
        assert not np.array_equal(read(Path("out.png")), read(Path(file)))
        Path("out.png").unlink()
    # whether a detector sees them depends on the model; either answer is a clear one
    done = facedial("attributes", "faces", "--json")
    report = json.loads(done.out)
    assert len(report["results"]) + len(report["failed"]) == 2
    assert done.code == (1 if report["failed"] else 0)


@pytest.mark.parametrize("name", ["walk.gif", "walk.webp", "walk.png"])
def test_morph(facedial: Facedial, head: Path, sets: tuple[Path, Path], name: str) -> None:
    done = facedial("morph", head, sets[0] / "warm-0.png", "--linear", "--steps", 3, "-o", name)
    assert (done.code, done.lines) == (0, [name])
    with Image.open(name) as walk:
        assert (walk.n_frames, walk.size) == (3, (256, 256))


def test_a_morph_draws_faces_between_and_fades_only_if_told(
    facedial: Facedial, head: Path, sets: tuple[Path, Path]
) -> None:
    """Halfway a straight line has averaged the fine detail of two faces away."""
    last = sets[0] / "warm-0.png"
    words = ("morph", head, last, "--steps", 3, "--size", 128)  # at 256 px detail is drawn in both
    assert facedial(*words, "-o", "faces").code == 0
    assert facedial(*words, "--linear", "-o", "faded").code == 0
    drawn, faded = (
        np.stack([read(Path(name, f"frame-{i:04d}.png")) for i in range(3)])
        for name in ("faces", "faded")
    )
    assert np.array_equal(drawn[::2], faded[::2])
    assert scores.sharpness(drawn)[1] > 1.05 * scores.sharpness(faded)[1]


def test_morph_to_a_film(facedial: Facedial, head: Path) -> None:
    import av

    assert facedial("morph", head, head, "--linear", "--steps", 4, "-o", "walk.mp4").code == 0
    with av.open("walk.mp4") as film:
        found = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert [frame.shape for frame in found] == [(256, 256, 3)] * 4
    assert sorted(p.name for p in Path().glob("*.mp4")) == ["walk.mp4"]


@pytest.mark.usefixtures("few_steps")
def test_morph_through_to_frames(facedial: Facedial, head: Path, two: Path) -> None:
    done = facedial("morph", head, head, "--through", two, "--steps", 3, "-o", "frames")
    assert done.lines == ["frames"]
    # three frames a leg, of which the one in the middle is both legs'
    assert sorted(p.name for p in Path("frames").iterdir()) == [
        f"frame-{i:04d}.png" for i in range(5)
    ]
    first, last = read(Path("frames/frame-0000.png")), read(Path("frames/frame-0004.png"))
    assert np.abs(first.astype(int) - last).max() <= 1


@pytest.mark.usefixtures("few_steps")
def test_demo(facedial: Facedial, head: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facedial.strips.DEMO_ACROSS", 4)
    monkeypatch.setattr("facedial.strips.DEMO_FACES", 5)  # two rows, as of sixteen
    monkeypatch.setattr("facedial.strips.DEMO_EDITS", ("Smiling", "Eyeglasses"))
    done = facedial("demo", "--no-show")
    assert (done.code, done.lines) == (0, ["demo.png"])
    new = read(Path("demo.png"))
    assert new.shape[1] == 4 * 258
    done = facedial("demo", head, "--no-show", "-o", "mine.png")
    assert done.lines == ["mine.png"]
    mine = read(Path("mine.png"))
    above = 2 * 258  # the same new faces, and a row of one photo's edits for four of theirs
    assert np.array_equal(mine[:above], new[:above])
    assert 3 * 258 <= len(new) - len(mine) < 3 * 268


def test_models(facedial: Facedial) -> None:
    done = facedial("models")
    assert done.code == 0
    assert done.lines[0].startswith("facedial  ")
    rows = json.loads(facedial("models", "list", "--json").out)
    assert [row["name"] for row in rows] == ["facedial", "cvae"]
    assert 0 < rows[0]["mb"] < 36
    assert 0 < rows[1]["mb"] <= 6
    done = facedial("models", "check")
    assert done.code == 0
    assert done.out.count("hashes and golden outputs agree") == 2
    assert facedial("models", "card").code == 0


def test_the_conditional_vae_generates_edits_and_reads(facedial: Facedial, head: Path) -> None:
    def drawn(*wishes: str) -> np.ndarray:
        words = ("generate", "-n", 4, "--model", "cvae", "--overwrite", "-o", "faces.png")
        done = facedial(*words, *(word for wish in wishes for word in ("--set", wish)))
        assert done.code == 0, done.err
        return read(Path("faces.png"))

    blond, black = drawn("Blond_Hair=1", "Male=0"), drawn("Black_Hair=1", "Male=0")
    assert np.array_equal(blond, drawn("Blond_Hair=1", "Male=0"))
    assert blond.mean() > black.mean() + 8  # brighter all over
    done = facedial("edit", head, "--model", "cvae", "--set", "Black_Hair=1", "-o", "black.png")
    assert done.code == 0
    assert "Blond_Hair=0" in done.err
    assert not np.array_equal(read(Path("black.png")), read(head))
    assert facedial("attributes", head, "--model", "cvae").code == 0
    done = facedial("edit", head, "--model", "cvae", "--set", "Smiling=0.5", "--strength", "0")
    assert "nothing to change" in done.err


def test_learn_then_edit(facedial: Facedial, sets: tuple[Path, Path], head: Path) -> None:
    warm, cold = sets
    done = facedial("learn", "warmth", "--with", warm, "--without", cold)
    assert (done.code, done.err) == (0, "")
    assert done.lines[0] == "warmth: 5 faces with, 5 without"
    assert done.lines[2] == "5 faces in a set: the AUC says little; 20 give something"
    assert done.lines[-1] == "warmth.npz"
    words = ("edit", head, "--direction", "warmth.npz")
    for amount in (0, 1):
        done = facedial(*words, "--set", f"Warmth={amount}", "-o", f"{amount}.png")
        assert (done.code, done.err) == (0, "")
    # red minus blue in the face follows the light that was learned
    cool, hot = (read(Path(f"{n}.png"))[70:140, 100:170].astype(float) for n in (0, 1))
    assert (hot - cool)[..., 0].mean() > (hot - cool)[..., 2].mean()
    assert facedial(*words, "--keep", "warmth", "--add", "Smiling=1", "-o", "k.png").code == 0


def test_learn_from_lists_as_json(facedial: Facedial, sets: tuple[Path, Path]) -> None:
    for name, photos in zip(("with.txt", "without.txt"), sets, strict=True):
        Path(name).write_text("\n".join(map(str, sorted(photos.iterdir()))) + "\nnot-there.jpg\n")
    done = facedial(
        *("learn", "warmth", "--with", "with.txt", "--without", "without.txt", "--json"),
        *("--balance", "Male,young", "--plain", "--save", "w.npz"),
    )
    assert done.code == 1
    report = json.loads(done.out)
    assert report["direction"] == "w.npz"
    assert report["balanced"] == ["Male", "Young"]
    assert 0 <= report["auc"] <= 1
    assert (report["n_with"], report["n_without"]) == (5, 5)
    assert [row["input"] for row in report["failed"]] == ["not-there.jpg", "not-there.jpg"]
    assert "10 of 12 done, 2 failed" in done.err


@pytest.mark.usefixtures("few_steps")
def test_verify_tells_edited_and_generated_pictures_from_photos(
    facedial: Facedial, head: Path
) -> None:
    assert facedial("edit", head, "--set", "Blond_Hair=1", "-o", "blond.jpg").code == 0
    assert facedial("edit", "blond.jpg", "--set", "Blond_Hair=0", "-o", "dark.png").code == 0
    assert facedial("generate", *QUICK, "-n", "2", "--single", "-o", "faces").code == 0
    walk = ("morph", head, head, "--linear", "--steps", "3", "-o", "walk.webp")
    assert facedial(*walk).code == 0
    done = facedial("verify", head, "blond.jpg", "dark.png", "faces", "walk.webp", "none.jpg")
    assert done.code == 1  # none.jpg does not exist; the others are told
    told = dict(line.rsplit(": ", 1) for line in done.lines)
    edited, made = (f"a picture {rest}made by a trained algorithm" for rest in ("with parts ", ""))
    assert told == {
        str(head): "no mark",
        "blond.jpg": edited,
        "dark.png": edited,
        "faces/face-0000.png": made,
        "faces/face-0001.png": made,
        "walk.webp": made,
    }
    rows = json.loads(facedial("verify", head, "blond.jpg", "--json").out)["results"]
    assert [row["mark"] for row in rows] == [None, "compositeWithTrainedAlgorithmicMedia"]
