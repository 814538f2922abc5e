import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facedial.codes.attributes import ATTRIBUTES, NAMES, find, match
from facedial.editing.request import Edit
from facedial.errors import BadRequest, UnknownName

names = st.sampled_from([a.name for a in ATTRIBUTES])
edits = st.builds(
    lambda asked, added, kept, strength, colour, amount, darkness: Edit(
        asked,
        {n: v for n, v in added.items() if n not in asked},
        frozenset(kept - asked.keys() - added.keys()),
        strength,
        hair_colour=colour,
        hair_amount=1.0 if colour is None else amount,
        lens_darkness=darkness,
    ),
    st.dictionaries(names, st.floats(-0.5, 1.5), max_size=4),
    st.dictionaries(names, st.floats(-5, 5), max_size=4),
    st.sets(names, max_size=4),
    st.floats(0, 3),
    st.none() | st.from_regex("#[0-9a-f]{6}", fullmatch=True),
    st.floats(0, 1.5),
    st.none() | st.floats(0, 1),
)


@given(edits)
def test_an_edit_survives_json(edit: Edit) -> None:
    assert Edit.from_json(edit.to_json()) == edit


@given(names, st.sampled_from([str.lower, str.upper, lambda n: n.replace("_", "-")]))
def test_a_name_is_found_however_it_is_spelt(name: str, spelling: object) -> None:
    assert callable(spelling)
    assert find(spelling(name)).name == name
    assert find(name.replace("_", " ")).name == name


def test_attributes_are_celebas_forty_in_its_order() -> None:
    listed = [a.name for a in ATTRIBUTES]
    # its order is alphabetical
    assert len(listed) == len(set(listed)) == 40
    assert listed == sorted(listed)
    assert all(a.label and a.group for a in ATTRIBUTES)


def test_the_nearest_name_is_suggested() -> None:
    with pytest.raises(UnknownName, match="did you mean Smiling"):
        Edit({"Smilling": 1}).checked(NAMES)
    with pytest.raises(UnknownName, match="did you mean Eyeglasses"):
        Edit(keep=frozenset({"eye_glases"})).checked(NAMES)
    assert Edit({"my smile": 1}).checked(["My-Smile"]).targets == {"My-Smile": 1.0}
    with pytest.raises(UnknownName, match="known: a"):
        match("zzz", ["a"])


def test_names_are_spelt_as_celeba_spells_them() -> None:
    edit = Edit({"smiling": 0.5}, {"bald": -2}, frozenset({"male", "Young"}), 2)
    assert edit == Edit({"Smiling": 0.5}, {"Bald": -2.0}, frozenset({"Male", "Young"}), 2.0)
    assert Edit({"Smiling": np.float64(1)}).targets == {"Smiling": 1.0}


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"targets": {"Smiling": math.nan}}, "must be a number"),
        ({"targets": {"Smiling": 2}}, r"-0.5..1.5, found 2"),
        ({"shifts": {"Smiling": -6}}, r"-5..5, found -6"),
        ({"targets": {"Smiling": 1, "smiling": 0}}, "two targets"),
        ({"targets": {"Smiling": 1}, "shifts": {"Smiling": 1}}, "asked for twice"),
        ({"targets": {"Smiling": 1}, "keep": frozenset({"Smiling"})}, "asked for twice"),
        ({"strength": 4.0}, "strength must lie in 0..3"),
        ({"strength": math.inf}, "strength must be a number"),
        ({"hair_colour": "red"}, "a hair colour is written #rrggbb, found 'red'"),
        ({"hair_colour": 7}, "#rrggbb, found 7"),
        ({"hair_amount": 2}, "hair amount must lie in 0..1.5, found 2"),
        ({"lens_darkness": 1.5}, "lens darkness must lie in 0..1, found 1.5"),
        ({"lens_darkness": "dark"}, "lens darkness must be a number, found 'dark'"),
        ({"min_identity": 1.2}, "min_identity must lie in 0..1, found 1.2"),
        ({"min_identity": "0.6"}, "min_identity must be a number"),
    ],
)
def test_requests_out_of_range_or_contradictory_are_refused(
    asked: dict[str, object], says: str
) -> None:
    with pytest.raises(BadRequest, match=says):
        Edit(**asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ["", "[1]", '{"sett": {}}', '{"set": [1]}', '{"keep": "Male"}', '{"set": {"Smiling": "1"}}'],
)
def test_text_that_is_not_an_edit_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        Edit.from_json(text)


def test_two_spellings_of_one_name_are_refused() -> None:
    with pytest.raises(BadRequest, match="two targets"):
        Edit({"smiling": 1, "Smiling": 0})


def test_zero_edits_are_recognised() -> None:
    assert Edit().is_zero and Edit(keep=frozenset({"Male"})).is_zero
    assert Edit(shifts={"Male": 0}).is_zero and Edit({"Male": 1}, strength=0).is_zero
    assert not Edit({"Male": 0}).is_zero and not Edit(shifts={"Male": 1}).is_zero


def test_edits_need_no_numpy() -> None:
    code = "import sys; import facedial.editing.request; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0  # noqa: S603


def test_a_colour_is_written_in_any_case_and_none_of_it_is_no_edit() -> None:
    edit = Edit(hair_colour=" 7A3318 ")
    assert edit.hair_colour == "#7a3318"
    assert edit.recolours and not edit.is_zero
    assert Edit(hair_colour="#7a3318", hair_amount=0).is_zero
    assert Edit(hair_amount=0.5).is_zero
    assert Edit(lens_darkness=0).is_zero and not Edit(lens_darkness=0.1).is_zero
