"""Laws of implied attributes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facedial.codes.attributes import NAMES
from facedial.editing.implied import (
    IMPLIED_WITH,
    IMPLIED_WITHOUT,
    implied_by,
    partway,
    remains,
    with_implied,
)
from facedial.editing.request import Edit

amounts = st.floats(-0.5, 1.5, width=32)
targets = st.dictionaries(st.sampled_from(NAMES), amounts, max_size=4)
faces = st.lists(st.floats(0, 1, width=32), min_size=40, max_size=40).map(
    lambda values: dict(zip(NAMES, values, strict=True))
)


def test_the_table_names_attributes_and_never_contradicts_itself() -> None:
    for table, value in ((IMPLIED_WITH, 1.0), (IMPLIED_WITHOUT, 0.0)):
        for name, implied in table.items():
            assert {name, *implied} <= set(NAMES)
            assert name not in implied
            assert set(implied.values()) <= {0.0, 1.0}
            for other, present in implied.items():
                # Exclusion is mutual, unless it was removed by hand in one direction.
                if value == 1 and present == 0 and other in IMPLIED_WITH:
                    assert IMPLIED_WITH[other].get(name) in (0.0, None)


@pytest.mark.parametrize("table", [IMPLIED_WITH, IMPLIED_WITHOUT])
@pytest.mark.parametrize("name", ["Male", "Eyeglasses", "Smiling"])
def test_no_target_implies_sex_glasses_or_a_smile(
    table: dict[str, dict[str, float]], name: str
) -> None:
    assert all(name not in implied for implied in table.values())


def test_grey_hair_excludes_the_other_colours_and_implies_no_age() -> None:
    implied = implied_by({"Gray_Hair": 1}, NAMES)
    assert implied == dict.fromkeys(("Black_Hair", "Blond_Hair", "Brown_Hair"), 0.0)


@given(targets)
def test_implied_attributes_are_known_and_are_never_targets(asked: dict[str, float]) -> None:
    assert not implied_by(asked, NAMES).keys() & asked.keys()
    assert implied_by(asked, ["No_Beard"]).keys() <= {"No_Beard"}
    assert implied_by(asked, NAMES, NAMES) == {}


def test_a_target_of_one_half_implies_nothing() -> None:
    assert implied_by({"Heavy_Makeup": 1}, NAMES) == {"Wearing_Lipstick": 1.0}
    assert implied_by({"Heavy_Makeup": 0.5}, NAMES) == {}
    assert implied_by({"Wearing_Lipstick": 0}, NAMES) == {"Heavy_Makeup": 0.0}


def test_where_two_targets_imply_opposite_values_neither_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert implied_by({"Bald": 1, "Black_Hair": 1}, ["Brown_Hair"]) == {"Brown_Hair": 0.0}
    monkeypatch.setitem(IMPLIED_WITH, "Bald", {"Wearing_Lipstick": 0.0})  # type: ignore[arg-type]
    both = {"Bald": 1.0, "Heavy_Makeup": 1.0}
    assert implied_by(both, NAMES) == {}
    assert with_implied(Edit(both), dict.fromkeys(NAMES, 0.5)).targets == both


@given(targets, faces)
def test_resolving_keeps_the_targets_and_resolving_again_changes_nothing(
    asked: dict[str, float], current: dict[str, float]
) -> None:
    edit = Edit(asked)
    resolved = with_implied(edit, current)
    assert {name: resolved.targets[name] for name in asked} == edit.targets
    assert with_implied(resolved, current) == resolved
    for name in resolved.targets.keys() - asked.keys():
        assert 0 <= resolved.targets[name] <= 1


@given(faces)
def test_targets_that_are_reached_already_imply_nothing(current: dict[str, float]) -> None:
    assert with_implied(Edit(current), current).targets == Edit(current).targets


@given(faces)
def test_kept_and_fixed_attributes_are_not_implied_and_exactly_implies_nothing(
    current: dict[str, float],
) -> None:
    kept = Edit({"Mustache": 1}, keep=frozenset({"No_Beard"}))
    assert with_implied(kept, current).targets == kept.targets
    plain = Edit({"Mustache": 1})
    assert with_implied(plain, current, ["No_Beard"]).targets == plain.targets
    shifted = Edit({"Mustache": 1}, shifts={"No_Beard": 1})
    assert with_implied(shifted, current).targets == plain.targets
    exactly = Edit({"Mustache": 1}, exactly=True)
    assert with_implied(exactly, current) is exactly


def test_implied_attributes_go_the_same_share_of_their_way_as_the_target() -> None:
    current = dict.fromkeys(NAMES, 0.0) | {"Black_Hair": 0.8, "Gray_Hair": 0.2}
    found = [
        with_implied(Edit({"Gray_Hair": target}), current).targets.get("Black_Hair", 0.8)
        for target in (0.0, 0.2, 0.2001, 0.6, 1.0, 1.5)
    ]
    np.testing.assert_allclose(found, [0.8, 0.8, 0.8, 0.4, 0.0, 0.0], atol=1e-3)


def test_the_way_to_an_implied_value_ends_there() -> None:
    assert partway(0.8, 0.0, 0.25) == pytest.approx(0.6)
    assert partway(0.2, 1.0, 1.0) == 1.0
    assert remains(0.2, 1.0) and not remains(1.0, 1.0) and not remains(1.3, 1.0)
    assert remains(0.2, 0.0) and not remains(0.0, 0.0) and not remains(-0.3, 0.0)
