"""Directions learned from two sets of codes, and editors that have them."""

import base64
import json
from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from typing import Any

from facedial import teaching
from facedial.codes.code import Code
from facedial.editing.learn import Learned
from facedial.editor import Editor
from facedial.errors import BadRequest

CACHED_EDITORS = 16  # sets of directions in use at once; 0.4 MB each


class EditorCache:
    """Editors with learned directions added: views of one loaded model, whose sessions they share.

    A slider of a learned direction sends the same directions with every step: the editor is made
    for the first and reused for the others.
    """

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        self._extended = lru_cache(CACHED_EDITORS)(self._extend)

    def extended(self, learned: Sequence[Learned]) -> Editor:
        """The editor with those directions among its own; raises `BadRequest`, `CodeSpaceMismatch`."""
        return self._extended(tuple(learned)) if learned else self.editor

    def _extend(self, learned: tuple[Learned, ...]) -> Editor:
        return self.editor.with_learned(learned)


def learn(
    editor: Editor,
    name: str,
    positives: Sequence[str],
    negatives: Sequence[str],
    balance: Sequence[str],
) -> Learned:
    """A direction from two sets of codes in base64; raises `BadRequest`, `CodeSpaceMismatch`."""
    teaching.check_name(editor, name, balance)
    sets = [[_decoded(editor, text) for text in texts] for texts in (positives, negatives)]
    return teaching.learn_direction(editor, name, sets[0], sets[1], balance, plain=False, seed=0)


def load_direction(editor: Editor, data: bytes) -> Learned:
    """A direction from its `.npz` file, checked to fit the editor's model and names."""
    learned = Learned.load(BytesIO(data))
    editor.model.directions.with_learned(learned)
    return learned


def save_direction(learned: Learned) -> bytes:
    """The direction as an `.npz` file."""
    stream = BytesIO()
    learned.save(stream)
    return stream.getvalue()


def report(learned: Learned) -> dict[str, Any]:
    """The held-out report, and the same as text."""
    facts: dict[str, Any] = json.loads(learned.report.to_json())
    return {**facts, "text": teaching.described(learned)}


def _decoded(editor: Editor, text: str) -> Code:
    space, size = editor.model.space, editor.model.dimensions
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise BadRequest(f"a code is base64 of {size} numbers: {error}") from error
    return Code.from_bytes(data, space, size)
