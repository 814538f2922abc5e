"""Label tables: which row matches which picture, and on what scale."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facedial.codes.attributes import NAMES
from facedial.data.item import SPLITS, split_of
from facedial.data.labels import LabelTable, unit_scale
from facedial.errors import BadRequest

SMILING, SHADOW, MALE = NAMES.index("Smiling"), NAMES.index("5_o_Clock_Shadow"), NAMES.index("Male")

LFW_TEXT = """# attributes of some photos
#\tperson\timagenum\tMale\tSmiling\t5 o' Clock Shadow\tTeeth Not Visible
Aaron Eckhart\t1\t1.5\t-2\t0\t0.3
Dee\t12\t-1.25\t3\t-0.5\t1
"""


def table(tmp_path: Path, text: str, name: str = "labels.csv") -> LabelTable:
    (tmp_path / name).write_text(text)
    return LabelTable.open(tmp_path / name)


def test_the_scores_of_lfw_become_shares(tmp_path: Path) -> None:
    labels = table(tmp_path, LFW_TEXT, "lfw_attributes.txt")
    aaron = labels.find("Aaron_Eckhart/Aaron_Eckhart_0001.jpg")
    dee = labels.find("Dee/Dee_0012.webp")
    assert aaron is not None
    assert dee is not None
    logistic = 1 / (1 + np.exp(-np.array([1.5, -2, 0])))
    np.testing.assert_allclose(aaron.attributes[[MALE, SMILING, SHADOW]], logistic, rtol=1e-6)
    assert np.isnan(aaron.attributes[NAMES.index("Young")])
    assert aaron.person == "Aaron_Eckhart"
    assert aaron.landmarks is None
    assert dee.extra["Teeth Not Visible"] == "1"
    assert labels.find("Dee/Dee_0013.webp") is None


@pytest.mark.parametrize("column", ["Smiling", "smiling", "facer_Smiling", "FACER SMILING"])
def test_columns_by_name_whatever_their_case(tmp_path: Path, column: str) -> None:
    labels = table(tmp_path, f"image_id,{column}\nx.jpg,1\n")
    label = labels.find("x.jpg")
    assert label is not None
    assert label.attributes[SMILING] == 1


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=20))
def test_every_scale_ends_in_the_unit_interval(values: list[float]) -> None:
    unit = unit_scale(np.array(values))
    assert ((unit >= 0) & (unit <= 1)).all()
    order = np.argsort(values)
    assert (np.diff(unit[order]) >= 0).all()


def test_scales_are_told_apart() -> None:
    np.testing.assert_array_equal(unit_scale(np.array([-1.0, 1, np.nan])), [0, 1, np.nan])
    np.testing.assert_allclose(unit_scale(np.array([0, 0.25, 1])), [0, 0.25, 1])
    np.testing.assert_allclose(unit_scale(np.array([0, 2.0])), [0.5, 1 / (1 + np.exp(-2))], 1e-6)


def test_celebas_numbers_are_file_names(tmp_path: Path) -> None:
    labels = table(tmp_path, "number,person,split,Male\n7,11,test,-1\n8,12,train,1\n")
    label = labels.find("img_align_celeba/000007.jpg")
    assert label is not None
    assert (label.person, label.split, label.attributes[MALE]) == ("11", "test", 0)


def test_parquet_and_text_agree(tmp_path: Path, lfw_labels: Path) -> None:
    text = LabelTable.open(lfw_labels)
    columns: dict[str, pa.Array] = {
        "file": pa.array(sorted(text.rows, key=lambda key: text.rows[key])),
        "Smiling": pa.array(text.attributes[:, SMILING]),
    }
    assert text.landmarks is not None
    for place, point in enumerate(
        ("eye_imgleft", "eye_imgright", "nose", "mouth_imgleft", "mouth_imgright")
    ):
        for axis, name in enumerate("xy"):
            columns[f"lm_{point}_{name}"] = pa.array(text.landmarks[:, place, axis])
    pq.write_table(pa.table(columns), tmp_path / "labels.parquet")
    other = LabelTable.open(tmp_path / "labels.parquet")
    for key in ("Dee/Dee_0003.png", "Bo_Li/Bo_Li_0001"):
        here, there = text.find(key), other.find(key)
        assert here is not None
        assert there is not None
        np.testing.assert_array_equal(here.attributes, there.attributes)
        assert here.landmarks is not None
        assert there.landmarks is not None
        np.testing.assert_array_equal(here.landmarks, there.landmarks)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Smiling,Male\n1,0\n", "has no column `file`"),
        ("", "has no header line"),
        ("file,Smiling\nx,yes\n", "'yes' in row 1 of the labels is not a number"),
        ("file,Smiling\nx,1,2\n", "line 2 of .* has 3 cells, its header has 2"),
        ("file,split\nx,later\n", "has a split 'later'"),
        ("person,imagenum\nDee,first\n", "'first' is not the number of a picture of Dee"),
    ],
)
def test_tables_that_make_no_sense(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        table(tmp_path, text)


def test_a_row_matches_one_picture(tmp_path: Path) -> None:
    labels = table(tmp_path, "file,Male\nx.png,1\n")
    with pytest.raises(BadRequest, match=r"matches both a/x\.png and b/x\.png"):
        labels.check(["a/x.png", "b/x.png"])
    with pytest.raises(BadRequest, match="matches any of the pictures"):
        labels.check(["y.png"])


def test_splits_never_change_and_have_their_shares() -> None:
    # fixed for ever: a new rule would mix a training's people into its test
    names = [split_of(f"person {n}") for n in range(12)]
    assert names == ["train"] * 7 + ["val", "train", "test", "train", "train"]
    shares = [sum(split_of(str(n)) == split for n in range(5000)) / 5000 for split in SPLITS]
    np.testing.assert_allclose(shares, [0.8, 0.1, 0.1], atol=0.015)
