"""Whether edited photos can be told from real ones by the statistics of their pixels."""

import dataclasses
from collections.abc import Hashable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from facedial import scores
from facedial.codes.attributes import NAMES
from facedial.data.store import Store
from facedial.editing.request import Edit
from facedial.editor import Editor
from facedial.evaluate._context import UNSEEN, EvaluationContext, evenly, portrait_of
from facedial.evaluate._rows import Row
from facedial.model import FRAME, resampled

Bytes = NDArray[np.uint8]
Doubles = NDArray[np.float64]
Rows = NDArray[np.int64]

# Attribute and target -> name of the edit in `Row.data`.
EDITS: Mapping[tuple[str, float], str] = {
    ("Smiling", 1.0): "Smiling+",
    ("Smiling", 0.0): "Smiling-",
    ("Eyeglasses", 1.0): "Eyeglasses+",
    ("Black_Hair", 1.0): "Black_Hair+",
    ("Blond_Hair", 1.0): "Blond_Hair+",
    ("Bangs", 1.0): "Bangs+",
    ("Mustache", 1.0): "Mustache+",
    ("Young", 0.0): "Young-",
}
SIZES = (128, 256)
COARSE = "facedial 128"  # edits without the detail that is drawn at 256 px
PEOPLE = 64  # on each side of an edit
LEAST = 12  # fewer say nothing
AT_ONCE = 64
RESAMPLES = 300
LEVELS = 3  # halvings of the picture, the first being none
CELLS = 4  # cells along the side, of whose residuals the energy is taken
STEP, LARGEST = 4.0, 2  # levels of a step of the quantised residual, and its largest value
BLOCK = 8  # of the DCT, as in JPEG
RIDGES = 10.0 ** np.arange(0, 6)  # candidates of the ridge, by leave-one-out


def measure(context: EvaluationContext) -> Iterator[Row]:
    """AUC of telling edited photos from real photos of other people who have the attribute.

    On test people of head stores of 128 or 256 px, by labels where the store has them and by the
    model's classifier where not. A linear discriminant on `features` is fitted to half of the people
    (edited and real alike) and scored on the other half, then the other way round; `detectability` is
    the mean AUC of both, 0.5 where edits cannot be told, with a bootstrap interval over people.
    Both sides have as many photos of each sex and of each source (column `source` of the store).
    `detectability_unedited`: the same for the photos before the edit. They lack the attribute, so they
    differ too: where it is as high, it may be the people who are told apart, not the edits. Where
    detail is drawn at 256 px, also of edits without it (`facedial 128`).

    It sees what the camera leaves everywhere and an edit may remove or repeat: noise, sharpness, JPEG's
    grid, colour noise, where in the crop they change. It does not see what a face cannot look like, and
    a large network trained on many edits sees more: an AUC near 0.5 is a floor, not a proof. With 64
    people on each side, its interval is about 0.1 wide on each side.
    """
    editor = context.editor
    if editor.model.frame != FRAME:
        return
    for store in context.stores:
        if store.frame != FRAME or store.size not in SIZES:
            continue
        test, count = store.where(UNSEEN), min(PEOPLE, context.most)
        data = context.data(store, "unseen")
        found: dict[str, list[float]] = {}
        if len(test):
            present = has_attributes(editor, store, test)
            male = present[:, NAMES.index("Male")].astype(str)
            kinds = dict(
                zip(test.tolist(), zip(male, _sources(store)[test], strict=True), strict=True)
            )
        for (name, target), edit in EDITS.items():
            if not len(test) or name not in editor.model.directions.names:
                continue
            there = (present[:, NAMES.index(name)] == (target > 0.5)).astype(bool)
            known = ~np.isnan(present[:, NAMES.index(name)])
            without, real = (_one_each(store, test[known & m]) for m in (~there, there))
            # Nobody is on both sides: a person may have photos with and without the attribute.
            without = without[~np.isin(store.person[without], store.person[real])]
            without, real = matched(without, real, kinds, count)
            if len(real) < LEAST:
                continue
            pairs = [_edited(editor, store, row, Edit({name: target})) for row in without]
            fine, coarse = (np.stack(side) for side in zip(*pairs, strict=True))
            sides = [("detectability", "facedial", fine)]
            if not np.array_equal(fine, coarse):
                sides.append(("detectability", COARSE, coarse))
            sides.append(("detectability_unedited", "facedial", store.pixels[without]))
            reals = features(store.pixels[real])
            for metric, model, pictures in sides:
                fakes = features(pictures)
                auc, low, high = told_apart(fakes, reals, seed=context.seed)
                n = len(fakes) + len(reals)
                yield Row(metric, model, f"{data}/{edit}", auc, "AUC", n, low, high)
                if metric == "detectability":
                    found.setdefault(model, []).append(auc)
        for model, aucs in found.items():
            unit = f"mean AUC over {len(aucs)} edits"
            yield Row("detectability", model, data, float(np.mean(aucs)), unit, len(aucs))


def has_attributes(editor: Editor, store: Store, rows: Rows) -> Doubles:
    """Whether rows have each of the 40 attributes [N, 40], 0 or 1; NaN: by no label of its store."""
    labels = store.attributes[rows].astype(np.float64)
    if np.isnan(labels).all():
        parts = [rows[i : i + AT_ONCE] for i in range(0, len(rows), AT_ONCE)]
        crops = (resampled(store.pixels[part]) for part in parts)
        labels = np.concatenate([editor.model.predict_attributes(part) for part in crops])
    return np.where(np.isnan(labels), np.nan, (labels > 0.5).astype(np.float64))


def _sources(store: Store) -> NDArray[np.str_]:
    """The source of each photo [N], where the store names it."""
    return store.extra.get("source", np.full(len(store), ""))


def _one_each(store: Store, rows: Rows) -> Rows:
    """The first photo of each person."""
    _, first = np.unique(store.person[rows], return_index=True)
    return np.sort(rows[first])


def matched(one: Rows, other: Rows, kinds: Mapping[int, Hashable], count: int) -> tuple[Rows, Rows]:
    """At most `count` of each, evenly spaced, with as many of every kind on both sides, in one order."""
    pairs: list[tuple[Rows, Rows]] = []
    for kind in dict.fromkeys(kinds[int(row)] for row in one):
        sides = [
            np.array([r for r in rows if kinds[int(r)] == kind], np.int64) for rows in (one, other)
        ]
        least = min(map(len, sides))
        pairs.append((evenly(sides[0], least), evenly(sides[1], least)))
    if not pairs:
        return one[:0], other[:0]
    first, second = (np.concatenate(side) for side in zip(*pairs, strict=True))
    chosen = evenly(np.arange(len(first)), count)
    return first[chosen], second[chosen]


def _edited(editor: Editor, store: Store, row: int, edit: Edit) -> tuple[Bytes, Bytes]:
    """A crop after an edit, with fine detail and without, rendered as a photo of nothing but the crop."""
    portrait = portrait_of(editor, store, row)
    change = editor.change(portrait, edit)
    both = (dataclasses.replace(change, fine=fine) for fine in (True, False))
    fine, coarse = (editor.paste(portrait, one).pixels for one in both)
    return fine, coarse


def told_apart(
    fakes: Doubles, reals: Doubles, *, seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, float, float]:
    """Mean AUC of two discriminants, each on the half it was not fitted to, and its 95 % interval.

    `fakes`, `reals` [N, F]: features, a row for each person. Deterministic.
    """
    halves = [(fakes[i::2], reals[i::2]) for i in range(2)]
    values = []
    for fitted, (fake, real) in zip(halves, halves[::-1], strict=True):
        score = Discriminant(*fitted)
        values.append((score(fake), score(real)))

    def mean_auc(drawn: list[tuple[Doubles, Doubles]]) -> float:
        return float(np.mean([_auc(fake, real) for fake, real in drawn]))

    rng = np.random.default_rng(seed)
    again = [
        mean_auc([(rng.choice(f, len(f)), rng.choice(r, len(r))) for f, r in values])
        for _ in range(resamples)
    ]
    low, high = np.percentile(again, [2.5, 97.5])
    return mean_auc(values), float(low), float(high)


def _auc(fake: Doubles, real: Doubles) -> float:
    truth = np.repeat([True, False], [len(fake), len(real)])
    return scores.auc(np.concatenate([fake, real]), truth)


class Discriminant:
    """Ridge regression of +1 for fakes and -1 for reals on standardised features.

    Fisher's discriminant for few samples (Kodovsky et al. 2012, of steganalysis, use ensembles of such).
    The ridge has the least squared leave-one-out error of `RIDGES` (Allen 1974).
    """

    def __init__(self, fakes: Doubles, reals: Doubles) -> None:
        both = np.concatenate([fakes, reals])
        self.mean, self.std = both.mean(0), both.std(0) + 1e-9
        x = (both - self.mean) / self.std
        # Both sides weigh the same.
        y = np.concatenate([np.full(len(fakes), 1.0), np.full(len(reals), -1.0)])
        y -= y.mean()
        values, vectors = np.linalg.eigh(x @ x.T)
        values = np.maximum(values, 0)
        best = (np.inf, np.zeros(len(y)))
        for ridge in RIDGES:
            shrunk = vectors * (values / (values + ridge))
            left = 1 - (shrunk * vectors).sum(1) - 1 / len(y)
            error = float(np.square((y - shrunk @ (vectors.T @ y)) / np.maximum(left, 1e-6)).sum())
            if error < best[0]:
                best = (error, (vectors / (values + ridge)) @ (vectors.T @ y))
        self.weights = x.T @ best[1]

    def __call__(self, rows: Doubles) -> Doubles:
        """Scores [N]; higher: more likely a fake."""
        return np.asarray((rows - self.mean) / self.std @ self.weights)


def features(pictures: Bytes) -> Doubles:
    """Statistics float64 [N, F] of pictures uint8 [N, S, S, 3], which no network was trained for.

    Of luma and of both colour differences: log energy of the Laplacian in 4x4 cells at three scales.
    Of luma: joint frequencies of neighbouring residuals at two scales (co-occurrences, as the SPAM
    features of Pevny et al. 2010), and the mean log magnitude of the 63 AC coefficients of 8x8 DCTs.
    """
    return np.stack([_statistics(picture) for picture in pictures])


def _statistics(picture: Bytes) -> Doubles:
    planes = picture.astype(np.float64) @ np.array(
        [[0.299, -0.169, 0.5], [0.587, -0.331, -0.419], [0.114, 0.5, -0.081]]
    )
    parts = [_dct_magnitudes(planes[..., 0])]
    for level in range(LEVELS):
        bent = [_laplacian(planes[..., k]) for k in range(3)]
        parts += [_cell_energies(one) for one in bent]
        if level < LEVELS - 1:
            parts.append(_co_occurrences(bent[0]))
        side = planes.shape[0] // 2
        planes = planes.reshape(side, 2, side, 2, 3).mean((1, 3))
    return np.concatenate(parts)


def _laplacian(plane: Doubles) -> Doubles:
    return np.asarray(
        plane[1:-1, 1:-1]
        - (plane[:-2, 1:-1] + plane[2:, 1:-1] + plane[1:-1, :-2] + plane[1:-1, 2:]) / 4
    )


def _cell_energies(residual: Doubles) -> Doubles:
    """Log of the mean magnitude in each of 4x4 cells [16]."""
    parts = [
        cell for band in np.array_split(residual, CELLS) for cell in np.array_split(band, CELLS, 1)
    ]
    return np.log([np.abs(part).mean() + 0.05 for part in parts])


def _co_occurrences(residual: Doubles) -> Doubles:
    """Frequencies of pairs of neighbouring quantised residuals, both directions and signs together."""
    q = np.clip(np.rint(residual / STEP), -LARGEST, LARGEST).astype(np.int64)
    size = 2 * LARGEST + 1
    counts = np.zeros((size, size))
    for one, other in ((q[:, :-1], q[:, 1:]), (q[:-1], q[1:])):
        np.add.at(counts, (one.ravel() + LARGEST, other.ravel() + LARGEST), 1.0)
    # A picture and its negative, and its mirror image, count alike.
    counts = counts + counts.T
    counts = counts + counts[::-1, ::-1]
    return np.asarray(np.sqrt(counts[np.triu_indices(size)] / counts.sum()))


def _dct_magnitudes(plane: Doubles) -> Doubles:
    """Mean of the log magnitudes of the AC coefficients [63] over the blocks of a picture."""
    k = np.arange(BLOCK)
    basis = np.cos(np.pi * (2 * k + 1) * k[:, None] / (2 * BLOCK)) * np.sqrt(2 / BLOCK)
    basis[0] /= np.sqrt(2)
    side = plane.shape[0] // BLOCK
    blocks = plane.reshape(side, BLOCK, side, BLOCK).transpose(0, 2, 1, 3)
    found = basis @ blocks @ basis.T
    return np.asarray(np.log(np.abs(found) + 1).mean((0, 1)).ravel()[1:])
