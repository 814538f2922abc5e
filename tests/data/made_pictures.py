"""Tiny generated collections in the layouts that `prepare` reads."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facedial.codes.attributes import NAMES
from facedial.data.labels import POINTS

PEOPLE = {"Ada_Lovelace": 3, "Bo_Li": 1, "Carl_Gauss_Jr.": 2, "Dee": 4, "Eva_Maria_Noether": 2}


def picture(seed: int, width: int = 50, height: int = 50) -> np.ndarray:
    """A smooth colourful uint8 picture [height, width, 3] that depends on `seed` alone."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
    large = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return np.array(large, np.uint8)


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    """The picture as a file's bytes, without loss for PNG and WEBP."""
    out = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


def points_of(seed: int) -> np.ndarray:
    """Five landmarks [5, 2] of a face in the middle of a 50-px picture, somewhat turned."""
    face = np.array([[19, 23], [29, 23], [24, 29], [20, 33], [28, 33]], float)
    turn = np.random.default_rng(seed).uniform(-0.3, 0.3)
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    turned: np.ndarray = (face - 24.5) @ spin.T + 24.5
    return turned


def lfw_files() -> dict[str, int]:
    """Names of a small LFW and the seed of each picture."""
    names = [f"{who}/{who}_{n:04d}.png" for who, many in PEOPLE.items() for n in range(1, many + 1)]
    return {name: seed for seed, name in enumerate(names)}


@pytest.fixture(scope="session")
def lfw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in LFW's layout: 12 pictures of five people."""
    root = tmp_path_factory.mktemp("lfw")
    for name, seed in lfw_files().items():
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encoded(picture(seed)))
    return root


@pytest.fixture(scope="session")
def lfw_labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV for `lfw` with landmarks, probabilities of two attributes and a text column."""
    path = tmp_path_factory.mktemp("labels") / "lfw.csv"
    axes = [f"lm_{point}_{axis}" for point in POINTS for axis in "xy"]
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "facer_Smiling", "facer male", "mood", *axes])
        for name, seed in lfw_files().items():
            numbers = [repr(float(v)) for v in points_of(seed).ravel()]
            table.writerow([name.replace(".png", ".webp"), seed / 20, "", f"m{seed}", *numbers])
    return path


def celeba_files() -> dict[str, bytes]:
    """CelebA's official layout in small: four pictures of two people, and the lists."""
    names = [f"{number:06d}.jpg" for number in (7, 40, 123, 202599)]
    files = {
        f"img_align_celeba/{name}": encoded(picture(90 + i, 178, 218), "PNG")
        for i, name in enumerate(names)
    }
    marks = [" ".join("1" if (i + k) % 3 else "-1" for k in range(40)) for i in range(4)]
    rows = [f"{name}  {words}" for name, words in zip(names, marks, strict=True)]
    files["list_attr_celeba.txt"] = "\n".join(["4", " ".join(NAMES), *rows, ""]).encode()
    people = ["11", "11", "12", "12"]
    parts = ["0", "0", "2", "2"]
    spots = ["69 111 108 111 88 135 71 152 106 152"] * 4
    for list_name, cells in (
        ("identity_CelebA.txt", people),
        ("list_eval_partition.txt", parts),
        ("list_landmarks_align_celeba.txt", spots),
    ):
        text = [f"{name} {cell}" for name, cell in zip(names, cells, strict=True)]
        if "landmarks" in list_name:
            text = ["4", "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y", *text]
        files[list_name] = "\n".join([*text, ""]).encode()
    return files
