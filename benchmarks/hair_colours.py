"""The colours of hair that `compose.recolour.NATURAL` states, measured again.

`python benchmarks/hair_colours.py STORE [--people N] [--sharp SHARP]`, STORE being CelebA's prepared
crops of the frame `head` with labels, SHARP crops of 256 px. First, where SHARP is given, the light and
dark of hair (`recolour.LIGHTNESS`, `DEVIATIONS`, `CHROMA`) of its training people with a colour by the
bundle's classifier. Then, for training people with one hair colour alone: medians of the mean and of
the standard deviation of their hair, and of the mean of their skin, in CIELAB, and the slopes of hair
over skin. Then, for validation people: the share whose hair, recoloured towards a candidate, is found to
have that colour by the bundle's own attribute classifier.
"""

import argparse
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from facedial import hair
from facedial.codes.attributes import NAMES
from facedial.compose.lab import to_lab
from facedial.compose.masks import box_mean
from facedial.compose.recolour import NATURAL, RELATIVE, SHARES, NaturalColour
from facedial.data.store import Store
from facedial.editing.request import Edit
from facedial.editor import Editor
from facedial.faces.face import Face
from facedial.faces.photo import Photo
from facedial.parsing import classes_of, head_crop, head_hair, share

# Colours beyond those medians, away from the other colours.
CANDIDATES: dict[str, Sequence[tuple[float, float, float]]] = {
    "Black_Hair": ((8.0, 2.0, 3.0),),
    "Blond_Hair": ((58.0, 6.5, 21.0), (61.5, 6.0, 23.0), (63.0, 7.0, 25.0)),
    "Brown_Hair": ((28.0, 10.0, 16.0),),
    "Gray_Hair": ((57.0, 2.0, 5.0), (62.0, 2.0, 5.0)),
}
SURELY, HARDLY = 0.75, 0.4  # the classifier's probability of a colour, and of the others
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


def tones(editor: Editor, store: Store, name: str, people: int) -> None:
    """Print medians over people with a hair colour: quantiles, deviations, chroma over lightness."""
    k, others = NAMES.index(name), [NAMES.index(other) for other in NATURAL if other != name]
    found: list[list[Any]] = []
    for row in np.random.default_rng(0).permutation(store.where("train")):
        face = Face(np.array([48.0, 48, 208, 224]), store.landmarks[row].astype(np.float64), 1.0)
        (portrait,) = editor.read(Photo(store.pixels[row]), [face])
        own = editor.model.predict_attributes(portrait.crop.pixels[None])[0]
        if own[k] < SURELY or own[others].max() > HARDLY:
            continue
        core = box_mean((head_hair(editor.model, portrait) > 0.97).astype(np.float32), 2) > 0.99
        if core.sum() < 2 * MIN_HAIR:
            continue
        lab, weight = to_lab(head_crop(portrait).pixels), core.astype(np.float32)
        smooth = [lab[..., 0]]
        for reach in (1, 3, 8):
            mean = box_mean(lab[..., 0] * weight, reach)
            smooth.append((mean / np.maximum(box_mean(weight, reach), 1e-3)).astype(np.float32))
        bands = [float((a - b)[core].std()) for a, b in pairwise(smooth)]
        relative = lab[core][:, 0] / np.median(lab[core][:, 0])
        chroma = np.hypot(*lab[core][:, 1:].T)
        near = [np.abs(relative - one) < 0.15 for one in RELATIVE]
        law = [np.median(chroma[n]) / np.median(chroma) if n.sum() > 20 else np.nan for n in near]
        quantiles: Any = np.percentile(lab[core][:, 0], 100 * np.array(SHARES))
        bands.append(float(smooth[-1][core].std()))
        found.append([quantiles, np.array(bands), np.array(law)])
        if len(found) == people:
            break
    print(name, len(found), *(np.nanmedian(one, 0).round(2) for one in zip(*found, strict=True)))


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
    parser.add_argument("--sharp", type=Path)
    parser.add_argument("--model")
    given = parser.parse_args()
    store = Store.open(given.store)
    with Editor.open(given.model) as editor:
        for name in NATURAL if given.sharp else ():
            tones(editor, Store.open(given.sharp), name, given.people // 6)
        for name in NATURAL:
            values = measured(editor, store, name, given.people)
            median = np.median(values, 0).round(1)
            slopes = [np.polyfit(values[:, 6 + j], values[:, j], 1)[0] for j in range(3)]
            print(name, len(values), "mean", median[:3], "sd", median[3:6], "skin", median[6:])
            print("  slope over skin", np.round(slopes, 2))
        for name, candidates in CANDIDATES.items():
            known = NATURAL[name]
            for mean in candidates:
                vars(hair)["NATURAL"] = {**NATURAL, name: NaturalColour(mean, known.slope)}
                print(name, mean, *success(editor, store, name, given.people // 8))


if __name__ == "__main__":
    main()
