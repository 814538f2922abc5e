"""New faces asked for with and without attributes: in how many the judge finds what was asked."""

from collections.abc import Iterator, Mapping

import numpy as np

from facedial.codes.attributes import NAMES
from facedial.editor import Editor
from facedial.evaluate._context import Context
from facedial.evaluate._figures import Row
from facedial.evaluate._judge import Judge
from facedial.faces import sheet

# Each is asked for and asked away.
ASKED = (
    "Smiling", "Eyeglasses", "Male", "Blond_Hair", "Black_Hair", "Bangs", "Wearing_Hat",
    "Mouth_Slightly_Open", "Young", "Heavy_Makeup",
)  # fmt: skip

# Ten sets of wishes for sheets.
SETS: tuple[Mapping[str, float], ...] = (
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


def asked_and_found(
    editor: Editor, name: str, judge: Judge, context: Context, data: str, side: int
) -> Iterator[Row]:
    """`conditional_success` of model `name`, looked at with `side` pixels; nothing of the others."""
    known = editor.prior().names
    each = max(4, context.most // 40)
    found = []
    for number, attribute in enumerate(a for a in ASKED if a in known):
        right = []
        for value in (0.0, 1.0):
            seed = context.seed + 1000 + 2 * number + int(value)
            codes = editor.generate(each, seed=seed, wanted={attribute: value})
            pictures = sheet.shrunk(editor.decode(codes), side)
            read = judge.read(pictures)[:, NAMES.index(attribute)]
            right.append((read > 0.5) == (value > 0.5))
        both = np.concatenate(right)
        for sign, part in zip("-+", right, strict=True):
            share = float(part.mean())
            yield Row(
                "conditional_success", name, f"{data}/{attribute}{sign}", share, "share", each
            )
        found.append(float(both.mean()))
    if found:
        mean, count = float(np.mean(found)), 2 * each * len(found)
        whole = data.partition("/")[0]
        yield Row("conditional_success", name, whole, mean, f"mean over {len(found)}", count)
