"""Laws of the learned prior, with flows known in closed form in the network's place."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from facedial.cache import Cache
from facedial.editing.request import Edit
from facedial.errors import BadRequest, UnknownName
from facedial.flow import LATENT_SHAPE
from facedial.flow.guidance import autoguidance, cfg, error_log_ratio, recording
from facedial.flow.inversion import FlowEdit
from facedial.flow.sampler import AUTOGUIDANCE_SCALE, LOW_FREQUENCY, FlowPrior, noise
from facedial.flow.solver import integrate
from facedial.priors.labels import LabelPrior

NAMES = ("Male", "Smiling")
SPREAD = 0.4


def velocity(planes: np.ndarray, time: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The best velocity when faces are Gaussian, mean 3 x Smiling, s.d. 0.4.

    With x_t = (1 - t) n + t d, E[d - n | x_t] = m + (t s^2 - (1 - t)) / ((1 - t)^2 + t^2 s^2) (x - t m).
    """
    t = time[:, None, None, None].astype(np.float64)
    mean = 3.0 * wanted[:, 1, None, None, None]
    gain = (t * SPREAD**2 - (1 - t)) / ((1 - t) ** 2 + (t * SPREAD) ** 2)
    return (mean + gain * (planes - t * mean)).astype(np.float32)


def code(planes: np.ndarray) -> np.ndarray:
    return planes.reshape(len(planes), -1)


def prior(**changes: object) -> FlowPrior:
    given = {"steps": 40, **changes}
    return FlowPrior("fd-test", NAMES, velocity, code, **given)  # type: ignore[arg-type]


def test_row_i_is_a_function_of_seed_i() -> None:
    seeds = [5, 1, 99, 1]
    together = prior(steps=3).sample(seeds, {"Smiling": 1})
    alone = np.concatenate([prior(steps=3).sample([s], {"Smiling": 1}) for s in seeds])
    assert together.dtype == np.float32
    assert np.array_equal(together, alone)
    assert np.array_equal(together[1], together[3])
    assert together.shape == (4, np.prod(LATENT_SHAPE))


def test_samples_have_the_distribution_that_the_velocity_belongs_to() -> None:
    drawn = prior().sample(range(8), {})
    assert float(drawn.mean()) == pytest.approx(0, abs=0.01)
    assert float(drawn.std()) == pytest.approx(SPREAD, rel=0.02)


@pytest.mark.parametrize(
    ("label", "guidance", "mean"), [(1, 1, 3), (0, 1, -3), (1, 2, 9), (0.5, 2, 0)]
)
def test_a_wish_moves_the_mean_and_guidance_moves_it_further(
    label: float, guidance: float, mean: float
) -> None:
    """Velocities of two Gaussians differ by a multiple of their means' distance, here that of opposites:
    guidance of 2 goes once more as far."""
    drawn = prior(guidance=guidance).sample(range(4), {"Smiling": label})
    assert float(drawn.mean()) == pytest.approx(mean, abs=0.05)


def test_without_spread_there_is_one_face() -> None:
    one, other = prior().sample([1, 2], {}, temperature=0)
    assert_allclose(one, other)


def test_what_is_left_open_is_as_people_are() -> None:
    """All men of these people smile, no woman does."""
    people = LabelPrior(np.array([0.5, 0.5]), np.array([[0.999, 0.999], [0.001, 0.001]]))
    drawn = prior(people=people, steps=20).sample(range(12), {"Male": 1}).mean(1)
    # 3, autoguidance two and a half times as far as from nothing said: smiles are not what is wanted
    assert_allclose(drawn, 7.5, atol=0.3)
    assert set(np.sign(prior(people=people, steps=5).sample(range(12), {}).mean(1))) == {-1, 1}
    nothing = prior(people=people, steps=5).sample([4, 5], {"Smiling": 0.5})
    assert np.array_equal(nothing, prior(people=people, steps=5).sample([4, 5], {}))
    one, other = prior(people=people, steps=5).sample([1, 2], {}, temperature=0)
    assert_allclose(one, other)


def test_new_faces_are_bent_away_from_a_guide() -> None:
    """A guide that goes where the flow goes changes nothing; one that errs, a part of its error."""
    plain, same = prior(steps=5), prior(steps=5, guide=velocity)
    assert_allclose(same.sample([1, 2], {}), plain.sample([1, 2], {}), atol=1e-5)
    erring = lambda *given: velocity(*given) - np.float32(0.5)  # noqa: E731
    # The flow is linear and forgets: what is added all the way is worth less at its end.
    moved = prior(steps=5, guide=erring, tries=1).sample([1, 2], {}) - plain.sample([1, 2], {})
    assert 0 < moved.mean() < (AUTOGUIDANCE_SCALE - 1) * 0.5
    # Here a wish lies along the faces themselves: with a guide it is followed, and not overdone.
    wished = prior(guide=velocity, guidance=2).sample([1, 2], {"Smiling": 1})
    assert_allclose(wished.mean(1), 3, atol=0.2)


def test_a_guide_is_not_asked_while_the_kind_of_face_is_open() -> None:
    asked = []

    def less(planes: np.ndarray, time: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        asked.append(float(time[0]))
        return np.full_like(planes, 0.5)

    bending = autoguidance(lambda planes, time, wanted: np.ones_like(planes), less, 2.1, 0.2)
    planes, wishes = np.zeros((2, *LATENT_SHAPE), np.float32), np.zeros((2, 2), np.float32)
    found = {t: bending(planes, np.full(2, t, np.float32), wishes) for t in (0.0, 0.19, 0.21, 0.9)}
    assert asked == pytest.approx([0.21, 0.9])
    for time, velocities in found.items():
        assert_allclose(velocities, 1 if time < 0.2 else 1.55, rtol=1e-6)


def test_a_lead_is_what_a_guide_errs_more_than_the_flow() -> None:
    way = np.zeros((2, *LATENT_SHAPE), np.float32)
    own = np.stack([np.full(LATENT_SHAPE, 1.0), np.full(LATENT_SHAPE, 2.0)]).astype(np.float32)
    assert_allclose(error_log_ratio([(own, own)], way), 0)
    assert_allclose(error_log_ratio([(own, 2 * own), (own, own)], way), np.log(4) / 2, rtol=1e-6)
    aside = own.copy()
    aside[:, :, :4] = 9  # what is wrong above a face counts nothing
    assert_allclose(error_log_ratio([(aside, 2 * own)], way), np.log(4), rtol=1e-6)


def test_a_flow_is_noted_beside_its_guide_in_the_middle_of_the_way() -> None:
    notes: list = []
    noted = recording(velocity, lambda planes, time, wishes: planes, notes)
    planes, wishes = np.ones((1, *LATENT_SHAPE), np.float32), np.zeros((1, 2), np.float32)
    for t in (0.0, 0.2, 0.3, 0.5, 0.6, 1.0):
        given = planes, np.full(1, t, np.float32), wishes
        assert np.array_equal(noted(*given), velocity(*given))
    assert len(notes) == 2
    assert np.array_equal(notes[0][1], planes)


def test_a_face_that_a_guide_knows_as_well_is_begun_anew() -> None:
    """Here it knows bright ones as well as the flow does: of eight tries a dark one remains."""

    def guide(planes: np.ndarray, time: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        bright = planes[:, :, 9:27, 8:24].mean((1, 2, 3)) > 0
        found = velocity(planes, time, wanted)
        return np.where(
            bright[:, None, None, None], found, found + np.float32(9 * (time[0] < 0.55))
        )

    def dark(tries: int, seeds: list[int]) -> np.ndarray:
        drawn = prior(steps=12, guide=guide, tries=tries).sample(seeds, {})
        return drawn.reshape(-1, *LATENT_SHAPE)[:, :, 9:27, 8:24].mean((1, 2, 3)) < 0

    seeds = list(range(24))
    once, again = dark(1, seeds), dark(8, seeds)
    assert 6 < once.sum() < 18
    assert again.sum() >= 23
    kept = [prior(steps=12, guide=guide, tries=t).sample(seeds, {})[once] for t in (1, 8)]
    assert np.array_equal(*kept)  # who pleased at first stays
    few = prior(steps=12, guide=guide).sample([3, 5, 8], {})
    alone = [prior(steps=12, guide=guide).sample([seed], {}) for seed in (3, 5, 8)]
    assert np.array_equal(few, np.concatenate(alone))
    # A lone face's tries are made at once, beside each other: a network asked for one is asked for four.
    asked: list[float] = []

    def counted(planes: np.ndarray, time: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        asked.append(time[0])
        return velocity(planes, time, wanted)

    replace(prior(steps=12, guide=velocity), velocity=counted).sample([3], {})
    assert len(asked) == 12
    # Where none pleases, the first of the best stays.
    hopeless = prior(steps=12, guide=velocity).sample(seeds, {})
    assert np.array_equal(hopeless, prior(steps=12, guide=velocity, tries=1).sample(seeds, {}))


def test_a_blurred_face_is_begun_anew_unless_that_was_asked() -> None:
    seen: list[int] = []

    def blurred(codes: np.ndarray) -> np.ndarray:
        seen.append(len(codes))
        bright = codes.reshape(-1, *LATENT_SHAPE)[:, :, 9:27, 8:24].mean((1, 2, 3)) > 0
        return np.where(bright, 1.0, 0.0)

    def guide(planes: np.ndarray, time: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        # A error_log_ratio of the flow's that is enough for who is not blurred.
        return np.asarray(velocity(planes, time, wanted) + np.float32(time[0] < 0.55))

    told = prior(steps=12, guide=guide, tries=8, blurred=blurred)
    seeds = list(range(16))
    once = blurred(replace(told, tries=1).sample(seeds, {})).mean()
    assert blurred(told.sample(seeds, {})).mean() < 0.1 < 0.3 < once
    seen.clear()
    replace(told, names=("Blurry", "Smiling")).sample(seeds, {"Blurry": 1})
    assert not seen


@pytest.mark.parametrize("time", [0.0, 0.4, 0.95])
def test_a_bend_across_adds_nothing_along_the_face_it_leads_to(time: float) -> None:
    rng = np.random.default_rng(3)
    planes = rng.standard_normal((2, *LATENT_SHAPE)).astype(np.float32)
    times, wishes = np.full(2, time, np.float32), np.array([[0, 1], [0, 0.3]], np.float32)
    where = rng.standard_normal(LATENT_SHAPE).astype(np.float32)

    def drawing(planes: np.ndarray, time: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        return velocity(planes, time, wanted) + wanted[:, 1, None, None, None] * where

    asked = drawing(planes, times, wishes)
    whole, across = (
        cfg(drawing, 2.5, -wishes, across=way)(planes, times, wishes) - asked
        for way in (False, True)
    )
    assert across.dtype == np.float32
    face = planes + (1 - time) * asked
    for one, all_of_it, towards in zip(across, whole, face, strict=True):
        whole_of_it = np.linalg.norm(all_of_it) * np.linalg.norm(towards)
        assert abs((one * towards).sum()) < 1e-4 * whole_of_it
        left_out = all_of_it - one
        cosine = (left_out * towards).sum() / np.linalg.norm(left_out) / np.linalg.norm(towards)
        assert abs(cosine) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("temperature", [0.0, 0.5, 1.0, 1.3])
def test_temperature_calms_long_waves_most(temperature: float) -> None:
    drawn, whole = noise(7, temperature), np.random.default_rng(7).standard_normal(LATENT_SHAPE)
    assert drawn.dtype == np.float32
    waves, own = np.fft.fft2(drawn), np.fft.fft2(whole)
    lengths = np.hypot(np.fft.fftfreq(32)[:, None], np.fft.fftfreq(32)[None])
    long, short = lengths < LOW_FREQUENCY, lengths >= LOW_FREQUENCY
    assert_allclose(waves[:, long], temperature * own[:, long], atol=1e-3)
    assert_allclose(waves[:, short], temperature**0.1 * own[:, short], atol=1e-3)


def mover(**changes: float) -> FlowEdit:
    given = {"steps": 60, "turning": 0.2, "guidance": 1.0, **changes}
    back = lambda codes: codes.reshape(-1, *LATENT_SHAPE)  # noqa: E731
    return FlowEdit(NAMES, velocity, back, code, **given)  # type: ignore[arg-type]


OWN = {"Male": 0.3, "Smiling": 0.1}


@pytest.mark.parametrize(
    ("edit", "way"),
    [
        (Edit({"Smiling": 1.0}), 1.8),  # wishes go from -0.8 to 1
        (Edit({"Smiling": 1.0}, strength=0.5), 0.9),
        (Edit({"Smiling": 1.5}), 2.8),
        (Edit({"Smiling": 0.0}), -0.2),
        (Edit(shifts={"Smiling": 0.5}), 0.5),
        (Edit(shifts={"Smiling": -1.0, "Male": 2.0}), -1.0),  # this flow draws all sexes alike
    ],
)
def test_a_move_is_what_the_closed_form_says(edit: Edit, way: float) -> None:
    """The flow of N(m, s^2) is linear: from t to 1, x - t m is multiplied by s / sd(t).

    So changing m to m' at t moves the end by (m' - m)(1 - t s / sd(t)).
    """
    t = 0.2
    sd = np.hypot(1 - t, t * SPREAD)
    face = np.random.default_rng(0).standard_normal(np.prod(LATENT_SHAPE)).astype(np.float32)
    moving = mover()
    wanted = 3 * way * (1 - t * SPREAD / sd)
    assert_allclose(moving.step(face, OWN, edit), wanted, atol=0.03)
    planes, now = face.reshape(1, *LATENT_SHAPE), moving.now(OWN)
    turned = moving.back(planes, now[None])
    still = moving.still(turned, now[None])
    assert_allclose(still, planes, atol=0.02)  # there and back
    assert np.array_equal(moving.forth(turned, now[None], now[None]), still)


def test_guidance_of_a_move_adds_next_to_nothing_along_the_face() -> None:
    """This flow's faces differ in brightness alone; guidance would burn it, and must not."""
    face = np.random.default_rng(0).standard_normal((1, *LATENT_SHAPE)).astype(np.float32)
    plain, strong = mover(), mover(guidance=3.0)
    now = plain.now(OWN)
    then, _ = plain.then(OWN, "Smiling", 1)
    turned = plain.back(face, now[None])
    once, guided_ = (one.forth(turned, then[None], now[None]) for one in (plain, strong))
    burnt = integrate(
        cfg(velocity, 3.0, now[None]),
        turned,
        then[None],
        times=(plain.turning, 1.0),
        steps=plain.steps,
    )
    length = np.linalg.norm(once)
    added, whole = ((one - once).ravel() @ once.ravel() / length for one in (guided_, burnt))
    assert whole > 1.5 * length
    assert abs(added) < 0.1 * whole
    assert not np.array_equal(guided_, once)


def test_who_smiles_can_smile_more() -> None:
    """A wish reached already goes half a wish further, and is multiplied like any other."""
    then, way = mover().then({"Male": 0.0, "Smiling": 0.95}, "smiling", 1)
    assert_allclose(then, [-1, 1.4])
    assert way == 0.5


def test_what_was_worked_out_is_remembered_and_twice_asked_is_twice_as_far() -> None:
    asked: list[int] = []

    def counted(planes: np.ndarray, time: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        asked.append(len(planes))
        return velocity(planes, time, wanted)

    face = np.random.default_rng(0).standard_normal(np.prod(LATENT_SHAPE)).astype(np.float32)
    moving = replace(mover(), velocity=counted)
    half = moving.step(face, OWN, Edit({"Smiling": 1.0}, strength=0.5))
    known = len(asked)
    whole = moving.step(face, OWN, Edit({"Smiling": 1.0}))
    assert len(asked) == known
    assert_allclose(whole, 2 * half, rtol=1e-5)
    moving.step(face, OWN, Edit({"Male": 1.0}))  # of this face: the way back is known
    assert len(asked) - known < known
    few = Cache(2)
    for key in (1, 2, 3):
        few.get(key, lambda: face)
    remade: list[int] = []
    few.get(3, lambda: remade.append(3) or face)
    few.get(1, lambda: remade.append(1) or face)
    assert remade == [1]


def test_a_move_that_asks_for_nothing_is_exactly_nothing() -> None:
    face = np.ones(np.prod(LATENT_SHAPE), np.float32)
    step = mover().step(face, OWN, Edit({"Smiling": 1.0}, strength=0.0))
    assert not step.any() and step.shape == face.shape


def test_a_change_keeps_to_its_mask_and_goes_as_far_as_its_gain() -> None:
    mask = np.zeros(LATENT_SHAPE[1:], np.float32)
    mask[10:20, 10:20] = 1
    face = np.random.default_rng(0).standard_normal(np.prod(LATENT_SHAPE)).astype(np.float32)
    edit = Edit({"Smiling": 1.0})
    free = mover().step(face, OWN, edit).reshape(LATENT_SHAPE)
    held = replace(mover(), mask=mask, gain=1.5).step(face, OWN, edit).reshape(LATENT_SHAPE)
    assert free[:, 0, 0].all() and not held[:, 0, 0].any()
    assert_allclose(held, 1.5 * free * mask, rtol=1e-4, atol=1e-6)


def test_a_student_answers_until_the_flow_has() -> None:
    asked: list[int] = []

    def student(planes: np.ndarray, wishes: np.ndarray) -> np.ndarray:
        asked.append(len(wishes))
        assert wishes.shape == (1, 2 * len(NAMES))
        return np.full_like(planes, wishes[0, 3] - wishes[0, 1])

    face, edit = np.zeros(np.prod(LATENT_SHAPE), np.float32), Edit({"Smiling": 1.0})
    slow = mover()
    fast = replace(slow, student=student)
    first = fast.step(face, OWN, edit)
    assert_allclose(first, 1.8, rtol=1e-5)
    assert np.array_equal(fast.step(face, OWN, edit), first)
    assert asked == [1]  # remembered
    best = slow.step(face, OWN, edit)
    assert not np.allclose(best, first)
    assert np.array_equal(fast.step(face, OWN, edit), best)
    fast.step(face, OWN, Edit({"Male": 1.0}))
    assert len(asked) == 2


def test_a_flow_knows_attributes_only() -> None:
    with pytest.raises(BadRequest, match="the flow does not know grin; learned directions"):
        mover().step(np.zeros(np.prod(LATENT_SHAPE), np.float32), OWN, Edit({"grin": 1.0}))
    with pytest.raises(BadRequest, match="turning time"):
        mover(turning=1.0)


def test_nonsense_is_refused() -> None:
    with pytest.raises(UnknownName):
        prior().sample([1], {"Smilling": 1})
    with pytest.raises(BadRequest, match="wanted labels lie in"):
        prior().sample([1], {"Smiling": 3})
    with pytest.raises(BadRequest, match="temperature"):
        prior().sample([1], {}, temperature=9)
    with pytest.raises(BadRequest, match=r"guidance must lie in 0\.\.10, found 11"):
        prior(guidance=11)
    with pytest.raises(BadRequest, match=r"steps must lie in 1\.\.200, found 0"):
        prior(steps=0)
