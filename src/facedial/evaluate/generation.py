"""Generation: share of new faces with exactly one detected face, sharpness, copies, Frechet ratio."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from facedial import scores
from facedial.data.teacher import Teacher
from facedial.evaluate._conditional import TARGET_SETS, conditional_success, targets_text
from facedial.evaluate._context import SEEN, EvaluationContext, evenly
from facedial.evaluate._judge import Judge
from facedial.evaluate._rows import Goal, Picture, Row
from facedial.faces import sheet

Bytes = NDArray[np.uint8]
Doubles = NDArray[np.float64]
DRAWN = 400
SHOWN, ACROSS = 64, 8
DATA = "random"
COPY_SIDE = 32  # px at which nearest neighbours are searched
UPSCALE, MARGIN = 2, 16  # a crop of 128 px is small for a detector
MOST = 2000  # faces for a Frechet distance
GOALS = (
    Goal("one_face_rate", must=0.99, aim=0.995, model="facedial"),
    Goal("frechet_ratio", must=12, aim=4, lower=True, model="facedial"),
    Goal("sharpness_ratio", must=0.7, aim=0.9, data="random against celeba-head-head/"),
    Goal("copy_rate", must=0.01, aim=0.001, lower=True, data="random against celeba-head-head/"),
    Goal("conditional_success", must=0.92, aim=0.97, model="facedial"),
)


def measure(context: EvaluationContext) -> Iterator[Row]:
    """`one_face_rate`, `sharpness_ratio`, `copy_rate`, `frechet_ratio`, `conditional_success`.

    `one_face_rate`: share of new faces in which the detector `context.teacher` finds exactly one
    face, beside that of real crops. `sharpness_ratio`: Laplacian variance over the mean of real
    crops, of new faces and of reconstructions. `copy_rate`: share of new faces whose nearest
    training face (grey, 32x32 px) is nearer than that one's own nearest neighbour, beside that of
    photos of unseen people, because blurred faces are near to every face. With a judge,
    `frechet_ratio`: Frechet distance of at most 2,000 new faces to photos of training people, over
    that of other photos of training people; of the closed-form prior too if there is a learned one.
    """
    count = min(context.most, DRAWN)
    drawn = _drawn(context, count)
    teacher = None if context.teacher is None else Teacher(context.teacher)
    if teacher is not None:
        yield Row.of("one_face_rate", "facedial", DATA, _one_face(teacher, drawn), "share")
    for store in context.head:
        rows = context.rows(store, "unseen")
        if len(rows) == 0:
            continue
        rows = evenly(rows, count)
        real, people = store.pixels[rows], store.person[rows]
        data = context.data(store, "unseen")
        train = store.where(SEEN)
        if len(train) > 1:
            for model, pictures, on, groups in (
                ("facedial", drawn, f"{DATA} against {context.data(store, 'train')}", None),
                ("photos", real, data, people),
            ):
                copies = _copies(pictures, store.pixels, train)
                yield Row.of("copy_rate", model, on, copies, "share", groups)
        sharpness_of_real = float(scores.sharpness(real).mean())
        model_of = context.editor.model
        coded = sheet.as_bytes(model_of.decode_mse(model_of.encode(real)))
        for pictures, on, groups in (
            (drawn, f"{DATA} against {data}", None),
            (coded, data, people),
        ):
            ratio = scores.sharpness(pictures) / sharpness_of_real
            yield Row.of("sharpness_ratio", "facedial", on, ratio, "of real crops", groups)
        if teacher is not None:
            yield Row.of("one_face_rate", "photos", data, _one_face(teacher, real), "share", people)
    if context.judge is not None:
        yield from _judged(context, Judge(context.judge), drawn)


def _judged(context: EvaluationContext, judge: Judge, drawn: Bytes) -> Iterator[Row]:
    """Rows that need the judge, against photos of the first store of the head frame.

    `drawn`: the first of the new faces.
    """
    editor = context.editor
    for store in context.head[:1]:
        train = store.where(SEEN)
        count = min(context.most, MOST, len(train) // 2)
        photos = [store.pixels[evenly(half, count)] for half in (train[::2], train[1::2])]
        real = [judge.features(part) for part in photos]
        baseline = scores.frechet(*real)
        on = f"{DATA} against {context.data(store, 'train')}"
        default = editor.prior().name
        for name in dict.fromkeys((default, "gaussian")):
            known = drawn[:count] if name == default else drawn[:0]
            more = _drawn(context, count - len(known), len(known), name)
            ratio = (
                scores.frechet(judge.features(np.concatenate([known, more])), real[0]) / baseline
            )
            model = "facedial" if name == default else f"facedial {name}"
            yield Row("frechet_ratio", model, on, ratio, "of real against real", count)
    data = f"{DATA}/faces"
    yield from conditional_success(editor, "facedial", judge, context, data, editor.model.side)


def show(context: EvaluationContext) -> Iterator[Picture]:
    """The first new faces, and rows of ten sets of targets; no selection."""
    editor = context.editor
    name = editor.prior().name
    yield Picture(
        f"new faces of seed {context.seed}, {name} prior, not selected",
        sheet.grid(list(_drawn(context, SHOWN)), ACROSS),
    )
    tiles: list[Bytes] = []
    for targets in TARGET_SETS:
        tiles.extend(editor.decode(editor.generate(ACROSS, seed=context.seed, targets=targets)))
    yield Picture(
        f"targets, a row each ({targets_text()}); not selected", sheet.grid(tiles, ACROSS)
    )


def _drawn(
    context: EvaluationContext, count: int, first: int = 0, prior: str | None = None
) -> Bytes:
    """`count` new faces from number `first` on, uint8 [count, S, S, 3], as `generate` draws them."""
    editor = context.editor
    if count == 0:
        return np.empty((0, editor.model.side, editor.model.side, 3), np.uint8)
    return editor.decode(editor.generate(count, seed=context.seed, prior=prior, first=first))


def _copies(drawn: Bytes, pixels: Bytes, rows: NDArray[np.int64]) -> Doubles:
    """1 for each picture that is nearer to a training face than that is to any other one, else 0."""
    small = np.concatenate([_small(pixels[rows[i : i + 512]]) for i in range(0, len(rows), 512)])
    squares = np.square(small).sum(1)
    queries = _small(drawn)
    distances = np.square(queries).sum(1)[:, None] + squares - 2 * queries @ small.T
    nearest = distances.argmin(1)
    among_training = squares[nearest][:, None] + squares - 2 * small[nearest] @ small.T
    among_training[np.arange(len(nearest)), nearest] = np.inf
    return np.asarray(distances.min(1) < among_training.min(1), np.float64)


def _small(pictures: Bytes) -> NDArray[np.float32]:
    """Grey pictures of 32x32 px minus their mean, float32 [N, 1024]."""
    grey = sheet.shrunk(pictures, COPY_SIDE).astype(np.float32).mean(3).reshape(len(pictures), -1)
    return np.asarray(grey - grey.mean(1, keepdims=True))


def _one_face(teacher: Teacher, pictures: Bytes) -> Doubles:
    """1 for each picture in which the detector finds exactly one face, else 0."""
    found = []
    for picture in pictures:
        side = UPSCALE * len(picture)
        canvas = np.zeros((side + 2 * MARGIN, side + 2 * MARGIN, 3), np.uint8)
        canvas[MARGIN : MARGIN + side, MARGIN : MARGIN + side] = sheet.resized(
            picture, (side, side)
        )
        found.append(float(len(teacher.apart(canvas)) == 1))
    return np.array(found)
