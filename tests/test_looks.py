"""Looks: each is an edit of the packaged model, and says why a face cannot be given it."""

import re
from pathlib import Path

import pytest

from facedial.composing import recolours_hair
from facedial.editing.implied import COLOURS
from facedial.editor import Editor
from facedial.errors import BadRequest
from facedial.faces.photo import Photo
from facedial.looks import LOOKS, look, unavailable
from facedial.portrait import Portrait


@pytest.fixture(scope="module")
def portrait(editor: Editor, astronaut: Path) -> Portrait:
    (found,) = editor.portraits(Photo.open(astronaut))
    return found


def test_names_are_parts_of_addresses_and_occur_once() -> None:
    names = [one.name for one in LOOKS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z]+(-[a-z]+)*", name) for name in names)
    assert all(look(name).name == name for name in names)
    with pytest.raises(BadRequest, match="no look named 'smiel'; known: smile"):
        look("smiel")


@pytest.mark.parametrize("name", [one.name for one in LOOKS])
def test_a_look_is_an_edit_that_the_model_makes_or_a_reason(
    editor: Editor, portrait: Portrait, name: str
) -> None:
    one = look(name)
    assert not one.edit.is_zero
    reason = unavailable(editor, portrait, one)
    if reason is None:
        editor.check(one.edit)
    elif one.edit.targets:
        assert reason == "the face looks like this already"


def test_a_colour_by_its_number_needs_a_parser(editor: Editor, portrait: Portrait) -> None:
    reason = unavailable(editor, portrait, look("red-hair"))
    assert (reason is None) == recolours_hair(editor.model)


def test_hair_colours_are_told_from_other_looks() -> None:
    hair = {one.name for one in LOOKS if one.is_hair_colour}
    assert hair == {"black-hair", "brown-hair", "blond-hair", "grey-hair", "red-hair"}
    assert {name for one in LOOKS for name in one.edit.targets} >= set(COLOURS)
