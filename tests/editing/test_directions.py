from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from facedial.arrays import Floats
from facedial.codes.code import Code
from facedial.codes.moments import fit_moments
from facedial.editing.directions import Directions, fit_directions, label_directions, project_out
from facedial.editing.request import Edit
from facedial.errors import BadBundle, BadRequest, CodeSpaceMismatch, UnknownName
from small_world import NAMES, SPACE, World

names = st.sampled_from(NAMES)
shifts = st.dictionaries(names, st.floats(-3, 3), max_size=3)
targets = st.dictionaries(names, st.floats(-0.5, 1.5), min_size=1, max_size=3)
rows = st.integers(0, 100)


def code(world: World, row: int) -> Code:
    return Code(world.codes[row], SPACE)


@given(rows, targets, st.sets(names))
def test_zero_edit_is_exactly_nothing(
    world: World, directions: Directions, row: int, asked: dict[str, float], kept: set[str]
) -> None:
    for edit in (
        Edit(keep=frozenset(kept)),
        Edit(asked, strength=0),
        Edit(shifts=dict.fromkeys(asked, 0)),
    ):
        step = directions.step(code(world, row), edit)
        assert step.dtype == np.float32 and not step.any()
        assert np.array_equal(code(world, row).moved(step).values, world.codes[row])


@given(rows, shifts, shifts, st.sets(names, max_size=2))
def test_shifts_add_and_commute(
    world: World,
    directions: Directions,
    row: int,
    one: dict[str, float],
    other: dict[str, float],
    kept: set[str],
) -> None:
    free = kept - one.keys() - other.keys()
    both = {n: one.get(n, 0) + other.get(n, 0) for n in {**one, **other}}
    assume(all(abs(v) <= 5 for v in both.values()))

    def step(start: Code, amounts: dict[str, float]) -> Floats:
        return directions.step(start, Edit(shifts=amounts, keep=frozenset(free)))

    start = code(world, row)
    first = start.moved(step(start, one))
    one_then_other = first.moved(step(first, other))
    first = start.moved(step(start, other))
    other_then_one = first.moved(step(first, one))
    assert_allclose(one_then_other.values, other_then_one.values, atol=1e-4)
    assert_allclose(one_then_other.values, start.moved(step(start, both)).values, atol=1e-4)


@given(rows, targets, shifts, st.floats(0, 3))
def test_strength_scales_the_step(
    world: World,
    directions: Directions,
    row: int,
    asked: dict[str, float],
    added: dict[str, float],
    strength: float,
) -> None:
    added = {n: v for n, v in added.items() if n not in asked}
    whole = directions.step(code(world, row), Edit(asked, added))
    part = directions.step(code(world, row), Edit(asked, added, strength=strength))
    assert_allclose(part, strength * whole, atol=1e-4, rtol=1e-5)


@given(rows, targets, shifts, st.sets(names, max_size=2))
def test_all_targets_are_reached_at_once_and_kept_readings_stay(
    world: World,
    directions: Directions,
    row: int,
    asked: dict[str, float],
    added: dict[str, float],
    kept: set[str],
) -> None:
    added = {n: v for n, v in added.items() if n not in asked}
    kept -= asked.keys() | added.keys()
    start = code(world, row)
    step = directions.step(start, Edit(asked, added, frozenset(kept)))
    after, before = directions.readings(start.moved(step)), directions.readings(start)
    assert_allclose([after[n] for n in asked], list(asked.values()), atol=1e-3)
    assert_allclose([after[n] for n in kept], [before[n] for n in kept], atol=1e-3)


@given(rows, names, st.floats(-5, 5), st.floats(-5, 5))
def test_a_shift_moves_its_own_reading_by_that_many_deviations(
    world: World, directions: Directions, row: int, name: str, low: float, high: float
) -> None:
    low, high = sorted((low, high))
    start = code(world, row)

    def after(amount: float) -> float:
        step = directions.step(start, Edit(shifts={name: amount}))
        return directions.readings(start.moved(step))[name]

    assert after(high) >= after(low) - 1e-4  # monotone in the amount
    sd = directions.sd[directions.index(name)]
    assert after(high) - after(low) == pytest.approx((high - low) * sd, abs=1e-3)


def test_readings_are_zero_without_and_one_with_on_average(
    world: World, directions: Directions
) -> None:
    readings = directions.read(world.codes)
    for k in range(len(NAMES)):
        has = world.labels[:, k] > 0.5
        assert readings[~has, k].mean() == pytest.approx(0, abs=1e-4)
        assert readings[has, k].mean() == pytest.approx(1, abs=1e-4)
    assert_allclose(readings.std(axis=0), directions.sd, rtol=1e-3)


def test_directions_are_unit_vectors_and_raise_their_own_reading(directions: Directions) -> None:
    assert_allclose(np.linalg.norm(directions.unit, axis=1), 1, atol=1e-6)
    assert (directions.gain > 0).all()
    effects = directions.effects(directions.unit[0])
    assert effects["Male"] == pytest.approx(float(directions.gain[0] / directions.sd[0]))


def test_a_step_of_glasses_changes_sex_and_age_less_than_the_difference_of_means(
    world: World, directions: Directions
) -> None:
    # in this world men and older people wear glasses more often
    has = world.labels[:, 3] > 0.5
    plain = world.codes[has].mean(axis=0) - world.codes[~has].mean(axis=0)

    def side_effect(step: Floats) -> float:
        effects = directions.effects(step)
        return (abs(effects["Male"]) + abs(effects["Young"])) / effects["Eyeglasses"]

    assert side_effect(directions.unit[3]) < 0.5 * side_effect(plain)


def test_the_order_of_training_rows_does_not_matter(world: World, directions: Directions) -> None:
    order = np.random.default_rng(0).permutation(len(world.codes))
    shuffled = fit_directions(world.codes[order], world.labels[order], NAMES, space=SPACE)
    assert_allclose(shuffled.unit, directions.unit, atol=1e-4)
    assert_allclose(shuffled.read_weights, directions.read_weights, atol=1e-4)
    assert_allclose(shuffled.read_bias, directions.read_bias, atol=1e-4)


def test_moments_equal_those_of_numpy(world: World) -> None:
    m = fit_moments(world.codes, world.labels, NAMES)
    joint = np.cov(np.hstack([world.codes, world.labels]).T.astype(np.float64), bias=True)
    dim = world.codes.shape[1]
    assert_allclose(m.cov, joint[:dim, :dim], atol=1e-5)
    assert_allclose(m.cross, joint[dim:, :dim], atol=1e-5)
    assert_allclose(m.label_cov, joint[dim:, dim:], atol=1e-6)


def test_rows_without_labels_are_left_out(world: World) -> None:
    labels = world.labels.copy()
    labels[3000:] = np.nan
    some = fit_moments(world.codes, labels, NAMES)
    half = fit_moments(world.codes[:3000], world.labels[:3000], NAMES)
    assert_allclose(some.cross, half.cross, atol=1e-6)
    assert_allclose(some.label_cov, half.label_cov, atol=1e-6)
    assert_allclose(some.label_mean, half.label_mean, atol=1e-6)


def test_half_the_labels_give_nearly_the_same_directions(
    world: World, directions: Directions
) -> None:
    labels = world.labels.copy()
    labels[np.random.default_rng(1).random(labels.shape) < 0.5] = np.nan
    half = fit_directions(world.codes, labels, NAMES, space=SPACE)
    assert ((half.unit * directions.unit).sum(axis=1) > 0.95).all()
    assert_allclose(half.gain, directions.gain, rtol=0.1)


def test_labels_that_cannot_be_learned_from_are_refused(world: World) -> None:
    labels = world.labels.copy()
    labels[:, 4] = 0
    with pytest.raises(BadRequest, match="Bald needs people with and without"):
        fit_directions(world.codes, labels, NAMES, space=SPACE)
    with pytest.raises(BadRequest, match="found"):
        fit_directions(world.codes, labels[:10], NAMES, space=SPACE)
    constant_codes = np.zeros_like(world.codes)
    with pytest.raises(BadRequest, match="do not correlate with Male"):
        fit_directions(constant_codes, world.labels, NAMES, space=SPACE)


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_projecting_out_removes_exactly_the_part_that_changes_the_readings(
    seed: int, count: int
) -> None:
    rng = np.random.default_rng(seed)
    step, weights = rng.standard_normal(12), rng.standard_normal((count, 12))
    once = project_out(step, weights)
    assert_allclose(weights @ once, 0, atol=1e-8)
    assert_allclose(project_out(once, weights), once, atol=1e-8)  # a projection
    assert once @ (step - once) == pytest.approx(0, abs=1e-8)  # orthogonal: the smallest change


def test_edits_that_cannot_be_made_are_refused(world: World, directions: Directions) -> None:
    start = code(world, 0)
    with pytest.raises(UnknownName, match="did you mean Smiling"):
        directions.step(start, Edit({"Smilling": 1}))
    with pytest.raises(UnknownName):
        directions.step(start, Edit(keep=frozenset({"nobody"})))
    with pytest.raises(CodeSpaceMismatch):
        directions.step(Code(world.codes[0], "another"), Edit({"Smiling": 1}))
    twins = Directions(
        names=("a", "b"),
        space=SPACE,
        unit=np.repeat(directions.unit[:1], 2, axis=0),
        read_weights=np.repeat(directions.read_weights[:1], 2, axis=0),
        read_bias=np.zeros(2, np.float32),
        sd=np.repeat(directions.sd[:1], 2),
    )
    with pytest.raises(BadRequest, match="keep fewer"):
        twins.step(start, Edit({"a": 1}, keep=frozenset({"b"})))
    with pytest.raises(BadRequest, match="together: a, b"):
        twins.step(start, Edit({"a": 1, "b": 0}))
    with pytest.raises(BadRequest, match="both change and be kept"):
        twins.step(start, Edit({"a": 1}, keep=frozenset({"A"})))


def test_directions_come_back_from_a_file(
    tmp_path: Path, world: World, directions: Directions
) -> None:
    directions.save(tmp_path / "d.npz")
    loaded = Directions.load(tmp_path / "d.npz")
    assert (loaded.names, loaded.space) == (directions.names, directions.space)
    assert_allclose(loaded.read(world.codes), directions.read(world.codes), atol=0.01)
    assert_allclose(np.linalg.norm(loaded.unit, axis=1), 1, atol=1e-6)
    start = code(world, 0)
    after = loaded.readings(start.moved(loaded.step(start, Edit({"Bald": 1}))))
    assert after["Bald"] == pytest.approx(1, abs=1e-4)  # exact for the rounded numbers of the file
    (tmp_path / "bad.npz").write_bytes((tmp_path / "d.npz").read_bytes()[:300])
    for name in ("bad.npz", "missing.npz"):
        with pytest.raises(BadBundle, match="cannot read directions"):
            Directions.load(tmp_path / name)
    np.savez(tmp_path / "newer.npz", format=np.int64(99))
    with pytest.raises(BadBundle, match="format 99"):
        Directions.load(tmp_path / "newer.npz")


def test_any_step_can_be_made_to_keep_readings(world: World, directions: Directions) -> None:
    step = np.random.default_rng(0).standard_normal(world.codes.shape[1]).astype(np.float32)
    kept = directions.keeping(step, NAMES[:2])
    effects = directions.effects(kept)
    assert_allclose([effects[name] for name in NAMES[:2]], 0, atol=1e-5)
    assert any(abs(effects[name]) > 1e-2 for name in NAMES[2:])
    assert np.array_equal(directions.keeping(step, ()), step)
    with pytest.raises(UnknownName):
        directions.keeping(step, ["nobody"])


def test_directions_of_conditional_codes_set_the_number_of_their_attribute(world: World) -> None:
    latent = 5
    start = Code(np.array([9, 8, 7, 6, 5, 0.1, 0.9, 0.2, 0, 0, 1], np.float32), SPACE)
    plain = label_directions(latent, world.labels, NAMES, space=SPACE)
    step = plain.step(start, Edit({"Smiling": 1.0, "Male": 0.5}))
    moved = start.values + step
    np.testing.assert_allclose(moved, [9, 8, 7, 6, 5, 0.5, 0.9, 1, 0, 0, 1], atol=1e-6)
    slope = np.zeros((len(NAMES), latent), np.float32)
    slope[2] = [1, 0, 0, 0, -2]
    along = label_directions(latent, world.labels, NAMES, space=SPACE, slope=slope)
    step = along.step(start, Edit({"Smiling": 1.2}))
    np.testing.assert_allclose(step, [1, 0, 0, 0, -2, 0, 0, 1, 0, 0, 0], atol=1e-5)
    assert along.readings(start)["Male"] == pytest.approx(0.1)
