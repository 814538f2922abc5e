"""Laws of what wishes bring along."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facedial.codes.attributes import NAMES
from facedial.editing.implied import IMPLIED_WITH, IMPLIED_WITHOUT, implied_by, with_implied
from facedial.editing.request import Edit
from facedial.editor import Editor

amounts = st.floats(-0.5, 1.5, width=32)
wishes = st.dictionaries(st.sampled_from(NAMES), amounts, max_size=4)
faces = st.lists(st.floats(0, 1, width=32), min_size=40, max_size=40).map(
    lambda values: dict(zip(NAMES, values, strict=True))
)


def test_the_table_names_attributes_and_never_contradicts_itself() -> None:
    for table, value in ((IMPLIED_WITH, 1.0), (IMPLIED_WITHOUT, 0.0)):
        for name, brought in table.items():
            assert {name, *brought} <= set(NAMES)
            assert name not in brought
            assert set(brought.values()) <= {0.0, 1.0}
            for other, there in brought.items():
                # What excludes is excluded by it, unless a hand took it out for its side effects.
                if value == 1 and there == 0 and other in IMPLIED_WITH:
                    back = IMPLIED_WITH[other].get(name)
                    assert back in (0.0, None)


@pytest.mark.parametrize("table", [IMPLIED_WITH, IMPLIED_WITHOUT])
@pytest.mark.parametrize("free", ["Male", "Eyeglasses", "Smiling"])
def test_no_wish_brings_sex_glasses_or_a_smile(
    table: dict[str, dict[str, float]], free: str
) -> None:
    assert all(free not in brought for brought in table.values())


def test_grey_hair_sends_the_other_colours_away_and_asks_for_no_age() -> None:
    brought = implied_by({"Gray_Hair": 1}, NAMES)
    assert brought == dict.fromkeys(("Black_Hair", "Blond_Hair", "Brown_Hair"), 0.0)


@given(wishes)
def test_companions_are_known_and_never_what_was_asked_for(wanted: dict[str, float]) -> None:
    assert not implied_by(wanted, NAMES).keys() & wanted.keys()
    assert implied_by(wanted, ["No_Beard"]).keys() <= {"No_Beard"}
    assert implied_by(wanted, NAMES, NAMES) == {}


def test_opposite_companions_cancel_and_half_a_wish_brings_nothing() -> None:
    assert "Wearing_Lipstick" in implied_by({"Heavy_Makeup": 1}, NAMES)
    assert implied_by({"Heavy_Makeup": 0.5}, NAMES) == {}
    assert implied_by({"Bald": 1, "Black_Hair": 1}, ["Brown_Hair"]) == {"Brown_Hair": 0.0}


@given(wishes, faces)
def test_a_completed_edit_keeps_what_was_asked_and_is_complete(
    wanted: dict[str, float], own: dict[str, float]
) -> None:
    edit = Edit(wanted)
    whole = with_implied(edit, own)
    assert {name: whole.targets[name] for name in wanted} == edit.targets
    assert with_implied(whole, own) == whole
    for name in whole.targets.keys() - wanted.keys():
        assert 0 <= whole.targets[name] <= 1


@given(faces)
def test_what_stays_as_it_is_brings_nothing(own: dict[str, float]) -> None:
    assert with_implied(Edit(own), own).targets == Edit(own).targets
    kept = Edit({"Mustache": 1}, keep=frozenset({"No_Beard"}))
    assert with_implied(kept, own).targets == kept.targets
    plain = Edit({"Mustache": 1}, exactly=True)
    assert with_implied(plain, own) is plain


def test_companions_go_as_far_of_their_way_as_the_wish() -> None:
    own = dict.fromkeys(NAMES, 0.0) | {"Black_Hair": 0.8, "Gray_Hair": 0.2}
    steps = [
        with_implied(Edit({"Gray_Hair": target}), own).targets.get("Black_Hair", 0.8)
        for target in (0.0, 0.2, 0.2001, 0.6, 1.0, 1.5)
    ]
    np.testing.assert_allclose(steps, [0.8, 0.8, 0.8, 0.4, 0.0, 0.0], atol=1e-3)


def test_every_single_wish_can_be_made_of_drawn_faces(editor: Editor) -> None:
    codes = editor.generate(6, seed=3, prior="gaussian")
    for code in codes:
        for name in NAMES:
            for target in (0.0, 1.0):
                moved = editor.move(code, Edit({name: target}))
                assert np.isfinite(moved.values).all()
