"""The first source's tasks: balanced sets, its way of averaging, where its codes lie."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from facedial.codes.attributes import NAMES
from facedial.errors import BadRequest
from facedial.evaluate import source_tasks
from facedial.faces.crop import head_template


@dataclass
class People:
    """As much of a store as is looked at."""

    attributes: np.ndarray
    split: np.ndarray

    def where(self, split: str) -> np.ndarray:
        return np.flatnonzero(self.split == split)


def people(count: int = 4000) -> People:
    rng = np.random.default_rng(0)
    labels = rng.random((count, len(NAMES)))
    glasses, male, young = (NAMES.index(n) for n in ("Eyeglasses", "Male", "Young"))
    labels[:, male] = rng.random(count) < 0.6
    labels[:, young] = rng.random(count) < 0.6
    # As in life: mostly on men, mostly on older ones.
    chance = 0.05 + 0.2 * labels[:, male] + 0.2 * (1 - labels[:, young])
    labels[:, glasses] = rng.random(count) < chance
    labels[::97, male] = np.nan
    return People(labels, rng.choice(["train", "test"], count))


def test_balanced_sets_have_as_many_of_each_sex_and_age() -> None:
    some = people()
    sets = source_tasks.balanced(some, "Eyeglasses")  # type: ignore[arg-type]
    assert sets is not None
    k = NAMES.index("Eyeglasses")
    assert (some.attributes[sets.having, k] > 0.5).all()
    assert (some.attributes[sets.lacking, k] < 0.5).all()
    assert (some.split[np.concatenate([sets.having, sets.lacking])] == "train").all()
    assert len({*sets.having}) == len(sets.having) > 40
    for name in ("Male", "Young"):
        column = some.attributes[:, NAMES.index(name)]
        assert column[sets.having].mean() == column[sets.lacking].mean() == 0.5
    everyone = some.attributes[some.split == "train"]
    wearing = everyone[everyone[:, k] > 0.5, NAMES.index("Young")].mean()
    assert wearing < 0.45  # unbalanced sets would have carried age


def test_without_labels_there_are_no_sets() -> None:
    some = people(200)
    some.attributes[:] = np.nan
    assert source_tasks.balanced(some, "Eyeglasses") is None  # type: ignore[arg-type]


def test_a_table_of_sets_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "sets.csv"
    path.write_text("file,set\nA_0001,smile\nB_0001,sad\n")
    assert source_tasks._table(path) == {"A_0001": "smile", "B_0001": "sad"}
    path.write_text("picture,kind\nA,smile\n")
    with pytest.raises(BadRequest, match="not a table with columns file and set"):
        source_tasks._table(path)


def test_the_sources_average_is_the_mean_of_means_of_eight() -> None:
    codes = np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32)

    class Model:
        side = 2

        def encode(self, pixels: np.ndarray) -> np.ndarray:
            return codes[pixels[:, 0, 0, 0]]

    class Editor:
        model = Model()

    class Photos:
        pixels = np.arange(20, dtype=np.uint8)[:, None, None, None].repeat(2, 1).repeat(2, 2)

    sets = source_tasks.PhotoSets("x", np.arange(12), np.arange(12, 20))
    plain, source = source_tasks._direction(Editor(), Photos(), sets)  # type: ignore[arg-type]
    np.testing.assert_allclose(plain, codes[:12].mean(0) - codes[12:].mean(0), atol=1e-6)
    wanted = (codes[:8].mean(0) + codes[8:12].mean(0)) / 2 - codes[12:].mean(0)
    np.testing.assert_allclose(source, wanted, atol=1e-6)


def test_reconstructions_are_scored_in_decibels_of_each_photo() -> None:
    class Model:
        side = 8

        def encode(self, pixels: np.ndarray) -> np.ndarray:
            return pixels.astype(np.float32)

        def decode_mse(self, codes: np.ndarray) -> np.ndarray:
            return codes + np.array([2.0, 20.0])[:, None, None, None]

    class Editor:
        model = Model()

    class Photos:
        pixels = np.full((2, 8, 8, 3), 100, np.uint8)

    found = source_tasks._psnr(Editor(), Photos(), np.arange(2))  # type: ignore[arg-type]
    np.testing.assert_allclose(found, 20 * np.log10(255 / np.array([2, 20])), atol=1e-3)


def test_the_judge_sees_head_crops_of_what_is_decoded() -> None:
    frame = head_template(96) * 0.6 + [30, 20]
    picture = np.zeros((128, 128, 3), np.uint8)
    for x, y in np.rint(frame).astype(int):
        picture[y - 1 : y + 2, x - 1 : x + 2] = 255
    found = source_tasks._head(picture, frame.astype(np.float32))
    assert found.shape == (128, 128, 3)
    for x, y in np.rint(head_template(128)).astype(int):
        assert found[y, x].mean() > 200
    assert found[:30].max() == 0


@pytest.mark.parametrize("keeps_raw", [True, False])
def test_codes_are_compared_with_uniform_ones_where_a_model_keeps_them(
    monkeypatch: pytest.MonkeyPatch, keeps_raw: bool
) -> None:
    class Model:
        side = 8
        frame = "head"
        bundle = SimpleNamespace(has_file=lambda name: keeps_raw and name == source_tasks.RAW)

        def encode(self, pixels: np.ndarray) -> np.ndarray:
            return pixels.reshape(len(pixels), -1)[:, :4].astype(np.float32)

        def decode_mse(self, codes: np.ndarray) -> np.ndarray:
            return np.zeros((len(codes), 8, 8, 3), np.float32)

    store = SimpleNamespace(
        path=Path("faces"), frame="head", pixels=np.ones((6, 8, 8, 3), np.uint8), size=8,
        person=np.arange(6), where=lambda split: np.arange(6), file=["x.jpg"] * 6,
        attributes=np.full((6, 40), np.nan),
    )  # fmt: skip
    context = SimpleNamespace(
        judge=None, sets=None, models={"one": Path("one")}, stores=[store],
        rows=lambda store, group: np.arange(6), data=lambda store, group: group,
    )  # fmt: skip

    class Editor(SimpleNamespace):
        def __enter__(self) -> "Editor":
            return self

        def __exit__(self, *error: object) -> None:
            pass

    monkeypatch.setattr(
        source_tasks, "Editor", SimpleNamespace(open=lambda _: Editor(model=Model()))
    )
    monkeypatch.setattr(source_tasks, "_raw", lambda editor, white: white)
    monkeypatch.setattr(source_tasks, "_uniform", lambda editor, count: np.ones((count, 4)))
    metrics = {row.metric for row in source_tasks.measure(context)}  # type: ignore[arg-type]
    assert metrics == {"source_psnr"} | (
        {"code_in_unit", "code_zero", "uniform_rms"} if keeps_raw else set()
    )
