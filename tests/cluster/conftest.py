"""Photos of one face, and a Ray of two workers for all tests; nothing here without Ray."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

# Not imported here: it reads its settings when it is.
collect_ignore_glob = ["test_*.py"] if importlib.util.find_spec("ray") is None else []

HEAD = (90, 20, 346, 276)  # of the astronaut, whose face is found at first look


@pytest.fixture(scope="session")
def heads(astronaut: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 23 heads of 160 px, each with noise of its own, and a damaged photo: six parts."""
    folder = tmp_path_factory.mktemp("heads")
    with Image.open(astronaut) as image:
        pixels = np.asarray(image.crop(HEAD).resize((160, 160))).astype(np.float32)
    for number in range(23):
        noise = np.random.default_rng(number).normal(0, 4, pixels.shape)
        noisy = np.clip(pixels + noise, 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"{number:02}.png")
    (folder / "07-bad.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """Ray on this machine with two cores, for all tests: it takes seconds to begin."""
    from facedial.cluster.run import LOCAL, connected

    with connected(LOCAL, 2, 1):
        yield
