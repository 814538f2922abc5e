"""What is imported when: help is light, use needs no torch, `--debug` shows where it went wrong."""

import os
import subprocess
import sys
from pathlib import Path

HEAVY = "numpy torch PIL onnxruntime rich pyarrow lightning_fabric fastapi uvicorn ray"

LIGHT = f"""
import sys
HEAVY = set("{HEAVY}".split())
import facedial
assert not HEAVY & sys.modules.keys(), HEAVY & sys.modules.keys()
from facedial import folder
from facedial.cli.entry import VERBS, main
for words in (["--help"], *([verb, "--help"] for verb in folder.names(VERBS))):
    try:
        main(words)
    except SystemExit as done:
        assert done.code == 0, words
    assert not HEAVY & sys.modules.keys(), (words, HEAVY & sys.modules.keys())
"""

# A package that is None in `sys.modules` cannot be imported, as if it were not installed.
WITHOUT_EXTRAS = """
import sys
for name in ("torch", "lightning_fabric", "pyarrow", "onnx", "safetensors", "matplotlib",
             "fastapi", "starlette", "uvicorn", "prometheus_client", "av", "constriction", "usearch",
             "ray"):
    sys.modules[name] = None
from functools import lru_cache, partial
from facedial.runtime import session
session.opened = lru_cache(session.opened)  # ten verbs open the same graphs
from facedial import changes, generation, strips
strips.DEMO_FACES, strips.DEMO_EDITS = 1, ("Smiling",)
generation.STEPS, generation.MAX_ATTEMPTS = 1, 1
generation.FlowInterpolation = partial(generation.FlowInterpolation, steps=1)
changes.FlowEdit = partial(changes.FlowEdit, steps=1)
from facedial.cli.entry import main
photo = sys.argv[1]

def run(*words):
    print("RUN", *words, file=sys.stderr, flush=True)
    try:
        main(list(words))
    except SystemExit as done:
        print("EXIT", done.code, file=sys.stderr, flush=True)

run("edit", photo, "--set", "Narrow_Eyes=1.2")
run("reconstruct", photo)
run("attributes", photo, "--json")
run("align", photo)
run("generate", "-n", "1")
run("morph", photo, photo, "--steps", "2")
run("encode", photo, "-o", "c.npz")
run("decode", "c.npz")
run("demo", photo, "--no-show")
run("models", "check")
run("learn", "x", "--with", "list.txt", "--without", "list.txt")
run("encode", photo, "-o", "c.parquet")
run("encode", photo, "-o", "c.fd")
run("faces", photo, "-o", "found", "--cluster")
run("edit", "clip.mp4", "--set", "Smiling=1")
run("train", "autoencoder", "--data", "store")
run("export", "run", "-o", "bundle")
run("prepare", ".", "-o", "store")
run("serve", "--port", "0")
run("index", photo, "-o", "faces")
"""


def python(folder: Path, program: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 (our own text, no shell)
        [sys.executable, "-c", program, *words],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_importing_and_helping_load_nothing_heavy(tmp_path: Path) -> None:
    done = python(tmp_path, LIGHT)
    assert (done.returncode, done.stderr) == (0, "")


def test_use_leaves_nothing_behind_and_lets_nobody_know(tmp_path: Path, head: Path) -> None:
    """Unless told not to, onnxruntime writes an id of the device and reports to its maker."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    program = "import sys; from facedial.cli.entry import main; main(sys.argv[1:])"
    done = subprocess.run(  # noqa: S603 (our own text, no shell)
        [
            sys.executable,
            "-c",
            program,
            "edit",
            str(head),
            "--set",
            "Narrow_Eyes=1.2",
            "-o",
            "out.png",
        ],
        cwd=work,
        env={**os.environ, "HOME": str(home), "TMPDIR": str(home)} | _TALKATIVE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(home.rglob("*")) == []
    assert [path.name for path in work.iterdir()] == ["out.png"]


# As on a computer where nobody has switched it off.
_TALKATIVE = {"ORT_DISABLE_TELEMETRY": "", "ORT_TELEMETRY_DISABLED": "", "CI": ""}


def test_use_needs_no_extras_and_the_rest_names_them(tmp_path: Path, head: Path) -> None:
    (tmp_path / "list.txt").write_text(str(head))
    done = python(tmp_path, WITHOUT_EXTRAS, str(head))
    assert "Traceback" not in done.stderr
    runs = {}
    for part in done.stderr.split("RUN ")[1:]:
        words, _, rest = part.partition("\n")
        *said, code = rest.splitlines()
        runs[" ".join(words.split()[:1] + words.split()[-1:])] = (code, said)
    assert len(runs) == 20
    for name, (code, said) in list(runs.items())[:10]:
        assert (code, said) == ("EXIT 0", []), name
    extras = {
        "serve": "serve", "encode": "parquet", "edit": "video", "index": "search", "faces": "cluster",
    }  # fmt: skip
    coded = "encode c.fd"
    for name, (code, said) in list(runs.items())[10:]:
        assert code in ("EXIT 1", "EXIT 2"), name
        assert len(said) == 1, name
        if name != "learn list.txt":
            extra = "fd" if name == coded else extras.get(name.split()[0], "train")
            assert f"pip install 'facedial[{extra}]'" in said[0], (name, said)
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix == ".parquet") == []


def test_debug_shows_the_traceback_wherever_it_stands(tmp_path: Path) -> None:
    program = (
        "from facedial.cli.entry import main\n"
        "for words in (['--debug', 'generate', '--model', 'no/such'],\n"
        "              ['attributes', 'gone.png', '--debug']):\n"
        "    try:\n"
        "        main(words)\n"
        "    except SystemExit as done:\n"
        "        print('EXIT', done.code)\n"
        "    except Exception as error:\n"
        "        print('RAISED', type(error).__name__)\n"
    )
    done = python(tmp_path, program)
    assert done.stdout.splitlines() == ["RAISED BadBundle", "EXIT 1"]
    assert "Traceback (most recent call last)" in done.stderr
    assert "there is no file gone.png" in done.stderr.splitlines()[-1]
