"""Laws of the table of edit methods: which method edits each attribute."""

import pytest

from facedial.editing.request import Edit
from facedial.editing.table import DIRECTION, FAST, FLOW, FULL, EditMethod, EditTable
from facedial.errors import BadBundle, BadRequest

# As a bundle of format 1 states it; `merit` and `success` are facts beside the method.
FACTS = {
    "of": "fd-test",
    "table": {
        "Bald": {"move": "flow", "turning": 0.05, "guidance": 4, "place": 0.3, "fresh": 1},
        "Smiling": {"move": "flow", "turning": 0.2, "guidance": 2, "quality": "fast", "merit": 0.9},
        "Young": {"move": "direction", "success": 0.5, "direction": {"merit": 0.4}},
    },
}
EDIT = Edit({"Bald": 1.0, "Young": 0.0}, {"Smiling": 1.0, "grin": 2.0}, frozenset({"Male"}), 0.5)


def test_each_attribute_is_edited_by_the_method_that_was_measured_best() -> None:
    plan = EditTable.of(FACTS).plan(EDIT, "best")
    assert plan.directions == Edit({"Young": 0.0}, {"grin": 2.0}, frozenset({"Male"}), 0.5)
    assert list(plan.flow) == ["Bald", "Smiling"]
    assert plan.flow["Bald"] == (
        Edit({"Bald": 1.0}, {}, frozenset({"Male"}), 0.5),
        EditMethod(method=FLOW, t_start=0.05, guidance=4, mask_threshold=0.3, detail_replacement=1),
    )
    assert plan.flow["Smiling"] == (
        Edit({}, {"Smiling": 1.0}, frozenset({"Male"}), 0.5),
        EditMethod(method=FLOW, t_start=0.2, guidance=2, quality=FAST),
    )
    assert plan.detail_replacement == 1


def test_all_attributes_can_be_edited_by_one_method() -> None:
    table = EditTable.of(FACTS)
    plan = table.plan(EDIT, "direction")
    assert (plan.directions, plan.flow, plan.detail_replacement) == (EDIT, {}, 0)
    by_flow = table.plan(EDIT, "flow")
    assert set(by_flow.flow) == {"Bald", "Young", "Smiling", "grin"}
    assert by_flow.directions.is_zero


def test_without_a_table_every_attribute_is_edited_along_its_direction() -> None:
    table = EditTable.of({})
    plan = table.plan(EDIT, "best")
    assert (plan.directions, plan.flow) == (EDIT, {})
    assert table.method("Bald") == DIRECTION and not table.uses_flow("Bald")
    assert table.quality("Bald") == FULL


def test_the_measured_quality_replaces_the_usual_one_of_the_measured_method_alone() -> None:
    table = EditTable.of(FACTS)
    assert table.quality("Smiling") == FAST
    assert table.quality("Bald") == FULL
    for method, asked in ((FLOW, FULL), (FLOW, FAST), ("best", FAST)):
        assert table.quality("Smiling", method, asked) == asked


def test_an_attribute_may_be_taken_away_by_another_method() -> None:
    away = {"move": "flow", "turning": 0.14, "guidance": 1.5, "quality": "best"}
    smile = {**FACTS["table"]["Smiling"], "lowering": away}
    table = EditTable.of({"table": {**FACTS["table"], "Smiling": smile}})
    assert table.lowering == {"Smiling": EditMethod(method=FLOW, t_start=0.14, guidance=1.5)}
    assert table.methods == EditTable.of(FACTS).methods
    assert table.quality("Smiling") == FAST and table.quality("Smiling", lowers=True) == FULL
    assert table.quality("Bald", lowers=True) == FULL
    assert table.quality("Smiling", "best", FAST, lowers=True) == FAST


def test_a_method_is_stated_as_bundles_of_format_1_state_it() -> None:
    for facts in FACTS["table"].values():
        method = EditMethod.of(facts)
        assert EditMethod.of(method.facts()) == method
    stated = EditMethod.of(FACTS["table"]["Bald"]).facts()
    assert {name: stated[name] for name in FACTS["table"]["Bald"]} == FACTS["table"]["Bald"]


def test_unknown_methods_and_damaged_tables_are_refused() -> None:
    with pytest.raises(
        BadRequest, match="no edit method named 'jump'; known: best, direction, flow"
    ):
        EditTable({}).plan(EDIT, "jump")
    for damaged in ({"Bald": 3}, ["Bald"]):
        with pytest.raises(BadBundle, match="table of edit methods"):
            EditTable.of({"table": damaged})
