"""The colours of hair that `compose.recolour.NATURAL` states, measured again.

`python benchmarks/hair_colours.py STORE [--people N]`, STORE being CelebA's prepared crops of the frame
`head` with labels. First, for training people with one hair colour alone: medians of the mean and of
the standard deviation of their hair, and of the mean of their skin, in CIELAB, and the slopes of hair
over skin. Then, for validation people: the share whose hair, recoloured towards a candidate, is found to
have that colour by the bundle's own attribute classifier.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facedial import hair
from facedial.codes.attributes import NAMES
from facedial.compose.lab import to_lab
from facedial.compose.recolour import NATURAL, NaturalColour
from facedial.data.store import Store
from facedial.editing.request import Edit
from facedial.editor import Editor
from facedial.parsing import classes_of, share

# Colours beyond those medians, away from the other colours.
CANDIDATES: dict[str, Sequence[tuple[float, float, float]]] = {
    "Black_Hair": ((8.0, 2.0, 3.0),),
    "Blond_Hair": ((58.0, 6.5, 21.0), (61.5, 6.0, 23.0), (63.0, 7.0, 25.0)),
    "Brown_Hair": ((28.0, 10.0, 16.0),),
    "Gray_Hair": ((57.0, 2.0, 5.0), (62.0, 2.0, 5.0)),
}
MIN_HAIR, MIN_SKIN = 600, 700  # pixels of a crop


def measured(editor: Editor, store: Store, name: str, people: int) -> np.ndarray:
    """For people with one hair colour: mean and s.d. of hair, mean of skin, CIELAB [N, 9]."""
    rows = store.where("train")
    colours = store.attributes[rows][:, [NAMES.index(n) for n in NATURAL]] > 0.5
    own = colours[:, list(NATURAL).index(name)] & (colours.sum(1) == 1)
    rng = np.random.default_rng(0)
    found = []
    for row in rng.permutation(rows[own])[:people]:
        portrait = editor.reader.of_crop(store.pixels[row])
        classes, lab = classes_of(editor.model, portrait), to_lab(store.pixels[row])
        hair, skin = (lab[share(classes, {part}) > 0.6] for part in ("hair", "skin"))
        if len(hair) > MIN_HAIR and len(skin) > MIN_SKIN:
            found.append(np.concatenate([hair.mean(0), hair.std(0), skin.mean(0)]))
    return np.array(found)


def success(editor: Editor, store: Store, name: str, people: int) -> tuple[int, float, float]:
    """Number of validation people without the colour, share found to have it, mean probability."""
    rows = store.where("val")
    k, bald, hat = (NAMES.index(n) for n in (name, "Bald", "Wearing_Hat"))
    labels = store.attributes[rows] > 0.5
    rows = rows[~labels[:, k] & ~labels[:, bald] & ~labels[:, hat]]
    found = []
    for row in np.random.default_rng(1).permutation(rows)[:people]:
        portrait = editor.reader.of_crop(store.pixels[row])
        edited = editor.render(portrait, Edit({name: 1.0})).pixels
        found.append(editor.model.predict_attributes(edited[None])[0, k])
    return len(found), float(np.mean(np.array(found) > 0.5)), float(np.mean(found))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("--people", type=int, default=260)
    parser.add_argument("--model")
    given = parser.parse_args()
    store = Store.open(given.store)
    with Editor.open(given.model) as editor:
        for name in NATURAL:
            values = measured(editor, store, name, given.people)
            median = np.median(values, 0).round(1)
            slopes = [np.polyfit(values[:, 6 + j], values[:, j], 1)[0] for j in range(3)]
            print(name, len(values), "mean", median[:3], "sd", median[3:6], "skin", median[6:])
            print("  slope over skin", np.round(slopes, 2))
        for name, candidates in CANDIDATES.items():
            known = NATURAL[name]
            for mean in candidates:
                hair.NATURAL = {**NATURAL, name: NaturalColour(mean, known.slope)}  # type: ignore[misc]
                print(name, mean, *success(editor, store, name, given.people // 8))


if __name__ == "__main__":
    main()
