"""Laws of what an edit does to a code: methods, implied attributes, what is kept."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from facedial.changes import NOTICED, change, direction_step, flow_edit, graphs_of, needs_attributes
from facedial.codes.attributes import NAMES
from facedial.codes.code import Code
from facedial.editing.implied import implied_by, partway, with_implied
from facedial.editing.request import Edit
from facedial.editing.table import DIRECTION, FAST, FLOW, FULL, EditMethod, EditTable
from facedial.editor import Editor
from facedial.errors import BadRequest, UnknownName
from facedial.faces.photo import Photo
from facedial.flow.inversion import BY_DISTILLED, condition_of
from facedial.model import Model
from facedial.portrait import Portrait
from facedial.runtime.bundle import Bundle
from facedial.runtime.session import Session

COLOURS = ("Black_Hair", "Blond_Hair", "Brown_Hair")


@pytest.fixture(scope="module")
def own(editor: Editor, portrait: Portrait) -> dict[str, float]:
    """Attribute -> probability of the portrait; a woman with brown hair who smiles."""
    return editor.predict_attributes(portrait)


def step_by_flow(
    model: Model,
    code: Code,
    own: dict[str, float],
    name: str,
    amount: float,
    implied: dict[str, float],
) -> np.ndarray:
    """The distilled editor's step, with the settings of the method `flow` without a table."""
    method = model.edit_table.of_attribute(name)
    mask = model.masks.mask(name, method.mask_threshold)
    flow = flow_edit(model, method, FAST, mask=mask)
    return flow.step(code.values, condition_of(flow.names, own), name, amount, implied)


def noticed(own: dict[str, float], implied: Mapping[str, float]) -> set[str]:
    """Implied attributes that are far enough from their values to be named."""
    return {name for name, value in implied.items() if abs(value - own[name]) > NOTICED}


@pytest.mark.parametrize(
    ("edit", "name", "amount"),
    [
        (lambda own: Edit({"Male": 1.0}), "Male", lambda own: 2 * (1 - own)),
        (lambda own: Edit({"Male": 1.0}, strength=0.5), "Male", lambda own: 1 - own),
        (lambda own: Edit({"Eyeglasses": 1.5}), "Eyeglasses", lambda own: 2 * (1.5 - own)),
        (lambda own: Edit(shifts={"Male": 0.5}), "Male", lambda own: 0.5),
        (
            lambda own: Edit(shifts={"Eyeglasses": -1.0}, strength=2.0),
            "Eyeglasses",
            lambda own: -2.0,
        ),
    ],
)
def test_by_the_flow_a_target_is_a_change_of_the_condition_and_a_shift_half_its_range(
    editor: Editor,
    portrait: Portrait,
    own: dict[str, float],
    edit: object,
    name: str,
    amount: object,
) -> None:
    made = editor.change(portrait, edit(own), FLOW, FAST)  # type: ignore[operator]
    expected = step_by_flow(
        editor.model,
        portrait.code,
        own,
        name,
        amount(own[name]),
        {},  # type: ignore[operator]
    )
    assert made.implied == {}
    assert_allclose(made.after.values - portrait.code.values, expected, atol=1e-5)
    assert np.abs(expected).max() > 0.01


def test_steps_of_several_attributes_by_the_flow_add_up(editor: Editor, portrait: Portrait) -> None:
    edits = [
        Edit({"Eyeglasses": 1}),
        Edit(shifts={"Young": -1}),
        Edit({"Eyeglasses": 1}, {"Young": -1}),
    ]
    steps = [
        editor.change(portrait, edit, FLOW, FAST).after.values - portrait.code.values
        for edit in edits
    ]
    assert_allclose(steps[2], steps[0] + steps[1], atol=1e-5)


def test_targets_along_directions_report_their_implied_attributes_and_reach_them(
    editor: Editor, portrait: Portrait
) -> None:
    edit = Edit({"Gray_Hair": 1})
    made = editor.change(portrait, edit, DIRECTION)
    readings = editor.model.directions.readings(portrait.code)
    expected = with_implied(edit, readings).targets
    assert made.edit == edit
    assert made.implied == {name: expected[name] for name in expected if name != "Gray_Hair"}
    assert made.implied and set(made.implied) <= set(COLOURS)
    assert set(made.names) == {"Gray_Hair", *made.implied}
    after = editor.model.directions.readings(made.after)
    for name, target in {"Gray_Hair": 1.0, **made.implied}.items():
        assert after[name] == pytest.approx(target, abs=1e-3)


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_targets_by_the_flow_report_where_their_implied_attributes_arrive(
    editor: Editor, portrait: Portrait, own: dict[str, float], share: float
) -> None:
    target = own["Gray_Hair"] + share * (1 - own["Gray_Hair"])
    made = editor.change(portrait, Edit({"Gray_Hair": target}), FLOW, FAST)
    assert set(made.implied) == noticed(own, dict.fromkeys(COLOURS, 0.0))
    for name, arrived in made.implied.items():
        assert arrived == pytest.approx(partway(own[name], 0.0, share), abs=1e-6)


@pytest.mark.parametrize("method", ["best", FLOW])
@pytest.mark.parametrize(
    ("name", "amount"), [("Gray_Hair", 1.0), ("Heavy_Makeup", 1.0), ("Mustache", 2.0)]
)
def test_shifts_by_the_flow_change_implied_attributes_and_report_them(
    editor: Editor,
    portrait: Portrait,
    own: dict[str, float],
    method: str,
    name: str,
    amount: float,
) -> None:
    made = editor.change(portrait, Edit(shifts={name: amount}), method, FAST)
    implied = implied_by({name: 1.0}, editor.model.flow_attributes())
    assert set(made.implied) == noticed(own, implied) and made.implied
    step = made.after.values - portrait.code.values
    expected = step_by_flow(editor.model, portrait.code, own, name, amount, implied)
    assert_allclose(step, expected, atol=1e-5)
    alone = step_by_flow(editor.model, portrait.code, own, name, amount, {})
    assert np.abs(expected - alone).max() > 0.01
    # What is reported lies between what is there and what is implied.
    for other, arrived in made.implied.items():
        low, high = sorted((own[other], implied[other]))
        assert low <= arrived <= high


def test_what_is_reported_does_not_depend_on_the_order_of_attributes(
    editor: Editor, portrait: Portrait, own: dict[str, float]
) -> None:
    """Grey hair, a fifth of its way, and a bald head, all of it, both exclude the other colours."""
    asked = {"Gray_Hair": own["Gray_Hair"] + 0.2 * (1 - own["Gray_Hair"]), "Bald": 1.0}
    one, other = (
        editor.change(portrait, Edit(dict(order)), FLOW, FAST)
        for order in (asked.items(), reversed(asked.items()))
    )
    assert one.implied == other.implied
    gone = noticed(own, dict.fromkeys((*COLOURS, "Bangs", "Wearing_Hat"), 0.0))
    assert gone <= set(one.implied) and len(gone) > 1
    assert {one.implied[name] for name in gone & set(COLOURS)} == {0.0}
    assert_allclose(one.after.values, other.after.values, atol=1e-5)


@pytest.mark.parametrize("method", ["best", DIRECTION, FLOW])
def test_exactly_and_zero_edits_imply_nothing(
    editor: Editor, portrait: Portrait, method: str
) -> None:
    exactly = Edit({"Gray_Hair": 1}, {"Mustache": 1}, exactly=True)
    made = editor.change(portrait, exactly, method, FAST)
    assert made.implied == {} and made.names == ("Gray_Hair", "Mustache")
    assert not np.array_equal(made.after.values, portrait.code.values)
    for zero in (Edit(), Edit({"Gray_Hair": 1}, strength=0), Edit(shifts={"Gray_Hair": 0})):
        made = editor.change(portrait, zero, method, FAST)
        assert made.implied == {}
        assert made.after is made.before is portrait.code


@pytest.mark.parametrize("method", ["best", DIRECTION, FLOW])
def test_what_is_asked_for_or_kept_is_not_implied(
    editor: Editor, portrait: Portrait, method: str
) -> None:
    edit = Edit({"Gray_Hair": 1, "Black_Hair": 0.4}, keep=frozenset({"Brown_Hair"}))
    made = editor.change(portrait, edit, method, FAST)
    assert set(made.implied) <= {"Blond_Hair"}
    shifted = Edit({"Gray_Hair": 1}, {"Black_Hair": 0.5})
    assert "Black_Hair" not in editor.change(portrait, shifted, method, FAST).implied


@pytest.mark.parametrize("method", [DIRECTION, FLOW])
def test_readings_of_kept_attributes_do_not_change(
    editor: Editor, portrait: Portrait, method: str
) -> None:
    kept = {"Male", "Young", "Pale_Skin"}
    made = editor.change(portrait, Edit({"Mustache": 1}, keep=frozenset(kept)), method, FAST)
    before, after = map(editor.model.directions.readings, (made.before, made.after))
    assert_allclose([after[n] for n in kept], [before[n] for n in kept], atol=2e-3)
    assert abs(after["Mustache"] - before["Mustache"]) > 0.05


def test_a_smile_that_goes_closes_the_mouth(editor: Editor, portrait: Portrait) -> None:
    own = editor.predict_attributes(portrait)
    assert own["Smiling"] > 0.9 and own["Mouth_Slightly_Open"] > 0.5
    made = editor.change(portrait, Edit({"Smiling": 0}), quality=FAST)
    assert made.implied == {"Mouth_Slightly_Open": pytest.approx(0, abs=0.05)}
    assert not editor.change(portrait, Edit({"Smiling": 0}, exactly=True), quality=FAST).implied
    assert not editor.change(portrait, Edit({"Smiling": 1.2}), quality=FAST).implied


def test_what_takes_an_attribute_away_is_a_method_of_its_own(
    editor: Editor, portrait: Portrait
) -> None:
    own = dataclasses.replace(editor.model.edit_table.of_attribute("Smiling"), quality=FAST)
    away = dataclasses.replace(own, gain=0.5)
    steps = {}
    for lowering in ({}, {"Smiling": away}):
        table = EditTable({"Smiling": own}, lowering)
        model = dataclasses.replace(editor.model, edit_table=table)
        attributes = editor.predict_attributes(portrait)
        for target in (0.0, 1.2):
            made = change(model, portrait.code, Edit({"Smiling": target}), attributes)
            steps[len(lowering), target] = made.after.values - portrait.code.values
    assert_allclose(steps[1, 0.0], 0.5 * steps[0, 0.0], atol=1e-4)
    assert_allclose(steps[1, 1.2], steps[0, 1.2])


def test_hair_colours_are_kept_apart_from_what_is_drawn(editor: Editor, portrait: Portrait) -> None:
    both = Edit({"Blond_Hair": 1, "Wavy_Hair": 1})
    made = editor.change(portrait, both, quality=FAST)
    drawn = editor.change(portrait, Edit({"Wavy_Hair": 1}), quality=FAST)
    assert made.drawn is not None and made.drawn_names == ("Wavy_Hair",)
    assert_allclose(made.drawn.values, drawn.after.values)
    assert np.abs(made.after.values - made.drawn.values).max() > 0.01
    assert made.recolour == {"Blond_Hair": pytest.approx(1.0)}
    other = editor.change(portrait, both, DIRECTION)  # drawn, as is everything by that method
    assert not other.recolour and other.drawn_names == ("Blond_Hair", "Wavy_Hair")


@pytest.mark.parametrize(
    ("edit", "recolour"),
    [
        (lambda own: Edit({"Black_Hair": 1}, strength=0.5), lambda own: {"Black_Hair": 0.5}),
        (lambda own: Edit({"Black_Hair": own["Black_Hair"]}), lambda own: {"Black_Hair": 0.0}),
        (lambda own: Edit({"Gray_Hair": 0}), lambda own: {"Brown_Hair": own["Gray_Hair"] / 0.25}),
        (lambda own: Edit(shifts={"Gray_Hair": 1}), lambda own: {"Gray_Hair": 0.5}),
        (lambda own: Edit(shifts={"Gray_Hair": -1}), lambda own: {"Brown_Hair": 0.5}),
        (lambda own: Edit(hair_colour="#AA3300"), lambda own: {"#aa3300": 1.0}),
        (lambda own: Edit(hair_colour="a30", strength=1), None),
    ],
)
def test_a_hair_colour_is_a_share_of_the_way_there(
    editor: Editor, portrait: Portrait, own: dict[str, float], edit: object, recolour: object
) -> None:
    if recolour is None:
        with pytest.raises(BadRequest, match="#rrggbb"):
            edit(own)  # type: ignore[operator]
        return
    made = editor.change(portrait, edit(own), quality=FAST)  # type: ignore[operator]
    expected = recolour(own)  # type: ignore[operator]
    if not any(expected.values()):
        assert not any(made.recolour.values())
    else:
        assert made.recolour == {k: pytest.approx(v, abs=1e-5) for k, v in expected.items()}
    assert made.drawn is portrait.code


def test_fine_detail_is_replaced_but_for_colour_on_skin(editor: Editor, portrait: Portrait) -> None:
    both = editor.change(portrait, Edit({"Wavy_Hair": 1, "Male": 1}), quality=FAST)
    assert both.detail_replacement == 1
    assert editor.change(portrait, Edit({"Pale_Skin": 1}), quality=FAST).detail_replacement == 0


def test_a_target_at_the_end_of_the_scale_takes_nothing_away(editor: Editor) -> None:
    directions = editor.model.directions
    k = directions.index("Smiling")
    zero = Code(np.zeros(editor.model.dimensions, np.float32), editor.model.space)
    beyond = zero.moved(directions.step(zero, Edit({"Smiling": 1.5})))
    below = zero.moved(directions.step(zero, Edit({"Smiling": -0.4})))
    for code, target, moves in ((beyond, 1.0, False), (beyond, 0.9, True), (below, 0.0, False)):
        step = direction_step(editor.model, code, Edit({"Smiling": target}))
        assert step.any() == moves
    assert directions.read(beyond.values[None])[0, k] == pytest.approx(1.5, abs=1e-3)


def test_every_single_target_can_be_reached_by_generated_faces(editor: Editor) -> None:
    for code in editor.generate(6, seed=3, prior="gaussian"):
        for name in NAMES:
            for target in (0.0, 1.0):
                made = change(editor.model, code, Edit({name: target}), None, method=DIRECTION)
                assert np.isfinite(made.after.values).all()


def test_attributes_are_needed_where_the_flow_edits(editor: Editor, portrait: Portrait) -> None:
    model = editor.model
    assert needs_attributes(model, Edit({"Smiling": 1}))
    assert needs_attributes(model, Edit(shifts={"smiling": 1}), FLOW)
    assert not needs_attributes(model, Edit({"Smiling": 1}), DIRECTION)
    assert needs_attributes(model, Edit({"Big_Lips": 1}))
    assert not needs_attributes(model, Edit({"Pale_Skin": 1}))
    with pytest.raises(ValueError, match="needs the attributes"):
        change(model, portrait.code, Edit({"Smiling": 1}), None)


def test_the_measured_quality_is_used_where_the_best_is_asked_for(
    editor: Editor, portrait: Portrait
) -> None:
    """For some attributes the distilled editor was measured to be better than the flow itself."""
    assert editor.model.edit_table.quality("Gray_Hair") == FAST
    edit = Edit({"Gray_Hair": 1})
    best, fast = (editor.change(portrait, edit, quality=quality) for quality in (FULL, FAST))
    assert np.array_equal(best.after.values, fast.after.values)
    flow = flow_edit(editor.model, EditMethod(quality=FAST), FAST)
    assert flow.distilled is not None and flow.final == BY_DISTILLED


def test_edits_that_cannot_be_made_are_refused(editor: Editor, portrait: Portrait) -> None:
    with pytest.raises(UnknownName, match="did you mean Smiling"):
        change(editor.model, portrait.code, Edit({"Smilling": 0}), None)
    with pytest.raises(UnknownName):
        needs_attributes(editor.model, Edit({"Smilling": 0}))
    with pytest.raises(BadRequest, match="no edit method named"):
        change(editor.model, portrait.code, Edit(), None, method="jump")
    with pytest.raises(BadRequest, match="no quality named"):
        change(editor.model, portrait.code, Edit(), None, quality="slow")


@pytest.mark.parametrize(
    "targets",
    [{"Mouth_Slightly_Open": 1}, {"Mustache": 1}, {"Blond_Hair": 1}, {"Bald": 1}, {"Young": 0}],
)
def test_an_edit_of_a_photo_opens_what_was_named_and_nothing_more(
    targets: dict[str, float], astronaut: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a process opens graphs in the background for nothing, or waits for those that are missing."""
    opened: list[str] = []
    session = Bundle.session

    def noted(bundle: Bundle, graph: str) -> Session:
        opened.append(graph)
        return session(bundle, graph)

    monkeypatch.setattr(Bundle, "session", noted)
    edit = Edit(targets)
    with Editor.open() as fresh:
        (found,) = fresh.portraits(Photo.open(astronaut))
        fresh.render(found, edit)
        named = graphs_of(fresh.model, edit)
    detection = {"detector", "second_stage", "landmarks"}
    assert set(opened) - detection == set(named)
