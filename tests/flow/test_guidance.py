"""Laws of guidance: classifier-free, its orthogonal part, and autoguidance by a weak model."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from facedial.flow import LATENT_SHAPE
from facedial.flow.guidance import VelocityPair, autoguidance, cfg, error_log_ratio, recording

from .gaussian_faces import velocity


def ones(latents: np.ndarray, time: np.ndarray, condition: np.ndarray) -> np.ndarray:
    return np.ones_like(latents)


def test_a_scale_of_one_and_equal_conditions_are_no_guidance() -> None:
    rng = np.random.default_rng(3)
    latents = rng.standard_normal((2, *LATENT_SHAPE)).astype(np.float32)
    times, condition = np.full(2, 0.4, np.float32), np.array([[0, 1], [0, 0.3]], np.float32)
    plain = velocity(latents, times, condition)
    for orthogonal in (False, True):
        for scale, negative in ((1.0, -condition), (2.5, condition)):
            guided = cfg(velocity, scale, negative, orthogonal=orthogonal)
            assert np.array_equal(guided(latents, times, condition), plain)


@pytest.mark.parametrize("time", [0.0, 0.4, 0.95])
def test_orthogonal_guidance_adds_nothing_along_the_predicted_face(time: float) -> None:
    rng = np.random.default_rng(3)
    latents = rng.standard_normal((2, *LATENT_SHAPE)).astype(np.float32)
    times, condition = np.full(2, time, np.float32), np.array([[0, 1], [0, 0.3]], np.float32)
    pattern = rng.standard_normal(LATENT_SHAPE).astype(np.float32)

    def patterned(latents: np.ndarray, time: np.ndarray, condition: np.ndarray) -> np.ndarray:
        return velocity(latents, time, condition) + condition[:, 1, None, None, None] * pattern

    positive = patterned(latents, times, condition)
    added, orthogonal = (
        cfg(patterned, 2.5, -condition, orthogonal=part)(latents, times, condition) - positive
        for part in (False, True)
    )
    assert orthogonal.dtype == np.float32
    faces = latents + (1 - time) * positive
    for part, whole, face in zip(orthogonal, added, faces, strict=True):
        assert abs((part * face).sum()) < 1e-4 * np.linalg.norm(whole) * np.linalg.norm(face)
        left_out = whole - part
        cosine = (left_out * face).sum() / np.linalg.norm(left_out) / np.linalg.norm(face)
        assert abs(cosine) == pytest.approx(1, abs=1e-3)


def test_autoguidance_evaluates_the_weak_model_from_its_time_on_only() -> None:
    evaluated = []

    def weak(latents: np.ndarray, time: np.ndarray, condition: np.ndarray) -> np.ndarray:
        evaluated.append(float(time[0]))
        return np.full_like(latents, 0.5)

    guided = autoguidance(ones, weak, 2.1, 0.2)
    latents, condition = np.zeros((2, *LATENT_SHAPE), np.float32), np.zeros((2, 2), np.float32)
    found = {
        t: guided(latents, np.full(2, t, np.float32), condition) for t in (0.0, 0.19, 0.21, 0.9)
    }
    assert evaluated == pytest.approx([0.21, 0.9])
    for time, velocities in found.items():
        assert_allclose(velocities, 1 if time < 0.2 else 1.55, rtol=1e-6)


def test_the_error_log_ratio_compares_both_models_errors_in_the_face_alone() -> None:
    displacement = np.zeros((2, *LATENT_SHAPE), np.float32)
    own = np.stack([np.full(LATENT_SHAPE, 1.0), np.full(LATENT_SHAPE, 2.0)]).astype(np.float32)
    assert_allclose(error_log_ratio([(own, own)], displacement), 0)
    record = [(own, 2 * own), (own, own)]
    assert_allclose(error_log_ratio(record, displacement), np.log(4) / 2, rtol=1e-6)
    above_the_face = own.copy()
    above_the_face[:, :, :4] = 9
    ratio = error_log_ratio([(above_the_face, 2 * own)], displacement)
    assert_allclose(ratio, np.log(4), rtol=1e-6)
    assert not error_log_ratio([], displacement).any()


def test_both_models_velocities_are_recorded_between_the_two_times() -> None:
    record: list[VelocityPair] = []
    recorded = recording(velocity, lambda latents, time, condition: latents, record)
    latents, condition = np.ones((1, *LATENT_SHAPE), np.float32), np.zeros((1, 2), np.float32)
    for t in (0.0, 0.2, 0.3, 0.5, 0.6, 1.0):
        given = latents, np.full(1, t, np.float32), condition
        assert np.array_equal(recorded(*given), velocity(*given))
    assert len(record) == 2
    assert np.array_equal(record[0][1], latents)
