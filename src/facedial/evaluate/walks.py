"""Walks: whether what lies halfway between two people is a face, by the flow and by straight lines."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from facedial import scores
from facedial.editor import Portrait
from facedial.evaluate._context import Context, evenly
from facedial.evaluate._figures import Picture, Row
from facedial.evaluate._judge import Judge
from facedial.faces import sheet

UInt8 = NDArray[np.uint8]
PAIRS, SHOWN = 300, 4
FRAMES = 7


def measure(context: Context) -> Iterator[Row]:
    """`between_sharpness`: of the picture halfway between unseen people, over the mean of both ends' own.

    With a judge, `between_frechet_ratio`: of those pictures against the walks' beginnings, over that
    of their ends against their beginnings. For walks by the flow (`facedial`) and along straight lines.
    """
    if not context.head:
        return
    faces, data = _people(context, 2 * min(context.most, PAIRS))
    if len(faces) < 4:
        return
    pairs = list(zip(faces[::2], faces[1::2], strict=True))
    ends = context.editor.decode([face.code for face in faces])
    own = scores.sharpness(ends).reshape(-1, 2).mean(1)
    judge = None if context.judge is None else Judge(context.judge)
    if judge is not None:
        real = [judge.features(part) for part in (ends[::2], ends[1::2])]
        floor = scores.frechet(*real)
    for model, straight in _models(context):
        codes = [context.editor.walk(pair, 3, straight=straight)[1] for pair in pairs]
        drawn = context.editor.decode(codes)
        yield Row.of("between_sharpness", model, data, scores.sharpness(drawn) / own, "of the ends")
        if judge is not None:
            ratio = scores.frechet(judge.features(drawn), real[0]) / floor
            unit = "of ends against ends"
            yield Row("between_frechet_ratio", model, data, ratio, unit, len(drawn))


def show(context: Context) -> Iterator[Picture]:
    """Walks between the first unseen people: a row by the flow, a row along straight lines."""
    if not context.head:
        return
    faces, data = _people(context, 2 * SHOWN)
    for model, straight in _models(context):
        rows: list[UInt8] = []
        for pair in zip(faces[::2], faces[1::2], strict=True):
            rows.extend(context.editor.decode(context.editor.walk(pair, FRAMES, straight=straight)))
        if rows:
            yield Picture(f"walks between people, {data}, {model}", sheet.grid(rows, FRAMES))


def _people(context: Context, count: int) -> tuple[list[Portrait], str]:
    """An even number of unseen people of the first store, and its name in the figures."""
    store = context.head[0]
    rows = evenly(context.rows(store, "unseen"), count)
    rows = rows[: len(rows) // 2 * 2]
    # Neighbours in a store may be one person: walk from the first half to the second.
    mixed = np.stack(np.split(rows, 2), 1).ravel() if len(rows) else rows
    faces = [context.editor.portrait_of_crop(store.pixels[row]) for row in mixed]
    return faces, context.data(store, "unseen")


def _models(context: Context) -> list[tuple[str, bool]]:
    flow = [("facedial", False)] if context.editor.bundle.has_flow else []
    return [*flow, ("straight lines", True)]
