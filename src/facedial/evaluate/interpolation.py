"""Interpolation between two people: quality of the midpoint, through the flow and linearly."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from facedial import scores
from facedial.evaluate._context import EvaluationContext, evenly
from facedial.evaluate._judge import Judge
from facedial.evaluate._rows import Picture, Row
from facedial.faces import sheet
from facedial.portrait import Portrait

Bytes = NDArray[np.uint8]
PAIRS, SHOWN = 300, 4
FRAMES = 7


def measure(context: EvaluationContext) -> Iterator[Row]:
    """`midpoint_sharpness`: Laplacian variance of the midpoint over the mean of its two end points.

    With a judge, `midpoint_frechet_ratio`: Frechet distance of midpoints to start points, over that
    of end points to start points. Of interpolation through the flow (`facedial`) and `linear`.
    The interval of the first is by bootstrap over the people of the start points.
    """
    if not context.head:
        return
    faces, people, data = _people(context, 2 * min(context.most, PAIRS))
    if len(faces) < 4:
        return
    pairs = list(zip(faces[::2], faces[1::2], strict=True))
    ends = context.editor.decode([face.code for face in faces])
    sharpness_of_ends = scores.sharpness(ends).reshape(-1, 2).mean(1)
    judge = None if context.judge is None else Judge(context.judge)
    if judge is not None:
        real = [judge.features(part) for part in (ends[::2], ends[1::2])]
        baseline = scores.frechet(*real)
    for model, linear in _models(context):
        codes = [context.editor.interpolate(pair, 3, linear=linear)[1] for pair in pairs]
        midpoints = context.editor.decode(codes)
        ratios = scores.sharpness(midpoints) / sharpness_of_ends
        yield Row.of("midpoint_sharpness", model, data, ratios, "of the end points", people[::2])
        if judge is not None:
            ratio = scores.frechet(judge.features(midpoints), real[0]) / baseline
            unit = "of end to start points"
            yield Row("midpoint_frechet_ratio", model, data, ratio, unit, len(midpoints))


def show(context: EvaluationContext) -> Iterator[Picture]:
    """Interpolations between the first unseen people, one row each."""
    if not context.head:
        return
    faces, _, data = _people(context, 2 * SHOWN)
    for model, linear in _models(context):
        rows: list[Bytes] = []
        for pair in zip(faces[::2], faces[1::2], strict=True):
            rows.extend(
                context.editor.decode(context.editor.interpolate(pair, FRAMES, linear=linear))
            )
        if rows:
            yield Picture(f"interpolation, {data}, {model}", sheet.grid(rows, FRAMES))


def _people(context: EvaluationContext, count: int) -> tuple[list[Portrait], NDArray[np.str_], str]:
    """An even number of unseen faces of the first store, who they are, and its name in the figures."""
    store = context.head[0]
    rows = evenly(context.rows(store, "unseen"), count)
    rows = rows[: len(rows) // 2 * 2]
    # Neighbours in a store may be one person: pair the first half with the second.
    mixed = np.stack(np.split(rows, 2), 1).ravel() if len(rows) else rows
    faces = [context.editor.reader.of_crop(store.pixels[row]) for row in mixed]
    return faces, store.person[mixed], context.data(store, "unseen")


def _models(context: EvaluationContext) -> list[tuple[str, bool]]:
    """Name in the figures, and whether the interpolation is linear."""
    flow = [("facedial", False)] if context.editor.model.has_flow else []
    return [*flow, ("linear", True)]
