"""The parser's figures, by hand-made masks of a few places."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from facedial.evaluate import parser
from facedial.faces.parse import CLASSES, HAIR

SIDE = 256


@dataclass
class Heads:
    """As much of a store as is looked at: the crop's red channel is what the parser will find."""

    pixels: np.ndarray
    parts: list[np.ndarray | None]
    persons: list[np.ndarray | None]
    split: list[str]
    size: int = SIDE
    frame: str = "head"
    path: Path = Path("heads")
    masks: dict[str, list[object]] = field(init=False)
    person: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.person = np.array([f"person {i}" for i in range(len(self))])
        self.masks = {"parts": list(self.parts), "person_mask": list(self.persons)}

    def __len__(self) -> int:
        return len(self.pixels)

    def where(self, split: str) -> np.ndarray:
        return np.flatnonzero(np.array(self.split) == split)

    def mask(self, name: str, row: int) -> np.ndarray:
        return self.masks[name][row]  # type: ignore[return-value]

    def known(self, row: int) -> np.ndarray:
        known = np.ones((SIDE, SIDE), bool)
        known[:, 128:] = row != 1
        return known


class Repeats:
    """A model whose parser finds what the red channel says."""

    has_parser = True

    def parse(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        classes = np.moveaxis(np.eye(len(CLASSES), dtype=np.float32)[pixels[..., 0]], -1, 1)
        return classes, np.zeros(pixels.shape[:3], np.float32)


def halves(left: int, right: int) -> np.ndarray:
    whole = np.full((SIDE, SIDE), left, np.uint8)
    whole[:, 128:] = right
    return whole


def test_shares_are_counted_over_all_pictures_where_they_show_a_photo() -> None:
    found = [halves(0, HAIR), halves(HAIR, 0), halves(0, 0), halves(1, 1)]
    store = Heads(
        pixels=np.repeat(np.array(found)[..., None], 3, -1),
        parts=[halves(0, 13), halves(13, 13), halves(0, 13), None],
        persons=[None, None, None, halves(0, 255)],
        split=["test"] * 4,
    )
    context = SimpleNamespace(
        stores=[store], most=100, parse_teachers=None, editor=SimpleNamespace(model=Repeats())
    )
    rows = {(r.metric, r.data): r for r in parser.measure(context)}  # type: ignore[arg-type]
    # Hair: found in 0 and 1, there in 0, 1 (its right half is not the photo's) and 2.
    assert rows["parser_iou", "heads/unseen/hair"].value == pytest.approx(2 / 3)
    # Background: found in 0 and twice in 2; there in 0 and once in 2.
    assert rows["parser_iou", "heads/unseen/background"].value == pytest.approx(2 / 3)
    whole = rows["parser_iou", "heads/unseen"]
    assert whole.value == pytest.approx(2 / 3) and whole.n == 3 and whole.model == "facedial"
    assert rows["person_iou", "heads/unseen"].value == pytest.approx(1 / 2)
    assert ("hair_iou", "heads/unseen") not in rows
    assert parser.GOALS[0].applies(whole) and parser.GOALS[0].verdict(whole.value) == "missed"


def test_training_people_are_not_asked() -> None:
    store = Heads(
        pixels=np.zeros((1, SIDE, SIDE, 3), np.uint8),
        parts=[halves(0, 13)],
        persons=[None],
        split=["train"],
    )
    context = SimpleNamespace(
        stores=[store], most=100, parse_teachers=None, editor=SimpleNamespace(model=Repeats())
    )
    assert list(parser.measure(context)) == []  # type: ignore[arg-type]
