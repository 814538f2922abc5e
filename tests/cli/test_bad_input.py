"""Bad input: one clear sentence and the right exit code for each, and nothing half written."""

import errno
import json
import os
import resource
import shutil
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facedial.codes.code import CodeTable, load_codes, save_codes
from facedial.editor import Editor
from facedial.runtime.bundle import DEFAULT, home

from .conftest import NARROW, QUICK, Facedial, read, told


def header_only(width: int, height: int) -> bytes:
    """A PNG that announces its size and whose pixels are lies."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b""))


def flat(size: int) -> Callable[[Path], None]:
    """Writes a grey square."""
    return lambda path: Image.new("RGB", (size, size), (120, 120, 120)).save(path, "PNG")


def truncated(path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(noise).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:-900])


BAD_PHOTOS = {
    "missing": (lambda path: None, "there is no file"),
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "text": (lambda path: path.write_text("hello " * 99), "is not a picture"),
    "truncated": (truncated, "damaged or cut short"),
    "one_pixel": (flat(1), "too small: 1x1 pixels; 16x16 is the least"),
    "huge": (lambda path: path.write_bytes(header_only(30_000, 30_000)), "200 megapixels"),
    "no_face": (flat(64), "no face found"),
    "empty_folder": (lambda path: path.mkdir(), "holds no pictures"),
}


@pytest.mark.parametrize("kind", BAD_PHOTOS)
def test_bad_photos(facedial: Facedial, kind: str) -> None:
    make, sentence = BAD_PHOTOS[kind]
    name = f"{kind}.jpg"
    make(Path(name))
    before = sorted(Path().iterdir())
    told(facedial("edit", name, *NARROW), name, sentence)
    told(facedial("encode", name, "-o", "codes.npz"), name, sentence)
    told(facedial("attributes", name), name, sentence)
    told(facedial("faces", name), name, sentence)
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize(
    "verb", ["edit", "reconstruct", "align", "encode", "attributes", "demo", "faces"]
)
def test_every_verb_names_the_bad_file(facedial: Facedial, verb: str) -> None:
    Path("bad.png").write_text("no picture")
    more = {"edit": NARROW, "encode": ("-o", "x.npz"), "demo": ("--no-show",)}
    told(facedial(verb, "bad.png", *more.get(verb, ())), "bad.png is not a picture")
    told(facedial("morph", "bad.png", "bad.png"), "bad.png is not a picture")


ODD_MODES = {
    "grey": lambda image: image.convert("L"),
    "grey_alpha": lambda image: image.convert("LA"),
    "palette": lambda image: image.convert("P"),
    "rgba": lambda image: image.convert("RGBA"),
    "cmyk": lambda image: image.convert("CMYK"),
    "deep": lambda image: Image.fromarray(
        np.asarray(image.convert("L")).astype(np.uint16) * np.uint16(257)
    ),
    "float": lambda image: image.convert("F"),
}


KEPT = {"grey": 1, "grey_alpha": 2, "rgba": 4, "cmyk": 4, "deep": 1}  # channels of a result; else 3


@pytest.mark.parametrize("mode", ODD_MODES)
def test_odd_modes_work(facedial: Facedial, head: Path, mode: str) -> None:
    ending = "tif" if mode in ("cmyk", "float") else "png"
    with Image.open(head) as image:
        ODD_MODES[mode](image).save(f"{mode}.{ending}")
    done = facedial("edit", f"{mode}.{ending}", *NARROW)
    assert (done.code, done.err) == (0, "")
    result = read(Path(f"{mode}-edited.{ending}"))
    assert result.reshape(256, 256, -1).shape[2] == KEPT.get(mode, 3)
    assert result.dtype == (np.uint16 if mode == "deep" else np.uint8)


@contextmanager
def without_rights(*paths: Path) -> Iterator[None]:
    """Nobody may read or write `paths` (`open`: no write); root steps down for it."""
    for path in paths:
        path.chmod(0o555 if path.name == "open" else 0)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(65534)
        yield
    finally:
        if root:
            os.seteuid(0)
        for path in paths:
            path.chmod(0o755)


@pytest.fixture
def everyones() -> Iterator[Path]:
    """A folder that any user may enter; pytest's own are for the one who runs it."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_without_rights(facedial: Facedial, head: Path, everyones: Path) -> None:
    with Editor.open():
        pass  # what is imported late is imported with rights
    locked, closed, me, secret = (everyones / n for n in ("locked", "open", "me.png", "no.png"))
    locked.mkdir()
    closed.mkdir()
    me.write_bytes(head.read_bytes())
    secret.write_bytes(head.read_bytes())
    me.chmod(0o644)
    denied = "Permission denied"
    with without_rights(locked, closed, secret):
        for inside in (locked, locked / "me.png", secret):
            told(facedial("attributes", inside), str(inside), denied)
        told(facedial("edit", me, *NARROW, "-o", closed / "out.png"), "out.png", denied)
        told(facedial("encode", me, "-o", closed / "out.npz"), "out.npz", denied)
        new = ("generate", *QUICK, "-n", 1)
        told(facedial(*new, "--single", "-o", closed / "new"), "new", denied)
        told(facedial(*new, "-o", locked / "x.png"), "x.png", denied)
        done = facedial("attributes", locked, me)
    assert done.code == 1
    assert done.out.startswith(str(me))
    assert done.err.endswith("facedial: 1 of 2 done, 1 failed\n")
    assert list(closed.iterdir()) == []


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The system refuses to write files longer than `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


WRITERS = {
    "edit": (*NARROW, "-o", "out.png"),
    "reconstruct": ("-o", "out.png"),
    "align": ("-o", "out.png"),
    "faces": ("-o", "out.png"),
    "encode": ("-o", "out.npz"),
    "morph": ("-o", "out.webp", "--linear", "--steps", "3"),
}


@pytest.mark.parametrize("verb", WRITERS)
def test_full_disk(
    facedial: Facedial, monkeypatch: pytest.MonkeyPatch, head: Path, verb: str
) -> None:
    words = (verb, head, *([head] if verb == "morph" else []), *WRITERS[verb])
    out = WRITERS[verb][WRITERS[verb].index("-o") + 1]
    with files_of_at_most(2000):
        told(facedial(*words), f"cannot write {out}: File too large")
    assert list(Path().iterdir()) == []

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    Path(out).write_bytes(b"what was there")
    monkeypatch.setattr(os, "replace", full)
    told(facedial(*words, "--overwrite"), f"cannot write {out}: No space left on device")
    assert [p.name for p in Path().iterdir()] == [out]
    assert Path(out).read_bytes() == b"what was there"


@pytest.mark.usefixtures("small_demo")
def test_full_disk_of_other_writers(facedial: Facedial, sets: tuple[Path, Path]) -> None:
    warm, cold = sets
    with files_of_at_most(2000):
        told(facedial("generate", *QUICK, "-n", 1), "cannot write faces.png")
        told(facedial("generate", *QUICK, "-n", 1, "--single"), "face-0000.png")
        told(facedial("demo", "--no-show"), "cannot write demo.png")
        told(facedial("learn", "warmth", "--with", warm, "--without", cold), "warmth.npz")
    assert [p for p in Path().rglob("*") if p.is_file()] == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_full_standard_output(
    facedial: Facedial, monkeypatch: pytest.MonkeyPatch, head: Path
) -> None:
    with open("/dev/full", "w", buffering=1) as full:
        monkeypatch.setattr("sys.stdout", full)
        told(facedial("models"), "No space left on device")
        told(facedial("attributes", head), "No space left on device")
        monkeypatch.undo()
        with pytest.raises(OSError, match="No space"):
            full.close()


@pytest.fixture
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the bundled model."""
    return Path(shutil.copytree(home() / DEFAULT, tmp_path_factory.mktemp("bundle") / "copy"))


def test_flipped_byte_in_any_file_of_a_bundle(facedial: Facedial, bundle: Path) -> None:
    assert facedial("models", "check", bundle).code == 0
    for name in json.loads((bundle / "bundle.json").read_text())["files"]:
        file = bundle / name
        whole = file.read_bytes()
        damaged = bytearray(whole)
        damaged[len(whole) // 2] ^= 1
        file.write_bytes(damaged)
        told(facedial("models", "check", bundle), str(file), "changed or damaged", "reinstall")
        told(facedial("generate", "--model", bundle), str(file), "changed or damaged")
        file.write_bytes(whole)
    (bundle / "shared.bin").unlink()
    told(facedial("generate", "--model", bundle), "shared.bin is missing")


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ("{", "bundle.json cannot be read"),
        ('{"format": 99}', "has bundle format 99, this version reads format 1"),
        ("[]", "has bundle format none"),
        ('{"format": 1}', "export the model again"),
    ],
)
def test_wrong_bundles(facedial: Facedial, facts: str, sentence: str) -> None:
    Path("wrong").mkdir()
    Path("wrong", "bundle.json").write_text(facts)
    told(facedial("generate", "--model", "wrong"), "wrong", sentence)


def test_what_is_no_bundle(facedial: Facedial, head: Path) -> None:
    Path("run").mkdir()
    Path("run", "checkpoint.safetensors").write_bytes(b"weights")
    for words in (("edit", head, *NARROW), ("attributes", head), ("generate",), ("demo",)):
        told(facedial(*words, "--model", "run"), "run is no bundle", "facedial export")
    told(facedial("models", "check", "run"), "run is no bundle")
    told(facedial("generate", "--model", head), str(head))
    told(facedial("generate", "--model", "no/such"), "no/such does not exist")
    told(facedial("generate", "--model", "facedail"), "did you mean facedial?", code=2)


def test_codes_of_another_space(facedial: Facedial, head: Path) -> None:
    facedial("encode", head, "-o", "mine.npz")
    mine = load_codes("mine.npz")
    save_codes("other.npz", CodeTable(mine.values, "another-model", mine.names))
    told(facedial("decode", "other.npz"), "another-model", mine.space, "encode the photo again")
    save_codes("short.npz", CodeTable(mine.values[:, :9], mine.space, mine.names))
    told(facedial("decode", "short.npz"), "has 1024 numbers, found 9", code=2)
    save_codes("none.npz", CodeTable(mine.values[:0], mine.space, ()))
    told(facedial("decode", "none.npz"), "no codes", code=2)
    Path("text.npz").write_text("no codes")
    told(facedial("decode", "text.npz"), "text.npz is not a file of codes", code=2)
    told(facedial("decode", "gone.npz"), "no codes file gone.npz", code=2)
    told(facedial("decode", head), ".npz or .parquet", code=2)


def test_directions_of_another_space(
    facedial: Facedial, sets: tuple[Path, Path], head: Path
) -> None:
    facedial("learn", "warmth", "--with", sets[0], "--without", sets[1])
    with np.load("warmth.npz") as file:
        arrays = {name: file[name] for name in file.files}
    np.savez("other.npz", **{**arrays, "space": np.array("another-model")})
    words = ("edit", head, "--set", "warmth=1", "--direction")
    told(facedial(*words, "other.npz"), "another-model")
    Path("text.npz").write_text("no direction")
    told(facedial(*words, "text.npz"), "text.npz is not a learned direction", code=2)
    told(facedial(*words, "gone.npz"), "gone.npz", code=2)
    np.savez("smiling.npz", **{**arrays, "name": np.array("smiling")})
    told(facedial(*words, "smiling.npz"), "exists already", code=2)


@pytest.mark.parametrize("error", [KeyboardInterrupt, EOFError])
def test_interrupted(
    facedial: Facedial, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Editor, "open", stop)
    done = facedial("generate")
    assert (done.code, done.out) == (130, "")
    assert done.err.split("\n")[-2:] == ["facedial: interrupted", ""]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MemoryError(), "out of memory"),
        (OSError("odd"), "facedial: odd"),
        (ZeroDivisionError("by\nzero"), "a fault of facedial (ZeroDivisionError: by zero)"),
        (ImportError("no", name="torch.nn"), "needs torch, which is not installed"),
    ],
)
def test_what_nobody_foresaw(
    facedial: Facedial, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Editor, "open", fail)
    told(facedial("generate"), sentence, code=2 if isinstance(error, ImportError) else 1)
