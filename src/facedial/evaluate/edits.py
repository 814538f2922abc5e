"""Edits of unseen people: success by the judge, collateral change, identity, sharpness, locality."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedial import scores
from facedial.codes.attributes import NAMES
from facedial.compose.masks import changed_mask
from facedial.data.judging import judged
from facedial.data.store import Store
from facedial.editing.implied import implied_by
from facedial.editing.request import Edit
from facedial.editing.table import BEST, DIRECTION, FAST, FLOW, FULL
from facedial.editor import Editor
from facedial.evaluate._context import SEEN, EvaluationContext, evenly
from facedial.evaluate._identity import SAME_PERSON, embedded, kept_identity
from facedial.evaluate._judge import Judge
from facedial.evaluate._rows import Goal, Picture, Row, Sample
from facedial.faces import sheet
from facedial.model import FRAME
from facedial.runtime.session import Session

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
_Found = tuple[Row, Sample | None]  # a row and the values of its photos, where it has such

# Attribute -> target; None: the opposite of the photo's label.
EDITS: Mapping[str, float | None] = {
    "Smiling": 1.0,
    "Eyeglasses": 1.0,
    "Blond_Hair": 1.0,
    "Bangs": 1.0,
    "Mouth_Slightly_Open": 1.0,
    "Mustache": 1.0,
    "Young": 0.0,
    "Male": None,
}
# Edits of the sheets, each to the opposite of the photo's label.
SHOWN_EDITS = (
    "Smiling", "Mouth_Slightly_Open", "Eyeglasses", "Bangs", "Bald", "Black_Hair", "Blond_Hair",
    "Brown_Hair", "Gray_Hair", "Male", "Young", "Mustache", "No_Beard", "Heavy_Makeup", "Pale_Skin",
    "Bushy_Eyebrows",
)  # fmt: skip
MAX_PEOPLE = 120  # for each edit
MIN_FRECHET = 16  # pictures for a Frechet distance
SHOWN = 12
SIDE = 128
# Boxes x0, y0, x1, y1 in a head crop of 128 px, and whether the edit may change the inside (True)
# or the outside: hair is everything but the face.
LOWER, EYES, FACE = (36, 72, 92, 114), (26, 50, 102, 86), (44, 62, 84, 112)
PARTS: Mapping[str, tuple[tuple[int, int, int, int], bool]] = {
    "Smiling": (LOWER, True),
    "Mouth_Slightly_Open": (LOWER, True),
    "Mustache": (LOWER, True),
    "Eyeglasses": (EYES, True),
    "Blond_Hair": (FACE, False),
    "Bangs": (FACE, False),
}
JUDGED = "celeba-head-head/judged"
GOALS = (
    Goal("collateral", must=0.25, aim=0.10, lower=True),
    Goal("identity_kept", must=0.92, aim=0.99),
    Goal("outside_mask_changed", must=0.15, aim=0.05, lower=True),
    Goal("edit_sharpness", must=0.7, aim=0.9),
    Goal("edit_frechet_ratio", must=12, aim=4, lower=True),
    *(
        Goal("edit_success", must=must, aim=aim, data=f"{JUDGED}/{edit}")
        for edit, must, aim in (
            ("Smiling+", 0.85, 0.97),
            ("Eyeglasses+", 0.75, 0.95),
            ("Blond_Hair+", 0.75, 0.95),
            ("Bangs+", 0.70, 0.92),
            ("Mouth_Slightly_Open+", 0.85, 0.97),
            ("Mustache+", 0.60, 0.85),
            ("Young-", 0.60, 0.90),
            ("Male", 0.75, 0.97),
        )
    ),
)


@dataclass(frozen=True, slots=True)
class _EditModel:
    """A bundle with an edit method: `method` and `quality` of `Editor.render`; `name` in the figures."""

    name: str
    path: Path | None
    method: str
    quality: str = FULL


@dataclass(frozen=True, slots=True, eq=False)
class _TestSet:
    """Photos and networks that edits are evaluated with.

    `rows`: photos of people unseen by every model; `std` float32 [40]: s.d. of the judge's
    probabilities over photos; `most`: maximum number of photos of each edit.
    """

    store: Store
    rows: NDArray[np.int64]
    judge: Judge
    embedding: Session | None
    std: Floats
    most: int

    @staticmethod
    def of(store: Store, context: EvaluationContext) -> "_TestSet":
        """The test set of a store."""
        assert context.judge is not None
        judge, rows = Judge(context.judge), judged(store)
        predicted = judge.predict(store.pixels[evenly(rows, 1000)])
        return _TestSet(
            store=store,
            rows=rows,
            judge=judge,
            embedding=None if context.identity is None else Session(context.identity),
            std=np.maximum(predicted.std(0), 1e-3),
            most=min(MAX_PEOPLE, max(4, context.most // 16)),
        )


def measure(context: EvaluationContext) -> Iterator[Row]:
    """Rows of every edit in `EDITS` and their means, for every model and edit method.

    Needs a judge and a head store with manual attribute labels of its test people; else no rows.
    Only photos without the target, by label and by judge, are edited.

    `edit_success`: share of edited photos in which the judge finds the target. `collateral`: mean
    absolute change of the judge's other probabilities, in s.d. over photos, of successful edits;
    implied attributes (`editing.implied`) are left out. `identity_kept`: share whose embeddings before
    and after count as one person's, if `context.identity` is given. `kept_identity`: mean cosine before
    and after by the model's own identity network, where it has one. `edit_sharpness`: Laplacian
    variance of edited photos over that of photos, where much has changed. `outside_mask_changed`:
    share of squared change outside the attribute's part of the face. `edit_frechet_ratio`: Frechet
    distance of edited photos to training people with the target, over that between two sets of those.
    """
    store = _store(context)
    if store is None or context.judge is None:
        return
    test_set = _TestSet.of(store, context)
    data = f"{store.path.name}-{store.frame}/judged"
    measured: dict[tuple[Path | None, str, str, str], list[_Found]] = {}
    for model in _edit_models(context):
        every: dict[str, list[_Found]] = {}
        with Editor.open(model.path) as editor:
            for name, target in EDITS.items():
                if name not in editor.model.directions.names:
                    continue
                sign = {1.0: "+", 0.0: "-", None: ""}[target]
                # The best method of an attribute is one of the others: do not measure it twice.
                method = editor.model.edit_table.method(name, model.method)
                made = editor.model.edit_table.quality(name, model.method, model.quality)
                quality = made if method == FLOW and editor.model.has_distilled_editor else ""
                key = (model.path, name, method, quality)
                if key not in measured:
                    measured[key] = list(_edit_rows(test_set, editor, model, name, target))
                for row, sample in measured[key]:
                    every.setdefault(row.metric, []).append((row, sample))
                    yield dataclasses.replace(row, model=model.name, data=f"{data}/{name}{sign}")
        for metric, found in every.items():
            yield _mean(metric, model.name, data, found)


def _mean(metric: str, model: str, data: str, found: Sequence[_Found]) -> Row:
    """Mean over edits, with its interval over people where every edit has its photos' values."""
    unit, count = f"mean over {len(found)} edits", len(found)
    samples = [sample for _, sample in found if sample is not None]
    if len(samples) == count:
        return dataclasses.replace(Row.over(metric, model, data, unit, samples), n=count)
    mean = float(np.mean([row.value for row, _ in found]))
    return Row(metric, model, data, mean, unit, count)


def _edit_rows(
    test_set: _TestSet, editor: Editor, model: _EditModel, name: str, target: float | None
) -> Iterator[_Found]:
    """Rows of one edit by one model, with an empty `data`."""
    k = NAMES.index(name)
    store, judge = test_set.store, test_set.judge
    labels = store.attributes[test_set.rows, k] > 0.5
    without = np.ones(len(labels), bool) if target is None else labels != (target > 0.5)
    chosen = evenly(test_set.rows[without], 2 * test_set.most)
    own = store.attributes[chosen, k] > 0.5
    targets = ~own if target is None else np.full(len(chosen), target > 0.5)
    predicted = judge.predict(store.pixels[chosen])
    # A photo in which the judge finds the target already says nothing about the edit.
    usable = np.flatnonzero((predicted[:, k] > 0.5) != targets)[: test_set.most]
    if not len(usable):
        return
    predicted, targets = predicted[usable], targets[usable]
    before, people = store.pixels[chosen[usable]], store.person[chosen[usable]]
    after = np.stack(
        [
            _edited(editor, pixels, name, float(value), model)
            for pixels, value in zip(before, targets, strict=True)
        ]
    )
    predicted_after = judge.predict(after)
    success = (predicted_after[:, k] > 0.5) == targets
    yield _found("edit_success", "share", Sample(success, people))
    implied = implied_by({name: 1.0 if target is None else target}, NAMES)
    others = [i for i, n in enumerate(NAMES) if n != name and n not in implied]
    change = (np.abs(predicted_after - predicted) / test_set.std)[:, others].mean(1)
    if success.any():
        yield _found("collateral", "s.d.", Sample(change[success], people[success]))
    if test_set.embedding is not None and name != "Male":
        one, two = (embedded(test_set.embedding, pictures) for pictures in (before, after))
        kept = (one * two).sum(1) > SAME_PERSON
        yield _found("identity_kept", "share", Sample(kept, people))
    own = kept_identity(editor.model, before, after) if name != "Male" else None
    if own is not None:
        yield _found("kept_identity", "cosine", Sample(own, people))
    masks = np.stack(
        [changed_mask(b.astype(np.float32) - a) for a, b in zip(before, after, strict=True)]
    )
    sharpness, sharpness_after = (scores.sharpness(part, masks) for part in (before, after))
    known = ~np.isnan(sharpness)
    if known.any():
        # A ratio of means: the ratio of a moustache on a smooth cheek has no upper bound.
        ratio = Sample(sharpness_after[known], people[known], sharpness[known])
        yield _found("edit_sharpness", "of the photos'", ratio)
    if name in PARTS:
        outside = _outside(before, after, *PARTS[name])
        yield _found("outside_mask_changed", "of squared change", Sample(outside, people))
    if target is not None:
        distance = _frechet_ratio(judge, store, k, target, after)
        if distance is not None:
            unit = "of real against real"
            yield Row("edit_frechet_ratio", "", "", distance, unit, len(after)), None


def _found(metric: str, unit: str, sample: Sample) -> _Found:
    """The row of a sample, with an empty `model` and `data`."""
    if sample.bases is None:
        return Row.of(metric, "", "", sample.values, unit, sample.groups), sample
    return Row.over(metric, "", "", unit, [sample]), sample


def _outside(before: Bytes, after: Bytes, part: tuple[int, int, int, int], within: bool) -> Doubles:
    """Share [N] of squared change outside the box `part`; inside it, if not `within`."""
    square = np.square(after.astype(np.float64) - before).sum(3)
    x0, y0, x1, y1 = part
    share = square[:, y0:y1, x0:x1].sum((1, 2)) / np.maximum(square.sum((1, 2)), 1e-9)
    return np.asarray(1 - share if within else share)


def _frechet_ratio(judge: Judge, store: Store, k: int, target: float, after: Bytes) -> float | None:
    """`edit_frechet_ratio`; None if there are too few training people with the target."""
    train = store.where(SEEN)
    real = train[(store.attributes[train, k] > 0.5) == (target > 0.5)]
    count = min(len(after), len(real) // 2)
    if count < MIN_FRECHET:
        return None
    halves = [evenly(part, count) for part in (real[::2], real[1::2])]
    features = [judge.features(store.pixels[part]) for part in halves]
    return scores.frechet(judge.features(after[:count]), features[0]) / scores.frechet(*features)


def _edited(editor: Editor, pixels: Bytes, name: str, target: float, model: _EditModel) -> Bytes:
    """The crop after an edit, rendered as a photo that is nothing but the crop."""
    portrait = editor.reader.of_crop(pixels)
    edit = Edit({name: target})
    return editor.render(portrait, edit, method=model.method, quality=model.quality).pixels


def _store(context: EvaluationContext) -> Store | None:
    for store in context.stores:
        rows = judged(store) if store.frame == FRAME and store.size == SIDE else np.empty(0, int)
        if len(rows) and np.isin(store.attributes[rows], (0.0, 1.0)).all():
            return store
    return None


def _edit_models(context: EvaluationContext) -> list[_EditModel]:
    paths: Mapping[str, Path | None] = context.models or {"facedial": context.editor.model.path}
    found = []
    for name, path in paths.items():
        with Editor.open(path) as editor:
            if editor.model.frame != FRAME or editor.model.side != SIDE:
                continue
            flow, distilled = editor.model.has_flow, editor.model.has_distilled_editor
        found.append(_EditModel(name, path, BEST))  # as `facedial edit`
        if distilled:
            found.append(_EditModel(f"{name} distilled", path, BEST, FAST))
        if flow:
            found.append(_EditModel(f"{name} flow", path, FLOW))
            found.append(_EditModel(f"{name} direction", path, DIRECTION))
    return found


def show(context: EvaluationContext) -> Iterator[Picture]:
    """The same people, a row each: photo, then every edit, by every method but the flow alone."""
    store = _store(context)
    if store is None or context.judge is None:
        return
    rows = evenly(judged(store), SHOWN)
    for model in _edit_models(context):
        if model.method == FLOW:
            continue
        tiles = []
        with Editor.open(model.path) as editor:
            edits = [name for name in SHOWN_EDITS if name in editor.model.directions.names]
            for row in rows:
                pixels = store.pixels[row]
                tiles.append(pixels)
                for name in edits:
                    own = store.attributes[row, NAMES.index(name)]
                    tiles.append(_edited(editor, pixels, name, float(1 - own), model))
        yield Picture(
            f"{model.name}: photo, then the opposite of {', '.join(edits)}; not selected",
            sheet.grid(tiles, len(edits) + 1),
        )
