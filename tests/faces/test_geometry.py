import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from facedial.faces import HEAD_TEMPLATE, warp, warp_float
from facedial.faces.geometry import (
    apply,
    block_means,
    compose,
    fit_similarity,
    invert,
    scale_of,
    scaling,
    similarity,
    warp_strips,
)

turns = st.floats(-180, 180)
scales = st.floats(0.05, 40)
shifts = st.tuples(st.floats(-500, 500), st.floats(-500, 500))
orders = st.permutations(range(5))


def moved(turn, scale, by):
    return similarity(scale, turn, np.array([60.0, 80.0]), np.array(by))


@given(turns, scales, shifts)
def test_fit_recovers_any_similarity(turn, scale, by):
    true = moved(turn, scale, by)
    assert_allclose(fit_similarity(HEAD_TEMPLATE, apply(true, HEAD_TEMPLATE)), true, atol=1e-7)


@given(turns, scales, shifts, orders, st.integers(0, 2**32 - 1))
def test_fit_does_not_depend_on_the_order_of_the_pairs(turn, scale, by, order, seed):
    noise = np.random.default_rng(seed).normal(size=(5, 2))
    target = apply(moved(turn, scale, by), HEAD_TEMPLATE) + noise
    mixed = fit_similarity(HEAD_TEMPLATE[list(order)], target[list(order)])
    assert_allclose(mixed, fit_similarity(HEAD_TEMPLATE, target), atol=1e-9)


@given(turns, scales, shifts, st.integers(0, 2**32 - 1))
def test_fit_is_the_best_in_least_squares(turn, scale, by, seed):
    rng = np.random.default_rng(seed)
    target = apply(moved(turn, scale, by), HEAD_TEMPLATE) + rng.normal(size=(5, 2))
    best = fit_similarity(HEAD_TEMPLATE, target)
    error = np.square(apply(best, HEAD_TEMPLATE) - target).sum()
    nudge = similarity(1 + 0.01 * rng.normal(), rng.normal(), np.zeros(2), rng.normal(size=2))
    worse = np.square(apply(compose(nudge, best), HEAD_TEMPLATE) - target).sum()
    assert error <= worse + 1e-9


def test_fit_never_mirrors():
    mirrored = HEAD_TEMPLATE * [-1.0, 1.0]
    assert np.linalg.det(fit_similarity(HEAD_TEMPLATE, mirrored)[:, :2]) >= 0


@pytest.mark.parametrize(
    "points",
    [
        np.zeros((5, 2)),
        np.full((5, 2), 1e6),
        np.full((5, 2), np.nan),
        np.zeros((1, 2)),
        np.zeros((5, 3)),
    ],
)
def test_fit_refuses_degenerate_points(points):
    target = HEAD_TEMPLATE[: len(points)]
    with pytest.raises(ValueError, match=r"coincide|finite|points"):
        fit_similarity(points, target)


@given(turns, scales, shifts)
def test_invert_there_and_back(turn, scale, by):
    there = moved(turn, scale, by)
    assert_allclose(apply(invert(there), apply(there, HEAD_TEMPLATE)), HEAD_TEMPLATE, atol=1e-7)
    assert_allclose(invert(invert(there)), there, rtol=1e-9, atol=1e-7)


def test_invert_refuses_what_flattens():
    with pytest.raises(ValueError, match="singular"):
        invert(np.array([[1.0, 2.0, 0.0], [2.0, 4.0, 0.0]]))


@given(turns, scales, shifts, turns, scales)
def test_compose_is_one_after_the_other(turn, scale, by, turn2, scale2):
    inner, outer = moved(turn, scale, by), moved(turn2, scale2, (3.0, -7.0))
    both = apply(compose(outer, inner), HEAD_TEMPLATE)
    assert_allclose(both, apply(outer, apply(inner, HEAD_TEMPLATE)), rtol=1e-9, atol=1e-6)
    assert math.isclose(scale_of(compose(outer, inner)), scale * scale2, rel_tol=1e-9)


def test_a_positive_turn_is_clockwise_as_seen():
    quarter = similarity(1.0, 90.0, np.zeros(2), np.zeros(2))
    assert_allclose(apply(quarter, np.array([1.0, 0.0])), [0.0, 1.0], atol=1e-12)  # right -> down


def test_scaling_keeps_edges():
    assert_allclose(apply(scaling(2.0, 3.0), np.array([-0.5, -0.5])), [-0.5, -0.5])
    assert_allclose(apply(scaling(2.0, 3.0), np.array([9.5, 9.5])), [19.5, 29.5])


def shift(x, y):
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y]])


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(1).integers(0, 256, (70, 90, 3), dtype=np.uint8)


def test_warp_by_nothing_is_the_same(noise):
    assert_array_equal(warp(noise, shift(0, 0), (90, 70)), noise)


@given(st.integers(-30, 60), st.integers(-30, 60))
def test_warp_by_whole_pixels_copies_and_repeats_the_edge(x, y):
    noise = np.random.default_rng(1).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    shifted = warp(noise, shift(x, y), (40, 50))
    rows, columns = np.arange(y, y + 50).clip(0, 69), np.arange(x, x + 40).clip(0, 89)
    assert_array_equal(shifted, noise[rows][:, columns])


@given(turns, st.floats(0.1, 30), st.integers(0, 255))
def test_warp_keeps_a_plain_colour(turn, scale, level):
    plain = np.full((50, 60, 3), level, np.uint8)
    out = warp(plain, similarity(scale, turn, np.full(2, 15.5), np.array([25.0, 30.0])), 32)
    assert_array_equal(out, np.full((32, 32, 3), level))


@settings(max_examples=25)
@given(turns, st.floats(0.3, 5))
def test_warp_follows_a_ramp(turn, scale):
    rows, columns = np.mgrid[:600, :700]
    ramp = np.stack([columns * 0.35, rows * 0.4, (columns + rows) * 0.19], axis=-1)
    to_source = similarity(scale, turn, np.full(2, 31.5), np.array([350.0, 300.0]))
    out = warp(np.rint(ramp).astype(np.uint8), to_source, 64).astype(np.float64)
    x, y = np.moveaxis(apply(to_source, np.stack(np.mgrid[:64, :64][::-1], axis=-1)), -1, 0)
    expected = np.stack([x * 0.35, y * 0.4, (x + y) * 0.19], axis=-1)
    assert np.abs(out - expected).max() < 1.0 + 0.25 * scale
    assert abs((out - expected).mean()) < 0.35


@pytest.mark.parametrize("turn", [0.0, 7.0])
@pytest.mark.parametrize("scale", [1.6, 2.0, 3.3, 8.0])
def test_warp_does_not_alias(turn, scale):
    checks = np.indices((900, 900)).sum(axis=0) % 2 * 255
    board = np.repeat(checks[..., None], 3, axis=-1).astype(np.uint8)
    out = warp(board, similarity(scale, turn, np.full(2, 31.5), np.full(2, 450.0)), 64)
    # Taking every pixel where it falls would leave half of the board's contrast.
    assert out.std() < 0.05 * board.std()


def test_warp_keeps_texture_that_fits():
    # Eight pixels a wave, shrunk by 1.5 and turned: 5.3 output pixels a wave stay nearly whole.
    wave = 127.5 + 100 * np.sin(2 * np.pi * np.arange(400) / 8)
    source = np.repeat(np.rint(np.broadcast_to(wave, (400, 400)))[..., None], 3, axis=-1)
    to_source = similarity(1.5, 20.0, np.full(2, 63.5), np.full(2, 200.0))
    out = warp(source.astype(np.uint8), to_source, 128).astype(float)
    assert 0.93 < out.std() / (100 / math.sqrt(2)) < 1.03


def test_warp_fills_with_grey(noise):
    out = warp(noise, shift(-200, 0), 32, fill=77)
    assert_array_equal(out, np.full((32, 32, 3), 77))


@pytest.mark.parametrize("far", [-1e6, 1e6])
def test_warp_far_outside_is_the_edge(noise, far):
    out = warp(noise, shift(far, 0), (20, 70))
    edge = noise[:, :1] if far < 0 else noise[:, -1:]
    assert_array_equal(out, np.repeat(edge, 20, axis=1))


def test_a_huge_look_at_a_small_picture_is_cheap(noise):
    out = warp(noise, similarity(5000.0, 3.0, np.full(2, 31.5), np.array([45.0, 35.0])), 64)
    assert out.shape == (64, 64, 3)


def test_averaged_is_the_mean_of_blocks():
    pixels = np.random.default_rng(2).integers(0, 256, (600, 90, 3), dtype=np.uint8)
    means = pixels.reshape(200, 3, 30, 3, 3).mean(axis=(1, 3))
    assert np.abs(block_means(pixels, 3, 3) - means).max() < 0.6  # Pillow's rounding is not exact


@given(turns, st.floats(0.02, 3), st.floats(-3, 3), st.integers(0, 2**32 - 1))
def test_warp_float_is_linear(turn, scale, factor, seed):
    a, b = np.random.default_rng(seed).normal(size=(2, 24, 24, 2)).astype(np.float32)
    to_source = similarity(scale, turn, np.full(2, 20.0), np.full(2, 11.5))
    both = warp_float(a + np.float32(factor) * b, to_source, (40, 41))
    apart = warp_float(a, to_source, (40, 41)) + factor * warp_float(b, to_source, (40, 41))
    assert both.shape == (41, 40, 2)
    assert_allclose(both, apart, atol=2e-4)


def test_warp_float_is_zero_outside_and_amid_zeros():
    values = np.zeros((32, 32, 3), np.float32)
    values[10:20, 10:20] = 50.0
    out = warp_float(values, similarity(0.1, 5.0, np.full(2, 200.0), np.full(2, 15.5)), (400, 400))
    place = apply(
        similarity(0.1, 5.0, np.full(2, 200.0), np.full(2, 15.5)),
        np.stack(np.mgrid[:400, :400][::-1], axis=-1),
    )
    far = ((place < 7.0) | (place > 22.0)).any(axis=-1)
    assert not out[far].any()
    near = ((place > 12.5) & (place < 16.5)).all(axis=-1)
    assert_allclose(out[near], 50.0, atol=1e-3)


def test_warp_float_follows_a_smooth_wave():
    def wave(points):
        return 40 * np.sin(points[..., 0] / 4) * np.cos(points[..., 1] / 5)

    values = wave(np.stack(np.mgrid[:64, :64][::-1], axis=-1))[..., None].astype(np.float32)
    to_source = similarity(0.17, -12.0, np.full(2, 150.0), np.full(2, 31.5))
    place = apply(to_source, np.stack(np.mgrid[:300, :300][::-1], axis=-1))
    inner = ((place > 3) & (place < 60)).all(axis=-1)
    error = warp_float(values, to_source, (300, 300))[..., 0] - wave(place)
    assert np.abs(error[inner]).max() < 0.5


def test_strips_make_the_whole():
    values = np.random.default_rng(3).normal(size=(20, 20, 3)).astype(np.float32)
    to_source = similarity(0.1, 30.0, np.full(2, 100.0), np.full(2, 9.5))
    whole = warp_float(values, to_source, (200, 190))
    for top, strip in warp_strips(values, to_source, (200, 190)):
        assert_array_equal(strip, whole[top : top + len(strip)])
    assert top + len(strip) == 190
