"""`facedial faces` and `--face`: the same faces by number, word and point, in every verb."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facedial.codes.code import load_codes

from .conftest import NARROW, Facedial, read, told


def listed(facedial: Facedial, *words: object) -> list[dict[str, Any]]:
    """Rows of the report about photos that all have faces."""
    done = facedial("faces", *words, "--json")
    assert (done.code, done.err) == (0, "")
    rows: list[dict[str, Any]] = json.loads(done.out)["results"]
    return rows


@pytest.fixture(scope="session")
def swapped(two: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `two`, with the smaller face on the left."""
    path = tmp_path_factory.mktemp("swapped") / "swapped.png"
    with Image.open(two) as image:
        whole = Image.new("RGB", image.size)
        whole.paste(image.crop((256, 0, 480, 256)), (0, 0))
        whole.paste(image.crop((0, 0, 256, 256)), (224, 0))
    whole.save(path)
    return path


def test_faces_are_numbered_by_size_and_placed_from_the_left(
    facedial: Facedial, swapped: Path
) -> None:
    large, small = listed(facedial, swapped)
    assert [(row["face"], row["place"]) for row in (large, small)] == [(1, 2), (2, 1)]
    assert "output" not in large
    assert large["input"] == str(swapped)
    for row, left, side in ((large, 224, 256), (small, 0, 224)):
        x0, y0, x1, y1 = row["box"]
        assert left < x0 < x1 < left + side
        assert 0 < y0 < y1 < 256
        assert 0.25 < row["eye_distance"] / (x1 - x0) < 0.6
        assert abs(row["roll"]) < 10
        assert abs(row["yaw"]) < 20
        assert row["sharpness"] > 0
        assert 0.5 < row["inside"] <= 1
        assert 0 < row["score"] <= 1
    assert large["eye_distance"] > small["eye_distance"]
    assert list(Path().iterdir()) == []


def test_roll_and_yaw_have_the_sign_of_the_picture(
    facedial: Facedial, astronaut: Path, tmp_path: Path
) -> None:
    with Image.open(astronaut) as image:
        image.rotate(-15).save("clockwise.png")
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save("mirrored.png")
    (straight,) = listed(facedial, astronaut)
    turned = listed(facedial, "clockwise.png")[0]
    assert math.isclose(turned["roll"] - straight["roll"], 15, abs_tol=5)
    mirrored = listed(facedial, "mirrored.png")[0]
    assert math.isclose(mirrored["roll"], -straight["roll"], abs_tol=4)
    assert math.isclose(mirrored["yaw"], -straight["yaw"], abs_tol=8)


def test_one_line_a_face_and_numbered_boxes_drawn(facedial: Facedial, two: Path) -> None:
    first, second = listed(facedial, two)
    done = facedial("faces", two, "-o", "boxes.png")
    assert (done.code, done.err) == (0, "")
    assert [line.partition(": ")[0] for line in done.lines] == [
        f"{two}, face 1",
        f"{two}, face 2",
        "boxes.png",
    ]
    assert "place 1 of 2" in done.lines[0]
    changed = (read(Path("boxes.png")) != read(two)).any(-1)
    drawn = changed | (read(two) == 0).all(-1)  # the outline is black, as dark hair may be
    for row in (first, second):
        x0, y0, x1, y1 = (round(edge) for edge in row["box"])
        assert drawn[y0, x0:x1].mean() > 0.95
        assert drawn[y0:y1, x0].mean() > 0.95
        assert not changed[(y0 + 3 * y1) // 4, (x0 + x1) // 2]
    told(facedial("faces", two, "-o", "boxes.png"), "boxes.png exists", code=2)


def test_a_batch_goes_on_and_is_continued(facedial: Facedial, head: Path, two: Path) -> None:
    Path("in/more").mkdir(parents=True)
    shutil.copy(two, "in/a.png")
    shutil.copy(head, "in/more/b.png")
    Image.new("RGB", (64, 64), (128, 128, 128)).save("in/wall.png")
    done = facedial("faces", "in", "-r", "-o", "out/", "--json")
    assert done.code == 1
    assert "no face found in wall.png" in done.err
    assert "2 of 3 done, 1 failed" in done.err
    report = json.loads(done.out)
    places = [(row["input"], row["face"], row["output"]) for row in report["results"]]
    assert places == [
        ("in/a.png", 1, "out/a-faces.png"),
        ("in/a.png", 2, "out/a-faces.png"),
        ("in/more/b.png", 1, "out/more/b-faces.png"),
    ]
    assert [row["input"] for row in report["failed"]] == ["in/wall.png"]
    again = facedial("faces", "in", "-r", "-o", "out/", "--skip-existing", "--json")
    assert "2 photos skipped" in again.err
    assert json.loads(again.out)["results"] == []
    told(facedial("faces", "in/wall.png"), "no face found in wall.png")


def test_names_of_a_face_are_one_face_in_every_verb(facedial: Facedial, swapped: Path) -> None:
    large, small = listed(facedial, swapped)
    codes = {}
    for number, row in ((1, large), (2, small)):
        x0, y0, x1, y1 = row["box"]
        point = f"{(x0 + x1) / 2:.1f},{(y0 + y1) / 2:.0f}"
        names = [number, point, *(("largest", "rightmost") if number == 1 else ("leftmost",))]
        for name in names:
            done = facedial("attributes", swapped, "--face", name, "--json")
            (found,) = json.loads(done.out)["results"]
            assert found["face"] == number, name
            out = f"{number}-{name}.npz"
            assert facedial("encode", swapped, "--face", name, "-o", out).code == 0
            (code,) = load_codes(Path(out)).values
            assert np.array_equal(codes.setdefault(number, code), code), name
    assert not np.array_equal(codes[1], codes[2])
    aligned = json.loads(facedial("align", swapped, "--face", "leftmost", "--json").out)
    assert np.array(aligned["results"][0]["to_photo"])[0, 2] < 100


def test_an_edit_of_the_leftmost_leaves_the_other_alone(facedial: Facedial, swapped: Path) -> None:
    quick = ("--method", "direction")
    done = facedial("edit", swapped, *NARROW, *quick, "--face", "leftmost", "-o", "left.png")
    assert done.code == 0
    changed = (read(Path("left.png")) != read(swapped)).any(-1)
    assert changed[:, :200].any()
    assert not changed[:, 300:].any()
    nobody = facedial("edit", swapped, *NARROW, "--face", "470,250")
    where = "swapped.png has 2 faces, none at 470,250: 1 at "
    told(nobody, where, ", 2 at ", code=2)
