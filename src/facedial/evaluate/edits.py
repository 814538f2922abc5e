"""Edits of people nobody has seen: found by the judge, and what they cost beside what was asked."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedial import scores
from facedial.codes.attributes import NAMES
from facedial.codes.edit import Edit
from facedial.codes.moves import BEST, DIRECTION, FAST, FINEST, FLOW
from facedial.codes.wishes import companions
from facedial.data.judging import judged
from facedial.data.store import Store
from facedial.editor import FRAME, Editor
from facedial.evaluate._context import SEEN, Context, evenly
from facedial.evaluate._figures import Goal, Picture, Row
from facedial.evaluate._judge import Judge
from facedial.faces import sheet
from facedial.faces.crop import head_template
from facedial.faces.geometry import fit_similarity, warp
from facedial.faces.paste import changed_places
from facedial.runtime.session import Session

UInt8 = NDArray[np.uint8]
Floats = NDArray[np.float32]

# Attribute -> the label it is to have; None: the other one than it has.
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
# What the sheets show: all that must be good, each the other way than it is.
SHOWN_EDITS = (
    "Smiling", "Mouth_Slightly_Open", "Eyeglasses", "Bangs", "Bald", "Black_Hair", "Blond_Hair",
    "Brown_Hair", "Gray_Hair", "Male", "Young", "Mustache", "No_Beard", "Heavy_Makeup", "Pale_Skin",
    "Bushy_Eyebrows",
)  # fmt: skip
MOST = 120  # people for each edit
FEWEST = 16  # for a Frechet distance
SHOWN = 12
SIDE = 128
SAME_PERSON = 0.31  # cosine of embeddings above which two photos are taken for one person's
EMBEDDED_SIDE = 112
# Where the embedding network wants eyes, nose and mouth.
EMBEDDED = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
# Parts of a head crop of 128 px, x0, y0, x1, y1: what an edit may change. Hair is all but the face.
LOWER, EYES, FACE = (36, 72, 92, 114), (26, 50, 102, 86), (44, 62, 84, 112)
PARTS: Mapping[str, tuple[tuple[int, int, int, int], bool]] = {
    "Smiling": (LOWER, True),
    "Mouth_Slightly_Open": (LOWER, True),
    "Mustache": (LOWER, True),
    "Eyeglasses": (EYES, True),
    "Blond_Hair": (FACE, False),
    "Bangs": (FACE, False),
}
JUDGED = "celeba-head/judged"
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
class _Mover:
    """A model and a way to move and its quality: `name` in the figures."""

    name: str
    path: Path | None
    move: str
    quality: str = FINEST


@dataclass(frozen=True, slots=True, eq=False)
class _Bench:
    """What all edits are measured on and with; `spread` [40]: s.d. of the judge's findings in photos."""

    store: Store
    rows: NDArray[np.int64]
    judge: Judge
    embedding: Session | None
    spread: Floats
    most: int

    @staticmethod
    def of(store: Store, context: Context) -> "_Bench":
        """The bench of a store."""
        assert context.judge is not None
        judge, rows = Judge(context.judge), judged(store)
        found = judge.read(store.pixels[evenly(rows, 1000)])
        return _Bench(
            store=store,
            rows=rows,
            judge=judge,
            embedding=None if context.identity is None else Session(context.identity),
            spread=np.maximum(found.std(0), 1e-3),
            most=min(MOST, max(4, context.most // 16)),
        )


def measure(context: Context) -> Iterator[Row]:
    """`edit_success`, `collateral`, `identity_kept`, `edit_sharpness`, `outside_mask_changed`.

    And `edit_frechet_ratio`: edited faces against training people who have what was asked.

    Needs a judge and a head store whose test people have attributes given by people; nothing without.
    Of people who have not what is asked, by label and by the judge: in how many the judge finds it
    afterwards. Collateral: mean movement of the judge's other findings, in s.d. over photos, in edits
    that succeed; what goes with the wish (`codes.wishes`) is no collateral. Identity: the share whose
    embeddings before and after are one person's, where a network is given (`--identity`). Outside:
    the share of squared change that lies beyond the part of the face the attribute is of. Sharpness:
    mean Laplacian variance where much has changed, over that of the photos in the same places.
    """
    store = _store(context)
    if store is None or context.judge is None:
        return
    bench = _Bench.of(store, context)
    data = f"{store.path.name}-{store.frame}/judged"
    measured: dict[tuple[Path | None, str, str, str], list[Row]] = {}
    for mover in _movers(context):
        every: dict[str, list[float]] = {}
        with Editor.open(mover.path) as editor:
            for name, target in EDITS.items():
                if name not in editor.directions.names:
                    continue
                sign = {1.0: "+", 0.0: "-", None: ""}[target]
                # The best move is one of the others, and need not be measured twice.
                move = editor.manners.move(name, mover.move)
                made = editor.manners.quality(name, mover.move, mover.quality)
                quality = made if move == FLOW and editor.bundle.has_student else ""
                key = (mover.path, name, move, quality)
                if key not in measured:
                    measured[key] = list(_of_edit(bench, editor, mover, name, target))
                for row in measured[key]:
                    every.setdefault(row.metric, []).append(row.value)
                    yield dataclasses.replace(row, model=mover.name, data=f"{data}/{name}{sign}")
        for metric, values in every.items():
            unit = f"mean over {len(values)} edits"
            yield Row(metric, mover.name, data, float(np.mean(values)), unit, len(values))


def _of_edit(
    bench: _Bench, editor: Editor, mover: _Mover, name: str, target: float | None
) -> Iterator[Row]:
    """Figures of one edit by one mover; `data` is left to the caller."""
    k = NAMES.index(name)
    store, judge = bench.store, bench.judge
    labels = store.attributes[bench.rows, k] > 0.5
    lacking = np.ones(len(labels), bool) if target is None else labels != (target > 0.5)
    chosen = evenly(bench.rows[lacking], 2 * bench.most)
    own = store.attributes[chosen, k] > 0.5
    wished = ~own if target is None else np.full(len(chosen), target > 0.5)
    read = judge.read(store.pixels[chosen])
    # A photo in which the judge finds it already says nothing of the edit.
    able = np.flatnonzero((read[:, k] > 0.5) != wished)[: bench.most]
    if not len(able):
        return
    read, wished, people = read[able], wished[able], store.person[chosen[able]]
    before = store.pixels[chosen[able]]
    after = np.stack(
        [
            _edited(editor, pixels, name, float(want), mover)
            for pixels, want in zip(before, wished, strict=True)
        ]
    )
    then = judge.read(after)
    success = (then[:, k] > 0.5) == wished
    yield Row.of("edit_success", mover.name, "", success, "share", people)
    along = companions({name: 1.0 if target is None else target}, NAMES)
    others = [i for i, n in enumerate(NAMES) if n != name and n not in along]
    moved = (np.abs(then - read) / bench.spread)[:, others].mean(1)
    if success.any():
        yield Row.of("collateral", mover.name, "", moved[success], "s.d.", people[success])
    if bench.embedding is not None and name != "Male":
        one, two = (_embedded(bench.embedding, pictures) for pictures in (before, after))
        kept = (one * two).sum(1) > SAME_PERSON
        yield Row.of("identity_kept", mover.name, "", kept, "share", people)
    places = np.stack(
        [changed_places(b.astype(np.float32) - a) for a, b in zip(before, after, strict=True)]
    )
    real, own = (scores.sharpness(part, places) for part in (before, after))
    seen = ~np.isnan(real)
    if seen.any():
        # Means first: a smooth cheek is sharpened endlessly by a moustache.
        ratio = float(own[seen].mean() / real[seen].mean())
        yield Row("edit_sharpness", mover.name, "", ratio, "of photos' there", int(seen.sum()))
    if name in PARTS:
        outside = _outside(before, after, *PARTS[name])
        yield Row.of("outside_mask_changed", mover.name, "", outside, "of squared change", people)
    if target is not None:
        away = _frechet_ratio(judge, store, k, target, after)
        if away is not None:
            unit = "of real against real"
            yield Row("edit_frechet_ratio", mover.name, "", away, unit, len(after))


def _outside(
    before: UInt8, after: UInt8, part: tuple[int, int, int, int], within: bool
) -> NDArray[np.float64]:
    """Share of squared change [N] that lies outside a part, or, where not `within`, inside it."""
    square = np.square(after.astype(np.float64) - before).sum(3)
    x0, y0, x1, y1 = part
    share = square[:, y0:y1, x0:x1].sum((1, 2)) / np.maximum(square.sum((1, 2)), 1e-9)
    return np.asarray(1 - share if within else share)


def _frechet_ratio(judge: Judge, store: Store, k: int, target: float, after: UInt8) -> float | None:
    """Edited faces against training people who have the attribute, over two sets of those."""
    train = store.where(SEEN)
    have = train[(store.attributes[train, k] > 0.5) == (target > 0.5)]
    count = min(len(after), len(have) // 2)
    if count < FEWEST:
        return None
    halves = [evenly(part, count) for part in (have[::2], have[1::2])]
    real = [judge.features(store.pixels[part]) for part in halves]
    return scores.frechet(judge.features(after[:count]), real[0]) / scores.frechet(*real)


def _edited(editor: Editor, pixels: UInt8, name: str, target: float, mover: _Mover) -> UInt8:
    """A crop after an edit, as a photo of nothing but that crop would be."""
    portrait = editor.portrait_of_crop(pixels)
    edit = Edit({name: target})
    return editor.render(portrait, edit, move=mover.move, quality=mover.quality).pixels


def _embedded(session: Session, pictures: UInt8) -> NDArray[np.float64]:
    """Embeddings [N, D] of length 1 of head crops, whose landmarks lie where the frame puts them."""
    to_crop = fit_similarity(EMBEDDED, head_template(pictures.shape[1]))
    rows = []
    for picture in pictures:
        aligned = warp(picture, to_crop, EMBEDDED_SIDE)
        planes = (aligned.astype(np.float32).transpose(2, 0, 1)[None] - 127.5) / 127.5
        rows.append(session(planes)[0].astype(np.float64))
    found = np.stack(rows)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


def _store(context: Context) -> Store | None:
    for store in context.stores:
        rows = judged(store) if store.frame == FRAME and store.size == SIDE else np.empty(0, int)
        if len(rows) and np.isin(store.attributes[rows], (0.0, 1.0)).all():
            return store
    return None


def _movers(context: Context) -> list[_Mover]:
    paths: Mapping[str, Path | None] = context.models or {"facedial": context.editor.bundle.path}
    found = []
    for name, path in paths.items():
        with Editor.open(path) as editor:
            if editor.bundle.frame != FRAME or editor.bundle.side != SIDE:
                continue
            flow, student = editor.bundle.has_flow, editor.bundle.has_student
        found.append(_Mover(name, path, BEST))  # as `facedial edit` does it
        if student:
            found.append(_Mover(f"{name} student", path, BEST, FAST))
        if flow:
            found.append(_Mover(f"{name} flow", path, FLOW))
            found.append(_Mover(f"{name} direction", path, DIRECTION))
    return found


def show(context: Context) -> Iterator[Picture]:
    """The same people, a row each: photo, then every edit; each model's best moves, and directions."""
    store = _store(context)
    if store is None or context.judge is None:
        return
    rows = evenly(judged(store), SHOWN)
    for mover in _movers(context):
        if mover.move == FLOW:
            continue
        tiles = []
        with Editor.open(mover.path) as editor:
            edits = [name for name in SHOWN_EDITS if name in editor.directions.names]
            for row in rows:
                pixels = store.pixels[row]
                tiles.append(pixels)
                for name in edits:
                    own = store.attributes[row, NAMES.index(name)]
                    tiles.append(_edited(editor, pixels, name, float(1 - own), mover))
        yield Picture(
            f"{mover.name}: photo, then the other side of {', '.join(edits)}; none left out",
            sheet.grid(tiles, len(edits) + 1),
        )
