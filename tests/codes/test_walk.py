"""Laws of walks between faces, with faces known in closed form: Gaussian, mean 3 x Smiling, s.d. 0.4."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from facedial.codes.code import Code
from facedial.errors import BadRequest
from facedial.flow import LATENT_SHAPE
from facedial.flow.interpolate import FlowInterpolation, interpolate

from .test_flow import SPREAD, code, velocity

NUMBERS = int(np.prod(LATENT_SHAPE))


def faces(*smiles: float) -> tuple[list[Code], np.ndarray]:
    rng = np.random.default_rng(7)
    values = rng.standard_normal((len(smiles), NUMBERS)) * SPREAD + 3 * np.array(smiles)[:, None]
    wishes = np.array([[0, smile] for smile in smiles], np.float32)
    return [Code(row.astype(np.float32), "fd-test") for row in values], wishes


def legs(codes: list[Code], wishes: np.ndarray, steps: int = 24) -> FlowInterpolation:
    values = np.stack([one.values for one in codes])

    def planes(codes: np.ndarray) -> np.ndarray:
        return codes.reshape(-1, *LATENT_SHAPE)

    return FlowInterpolation(values, wishes, velocity, planes, code, turning=0.05, steps=steps)


@pytest.mark.parametrize("straight", [True, False])
@pytest.mark.parametrize("steps", [2, 3, 6])
def test_a_walk_begins_turns_and_ends_at_its_faces(straight: bool, steps: int) -> None:
    codes, wishes = faces(1, -1, 0)
    found = interpolate(codes, steps, None if straight else legs(codes, wishes, 4))
    assert len(found) == 2 * (steps - 1) + 1
    for at, end in zip((0, steps - 1, -1), codes, strict=True):
        assert np.array_equal(found[at].values, end.values)
    assert {one.values.dtype for one in found} == {np.dtype(np.float32)}


def test_a_straight_walk_fades_over() -> None:
    codes, _ = faces(1, -1)
    middle = interpolate(codes, 5)[2]
    assert_allclose(middle.values, (codes[0].values + codes[1].values) / 2, atol=1e-6)


def test_what_lies_between_is_a_face_where_a_straight_line_has_lost_its_spread() -> None:
    codes, wishes = faces(1, -1)
    drawn = interpolate(codes, 5, legs(codes, wishes))
    for share, one in zip(np.linspace(0, 1, 5), drawn, strict=True):
        assert float(one.values.mean()) == pytest.approx(3 - 6 * share, abs=0.1)
        assert float(one.values.std()) == pytest.approx(SPREAD, rel=0.1)
    assert float(interpolate(codes, 5)[2].values.std()) == pytest.approx(
        SPREAD / np.sqrt(2), rel=0.1
    )


def test_a_walk_goes_evenly_and_is_the_same_walk_in_fewer_steps() -> None:
    codes, wishes = faces(0, 1)
    fine = np.stack([one.values for one in interpolate(codes, 9, legs(codes, wishes))])
    coarse = np.stack([one.values for one in interpolate(codes, 5, legs(codes, wishes))])
    assert_allclose(fine[::2], coarse, atol=1e-5)
    strides = np.linalg.norm(np.diff(fine, axis=0), axis=1)
    assert strides.max() < 1.5 * strides.min()


def test_a_walk_from_a_face_to_itself_stays() -> None:
    codes, wishes = faces(1)
    for one in interpolate(codes * 2, 4, legs(codes * 2, wishes.repeat(2, 0))):
        assert_allclose(one.values, codes[0].values, atol=1e-4)


def test_one_step_is_no_walk() -> None:
    codes, _ = faces(1, 0)
    with pytest.raises(BadRequest, match="2 steps at least, found 1"):
        interpolate(codes, 1)
