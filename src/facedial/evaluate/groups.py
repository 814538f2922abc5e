"""What groups of people are served how well: edits and labels by sex, age, origin and skin tone."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from facedial import parsing, scores
from facedial.codes.attributes import NAMES
from facedial.compose.lab import to_lab
from facedial.data.judging import judged
from facedial.data.store import Store
from facedial.editing.request import Edit
from facedial.editor import Editor
from facedial.evaluate._context import UNSEEN, EvaluationContext, blocks, evenly, portrait_of
from facedial.evaluate._identity import kept_identity
from facedial.evaluate._judge import Judge
from facedial.evaluate._plots import by_group
from facedial.evaluate._rows import Picture, Row
from facedial.model import FRAME, resampled

Bytes = NDArray[np.uint8]
Bools = NDArray[np.bool_]
Doubles = NDArray[np.float64]
Rows = NDArray[np.int64]
Texts = NDArray[np.str_]

# Edits that anybody may want: attribute -> target.
EDITS: Mapping[str, float] = {"Smiling": 1.0, "Eyeglasses": 1.0, "Blond_Hair": 1.0, "Young": 0.0}
EDITED = 96  # people of a store whose photos are edited
LEAST = 12  # people of a group; fewer say nothing
LEAST_LABELS = 10  # photos with and without an attribute, for its AUC in a group
RESAMPLES = 200
# Figure of a group -> the largest less the smallest of a division.
GAPS = {
    "group_auc": "group_gap_auc",
    "group_edits_found": "group_gap_edits_found",
    "group_identity": "group_gap_identity",
}
DIVISIONS = ("sex", "age", "origin", "skin")
# Figure of a group -> its axis in the plot.
AXES = {
    "group_edits_found": "edits that the judge finds, share",
    "group_auc": "attributes, mean AUC",
    "group_identity": "identity kept, cosine",
}
# Lowest individual typology angle of a class of skin, degrees (Chardon 1991; Del Bino 2013).
TONES: Mapping[str, float] = {
    "very light": 55, "light": 41, "intermediate": 28, "tan": 10, "brown": -30, "dark": -180,
}  # fmt: skip
AGES: Mapping[str, float] = {"under 18": 18, "18 to 39": 40, "40 to 59": 60, "60 and older": 200}
# Share of skin in a pixel that counts as skin, and of such pixels in a crop.
SURELY, LEAST_SKIN = 0.9, 0.02
LABELLED = 1500  # photos of a store whose labels are compared
AT_ONCE = 64


def measure(context: EvaluationContext) -> Iterator[Row]:
    """Figures of each group of unseen people, and the largest gap between groups of a division.

    Divisions: `sex` and `age` by the store's columns `sex` and `age` (years), else by its labels;
    `origin` as the store's source states it (column `group`); `skin` by the individual typology angle of
    the parsed skin, which also depends on light and make-up. Groups of fewer than 12 people are left out.

    `group_auc`: mean AUC of the attributes that have 10 photos with and 10 without in the group, by
    labels of 0 and 1, interval by bootstrap over people. `group_edits_found`: share of four edits that
    the judge finds, if there is a judge; only of photos in which it does not find the target before.
    `group_identity`: mean cosine of the edited to the photo by the model's own identity network.
    `group_gap_*`: largest less smallest of a division, of groups of which the figure is known. A gap is
    largest of several uncertain numbers, so that of equal groups is not 0: see their intervals.
    """
    for store in context.stores:
        if store.frame != FRAME or store.size not in (128, 256):
            continue
        data = context.data(store, "unseen")
        found: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
        for division, row in (*_by_labels(context, store), *_by_edits(context, store)):
            found[row.metric][division].append(row)
            yield dataclasses.replace(row, model="facedial", data=f"{data}/{row.data}")
        for metric, divisions in found.items():
            for division, rows in divisions.items():
                values = [row.value for row in rows]
                if len(values) > 1:
                    at, gap = f"{data}/{division}", max(values) - min(values)
                    yield Row(GAPS[metric], "facedial", at, gap, "", len(values))


def plots(rows: Sequence[Row]) -> Iterator[Picture]:
    """The figures of each group with their 95 % intervals, a picture for each store."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.metric in AXES:
            found[row.data.removesuffix(f"/{row.part}")].append(row)
    for data, own in found.items():
        groups = sorted({_group_of(row) for row in own}, key=lambda group: _order(*group))
        panels = {
            axis: {_group_of(row): row for row in own if row.metric == metric}
            for metric, axis in AXES.items()
        }
        title = f"{data}: figures by group, with 95 % intervals"
        yield by_group(title, groups, {axis: points for axis, points in panels.items() if points})


def _group_of(row: Row) -> tuple[str, str]:
    """Division and group of a row."""
    division, _, group = row.part.partition(" ")
    return division, group


def _order(division: str, group: str) -> tuple[int, int, str]:
    """Ages from young to old, skin from light to dark, other groups by name."""
    places = [*AGES, *TONES]
    return DIVISIONS.index(division), places.index(group) if group in places else -1, group


def _by_labels(context: EvaluationContext, store: Store) -> Iterator[tuple[str, Row]]:
    """`group_auc` of the classifier on a store with manual labels at the model's size."""
    rows = evenly(context.rows(store, "unseen"), LABELLED)
    labels = store.attributes[rows] > 0.5
    if store not in context.head or not np.isin(store.attributes[rows], (0.0, 1.0)).all():
        return
    model = context.editor.model
    predicted = np.concatenate(
        [model.predict_attributes(block) for block in blocks(store, rows, AT_ONCE)]
    )
    for division, name, members in _groups(context.editor, store, rows):
        values, truth, people = predicted[members], labels[members], store.person[rows[members]]
        enough = np.minimum(truth.sum(0), (~truth).sum(0)) >= LEAST_LABELS
        if not enough.any():
            continue
        kept = np.flatnonzero(enough)
        mean = _mean_auc(values[:, kept], truth[:, kept])
        low, high = _interval(values[:, kept], truth[:, kept], people, context.seed)
        unit = f"mean over {len(kept)}"
        yield division, Row("group_auc", "", name, mean, unit, int(members.sum()), low, high)


def _interval(
    values: NDArray[np.float32], truth: Bools, people: Texts, seed: int
) -> tuple[float, float]:
    """The 95 % interval of `_mean_auc`, by bootstrap over people."""

    def again(drawn: Rows) -> float:
        return _mean_auc(values[drawn], truth[drawn])

    return scores.interval(again, len(people), people, seed=seed, resamples=RESAMPLES)


def _mean_auc(values: NDArray[np.float32], truth: Bools) -> float:
    """Mean AUC over the attributes [N, K] that have both values; NaN where none has."""
    both = [k for k in range(truth.shape[1]) if 0 < truth[:, k].sum() < len(truth)]
    if not both:
        return float("nan")
    return float(np.mean([scores.auc(values[:, k], truth[:, k]) for k in both]))


def _by_edits(context: EvaluationContext, store: Store) -> Iterator[tuple[str, Row]]:
    """`group_edits_found` and `group_identity` of every group."""
    editor = context.editor
    rows = _chosen(store, min(EDITED, context.most // 4))
    if not len(rows) or not editor.model.has_identity:
        return
    judge = None if context.judge is None else Judge(context.judge)
    before = store.pixels[rows]
    seen = None if judge is None else judge.predict(resampled(before))
    hits: Doubles = np.full((len(rows), len(EDITS)), np.nan)
    kept: Doubles = np.full((len(rows), len(EDITS)), np.nan)
    for j, (name, target) in enumerate(EDITS.items()):
        k = NAMES.index(name)
        if seen is None:
            usable = np.arange(len(rows))
        else:
            usable = np.flatnonzero((seen[:, k] > 0.5) != (target > 0.5))
        if not len(usable):
            continue
        after = np.stack([_edited(editor, store, rows[i], name, target) for i in usable])
        cosine = kept_identity(editor.model, before[usable], after)
        assert cosine is not None
        kept[usable, j] = cosine
        if judge is not None:
            hits[usable, j] = (judge.predict(resampled(after))[:, k] > 0.5) == (target > 0.5)
    for division, name, members in _groups(editor, store, rows):
        for metric, values, unit in (
            ("group_edits_found", hits, "share"),
            ("group_identity", kept, "cosine"),
        ):
            known = ~np.isnan(values[members])
            people = np.broadcast_to(store.person[rows[members]][:, None], known.shape)[known]
            if known.any():
                yield division, Row.of(metric, "", name, values[members][known], unit, people)


def _edited(editor: Editor, store: Store, row: int, name: str, target: float) -> Bytes:
    portrait = portrait_of(editor, store, row)
    return editor.render(portrait, Edit({name: target})).pixels


def _chosen(store: Store, count: int) -> Rows:
    """About `count` photos of unseen people, one a person, as many of each origin where it is known."""
    rows = judged(store) if np.isin(store.attributes, (0.0, 1.0)).all() else store.where(UNSEEN)
    _, first = np.unique(store.person[rows], return_index=True)
    rows = rows[np.sort(first)]
    origins = store.extra.get("group")
    if origins is None:
        return evenly(rows, count)
    parts = [rows[origins[rows] == one] for one in np.unique(origins[rows]) if one]
    return np.sort(np.concatenate([evenly(part, count // len(parts)) for part in parts]))


def _groups(editor: Editor, store: Store, rows: Rows) -> list[tuple[str, str, Bools]]:
    """Division, name in `Row.data` and members [N] of every group that is large enough."""
    columns = {
        "sex": _labelled(store, rows, "Male", ("male", "female")),
        "age": _labelled(store, rows, "Young", ("younger", "older")),
        "origin": store.extra["group"][rows] if "group" in store.extra else np.array([""]),
        "skin": np.concatenate([_tones(editor, block) for block in blocks(store, rows, AT_ONCE)]),
    }
    if "sex" in store.extra:
        columns["sex"] = store.extra["sex"][rows]
    if "age" in store.extra:
        columns["age"] = np.array([_band(years) for years in store.extra["age"][rows]])
    found = []
    for division in DIVISIONS:
        values = columns[division]
        for value in np.unique(values[values != ""]):
            members = values == value
            if len(np.unique(store.person[rows[members]])) >= LEAST:
                found.append((division, f"{division} {value}", members))
    return found


def _labelled(store: Store, rows: Rows, attribute: str, names: tuple[str, str]) -> Texts:
    """With and without an attribute, by name; empty where the store does not know."""
    own = store.attributes[rows, NAMES.index(attribute)]
    return np.asarray(np.where(np.isnan(own), "", np.where(own > 0.5, *names)), str)


def _band(years: str) -> str:
    """The band of an age that a store states in years; empty where it states none."""
    if not years:
        return ""
    return next(name for name, oldest in AGES.items() if float(years) < oldest)


def _tones(editor: Editor, pixels: Bytes) -> Texts:
    """The class of `TONES` of each face's skin [N]; empty where hardly any is seen."""
    classes = parsing.classes_drawn(editor.model, pixels.astype(np.float32))
    found = []
    for own, picture in zip(classes, pixels, strict=True):
        skin = parsing.share(own, {"skin"}) > SURELY
        if skin.mean() < LEAST_SKIN:
            found.append("")
            continue
        light, _, yellow = np.median(to_lab(picture[skin]), 0)
        angle = np.degrees(np.arctan2(light - 50, yellow))
        found.append(next(name for name, lowest in TONES.items() if angle >= lowest))
    return np.array(found)
