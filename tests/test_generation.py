"""Laws of generation: priors by name, seeds, targets and what they imply, interpolation."""

from pathlib import Path

import numpy as np
import pytest

from facedial.codes.attributes import NAMES
from facedial.codes.code import Code
from facedial.editor import Editor
from facedial.errors import BadRequest, CodeSpaceMismatch, UnknownName
from facedial.faces.photo import Photo
from facedial.generation import PRIORS, prior_of


def values(codes: list[Code]) -> np.ndarray:
    return np.stack([code.values for code in codes])


def test_a_model_with_a_flow_draws_by_it_unless_another_prior_is_named(editor: Editor) -> None:
    assert editor.prior().name == "learned"
    for name in PRIORS:
        prior = editor.prior(name)
        assert (prior.name, prior.space) == (name, editor.model.space)
    with Editor.open("cvae") as other:
        assert other.prior().name == "gaussian"
        with pytest.raises(BadRequest, match="the model cvae has no flow"):
            other.prior("learned")


def test_settings_of_the_learned_prior_reach_it_and_no_other(editor: Editor) -> None:
    prior = editor.prior(guidance=3.0, steps=7, max_attempts=2)
    assert (prior.guidance, prior.steps, prior.max_attempts) == (3.0, 7, 2)  # type: ignore[attr-defined]
    for name in ("gaussian", "uniform"):
        for setting in ({"guidance": 2.0}, {"steps": 3}, {"max_attempts": 1}):
            with pytest.raises(BadRequest, match=f"settings of the learned prior, not of '{name}'"):
                prior_of(editor.model, name, **setting)  # type: ignore[arg-type]
    with pytest.raises(
        BadRequest, match="no prior named 'best'; known: learned, gaussian, uniform"
    ):
        editor.prior("best")


@pytest.mark.parametrize("prior", ["gaussian", "uniform"])
def test_more_faces_keep_the_first_ones_and_a_later_first_goes_on(
    editor: Editor, prior: str
) -> None:
    many = values(editor.generate(5, seed=7, prior=prior))
    assert np.array_equal(values(editor.generate(3, seed=7, prior=prior)), many[:3])
    assert np.array_equal(values(editor.generate(2, seed=7, prior=prior, first=3)), many[3:])
    assert not np.array_equal(values(editor.generate(5, seed=8, prior=prior)), many)


def test_new_faces_by_the_flow_depend_on_their_own_seed_alone(editor: Editor) -> None:
    prior = editor.prior(steps=2)
    two = values(editor.generate(2, seed=7, prior=prior))
    second = values(editor.generate(1, seed=7, prior=prior, first=1))
    assert np.array_equal(second, two[1:])


def test_targets_of_new_faces_imply_others_unless_exactly(editor: Editor) -> None:
    prior = editor.prior("gaussian")
    asked = {"Gray_Hair": 1.0}
    implied = editor.implied(asked, prior)
    assert implied == dict.fromkeys(("Black_Hair", "Blond_Hair", "Brown_Hair"), 0.0)
    given = {"seed": 3, "prior": prior}
    with_implied = values(editor.generate(2, targets=asked, **given))  # type: ignore[arg-type]
    spelt_out = values(
        editor.generate(2, targets=asked | implied, exactly=True, **given)  # type: ignore[arg-type]
    )
    exactly = values(editor.generate(2, targets=asked, exactly=True, **given))  # type: ignore[arg-type]
    assert np.array_equal(with_implied, spelt_out)
    assert not np.array_equal(with_implied, exactly)
    assert editor.implied({"gray hair": 0.5}, prior) == {}


def test_the_usual_temperature_is_the_priors_own(editor: Editor) -> None:
    prior = editor.prior("gaussian")
    usual = values(editor.generate(1, seed=3, prior=prior))
    same = values(editor.generate(1, seed=3, prior=prior, temperature=prior.usual_temperature))
    assert np.array_equal(usual, same)
    assert not values(editor.generate(1, seed=3, prior=prior, temperature=0)).any()


@pytest.mark.parametrize("prior", PRIORS)
def test_requests_without_faces_or_with_negative_seeds_are_refused(
    editor: Editor, prior: str
) -> None:
    for count in (0, -1):
        with pytest.raises(BadRequest, match=f"at least 1 face can be generated, found {count}"):
            editor.generate(count, seed=1, prior=prior)
    with pytest.raises(BadRequest, match="a seed is 0 or more, found -1"):
        editor.generate(1, seed=-1, prior=prior)
    with pytest.raises(BadRequest, match="the first face is number 0 or more, found -2"):
        editor.generate(1, seed=1, prior=prior, first=-2)


def test_unknown_and_repeated_targets_are_refused(editor: Editor) -> None:
    with pytest.raises(UnknownName, match="did you mean Smiling"):
        editor.generate(1, seed=1, prior="gaussian", targets={"Smilling": 1})
    with pytest.raises(BadRequest, match="given twice"):
        editor.generate(1, seed=1, prior="gaussian", targets={"Smiling": 1, "smiling": 0})
    with pytest.raises(BadRequest, match="the target of Smiling must lie"):
        editor.generate(1, seed=1, prior="gaussian", targets={"Smiling": 3})
    with pytest.raises(BadRequest, match="the uniform prior has no attributes"):
        editor.generate(1, seed=1, prior="uniform", targets={"Smiling": 1})


@pytest.mark.usefixtures("few_steps")
def test_an_interpolation_passes_through_its_faces(editor: Editor, astronaut: Path) -> None:
    (first,) = editor.portraits(Photo.open(astronaut))
    last = editor.reader.of_code(editor.generate(1, seed=3, prior="gaussian")[0])
    for linear in (True, False):
        found = editor.interpolate([first, last], 3, linear=linear)
        assert len(found) == 3 and found[0] is first.code and found[-1] is last.code
        middle = (first.code.values + last.code.values) / 2
        assert np.allclose(found[1].values, middle, atol=1e-5) == linear


def test_an_interpolation_of_no_faces_one_step_or_foreign_codes_is_refused(
    editor: Editor,
) -> None:
    face = editor.reader.of_code(editor.generate(1, seed=3, prior="gaussian")[0])
    for linear in (True, False):
        with pytest.raises(BadRequest, match="an interpolation needs faces"):
            editor.interpolate([], 3, linear=linear)
        with pytest.raises(BadRequest, match="2 steps at least, found 1"):
            editor.interpolate([face, face], 1, linear=linear)
    with Editor.open("cvae") as other, pytest.raises(CodeSpaceMismatch):
        other.interpolate([face, face], 3)


def test_the_flow_was_trained_on_celebas_attributes(editor: Editor) -> None:
    assert editor.model.flow_attributes() == NAMES
    labels = editor.model.label_prior
    assert labels is not None and labels.shares.shape[1] == len(NAMES)
