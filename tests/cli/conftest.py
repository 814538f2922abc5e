"""The command line called in this process, and photos of one person and of two."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facedial.cli.entry import main

NARROW = ("--set", "Narrow_Eyes=1.2")
QUICK = ("--prior", "gaussian")  # for `generate` where any faces will do: others take two seconds
HEAD = (90, 20, 346, 276)  # of the astronaut, whose face is found at first look


@dataclass(frozen=True)
class Done:
    """What one command left behind."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Lines of stdout."""
        return self.out.splitlines()


Facedial = Callable[..., Done]


@pytest.fixture
def facedial(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Facedial:
    """`facedial(*words)` in an empty current folder; a traceback is never shown to anyone."""
    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> Done:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        code = left.value.code
        assert isinstance(code, int)
        return Done(code, out, err)

    return call


@pytest.fixture
def small_demo(few_steps: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo of one new face and one edit, where a demo is one verb of many."""
    monkeypatch.setattr("facedial.strips.DEMO_FACES", 1)
    monkeypatch.setattr("facedial.strips.DEMO_EDITS", ("Smiling",))


@pytest.fixture(scope="session")
def head(astronaut: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The astronaut's head, 256x256."""
    path = tmp_path_factory.mktemp("head") / "head.png"
    with Image.open(astronaut) as image:
        image.crop(HEAD).save(path)
    return path


@pytest.fixture(scope="session")
def two(head: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two faces: the head at 256 px, and at 224 px to its right."""
    path = tmp_path_factory.mktemp("two") / "two.png"
    with Image.open(head) as image:
        whole = Image.new("RGB", (480, 256))
        whole.paste(image, (0, 0))
        whole.paste(image.resize((224, 224)), (256, 16))
    whole.save(path)
    return path


@pytest.fixture(scope="session")
def sets(head: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two folders of five photos each: warm light and cold light, a little noise."""
    with Image.open(head) as image:
        pixels = np.asarray(image).astype(np.float32)
    folders = []
    for name, light in (("warm", (1.15, 1.0, 0.8)), ("cold", (0.8, 1.0, 1.15))):
        folder = tmp_path_factory.mktemp(name)
        for i in range(5):
            noise = np.random.default_rng(i).normal(0, 6, pixels.shape)
            shaded = np.clip(pixels * light + noise, 0, 255).astype(np.uint8)
            Image.fromarray(shaded).save(folder / f"{name}-{i}.png")
        folders.append(folder)
    return folders[0], folders[1]


def read(path: Path) -> np.ndarray:
    """Pixels of a file."""
    with Image.open(path) as image:
        return np.asarray(image)


def told(done: Done, *parts: str, code: int = 1) -> None:
    """Assert one clear sentence on stderr, with all `parts`, nothing on stdout, and the code."""
    assert done.code == code, done.err
    assert done.out == ""
    assert len(done.err.splitlines()) == 1, done.err
    assert done.err.startswith("facedial: ")
    for part in parts:
        assert part in done.err, done.err
