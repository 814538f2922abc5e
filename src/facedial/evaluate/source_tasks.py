"""The first source's two tasks with its models and others, on stores of their frame.

Task 1: faces of codes drawn uniformly from [0, 1), of models that keep raw codes: `ae-mse` and `ae-bce`.
Task 2: add the difference of two sets' mean codes (smiling and sad photos, with and without glasses) to a
code, of any model.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedial import scores
from facedial.arrays import Floats
from facedial.codes.attributes import NAMES
from facedial.data.store import Store
from facedial.editor import Editor
from facedial.errors import BadRequest
from facedial.evaluate._context import SPLITS, UNSEEN, EvaluationContext, blocks, evenly
from facedial.evaluate._judge import Judge
from facedial.evaluate._rows import Picture, Row
from facedial.faces import sheet
from facedial.faces.crop import align
from facedial.faces.face import Face
from facedial.faces.photo import Photo
from facedial.files import read_text
from facedial.priors.base import face_seeds
from facedial.priors.uniform import RAW, load_whitening

Bytes = NDArray[np.uint8]
Doubles = NDArray[np.float64]
Rows = NDArray[np.int64]

MAX_PHOTOS, MAX_JUDGED, AT_ONCE = 1000, 400, 32
WITHOUT = 0.3  # label below which people are without an attribute
SHOWN = 8
BATCH = 8  # the source takes the mean of means of batches
EACH = 70  # maximum number of photos in a balanced set
BALANCED_BY = ("Male", "Young")
EMPTY = 1e-6


@dataclass(frozen=True, slots=True)
class PhotoSets:
    """Rows of a store with an attribute and rows without it."""

    name: str
    having: Rows
    lacking: Rows


def measure(context: EvaluationContext) -> Iterator[Row]:
    """Distribution of photos' codes beside uniform ones, and composition of the sets of task 2.

    Of models that keep raw codes: `code_in_unit`: share of code values in [0, 1). `code_zero`: share that
    are 0. `uniform_rms`: root mean square of whitened uniform codes over that of photos' codes. Of every
    model: `source_psnr`: of reconstructions, the mean of dB. `set_share`: share of men and of young
    people in each set. `mean_of_means`: cosine similarity of the direction by the source's mean of batch
    means to the direction by plain means. `source_found`: share of unseen people without the attribute
    on whom the judge finds it once it is added, and `source_found_before` on their reconstructions (with
    a judge only).
    """
    judge = None if context.judge is None else Judge(context.judge)
    for name, store, editor in _models(context):
        with editor:
            for group in SPLITS:
                some = evenly(context.rows(store, group), MAX_PHOTOS)
                if len(some):
                    on, psnr = context.data(store, group), _psnr(editor, store, some)
                    yield Row.of("source_psnr", name, on, psnr, "dB", store.person[some])
            data = f"{store.path.name}-{store.frame}/unseen"
            if editor.model.bundle.has_file(RAW):
                yield from _uniform_rows(editor, store, name, data)
            for sets in _sets(context, store):
                for part, rows in (("with", sets.having), ("without", sets.lacking)):
                    for attribute in BALANCED_BY:
                        labels = store.attributes[rows, NAMES.index(attribute)]
                        on = f"{data}/{sets.name} {part}, {attribute}"
                        own = store.person[rows]
                        yield Row.of("set_share", "sets", on, labels > 0.5, "share", own)
                plain, batched = _direction(editor, store, sets)
                cosine = plain @ batched / (np.linalg.norm(plain) * np.linalg.norm(batched))
                on = f"{data}/{sets.name}"
                yield Row("mean_of_means", name, on, float(cosine), "cosine", len(sets.having))
                if judge is not None:
                    yield from _judged(editor, store, sets, judge, name, on)


def _uniform_rows(editor: Editor, store: Store, name: str, data: str) -> Iterator[Row]:
    """Photos' codes beside uniform ones."""
    shown = _shown(store, MAX_PHOTOS)
    white, people = _encoded(editor, store, shown), store.person[shown]
    raw, uniform = _raw(editor, white), _uniform(editor, MAX_PHOTOS)
    inside = ((raw >= 0) & (raw < 1)).mean(1)
    yield Row.of("code_in_unit", name, data, inside, "share", people)
    empty = (np.abs(raw) < EMPTY).mean(1)
    yield Row.of("code_zero", name, data, empty, "share", people)
    square, power = float(np.square(uniform).mean()), np.square(white).mean(1)
    far = float(np.sqrt(square / power.mean()))
    low, high = scores.percentiles(np.sqrt(square / scores.mean_draws(power, people)))
    unit = "of photos' codes"
    yield Row("uniform_rms", name, data, far, unit, MAX_PHOTOS, low, high)


def _psnr(editor: Editor, store: Store, rows: Rows) -> Doubles:
    """PSNR of each photo's reconstruction, dB [N]."""
    found = []
    for block in blocks(store, rows, AT_ONCE):
        photos = sheet.shrunk(block, editor.model.side)
        again = editor.model.decode_mse(editor.model.encode(photos))
        found.append(scores.psnr(photos, sheet.as_bytes(again)))
    return np.concatenate(found)


def _judged(
    editor: Editor, store: Store, sets: PhotoSets, judge: Judge, name: str, data: str
) -> Iterator[Row]:
    """`source_found` and `source_found_before`, by the judge on head crops of what is decoded."""
    rows, k = store.where(UNSEEN), NAMES.index(sets.name)
    rows = evenly(rows[store.attributes[rows, k] < WITHOUT], MAX_JUDGED)
    if not len(rows):
        return
    white, step = _encoded(editor, store, rows), _direction(editor, store, sets)[0]
    for metric, codes in (("source_found_before", white), ("source_found", white + step)):
        found = []
        for part in np.array_split(np.arange(len(rows)), max(1, len(rows) // AT_ONCE)):
            drawn = sheet.as_bytes(editor.model.decode_mse(codes[part]))
            heads = [
                _head(one, store.landmarks[row]) for one, row in zip(drawn, rows[part], strict=True)
            ]
            found.append(judge.predict(np.stack(heads))[:, k] > 0.5)
        share = np.concatenate(found).astype(np.float64)
        yield Row.of(metric, name, data, share, "share", store.person[rows])


def _head(pixels: Bytes, landmarks: Floats) -> Bytes:
    """The head crop [128, 128, 3] of a picture of another frame, whose edge is repeated beyond it."""
    box = np.array([0.0, 0.0, *pixels.shape[1::-1]])
    return align(Photo(pixels), Face(box, landmarks.astype(np.float64), 1.0)).pixels


def show(context: EvaluationContext) -> Iterator[Picture]:
    """Histograms of codes, faces of uniform codes, and photo, reconstruction and edit."""
    for name, store, editor in _models(context):
        with editor:
            rows = _shown(store, MAX_PHOTOS)
            if editor.model.bundle.has_file(RAW):
                raw = _raw(editor, _encoded(editor, store, rows))
                title = f"{name}: code values of unseen photos, beside U[0, 1)"
                yield Picture(title, _histograms(raw))
                drawn = sheet.as_bytes(editor.model.decode_mse(_uniform(editor, 2 * SHOWN)))
                yield Picture(f"{name}: task 1, sixteen uniform codes", sheet.grid([*drawn], SHOWN))
            for sets in _sets(context, store):
                chosen = _lacking(store, sets.name, rows)
                white = _encoded(editor, store, chosen)
                step = _direction(editor, store, sets)[0]
                photos = sheet.shrunk(store.pixels[chosen], editor.model.side)
                again = sheet.as_bytes(editor.model.decode_mse(white))
                moved = sheet.as_bytes(editor.model.decode_mse(white + step))
                title = f"{name}: task 2, {sets.name} added; unseen photo, reconstruction, result"
                yield Picture(title, sheet.grid([*photos, *again, *moved], len(photos)))


def _models(context: EvaluationContext) -> Iterator[tuple[str, Store, Editor]]:
    """The compared models, each with the first store of its frame; those without one are left out."""
    for name, path in context.models.items():
        editor = Editor.open(path)
        stores = [s for s in context.stores if s.frame == editor.model.frame]
        if stores:
            yield name, stores[0], editor
        else:
            editor.close()


def _shown(store: Store, count: int) -> Rows:
    return evenly(store.where(UNSEEN), count)


def _encoded(editor: Editor, store: Store, rows: Rows) -> Floats:
    return editor.model.encode(sheet.shrunk(store.pixels[rows], editor.model.side))


def _raw(editor: Editor, white: Floats) -> Doubles:
    """Raw codes float64 [N, D] of whitened codes: undoes the bundle's whitening."""
    mean, forth = load_whitening(editor.model.bundle.file(RAW))
    return np.asarray(white @ np.linalg.inv(forth.astype(np.float64)) + mean)


def _uniform(editor: Editor, count: int) -> Floats:
    return editor.prior("uniform").sample(face_seeds(0, count), {})


def _sets(context: EvaluationContext, store: Store) -> Iterator[PhotoSets]:
    """The source's smiling and sad photos if its table is given, and balanced sets of glasses."""
    if context.sets is not None:
        table = _table(context.sets)
        stems = {Path(file).stem: row for row, file in enumerate(store.file)}
        rows = {
            kind: np.array([stems[f] for f, k in table.items() if k == kind and f in stems], int)
            for kind in ("smile", "sad")
        }
        if all(len(found) for found in rows.values()):
            yield PhotoSets("Smiling", rows["smile"], rows["sad"])
    sets = balanced(store, "Eyeglasses")
    if sets is not None:
        yield sets


def balanced(store: Store, attribute: str, each: int = EACH) -> PhotoSets | None:
    """Training photos with and without `attribute`, balanced by sex and age; None without labels."""
    labels = store.attributes
    rows = store.where("train")
    columns = [NAMES.index(name) for name in (attribute, *BALANCED_BY)]
    known = rows[~np.isnan(labels[rows][:, columns]).any(1)]
    kinds = labels[known][:, columns] > 0.5
    having: list[Rows] = []
    lacking: list[Rows] = []
    for male in (False, True):
        for young in (False, True):
            cell = known[(kinds[:, 1] == male) & (kinds[:, 2] == young)]
            own = labels[cell, columns[0]] > 0.5
            count = min(int(own.sum()), int((~own).sum()), each // 4)
            for group, side in ((having, own), (lacking, ~own)):
                group.append(evenly(cell[side], count))
    sets = PhotoSets(attribute, np.concatenate(having), np.concatenate(lacking))
    return sets if len(sets.having) else None


def _table(path: Path) -> dict[str, str]:
    """File stem -> set, of a CSV with columns `file` and `set` (smile or sad)."""
    import csv

    lines = read_text(path, "table").splitlines()
    try:
        return {row["file"]: row["set"] for row in csv.DictReader(lines)}
    except KeyError as error:
        raise BadRequest(
            f"{path} is not a table with columns file and set (smile or sad): {error}"
        ) from error


def _direction(editor: Editor, store: Store, sets: PhotoSets) -> tuple[Floats, Floats]:
    """Difference of mean codes [D], by plain means and by means of batch means (the source's)."""
    codes = [_encoded(editor, store, rows) for rows in (sets.having, sets.lacking)]
    plain = codes[0].mean(0) - codes[1].mean(0)
    means = [np.mean([c[i : i + BATCH].mean(0) for i in range(0, len(c), BATCH)], 0) for c in codes]
    return plain, np.asarray(means[0] - means[1], np.float32)


def _lacking(store: Store, attribute: str, rows: Rows) -> Rows:
    """At most `SHOWN` unseen people labelled as without the attribute."""
    without = rows[store.attributes[rows, NAMES.index(attribute)] < 0.5]
    return evenly(without if len(without) else rows, SHOWN)


def _histograms(raw: Doubles) -> Bytes:
    """Histograms of all code values and of each dimension's s.d., beside U[0, 1)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=(9, 3), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    top = max(1.0, float(np.quantile(raw, 0.995)))
    bins = np.linspace(min(0.0, float(np.quantile(raw, 0.001))), top, 80)
    left.hist(raw.ravel(), bins, density=True, label="photos")
    left.step([0, 0, 1, 1], [0, 1, 1, 0], color="black", label="U[0, 1)")
    left.set_yscale("log")
    left.set_title("all values (log)")
    right.hist(raw.std(0), 60, label="photos")
    right.axvline(12**-0.5, color="black", label="U[0, 1)")
    right.set_title("standard deviation of each dimension")
    for axis in (left, right):
        axis.legend()
    file = io.BytesIO()
    figure.savefig(file, dpi=90, format="png")
    return np.asarray(Image.open(file).convert("RGB"))
