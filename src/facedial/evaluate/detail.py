"""Detail at 256 px: what the network restores, how sharp edits and new faces are, and how real."""

import dataclasses
from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facedial import detail, scores
from facedial.compose.masks import changed_mask
from facedial.data.store import Store
from facedial.editing.request import Edit
from facedial.evaluate._context import SEEN, UNSEEN, EvaluationContext, evenly, portrait_of
from facedial.evaluate._judge import Judge
from facedial.evaluate._rows import Goal, Picture, Row, Sample
from facedial.faces import sheet
from facedial.model import FRAME
from facedial.render import paste

Bytes = NDArray[np.uint8]
Doubles = NDArray[np.float64]

PEOPLE = 24  # for each edit, of each store
FACES, RESTORED, SHOWN, ACROSS = 2000, 100, 64, 8
HALF = detail.SIDE // 2
# Edits that change shapes; None: the opposite of what the photo shows.
EDITS: Mapping[str, float | None] = {
    "Smiling": None, "Mustache": 1.0, "Bangs": None, "Young": 0.0, "Bald": 1.0, "Male": None,
    "Wearing_Hat": 1.0, "Wavy_Hair": 1.0,
}  # fmt: skip
SHOWN_EDITS: tuple[Mapping[str, float], ...] = (
    {"Smiling": 1.0}, {"Smiling": 0.0}, {"Eyeglasses": 1.0}, {"No_Beard": 0.0}, {"Young": 0.0},
    {"Bald": 1.0},
)  # fmt: skip
MUCH = 0.5  # of `changed_mask`, from which on a place counts as drawn
GOALS = (Goal("sharpness_256", must=0.7, aim=0.9),)


def measure(context: EvaluationContext) -> Iterator[Row]:
    """Rows of the model (`facedial`) and of plain enlargement (`facedial 128`), on stores of 256 px.

    `sharpness_256`: variance of the Laplacian where edits of test people change much, over that of the
    photos in the same places; of each edit and of all. `restored_psnr`: of crops of test people, shrunk
    to 128 px and enlarged again; what is drawn anew costs squared error. With a judge: `frechet_256`:
    Frechet distance of features of at most 2,000 new faces to training people's crops, over that of
    other training people's, and `sharpness_256_new`. Features are the judge's, of each quarter of a
    picture, so of pixels that are not shrunk; no training used them. Beside them, of test people: their
    crops as they are (`real crops`), and shrunk to 128 px and enlarged again.
    """
    model = context.editor.model
    stores = [s for s in context.stores if s.frame == FRAME and s.size == detail.SIDE]
    if not stores or not detail.draws_detail(model):
        return
    for store in stores:
        yield from _sharpness(context, store)
        yield from _restored(context, store)
    if context.judge is not None:
        judge = Judge(context.judge)
        yield from _frechet(context, stores, judge)


def _sharpness(context: EvaluationContext, store: Store) -> Iterator[Row]:
    rows = evenly(store.where(UNSEEN), min(PEOPLE, context.most))
    found: dict[str, list[Doubles]] = {name: [] for name in EDITS}
    people: dict[str, list[str]] = {name: [] for name in EDITS}
    for row in rows:
        for name, (photo, coarse, fine) in _edited(context, store, row).items():
            where = changed_mask(coarse.astype(np.float32) - photo) > MUCH
            three = scores.sharpness(np.stack([photo, coarse, fine]), np.stack([where] * 3))
            if not np.isnan(three).any():
                found[name].append(three)
                people[name].append(str(store.person[row]))
    data = context.data(store, "unseen")
    for part, names in (*((f"/{name}", [name]) for name in EDITS), ("", list(EDITS))):
        values = [three for name in names for three in found[name]]
        if not values:
            continue
        who = [one for name in names for one in people[name]]
        own, coarse, fine = np.array(values).T
        for label, drawn in (("facedial", fine), ("facedial 128", coarse)):
            sample = Sample(drawn, who, own)
            yield Row.over("sharpness_256", label, data + part, "of the photos'", [sample])


def _edited(
    context: EvaluationContext, store: Store, row: int
) -> dict[str, tuple[Bytes, Bytes, Bytes]]:
    """Edit -> photo, edit without detail, and with it, of a person who does not show its target."""
    editor, pixels, portrait = (
        context.editor,
        store.pixels[row],
        portrait_of(context.editor, store, row),
    )
    own, found = editor.predict_attributes(portrait), {}
    for name, target in EDITS.items():
        has = own[name] > 0.5
        asked = float(not has) if target is None else target
        if has == (asked > 0.5):
            continue
        change = editor.change(portrait, Edit({name: asked}))
        both = (dataclasses.replace(change, fine=fine) for fine in (False, True))
        coarse, fine = (paste(editor.model, portrait, one).pixels for one in both)
        found[name] = (pixels, coarse, fine)
    return found


def _restored(context: EvaluationContext, store: Store) -> Iterator[Row]:
    rows = evenly(store.where(UNSEEN), min(context.most, RESTORED))
    crops = store.pixels[rows]
    small = np.stack([np.asarray(Image.fromarray(one).reduce(2)) for one in crops])
    data = context.data(store, "unseen")
    for label, large in (
        ("facedial", detail.enlarged(context.editor.model, small)),
        ("facedial 128", _enlarged(small)),
    ):
        decibels = scores.psnr(large, crops)
        yield Row.of("restored_psnr", label, data, decibels, "dB", store.person[rows])


def _frechet(context: EvaluationContext, stores: list[Store], judge: Judge) -> Iterator[Row]:
    count = min(context.most, FACES)
    train = [evenly(s.where(SEEN), 2 * count // len(stores)) for s in stores]
    real = [
        np.concatenate(
            [_features(judge, s.pixels[rows[i::2]]) for s, rows in zip(stores, train, strict=True)]
        )
        for i in (0, 1)
    ]
    baseline = scores.frechet(*real)
    small = context.editor.decode(context.editor.generate(count, seed=context.seed))
    unseen = np.concatenate(
        [s.pixels[evenly(s.where(UNSEEN), count // len(stores))] for s in stores]
    )
    shrunk = np.stack([np.asarray(Image.fromarray(one).reduce(2)) for one in unseen])
    model, names = context.editor.model, ", ".join(s.path.name for s in stores)
    on = f"random against {context.data(stores[0], 'unseen')}"
    sharpness = scores.sharpness(stores[0].pixels[evenly(stores[0].where(UNSEEN), 400)]).mean()

    def ratio(label: str, pictures: Bytes, data: str) -> Row:
        value = scores.frechet(_features(judge, pictures), real[0]) / baseline
        against = f"{data} against {names}/train"
        return Row("frechet_256", label, against, value, "of real against real", len(pictures))

    # What photos themselves reach, as they are, and shrunk to 128 px: no network does better.
    yield ratio("real crops", unseen, f"{names} unseen")
    for label, draw in (
        ("facedial", partial(detail.enlarged, model)),
        ("facedial 128", _enlarged),
    ):
        yield ratio(label, draw(shrunk), f"{names} unseen")
        large = draw(small)
        yield ratio(label, large, "random")
        own = scores.sharpness(large[:400]) / sharpness
        yield Row.of("sharpness_256_new", label, on, own, "of real crops")
    for store in context.stores:
        if store.frame == FRAME and store.size == model.side:
            # Of people of another collection: how far apart two collections are.
            crops = store.pixels[evenly(store.where(UNSEEN), count)]
            yield ratio("facedial", detail.enlarged(model, crops), f"{store.path.name} unseen")


def _features(judge: Judge, pictures: Bytes) -> Doubles:
    return judge.features(_quarters(pictures))


def _quarters(pictures: Bytes) -> Bytes:
    """Pictures [N, 256, 256, 3] as their quarters [4 N, 128, 128, 3]."""
    parts = pictures.reshape(-1, 2, HALF, 2, HALF, 3).swapaxes(2, 3)
    return np.ascontiguousarray(parts.reshape(-1, HALF, HALF, 3))


def _enlarged(pictures: Bytes) -> Bytes:
    return np.stack([sheet.enlarged(one, detail.SIDE) for one in pictures])


def show(context: EvaluationContext) -> Iterator[Picture]:
    """New faces at 256 px; edits of test people without detail and with it, a pair of rows each."""
    editor = context.editor
    if not detail.draws_detail(editor.model):
        return
    faces = editor.decode(editor.generate(SHOWN, seed=context.seed), size=detail.SIDE)
    yield Picture(
        f"new faces of seed {context.seed} at {detail.SIDE} px, not selected",
        sheet.grid(list(faces), ACROSS),
    )
    for store in context.stores:
        if store.frame == FRAME and store.size == detail.SIDE:
            rows = evenly(store.where(UNSEEN), min(20, context.most))
            tiles = [tile for row in rows for tile in _pair(context, store, row)]
            names = ", ".join(f"{n}={t:.0f}" for one in SHOWN_EDITS for n, t in one.items())
            yield Picture(
                f"{store.path.name}: photo, then {names}; without and with detail; not selected",
                sheet.grid(tiles, len(SHOWN_EDITS) + 1),
            )


def _pair(context: EvaluationContext, store: Store, row: int) -> list[Bytes]:
    """A row of edits without detail, then one with it."""
    editor, pixels, portrait = (
        context.editor,
        store.pixels[row],
        portrait_of(context.editor, store, row),
    )
    changes = [editor.change(portrait, Edit(dict(one))) for one in SHOWN_EDITS]
    tiles: list[Bytes] = []
    for fine in (False, True):
        tiles.append(pixels)
        made = (dataclasses.replace(change, fine=fine) for change in changes)
        tiles += [paste(editor.model, portrait, change).pixels for change in made]
    return tiles
