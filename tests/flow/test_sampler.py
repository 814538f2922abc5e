"""Laws of new faces drawn by the flow, against the closed form of Gaussian faces."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from facedial.errors import BadRequest, UnknownName
from facedial.flow import LATENT_SHAPE
from facedial.flow.sampler import AUTOGUIDANCE_SCALE, LOW_FREQUENCY, FlowPrior, noise
from facedial.priors.labels import LabelPrior

from .gaussian_faces import NAMES, SD, SIZE, to_codes, velocity

FACE_REGION = (slice(None), slice(None), slice(9, 27), slice(8, 24))


def prior(**changes: object) -> FlowPrior:
    given = {"steps": 40, **changes}
    return FlowPrior("fd-test", NAMES, velocity, to_codes, **given)  # type: ignore[arg-type]


def brightness(codes: np.ndarray) -> np.ndarray:
    return codes.reshape(-1, *LATENT_SHAPE)[FACE_REGION].mean((1, 2, 3))


def test_row_i_is_a_function_of_seed_i() -> None:
    seeds = [5, 1, 99, 1]
    together = prior(steps=3).sample(seeds, {"Smiling": 1})
    alone = np.concatenate([prior(steps=3).sample([s], {"Smiling": 1}) for s in seeds])
    assert together.dtype == np.float32
    assert np.array_equal(together, alone)
    assert np.array_equal(together[1], together[3])
    assert together.shape == (4, SIZE)


def test_samples_have_the_distribution_that_the_velocity_belongs_to() -> None:
    codes = prior().sample(range(8), {})
    assert float(codes.mean()) == pytest.approx(0, abs=0.01)
    assert float(codes.std()) == pytest.approx(SD, rel=0.02)


@pytest.mark.parametrize(
    ("label", "guidance", "mean"), [(1, 1, 3), (0, 1, -3), (1, 2, 9), (0.5, 2, 0)]
)
def test_a_target_moves_the_mean_and_guidance_moves_it_further(
    label: float, guidance: float, mean: float
) -> None:
    """Velocities of two Gaussians differ by a multiple of their means' distance, here that of opposites:
    guidance of 2 goes once more as far."""
    codes = prior(guidance=guidance).sample(range(4), {"Smiling": label})
    assert float(codes.mean()) == pytest.approx(mean, abs=0.05)


def test_at_temperature_zero_there_is_one_face() -> None:
    one, other = prior().sample([1, 2], {}, temperature=0)
    assert_allclose(one, other)


def test_attributes_that_are_not_targets_occur_as_in_people() -> None:
    """All men of these people smile, no woman does."""
    labels = LabelPrior(np.array([0.5, 0.5]), np.array([[0.999, 0.999], [0.001, 0.001]]))
    means = prior(labels=labels, steps=20).sample(range(12), {"Male": 1}).mean(1)
    # 3, guided two and a half times as far from the unspecified: a smile is not the target
    assert_allclose(means, 7.5, atol=0.3)
    assert set(np.sign(prior(labels=labels, steps=5).sample(range(12), {}).mean(1))) == {-1, 1}
    half = prior(labels=labels, steps=5).sample([4, 5], {"Smiling": 0.5})
    assert np.array_equal(half, prior(labels=labels, steps=5).sample([4, 5], {}))
    one, other = prior(labels=labels, steps=5).sample([1, 2], {}, temperature=0)
    assert_allclose(one, other)


def test_autoguidance_moves_samples_away_from_the_weak_models_error() -> None:
    """A weak model that equals the flow changes nothing; one that errs, a part of its error."""
    plain, same = prior(steps=5), prior(steps=5, weak_velocity=velocity)
    assert_allclose(same.sample([1, 2], {}), plain.sample([1, 2], {}), atol=1e-5)
    erring = lambda *given: velocity(*given) - np.float32(0.5)  # noqa: E731
    guided = prior(steps=5, weak_velocity=erring, max_attempts=1)
    # The flow is linear and contracts: what is added on the way is worth less at its end.
    moved = guided.sample([1, 2], {}) - plain.sample([1, 2], {})
    assert 0 < moved.mean() < (AUTOGUIDANCE_SCALE - 1) * 0.5
    # Here a target lies along the faces themselves: with a weak model, whose guidance adds the
    # orthogonal part alone, it is reached and not exceeded.
    codes = prior(weak_velocity=velocity, guidance=2).sample([1, 2], {"Smiling": 1})
    assert_allclose(codes.mean(1), 3, atol=0.2)


def good_at_bright_faces(
    latents: np.ndarray, time: np.ndarray, condition: np.ndarray
) -> np.ndarray:
    """A weak model that equals the flow for bright faces, and errs for dark ones."""
    bright = latents[FACE_REGION].mean((1, 2, 3)) > 0
    found = velocity(latents, time, condition)
    return np.where(bright[:, None, None, None], found, found + np.float32(9 * (time[0] < 0.55)))


def test_a_face_of_a_low_score_is_drawn_again_from_other_noise() -> None:
    """Bright faces, which the weak model fits as well as the flow, are rejected."""

    def drawn(max_attempts: int, seeds: list[int]) -> np.ndarray:
        sampler = prior(steps=12, weak_velocity=good_at_bright_faces, max_attempts=max_attempts)
        return sampler.sample(seeds, {})

    seeds = list(range(24))
    once, again = drawn(1, seeds), drawn(8, seeds)
    accepted = brightness(once) < 0
    assert 6 < accepted.sum() < 18
    assert (brightness(again) < 0).sum() >= 23
    assert np.array_equal(once[accepted], again[accepted])  # what is accepted at once stays


def test_rejection_sampling_does_not_depend_on_the_batch() -> None:
    sampler = prior(steps=12, weak_velocity=good_at_bright_faces)
    together = sampler.sample([3, 5, 8], {})
    alone = [sampler.sample([seed], {}) for seed in (3, 5, 8)]
    assert np.array_equal(together, np.concatenate(alone))


def test_all_attempts_at_a_single_face_fill_one_batch() -> None:
    times: list[float] = []

    def counted(latents: np.ndarray, time: np.ndarray, condition: np.ndarray) -> np.ndarray:
        times.append(time[0])
        return velocity(latents, time, condition)

    replace(prior(steps=12, weak_velocity=velocity), velocity=counted).sample([3], {})
    assert len(times) == 12


def test_where_no_attempt_is_accepted_the_first_of_the_best_stays() -> None:
    seeds = list(range(24))
    found = prior(steps=12, weak_velocity=velocity).sample(seeds, {})
    first = prior(steps=12, weak_velocity=velocity, max_attempts=1).sample(seeds, {})
    assert np.array_equal(found, first)


def test_a_blurry_face_is_drawn_again_unless_blur_is_a_target() -> None:
    batches: list[int] = []

    def blur_probability(codes: np.ndarray) -> np.ndarray:
        batches.append(len(codes))
        return np.where(brightness(codes) > 0, 1.0, 0.0)

    def weak(latents: np.ndarray, time: np.ndarray, condition: np.ndarray) -> np.ndarray:
        # Its error gives every sample the same score, high enough for one that is not blurry.
        return np.asarray(velocity(latents, time, condition) + np.float32(time[0] < 0.55))

    sampler = prior(steps=12, weak_velocity=weak, max_attempts=8, blur_probability=blur_probability)
    seeds = list(range(16))
    once = blur_probability(replace(sampler, max_attempts=1).sample(seeds, {})).mean()
    assert blur_probability(sampler.sample(seeds, {})).mean() < 0.1 < 0.3 < once
    batches.clear()
    replace(sampler, names=("Blurry", "Smiling")).sample(seeds, {"Blurry": 1})
    assert not batches


@pytest.mark.parametrize("temperature", [0.0, 0.5, 1.0, 1.3])
def test_temperature_scales_low_frequencies_most(temperature: float) -> None:
    found, whole = noise(7, temperature), np.random.default_rng(7).standard_normal(LATENT_SHAPE)
    assert found.dtype == np.float32
    spectrum, own = np.fft.fft2(found), np.fft.fft2(whole)
    frequency = np.hypot(np.fft.fftfreq(32)[:, None], np.fft.fftfreq(32)[None])
    low, high = frequency < LOW_FREQUENCY, frequency >= LOW_FREQUENCY
    assert_allclose(spectrum[:, low], temperature * own[:, low], atol=1e-3)
    assert_allclose(spectrum[:, high], temperature**0.1 * own[:, high], atol=1e-3)


def test_every_attempt_has_its_own_noise() -> None:
    first, second = noise(7, 1.0), noise(7, 1.0, attempt=1)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05
    assert np.array_equal(noise(7, 1.0, attempt=1), second)


def test_wrong_settings_and_targets_are_refused() -> None:
    with pytest.raises(UnknownName):
        prior().sample([1], {"Smilling": 1})
    with pytest.raises(BadRequest, match="the target of Smiling must lie in"):
        prior().sample([1], {"Smiling": 3})
    with pytest.raises(BadRequest, match="temperature"):
        prior().sample([1], {}, temperature=9)
    with pytest.raises(BadRequest, match=r"guidance must lie in 0\.\.10, found 11"):
        prior(guidance=11)
    with pytest.raises(BadRequest, match=r"steps must lie in 1\.\.200, found 0"):
        prior(steps=0)
    for attempts in (0, 101):
        with pytest.raises(
            BadRequest, match=rf"max_attempts must lie in 1\.\.100, found {attempts}"
        ):
            prior(max_attempts=attempts)
