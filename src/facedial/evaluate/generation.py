"""New faces: in how many a detector finds exactly one face, and how sharp they are beside real ones."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from facedial import scores
from facedial.data.teacher import Teacher
from facedial.evaluate._asked import SETS, asked_and_found
from facedial.evaluate._context import SEEN, Context, evenly
from facedial.evaluate._figures import Goal, Picture, Row
from facedial.evaluate._judge import Judge
from facedial.faces import sheet

UInt8 = NDArray[np.uint8]
DRAWN = 400
SHOWN, ACROSS = 64, 8
DATA = "random"
COMPARED = 32  # pixels of the side at which pictures are taken for the same
ENLARGED, MARGIN = 2, 16  # a crop of 128 px is small for a detector
MOST = 2000  # faces for a Frechet distance
GOALS = (
    Goal("one_face_rate", must=0.99, aim=0.995, model="facedial"),
    Goal("frechet_ratio", must=12, aim=4, lower=True, model="facedial"),
    Goal("sharpness_ratio", must=0.7, aim=0.9, data="random against celeba-head/"),
    Goal("copy_rate", must=0.01, aim=0.001, lower=True, data="random against celeba-head/"),
    Goal("conditional_success", must=0.92, aim=0.97, model="facedial"),
)


def measure(context: Context) -> Iterator[Row]:
    """`sharpness_ratio` (mean Laplacian variance, of real crops' own) of new and of coded faces.

    `copy_rate`: the share of new faces that lie nearer to some training face than that one lies to its
    nearest neighbour (as grey pictures of 32x32), beside that of photos of unseen people: blurred faces
    lie near to everyone. `one_face_rate`, where the teacher's file is given: the share of new faces in
    which it finds exactly one face, beside that of real crops. Faces are drawn as `facedial generate`
    draws them.

    With a judge: `frechet_ratio` of at most 2,000 new faces against training people's photos, over that
    of other photos of training people, on the judge's features; and `conditional_success` (`_asked`). Of
    the closed-form prior too, where there is a learned one.
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
        real = store.pixels[rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]]
        data = context.data(store, "unseen")
        train = store.where(SEEN)
        if len(train) > 1:
            for model, pictures, on in (
                ("facedial", drawn, f"{DATA} against {context.data(store, 'train')}"),
                ("photos", real, data),
            ):
                copies = _copies(pictures, store.pixels, train)
                yield Row.of("copy_rate", model, on, copies, "share")
        own = float(scores.sharpness(real).mean())
        bundle = context.editor.bundle
        coded = sheet.as_bytes(bundle.decode(bundle.encode(real)))
        for model, pictures, on in (
            ("facedial", drawn, f"{DATA} against {data}"),
            ("facedial", coded, data),
        ):
            ratio = scores.sharpness(pictures) / own
            yield Row.of("sharpness_ratio", model, on, ratio, "of real crops")
        if teacher is not None:
            yield Row.of("one_face_rate", "photos", data, _one_face(teacher, real), "share")
    if context.judge is not None:
        yield from _of_judge(context, Judge(context.judge), drawn)


def _of_judge(context: Context, judge: Judge, drawn: UInt8) -> Iterator[Row]:
    """How the judge sees new faces, beside photos of the first store on the head frame.

    `drawn`: the first of the new faces.
    """
    editor = context.editor
    for store in context.head[:1]:
        train = store.where(SEEN)
        count = min(context.most, MOST, len(train) // 2)
        photos = [store.pixels[evenly(half, count)] for half in (train[::2], train[1::2])]
        real = [judge.features(part) for part in photos]
        floor = scores.frechet(*real)
        on = f"{DATA} against {context.data(store, 'train')}"
        usual = editor.prior().name
        for name in dict.fromkeys((usual, "gaussian")):
            known = drawn[:count] if name == usual else drawn[:0]
            more = _drawn(context, count - len(known), len(known), name)
            ratio = scores.frechet(judge.features(np.concatenate([known, more])), real[0]) / floor
            model = "facedial" if name == usual else f"facedial {name}"
            yield Row("frechet_ratio", model, on, ratio, "of real against real", count)
    data = f"{DATA}/faces"
    yield from asked_and_found(editor, "facedial", judge, context, data, editor.bundle.side)


def show(context: Context) -> Iterator[Picture]:
    """The first new faces, and rows of ten sets of wishes; none left out."""
    editor = context.editor
    name = editor.prior().name
    yield Picture(
        f"new faces of seed {context.seed}, {name} prior, none left out",
        sheet.grid(list(_drawn(context, SHOWN)), ACROSS),
    )
    tiles: list[UInt8] = []
    for wish in SETS:
        tiles.extend(editor.decode(editor.generate(ACROSS, seed=context.seed, wanted=wish)))
    asked = "; ".join(", ".join(f"{n}={v:g}" for n, v in wish.items()) for wish in SETS)
    yield Picture(f"wishes, a row each ({asked}); none left out", sheet.grid(tiles, ACROSS))


def _drawn(context: Context, count: int, first: int = 0, prior: str | None = None) -> UInt8:
    """So many new faces from the first on, drawn sharp."""
    editor = context.editor
    if count == 0:
        return np.empty((0, editor.bundle.side, editor.bundle.side, 3), np.uint8)
    return editor.decode(editor.generate(count, seed=context.seed, prior=prior, first=first))


def _copies(drawn: UInt8, pixels: UInt8, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """1 for each picture that lies nearer to a training face than that lies to any other, else 0."""
    small = np.concatenate([_small(pixels[rows[i : i + 512]]) for i in range(0, len(rows), 512)])
    squares = np.square(small).sum(1)
    own = _small(drawn)
    away = np.square(own).sum(1)[:, None] + squares - 2 * own @ small.T
    nearest = away.argmin(1)
    theirs = squares[nearest][:, None] + squares - 2 * small[nearest] @ small.T
    theirs[np.arange(len(nearest)), nearest] = np.inf
    return np.asarray(away.min(1) < theirs.min(1), np.float64)


def _small(pictures: UInt8) -> NDArray[np.float32]:
    """Grey pictures of 32x32 about their mean, [N, 1024]."""
    grey = sheet.shrunk(pictures, COMPARED).astype(np.float32).mean(3).reshape(len(pictures), -1)
    return np.asarray(grey - grey.mean(1, keepdims=True))


def _one_face(teacher: Teacher, pictures: UInt8) -> NDArray[np.float64]:
    """1 for each picture in which the teacher finds exactly one face, else 0."""
    found = []
    for picture in pictures:
        side = ENLARGED * len(picture)
        canvas = np.zeros((side + 2 * MARGIN, side + 2 * MARGIN, 3), np.uint8)
        canvas[MARGIN : MARGIN + side, MARGIN : MARGIN + side] = sheet.resized(
            picture, (side, side)
        )
        found.append(float(len(teacher.apart(canvas)) == 1))
    return np.array(found)
