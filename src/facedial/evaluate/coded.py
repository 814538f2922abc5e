"""Bytes of coded faces (`.fd`) at equal PSNR, beside the smallest files of image formats."""

import importlib
import io
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from facedial import scores
from facedial.coded import CODER, coder_of
from facedial.codes.code import Code
from facedial.codes.entropy import STEPS, Coder
from facedial.data.store import Store
from facedial.evaluate._context import EvaluationContext, evenly
from facedial.evaluate._plots import Curve, curves
from facedial.evaluate._rows import Picture, Row
from facedial.faces import sheet
from facedial.model import Model

Bytes = NDArray[np.uint8]
TARGETS = 24.0, 26.0  # dB
FACES = 200
SHOWN = 8
PLOTTED = 24  # faces of a rate-distortion plot
# In that plot: of coded faces, which all are coarsest up to level 30, and of image formats.
FACE_LEVELS, FORMAT_LEVELS = (30, 40, 50, 60, 70, 80, 90, 100), (0, 5, 10, 20, 30, 40, 50, 60)
FINEST = 34.0  # dB; finer points are left out of that plot, being far beyond a coded face's
NAMED = {"facedial": "facedial .fd", "WEBP": "WebP", "JXL": "JPEG XL"}  # in that plot
# Format of Pillow -> options beside the quality; each gives its smallest files.
FORMATS: Mapping[str, Mapping[str, object]] = {
    "JPEG": {"optimize": True, "progressive": True},
    "WEBP": {"method": 6},
    "AVIF": {"speed": 2, "subsampling": "4:2:0"},
    "JXL": {"effort": 9},
}
LOSSLESS = 100  # a quality of JPEG XL that is refused unless asked for by its own option
# Written at a level 0..100, the finer the higher: the file's bytes, and what it decodes to.
Coded = Callable[[int], tuple[int, Bytes]]


def measure(context: EvaluationContext) -> Iterator[Row]:
    """`coded_bytes` on unseen people: mean bytes of the smallest file of at least 24 or 26 dB.

    PSNR of each face, decoded and rounded, by the MSE decoder. Means are over the faces that `.fd` brings
    to that PSNR, whose share is `coded_reached`; formats reach it for all of them, or have no row.
    """
    model = context.editor.model
    if not model.bundle.has_file(CODER):
        return
    coder = coder_of(model)
    for store in context.head:
        rows = evenly(context.rows(store, "unseen"), FACES)
        if not len(rows):
            continue
        sizes: dict[tuple[str, float], list[float]] = {}
        for row in rows:
            for name, level in _ways(model, coder, store.pixels[row]).items():
                for target in TARGETS:
                    found = smallest(level, store.pixels[row], target)
                    sizes.setdefault((name, target), []).append(np.nan if found is None else found)
        for target in TARGETS:
            data = f"{context.data(store, 'unseen')}/{target:g} dB"
            reached = ~np.isnan(sizes["facedial", target])
            people = store.person[rows]
            yield Row.of("coded_reached", "facedial", data, reached, "share", people)
            for name in ("facedial", *FORMATS):
                own = np.array(sizes.get((name, target), [np.nan]))
                if len(own) == len(reached) and reached.any() and not np.isnan(own[reached]).any():
                    label = name if name == "facedial" else name.lower()
                    yield Row.of("coded_bytes", label, data, own[reached], "bytes", people[reached])


def _ways(model: Model, coder: Coder, crop: Bytes) -> dict[str, Coded]:
    """The ways to write a crop: as a coded face, and in each format that Pillow has here."""
    (values,) = model.encode(crop[None])
    code = Code(values, model.space)

    def face(level: int) -> tuple[int, Bytes]:
        step = round(STEPS[1] - level / 100 * (STEPS[1] - STEPS[0]))
        data = coder.write(code, step=step)
        (drawn,) = sheet.as_bytes(model.decode_mse(coder.read(data).code.values[None]))
        return len(data), drawn

    def picture(kind: str) -> Coded:
        def written(level: int) -> tuple[int, Bytes]:
            file = io.BytesIO()
            quality = min(max(1, level), LOSSLESS - 1 if kind == "JXL" else 100)
            Image.fromarray(crop).save(file, kind, quality=quality, **FORMATS[kind])
            with Image.open(file) as opened:
                return len(file.getvalue()), np.asarray(opened.convert("RGB"))

        return written

    return {"facedial": face, **{kind: picture(kind) for kind in FORMATS if _usable(kind)}}


def _usable(kind: str) -> bool:
    """Whether Pillow writes and reads a format here."""
    if kind != "JXL":
        return kind == "JPEG" or bool(features.check(kind.lower()))
    try:
        importlib.import_module("pillow_jxl")  # registers its format with Pillow
    except ImportError:
        return False
    return True


def smallest(coded: Coded, crop: Bytes, target: float) -> int | None:
    """Bytes of the smallest file of at least `target` dB; None where even the finest has less.

    By bisection: a finer level has a larger file and hardly ever a lower PSNR.
    """
    low, high, found = -1, 100, None
    while high - low > 1 or found is None:
        middle = high if found is None else (low + high) // 2
        size, drawn = coded(middle)
        if float(scores.psnr(crop[None], drawn[None])[0]) >= target:
            high, found = middle, size
        elif found is None:
            return None
        else:
            low = middle
    return found


def show(context: EvaluationContext) -> Iterator[Picture]:
    """PSNR against bytes, then crops of unseen people and what they are after coding.

    Crop; coded in 60, 120 and 240 bytes; the coarsest WebP, which has more.
    """
    if not context.editor.model.bundle.has_file(CODER):
        return
    model = context.editor.model
    coder = coder_of(model)
    for store in context.head:
        rows = evenly(context.rows(store, "unseen"), SHOWN)
        if not len(rows):
            continue
        crops = store.pixels[rows]
        codes = [Code(values, model.space) for values in model.encode(crops)]
        lines = [*crops]
        for most in (60, 120, 240):
            read = [coder.read(coder.best(code, most)).code for code in codes]
            lines += [*model.decode_bytes(read)]
        lines += [_ways(model, coder, crop)["WEBP"](1)[1] for crop in crops]
        title = (
            f"{context.data(store, 'unseen')}: crop; 60, 120, 240 bytes; WebP of the lowest quality"
        )
        yield _rate_distortion(context, coder, store)
        yield Picture(title, sheet.grid(lines, len(crops)))


def _rate_distortion(context: EvaluationContext, coder: Coder, store: Store) -> Picture:
    """Mean PSNR against mean bytes of unseen people at eight levels of each way to write a crop."""
    rows = evenly(context.rows(store, "unseen"), PLOTTED)
    found: dict[str, list[list[tuple[int, float]]]] = {}
    for row in rows:
        crop = store.pixels[row]
        for name, coded in _ways(context.editor.model, coder, crop).items():
            levels = FACE_LEVELS if name == "facedial" else FORMAT_LEVELS
            written = [coded(level) for level in levels]
            found.setdefault(name, []).append(
                [(size, float(scores.psnr(crop[None], drawn[None])[0])) for size, drawn in written]
            )
    drawn = []
    for name, faces in found.items():
        size, decibels = np.mean(faces, axis=0).T
        shown = decibels <= FINEST
        drawn.append(Curve(NAMED.get(name, name), size[shown], decibels[shown]))
    return curves(
        f"{context.data(store, 'unseen')}: PSNR against bytes, means of {len(rows)} faces",
        drawn,
        ("mean size of a face's file, bytes", "mean PSNR, dB"),
        levels=[(target, f"{target:g} dB") for target in TARGETS],
    )
