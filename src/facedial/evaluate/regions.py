"""Where edits change photos of 256 px, by the parser's teacher; and whether the person stays the same."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facedial.codes.attributes import NAMES
from facedial.data.parse_teacher import ParseTeacher
from facedial.data.store import Store
from facedial.editing.regions import FACE
from facedial.editing.request import Edit
from facedial.editor import Editor
from facedial.evaluate._context import UNSEEN, EvaluationContext, evenly
from facedial.evaluate._identity import embedded, kept_identity
from facedial.evaluate._rows import Goal, Picture, Row
from facedial.faces import sheet
from facedial.faces.face import Face
from facedial.faces.parse import CLASSES, SIDE, dilated
from facedial.faces.photo import Photo
from facedial.model import FRAME
from facedial.runtime.session import Session

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]

PEOPLE = 24  # for each edit
SHOWN = 10
LEAST = 75.0  # squared levels of three channels: smaller changes are not seen
RIM = 3  # pixels by which classes are dilated: a parse is no finer


@dataclass(frozen=True, slots=True)
class _Kind:
    """An edit, the classes that it may change, and whether the outline and the skin are to stay."""

    target: float | None  # None: the opposite of what the photo shows
    classes: tuple[str, ...]
    keeps_outline: bool = True
    keeps_skin: bool = False


_HAIR = _Kind(1.0, ("hair",), keeps_skin=True)
KINDS: Mapping[str, _Kind] = {
    "Black_Hair": _HAIR,
    "Blond_Hair": _HAIR,
    "Brown_Hair": _HAIR,
    "Gray_Hair": _HAIR,
    "Smiling": _Kind(None, FACE),
    "Mustache": _Kind(1.0, FACE),
    "Eyeglasses": _Kind(1.0, ("glasses", "eyes", "brows"), keeps_skin=True),
    "Bangs": _Kind(1.0, ("hair", "hat", "skin", "brows")),
    "Young": _Kind(0.0, (*FACE, "hair", "ears", "neck")),
    "Bald": _Kind(1.0, ("hair", "hat", "ears", "background"), keeps_outline=False),
}
HAIR = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair")
DATA = "portraits256-head/unseen"
GOALS = (
    *(Goal("spill", 0.03, 0.005, lower=True, data=f"{DATA}/{name}") for name in HAIR),
    *(
        Goal("spill", 0.05, 0.02, lower=True, data=f"{DATA}/{name}")
        for name in KINDS
        if name not in HAIR
    ),
    *(Goal("skin_change", 0.5, 0.0, lower=True, data=f"{DATA}/{name}") for name in HAIR),
    *(
        Goal("background_change", 0.0, 0.0, lower=True, data=f"{DATA}/{name}")
        for name, kind in KINDS.items()
        if kind.keeps_outline
    ),
    *(
        Goal("identity_cosine", must, aim, data=f"{DATA}/{name}")
        for name, must, aim in (
            *((name, 0.95, 0.98) for name in HAIR),
            ("Eyeglasses", 0.80, 0.88),
            ("Smiling", 0.85, 0.90),
            ("Young", 0.70, 0.80),
        )
    ),
)


def measure(context: EvaluationContext) -> Iterator[Row]:
    """Rows of every edit in `KINDS`, on test people of stores with crops of 256 px.

    Needs the context's `parse_teachers`. `spill`: share of squared change outside the classes that
    the edit may change, in either picture's parse; changes too small to be seen are left out, and so
    is what lies outside the photo, in all three.
    `skin_change`, `background_change`: mean absolute change, in levels, where both parses show skin
    (edits of hair and glasses) and background (edits that keep the outline). `identity_cosine`: mean
    cosine of the embeddings before and after, with the context's `identity`; `kept_identity`: the same
    by the model's own identity network, where it has one.
    """
    if context.parse_teachers is None:
        return
    teacher = ParseTeacher(context.parse_teachers)
    embedding = None if context.identity is None else Session(context.identity)
    for store in _stores(context):
        rows = evenly(store.where(UNSEEN), min(PEOPLE, context.most))
        parses = [teacher(store.pixels[row])[0] for row in rows]
        for name, kind in KINDS.items():
            chosen, edited = _edited(context.editor, store, rows, name, kind)
            if not len(chosen):
                continue
            found = [
                figures(
                    store.pixels[rows[i]],
                    after,
                    parses[i],
                    teacher(after)[0],
                    kind.classes,
                    store.known(rows[i]),
                )
                for i, after in zip(chosen, edited, strict=True)
            ]
            data = f"{context.data(store, 'unseen')}/{name}"
            people = store.person[rows[chosen]]
            spill, skin, background = np.array(found).T
            yield Row.of("spill", "facedial", data, spill, "of squared change", people)
            if kind.keeps_skin:
                yield _levels("skin_change", data, skin, people)
            if kind.keeps_outline:
                yield _levels("background_change", data, background, people)
            before = store.pixels[rows[chosen]]
            kept = kept_identity(context.editor.model, before, np.stack(edited))
            if kept is not None:
                yield Row.of("kept_identity", "facedial", data, kept, "cosine", people)
            if embedding is not None:
                one, two = (embedded(embedding, part) for part in (before, np.stack(edited)))
                cosine = (one * two).sum(1)
                yield Row.of("identity_cosine", "facedial", data, cosine, "cosine", people)


def figures(
    before: Bytes,
    after: Bytes,
    parse: Bytes,
    parse_after: Bytes,
    classes: tuple[str, ...],
    known: NDArray[np.bool_],
) -> tuple[float, float, float]:
    """`spill`, `skin_change` and `background_change` of one picture [S, S, 3] with its parses [S, S].

    `known` [S, S]: what lies in the photo; beside it its edge is repeated, with hair that nobody has. A
    mean over no pixel is NaN.
    """
    apart = after.astype(np.float64) - before
    square = np.square(apart).sum(2)
    square[(square < LEAST) | ~known] = 0
    ids = [CLASSES.index(name) for name in classes]
    allowed = dilated(np.isin(parse, ids) | np.isin(parse_after, ids), RIM)
    spill = float(square[~allowed].sum() / max(square.sum(), 1e-9))
    levels = np.abs(apart).mean(2)
    both = [
        known & (parse == k) & (parse_after == k)
        for k in map(CLASSES.index, ("skin", "background"))
    ]
    skin, background = (float(levels[m].mean()) if m.any() else float("nan") for m in both)
    return spill, skin, background


def _levels(metric: str, data: str, values: Floats, people: NDArray[np.str_]) -> Row:
    known = ~np.isnan(values)
    return Row.of(metric, "facedial", data, values[known], "levels", people[known])


def _stores(context: EvaluationContext) -> list[Store]:
    return [s for s in context.stores if s.frame == FRAME and s.size == SIDE]


def _edited(
    editor: Editor, store: Store, rows: NDArray[np.int64], name: str, kind: _Kind
) -> tuple[NDArray[np.int64], list[Bytes]]:
    """Which of the rows can be edited, and their pictures after the edit.

    Those that have the target already are left out.
    """
    chosen, edited = [], []
    for i, row in enumerate(rows):
        pixels = store.pixels[row]
        landmarks = store.landmarks[row].astype(np.float64)
        box = np.array([0.0, 0.0, SIDE, SIDE])
        (portrait,) = editor.read(Photo(pixels), [Face(box, landmarks, 1.0)])
        own = editor.predict_attributes(portrait)[name] > 0.5
        target = float(not own) if kind.target is None else kind.target
        if own != (target > 0.5):
            chosen.append(i)
            edited.append(editor.render(portrait, Edit({name: target})).pixels)
    return np.array(chosen, np.int64), edited


def show(context: EvaluationContext) -> Iterator[Picture]:
    """The same people, a row each, at 256 px: photo, then every edit of `KINDS`."""
    for store in _stores(context):
        rows = evenly(store.where(UNSEEN), min(SHOWN, context.most))
        tiles: list[Bytes] = []
        made = {name: _edited(context.editor, store, rows, name, k) for name, k in KINDS.items()}
        for i, row in enumerate(rows):
            tiles.append(store.pixels[row])
            for chosen, edited in made.values():
                at = np.flatnonzero(chosen == i)
                tiles.append(edited[int(at[0])] if len(at) else np.full_like(tiles[0], 255))
        names = ", ".join(KINDS)
        yield Picture(
            f"{store.path.name}: photo, then {names}; not selected; white: it is so already",
            sheet.grid(tiles, len(KINDS) + 1),
        )


assert set(KINDS) <= set(NAMES)
