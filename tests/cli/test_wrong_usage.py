"""Wrong usage: one clear sentence, exit code 2, and every file stays what it was."""

from pathlib import Path

import pytest

from .conftest import NARROW, QUICK, Facedial, told

WRONG_EDITS = [
    (["--set", "Smilling=1"], "did you mean Smiling?"),
    (["--add", "mal=1"], "did you mean Male?"),
    (["--keep", "Yuong", *NARROW], "did you mean Young?"),
    (["--set", "Smiling=2"], "target of Smiling must lie in -0.5..1.5, found 2"),
    (["--set", "Smiling=nan"], "target of Smiling must be a number"),
    (["--set", "Smiling=much"], "'much' in 'Smiling=much' is not a number"),
    (["--set", "Smiling"], "write NAME=AMOUNT"),
    (["--add", "Smiling=6"], "shift of Smiling must lie in -5..5, found 6"),
    (["--strength", "4", *NARROW], "strength must lie in 0..3, found 4"),
    (["--strength", "nan", *NARROW], "strength must be a number"),
    (["--strength", "lots", *NARROW], "'lots' is not a valid float"),
    (["--keep", "Smiling", "--set", "Smiling=0.4"], "Smiling is asked for twice"),
    (["--add", "Smiling=1", "--set", "Smiling=0.4"], "Smiling is asked for twice"),
    (["--set", "smiling=0", "--set", "Smiling=0.4"], "Smiling is given twice"),
    (["--preset", "gone.json"], "gone.json cannot be read (No such file or directory)"),
    (["--preset", "bad.json"], "bad.json is no edit"),
    (["--preset", "unknown.json"], "no attribute named 'Wisdom'"),
    (["--preset", "binary.json"], "binary.json is no preset"),
    (["--face", "0", *NARROW], "head.png has 1 face, so there is no face 0"),
    (["--face", "2", *NARROW], "head.png has 1 face, so there is no face 2"),
    (["--face", "left", *NARROW], "'rightmost', or a point 'X,Y' in photo pixels, found 'left'"),
    (["--face", "1,2,3", *NARROW], "a face is a number from 1 on, 'all', 'largest', "),
    (["--face", "2,250", *NARROW], "head.png has 1 face, none at 2,250: 1 at "),
    (["-o", "out.xyz", *NARROW], "cannot write out.xyz: use one of .png .jpg"),
    (["-o", "no/such/out.png", *NARROW], "there is no folder no/such"),
    (["--hair-colour", "red"], "a hair colour is written #rrggbb, found 'red'"),
    (["--sett", "Smiling=0.4"], "No such option '--sett'"),
]


@pytest.mark.parametrize(("words", "sentence"), WRONG_EDITS, ids=lambda value: str(value)[:40])
def test_wrong_edits(facedial: Facedial, head: Path, words: list[str], sentence: str) -> None:
    Path("bad.json").write_text("{")
    Path("unknown.json").write_text('{"set": {"Wisdom": 1}}')
    Path("binary.json").write_bytes(b"\xff\xfe\xfa")
    before = sorted(Path().iterdir())
    told(facedial("edit", head, *words), sentence, code=2)
    assert sorted(Path().iterdir()) == before


WRONG_USES = [
    (["generate", "--set", "Smilling=1"], "did you mean Smiling?"),
    (["generate", "--set", "Smiling"], "write NAME=AMOUNT"),
    (["generate", "--set", "Smiling=7"], "-0.5..1.5"),
    (["generate", "--set", "Smiling=nan"], "-0.5..1.5"),
    (["generate", "--set", "Smiling=0.4", "--set", "smiling=0"], "twice"),
    (["generate", "--set", "Smiling=0.4", "--set", "Smiling=0"], "Smiling is given twice"),
    (["generate", "-n", "0"], "0 is not in the range"),
    (["generate", "--temperature", "3"], "3.0 is not in the range"),
    (["generate", "--temperature", "nan"], "temperature"),
    (["generate", "--seed", "-1"], "-1 is not in the range"),
    (["generate", "--prior", "flaw"], "no prior named 'flaw'"),
    (["generate", *QUICK, "-n", "2", "--single", "-o", "x.png"], "x.png is one file"),
    (["generate", "-o", "x.xyz"], "cannot write x.xyz"),
    (["generate", "--codes", "x.txt"], "codes are written as .npz or .parquet"),
    (["align", "HEAD", "--frame", "had"], "did you mean head?"),
    (["align", "HEAD", "--size", "5"], "5 is not in the range"),
    (["faces", "HEAD", "--overwrite"], "are for what -o saves; give -o"),
    (["faces", "HEAD", "--skip-existing"], "are for what -o saves; give -o"),
    (["faces", "HEAD", "-o", "boxes.txt"], "cannot write boxes.txt: use one of"),
    (["encode", "HEAD"], "Missing option '-o' / '--out'"),
    (["encode", "HEAD", "-o", "x.txt"], "codes are written as .npz, .parquet or .fd"),
    (["attributes", "HEAD", "--json", "--csv"], "choose one of --json, --json-lines"),
    (["morph", "HEAD"], "Missing argument 'LAST'"),
    (["morph", "HEAD", "HEAD", "-o", "x.avi"], "x.avi must end in one of .gif, .webp, .png, .mp4"),
    (["morph", "HEAD", "HEAD", "--steps", "1"], "1 is not in the range"),
    (["morph", "HEAD", "HEAD", "--per-second", "nan"], "frames per second lie in 1..60"),
    (["models", "chekc"], "no action named 'chekc'"),
    (["models", "check", "facedail"], "did you mean facedial?"),
    (["learn", "Smiling", "--with", ".", "--without", "."], ". holds no pictures"),
    (["learn", "smiling", "--with", "SETS", "--without", "SETS"], "attribute Smiling already"),
    (["learn", "a=b", "--with", "SETS", "--without", "SETS"], "a name without '='"),
    (["learn", "x", "--with", "gone", "--without", "SETS"], "gone does not exist"),
    (["learn", "x", "--with", "HEAD", "--without", "SETS"], "head.png is no list of paths"),
    (["learn", "x", "--with", "SETS", "--without", "SETS"], "are they the same photos?"),
    (["learn", "x", "--with", "few.txt", "--without", "SETS"], "4 faces or more, found 1"),
    (
        ["learn", "x", "--with", "SETS", "--without", "SETS", "--balance", "mal"],
        "did you mean Male?",
    ),
    (
        ["learn", "x", "--with", "SETS", "--without", "SETS", "--save", "x.json"],
        "directions are written as .npz",
    ),
    (["edti", "HEAD"], "no verb named 'edti'; did you mean edit?"),
    (["xyzzy"], "no verb named 'xyzzy'; known: align, attributes"),
    (["edit"], "Missing argument 'PHOTO...'; see facedial edit --help"),
    (["--wrong"], "No such option '--wrong'"),
]


@pytest.mark.parametrize(("words", "sentence"), WRONG_USES, ids=lambda value: str(value)[:60])
def test_wrong_uses(
    facedial: Facedial,
    head: Path,
    sets: tuple[Path, Path],
    words: list[str],
    sentence: str,
) -> None:
    Path("few.txt").write_text(str(head))
    real = {"HEAD": head, "SETS": sets[0]}
    told(facedial(*(real.get(word, word) for word in words)), sentence, code=2)
    assert [p.name for p in Path().iterdir()] == ["few.txt"]


OUTPUTS = {
    "edit": ("edit", "HEAD", *NARROW, "-o", "there.png"),
    "reconstruct": ("reconstruct", "HEAD", "-o", "there.png"),
    "align": ("align", "HEAD", "-o", "there.png"),
    "faces": ("faces", "HEAD", "-o", "there.png"),
    "encode": ("encode", "HEAD", "-o", "there.npz"),
    "decode": ("decode", "CODES", "-o", "there.png"),
    "generate": ("generate", *QUICK, "-n", "1", "-o", "there.png"),
    "generate codes": ("generate", *QUICK, "-n", "1", "--codes", "there.npz"),
    "morph": ("morph", "HEAD", "HEAD", "--linear", "--steps", "2", "-o", "there.gif"),
    "learn": ("learn", "x", "--with", "WARM", "--without", "COLD", "--save", "there.npz"),
    "demo": ("demo", "HEAD", "--no-show", "-o", "there.png"),
}


@pytest.mark.usefixtures("small_demo")
@pytest.mark.parametrize("verb", OUTPUTS)
def test_existing_outputs(
    facedial: Facedial, head: Path, sets: tuple[Path, Path], tmp_path: Path, verb: str
) -> None:
    codes = tmp_path.parent / f"{tmp_path.name}.npz"
    facedial("encode", head, "-o", codes)
    real = {"HEAD": head, "CODES": codes, "WARM": sets[0], "COLD": sets[1]}
    words = [real.get(word, word) for word in OUTPUTS[verb]]
    (there,) = (Path(str(word)) for word in words if str(word).startswith("there"))
    there.write_bytes(b"what was there")
    told(facedial(*words), f"{there} exists", "--overwrite", code=2)
    assert there.read_bytes() == b"what was there"
    assert list(Path().iterdir()) == [there]
    done = facedial(*words, "--overwrite")
    assert (done.code, done.err) == (0, "")
    assert there.read_bytes() != b"what was there"


def test_existing_outputs_of_many(facedial: Facedial, head: Path, two: Path) -> None:
    Path("out").mkdir()
    there = Path("out", "two-edited.png")
    there.write_bytes(b"what was there")
    told(facedial("edit", head, two, *NARROW, "-o", "out"), f"{there} exists", code=2)
    told(facedial("edit", head, two, *NARROW, "-o", there), "several results need a folder", code=2)
    there.rename("out/face-0001.png")
    done = facedial("generate", *QUICK, "-n", 2, "--single", "-o", "out")
    told(done, "face-0001.png exists", code=2)
    Path("out/face-0001.png").rename("out/frame-0000.png")
    told(facedial("morph", head, two, "-o", "out"), "frame-0000.png exists", code=2)
    Path("out/frame-0000.png").rename("out/a-2.png")
    told(facedial("align", two, "--face", "all", "-o", "out/a.png"), "a-2.png exists", code=2)
    assert [p.name for p in Path("out").iterdir()] == ["a-2.png"]
    assert Path("out/a-2.png").read_bytes() == b"what was there"
    told(facedial("generate", "-o", "out"), "out", code=2)
