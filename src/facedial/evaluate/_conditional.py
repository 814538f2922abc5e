"""Conditional generation: share of new faces in which the judge finds the requested attribute."""

from collections.abc import Iterator, Mapping

import numpy as np

from facedial.codes.attributes import NAMES
from facedial.editor import Editor
from facedial.evaluate._context import EvaluationContext
from facedial.evaluate._judge import Judge
from facedial.evaluate._rows import Row, Sample
from facedial.faces import sheet

# Requested at 1 and at 0.
REQUESTED = (
    "Smiling", "Eyeglasses", "Male", "Blond_Hair", "Black_Hair", "Bangs", "Wearing_Hat",
    "Mouth_Slightly_Open", "Young", "Heavy_Makeup",
)  # fmt: skip

# Ten sets of targets, drawn as a sheet.
TARGET_SETS: tuple[Mapping[str, float], ...] = (
    {"Male": 0, "Blond_Hair": 1, "Smiling": 1},
    {"Male": 0, "Black_Hair": 1, "Bangs": 1},
    {"Male": 1, "Eyeglasses": 1},
    {"Male": 1, "Smiling": 1, "Young": 1},
    {"Male": 1, "Gray_Hair": 1, "Young": 0},
    {"Male": 1, "Wearing_Hat": 1},
    {"Male": 0, "Heavy_Makeup": 1, "Wavy_Hair": 1},
    {"Male": 0, "Mouth_Slightly_Open": 1, "Brown_Hair": 1},
    {"Male": 1, "No_Beard": 0, "Goatee": 1},
    {"Male": 0, "Young": 0, "Eyeglasses": 1},
)


def conditional_success(
    editor: Editor, name: str, judge: Judge, context: EvaluationContext, data: str, side: int
) -> Iterator[Row]:
    """`conditional_success` of model `name` for every requested attribute and their mean.

    Half of the faces are requested with the attribute and half without. Pictures are classified at
    `side` px. Attributes that the model's prior does not know are left out.
    """
    known = editor.prior().names
    each = max(4, context.most // 40)
    found = []
    for number, attribute in enumerate(a for a in REQUESTED if a in known):
        right = []
        for value in (0.0, 1.0):
            seed = context.seed + 1000 + 2 * number + int(value)
            codes = editor.generate(each, seed=seed, targets={attribute: value})
            pictures = sheet.shrunk(editor.decode(codes), side)
            predicted = judge.predict(pictures)[:, NAMES.index(attribute)]
            right.append((predicted > 0.5) == (value > 0.5))
        both = np.concatenate(right)
        for sign, part in zip("-+", right, strict=True):
            yield Row.of("conditional_success", name, f"{data}/{attribute}{sign}", part, "share")
        # Every face is one that no other request drew.
        found.append(Sample(both, [f"{attribute} {i}" for i in range(len(both))]))
    if found:
        whole, unit = data.partition("/")[0], f"mean over {len(found)}"
        yield Row.over("conditional_success", name, whole, unit, found)


def targets_text() -> str:
    """`TARGET_SETS` as text, for the title of a sheet."""
    return "; ".join(", ".join(f"{n}={v:g}" for n, v in each.items()) for each in TARGET_SETS)
