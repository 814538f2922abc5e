"""Laws of which move each attribute of an edit takes."""

import pytest

from facedial.editing.request import Edit
from facedial.editing.table import FLOW, EditMethod, EditTable
from facedial.errors import BadBundle, BadRequest

FACTS = {
    "of": "fd-test",
    "table": {
        "Bald": {"move": "flow", "turning": 0.05, "guidance": 4, "place": 0.3, "fresh": 1},
        "Smiling": {"move": "flow", "turning": 0.2, "guidance": 2, "merit": 0.9},
        "Young": {"move": "direction", "success": 0.5, "direction": {"merit": 0.4}},
    },
}
EDIT = Edit({"Bald": 1.0, "Young": 0.0}, {"Smiling": 1.0, "grin": 2.0}, frozenset({"Male"}), 0.5)


def test_each_attribute_takes_the_move_that_was_measured_best() -> None:
    parts = EditTable.of(FACTS).parts(EDIT, "best")
    assert parts.along == Edit({"Young": 0.0}, {"grin": 2.0}, frozenset({"Male"}), 0.5)
    bald, smile = parts.flowing["Bald"], parts.flowing["Smiling"]
    assert bald[0] == Edit({"Bald": 1.0}, {}, frozenset({"Male"}), 0.5)
    assert bald[1] == EditMethod(move=FLOW, turning=0.05, guidance=4, place=0.3, fresh=1)
    assert smile == (
        Edit({}, {"Smiling": 1.0}, frozenset({"Male"}), 0.5),
        EditMethod(move=FLOW, turning=0.2, guidance=2),
    )
    assert parts.fresh == 1


def test_all_can_be_moved_one_way() -> None:
    manners = EditTable.of(FACTS)
    along = manners.parts(EDIT, "direction")
    assert (along.along, along.flowing, along.fresh) == (EDIT, {}, 0)
    flowing = manners.parts(EDIT, "flow")
    assert set(flowing.flowing) == {"Bald", "Young", "Smiling", "grin"}
    assert flowing.along.is_zero


def test_a_bundle_that_says_nothing_moves_along_directions() -> None:
    parts = EditTable.of({}).parts(EDIT, "best")
    assert (parts.along, parts.flowing) == (EDIT, {})


def test_nonsense_is_refused() -> None:
    with pytest.raises(BadRequest, match="no move named 'jump'; known: best, direction, flow"):
        EditTable({}).parts(EDIT, "jump")
    with pytest.raises(BadBundle, match="table of moves"):
        EditTable.of({"table": {"Bald": 3}})
