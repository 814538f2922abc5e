"""`facedial pick`, and the tables of `facedial attributes`."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from facedial.codes.attributes import NAMES

from .conftest import Facedial, told


def test_the_sharper_of_two_photos_is_picked_and_the_reason_is_said(
    facedial: Facedial, head: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "album"
    folder.mkdir()
    with Image.open(head) as image:
        image.filter(ImageFilter.GaussianBlur(2)).save(folder / "a-blurred.png")
        image.save(folder / "b-sharp.png")
    done = facedial("pick", folder, "--prefer", "smiling=1", "--eyes-open")
    assert done.code == 0 and not done.err
    assert done.lines[0] == "group 1: 2 photos, 1 person"
    assert done.lines[1].startswith("  1. ") and done.lines[1].endswith("b-sharp.png")
    assert "a-blurred.png  (face 1: " in done.lines[2] and "sharpness 0." in done.lines[2]
    done = facedial("pick", folder, "--top", 1, "--json")
    (row,) = json.loads(done.out)["results"]
    assert (row["group"], row["place"], Path(row["input"]).name) == (1, 1, "b-sharp.png")
    assert row["people"][0]["parts"] == {"sharpness": 1.0}
    told(facedial("pick", folder, "--prefer", "Smilling=1"), "did you mean Smiling", code=2)


def test_photos_without_faces_are_named(facedial: Facedial, head: Path, tmp_path: Path) -> None:
    grey = tmp_path / "grey.png"
    Image.fromarray(np.full((64, 64, 3), 120, np.uint8)).save(grey)
    done = facedial("pick", grey, head)
    assert done.code == 1 and "no face found in grey.png" in done.err
    assert done.lines[0] == "group 1: 1 photo, 1 person"


def test_a_table_of_faces(facedial: Facedial, two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyarrow import parquet

    words = ("attributes", two, "--face", "all", "--csv", "--parquet", "faces.parquet")
    done = facedial(*words)
    assert (done.code, done.err) == (0, "faces.parquet\n")
    rows = list(csv.DictReader(done.lines))
    table = parquet.read_table("faces.parquet").to_pylist()
    assert [row["face"] for row in rows] == ["1", "2"]
    for row, kept in zip(rows, table, strict=True):
        assert set(row) == set(kept) and set(NAMES) < set(kept)
        for name in ("x0", "yaw", "pitch", "roll", "sharpness", "eyes_open"):
            assert float(row[name]) == kept[name]
        assert float(row["Smiling"]) == pytest.approx(kept["Smiling"], abs=1e-3)
    told(facedial(*words), "faces.parquet exists", code=2)
    told(facedial("attributes", two, "--parquet", "t.csv"), "written as .parquet", code=2)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    told(
        facedial("attributes", two, "--parquet", "t.parquet"),
        ".parquet needs pyarrow: pip install 'facedial[parquet]', or use --csv",
        code=2,
    )
