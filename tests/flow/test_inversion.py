"""Laws of edits by inversion, against the closed form of Gaussian faces."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from facedial.errors import BadRequest
from facedial.flow import LATENT_SHAPE, inversion
from facedial.flow.guidance import cfg
from facedial.flow.inversion import (
    BY_DISTILLED,
    BY_FLOW,
    BY_REFINING,
    REFINED_FROM,
    REFINED_SHARE,
    FlowEdit,
    condition_of,
)
from facedial.flow.solver import integrate

from .gaussian_faces import NAMES, SD, SIZE, sd_at, to_codes, to_latents, velocity

SOURCE = condition_of(NAMES, {"Smiling": 0.1, "Male": 0.3})


def flow_edit(**changes: float) -> FlowEdit:
    given = {"steps": 60, "t_start": 0.2, "guidance": 1.0, **changes}
    return FlowEdit(NAMES, velocity, to_latents, to_codes, **given)  # type: ignore[arg-type]


def face() -> np.ndarray:
    return np.random.default_rng(0).standard_normal(SIZE).astype(np.float32)


def test_the_condition_of_a_face_is_on_the_scale_of_minus_one_to_one() -> None:
    assert_allclose(SOURCE, [-0.4, -0.8])
    assert SOURCE.dtype == np.float32


@pytest.mark.parametrize(
    ("name", "amount", "moved"),
    [
        ("Smiling", 1.8, 1.8),  # the condition goes from -0.8 to 1
        ("smiling", 0.9, 0.9),
        ("Smiling", 2.8, 2.8),
        ("Smiling", -0.2, -0.2),
        ("Smiling", -1.0, -1.0),
        ("Male", 2.0, 0.0),  # this flow's faces do not depend on it
    ],
)
def test_a_step_is_that_of_the_closed_form(name: str, amount: float, moved: float) -> None:
    """The flow of N(m, s^2) is linear: from t to 1, x - t m is multiplied by s / sd(t).

    So changing m to m' at t moves the end by (m' - m)(1 - t s / sd(t)).
    """
    t = 0.2
    expected = 3 * moved * (1 - t * SD / sd_at(t))
    assert_allclose(flow_edit().step(face(), SOURCE, name, amount, {}), expected, atol=0.03)


def test_a_way_back_begins_steps_forward_where_the_flow_passes() -> None:
    """Under its own condition a face's x_t - t m is proportional to sd(t)."""
    editor, latents = flow_edit(), to_latents(face())
    path = editor.path(latents, SOURCE[None])
    assert path.shape == (editor.steps, 2, *latents.shape) and path.dtype == np.float32
    mean, t = 3 * SOURCE[1], editor.t_start
    start, slope = path[0]
    assert_allclose(start - t * mean, (latents - mean) * sd_at(t) / SD, atol=0.03)
    assert_allclose(slope, velocity(start, np.full(1, t), SOURCE[None]), atol=1e-5)


def test_a_face_under_its_own_condition_does_not_change_however_few_the_steps() -> None:
    for guidance in (1.0, 4.0):
        editor = flow_edit(steps=1, guidance=guidance)
        path = editor.path(to_latents(face()), SOURCE[None])
        assert np.abs(editor.change(path, SOURCE[None], SOURCE[None])).max() < 1e-5


def test_guidance_of_an_edit_adds_next_to_nothing_along_the_face() -> None:
    """This flow's faces differ in brightness alone, which plain guidance would raise far too much."""
    latents = to_latents(face())
    plain, strong = flow_edit(), flow_edit(guidance=3.0)
    target, _ = plain.target_condition(SOURCE, "Smiling", True, {})
    path = plain.path(latents, SOURCE[None])
    start = path[0, 0]
    unguided, orthogonal = (one.change(path, target[None], SOURCE[None]) for one in (plain, strong))
    guided, same = (
        integrate(
            cfg(velocity, 3.0, SOURCE[None]),
            start,
            condition[None],
            times=(plain.t_start, 1.0),
            steps=plain.steps,
        )
        for condition in (target, SOURCE)
    )
    edited = latents + unguided
    length = np.linalg.norm(edited)
    added, whole = (
        (one - unguided).ravel() @ edited.ravel() / length for one in (orthogonal, guided - same)
    )
    assert whole > 1.5 * np.linalg.norm(unguided)
    assert abs(added) < 0.1 * whole
    assert not np.array_equal(orthogonal, unguided)


def test_the_flow_is_evaluated_three_times_a_step() -> None:
    """Once on the way back, twice forward; where forward begins nothing has changed yet."""
    rows: list[int] = []

    def counted(latents: np.ndarray, time: np.ndarray, condition: np.ndarray) -> np.ndarray:
        rows.append(len(latents))
        return velocity(latents, time, condition)

    editor = replace(flow_edit(steps=4, guidance=3.0), velocity=counted)
    editor.step(face(), SOURCE, "Smiling", 1.8, {})
    assert sum(rows) == 12


def test_a_smiling_face_can_smile_more() -> None:
    """A target that is reached already lies half a unit further on, and its step is scaled as others."""
    smiling = condition_of(NAMES, {"Male": 0.0, "Smiling": 0.95})
    target, distance = flow_edit().target_condition(smiling, "smiling", True, {})
    assert_allclose(target, [-1, 1.4])
    assert distance == 0.5


def test_implied_attributes_go_their_whole_way_with_the_target() -> None:
    target, distance = flow_edit().target_condition(SOURCE, "Smiling", True, {"Male": 1.0})
    assert_allclose(target, [1, 1])
    assert distance == pytest.approx(1.8)
    gone, _ = flow_edit().target_condition(SOURCE, "Smiling", False, {"Male": 0.0})
    assert_allclose(gone, [-1, -1.3])


def test_steps_are_cached_and_twice_the_amount_is_twice_the_step() -> None:
    evaluated: list[int] = []

    def counted(latents: np.ndarray, time: np.ndarray, condition: np.ndarray) -> np.ndarray:
        evaluated.append(len(latents))
        return velocity(latents, time, condition)

    editor = replace(flow_edit(), velocity=counted)
    half = editor.step(face(), SOURCE, "Smiling", 0.9, {})
    first = len(evaluated)
    whole = editor.step(face(), SOURCE, "Smiling", 1.8, {})
    assert len(evaluated) == first
    assert_allclose(whole, 2 * half, rtol=1e-5)
    editor.step(face(), SOURCE, "Male", 1.4, {})  # the same face: its inversion is in the cache
    assert len(evaluated) - first < first


def test_an_amount_of_zero_is_exactly_nothing() -> None:
    step = flow_edit().step(face(), SOURCE, "Smiling", 0.0, {})
    assert not step.any() and step.shape == (SIZE,) and step.dtype == np.float32


def test_a_step_stays_within_its_mask_and_is_multiplied_by_its_gain() -> None:
    mask = np.zeros(LATENT_SHAPE[1:], np.float32)
    mask[10:20, 10:20] = 1
    free = flow_edit().step(face(), SOURCE, "Smiling", 1.8, {}).reshape(LATENT_SHAPE)
    editor = replace(flow_edit(), mask=mask, gain=1.5)
    masked = editor.step(face(), SOURCE, "Smiling", 1.8, {}).reshape(LATENT_SHAPE)
    assert free[:, 0, 0].all() and not masked[:, 0, 0].any()
    assert_allclose(masked, 1.5 * free * mask, rtol=1e-4, atol=1e-6)


def test_a_refined_edit_is_what_the_distilled_editor_began_and_the_flow_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What has changed at t by c ends as c s / sd(t), and the flow adds (m' - m)(1 - t s / sd(t))."""
    monkeypatch.setattr(inversion, "REFINED_STEPS", 40)
    t, far = REFINED_FROM, 2.0

    def distilled(latents: np.ndarray, conditions: np.ndarray) -> np.ndarray:
        return np.full_like(latents, far)

    refined = replace(flow_edit(), distilled=distilled, refined=True)
    kept = SD / sd_at(t)
    for name, moved in (("Smiling", 1.8), ("Male", 0.0)):
        expected = REFINED_SHARE * far * kept + 3 * moved * (1 - t * kept)
        amount = moved or 1.4
        assert_allclose(refined.step(face(), SOURCE, name, amount, {}), expected, rtol=0.02)


def test_a_refined_edit_takes_four_evaluations_and_the_next_of_that_face_two() -> None:
    rows: list[int] = []

    def counted(latents: np.ndarray, time: np.ndarray, condition: np.ndarray) -> np.ndarray:
        rows.append(len(latents))
        return velocity(latents, time, condition)

    def distilled(latents: np.ndarray, conditions: np.ndarray) -> np.ndarray:
        return np.ones_like(latents)

    refined = replace(flow_edit(guidance=3.0), velocity=counted, distilled=distilled, refined=True)
    refined.step(face(), SOURCE, "Smiling", 1.8, {})
    assert sum(rows) == 4
    refined.step(face(), SOURCE, "Male", 1.4, {})
    assert sum(rows) == 4 + 2


@pytest.mark.parametrize("final", [BY_FLOW, BY_REFINING, BY_DISTILLED])
def test_the_distilled_editor_is_used_until_the_final_result_is_in_the_cache(final: str) -> None:
    evaluated: list[int] = []

    def distilled(latents: np.ndarray, conditions: np.ndarray) -> np.ndarray:
        evaluated.append(len(conditions))
        assert conditions.shape == (1, 2 * len(NAMES))
        return np.full_like(latents, conditions[0, 3] - conditions[0, 1])

    zero = np.zeros(SIZE, np.float32)
    slow = flow_edit()
    fast = replace(slow, distilled=distilled, final=final)
    refined = replace(fast, refined=True)
    first = fast.step(zero, SOURCE, "Smiling", 1.8, {})
    assert_allclose(first, 1.8, rtol=1e-5)
    assert np.array_equal(fast.step(zero, SOURCE, "Smiling", 1.8, {}), first)
    assert evaluated == [1]  # cached
    results = {BY_DISTILLED: first}
    for kind, editor in ((BY_FLOW, slow), (BY_REFINING, refined)):
        results[kind] = editor.step(zero, SOURCE, "Smiling", 1.8, {})
        assert not np.allclose(results[kind], first)
    after = fast.step(zero, SOURCE, "Smiling", 1.8, {})
    assert np.array_equal(after, results[final])
    fast.step(zero, SOURCE, "Male", 1.4, {})
    assert len(evaluated) == 3  # refining needed it once


def test_attributes_of_no_training_and_times_out_of_range_are_refused() -> None:
    for amount in (1.0, 0.0):
        with pytest.raises(BadRequest, match="the flow was not trained on grin; a learned"):
            flow_edit().step(np.zeros(SIZE, np.float32), SOURCE, "grin", amount, {})
    for t_start in (1.0, -0.1):
        with pytest.raises(BadRequest, match=r"t_start must lie in 0\.\.1"):
            flow_edit(t_start=t_start)
    with pytest.raises(BadRequest, match="guidance must lie"):
        flow_edit(guidance=11)
