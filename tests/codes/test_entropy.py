from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facedial.codes.code import Code
from facedial.codes.entropy import HEADER, STEPS, Coder, step_of
from facedial.errors import BadRequest, CodeSpaceMismatch

SPACE, COUNT = "fd96-test", 96
LEVELS = (40 / np.arange(1, COUNT + 1)).astype(np.float32)


@pytest.fixture(scope="module")
def coder() -> Coder:
    rng = np.random.default_rng(0)
    return Coder.fit(SPACE, LEVELS, rng.standard_normal((2000, COUNT), np.float32))


def face(seed: int, scale: float = 1.0) -> Code:
    values = scale * np.random.default_rng(seed).standard_normal(COUNT)
    return Code(values.astype(np.float32), SPACE)


@pytest.mark.parametrize("step", [-16, 0, 17])
def test_what_is_read_is_within_a_step_of_what_was_written(coder: Coder, step: int) -> None:
    code = face(1)
    read = coder.read(coder.write(code, step=step))
    assert read.complete and read.step == step and read.to_photo is None
    error = np.abs(read.code.values - code.values) * LEVELS / 2 ** (step / 8)
    coded = 1.1 * 2 ** ((step - 14) / 8) < LEVELS
    assert error[coded].max() < 0.65  # half a step, the dead zone, and a rounded significance
    assert coder.read(coder.write(read.code, step=step)).code.space == SPACE


def test_a_finer_step_takes_more_bytes_and_about_the_entropy(coder: Coder) -> None:
    sizes = [
        np.mean([len(coder.write(face(i), step=s)) for i in range(20)]) for s in (-16, 0, 16, 32)
    ]
    assert sizes == sorted(sizes, reverse=True)
    # Entropy of a quantised Gaussian, where steps are fine: log2(deviation / step) + log2 sqrt(2 pi e).
    bits = np.log2(LEVELS * 2 ** (16 / 8)) + 2.047
    assert sizes[0] == pytest.approx(HEADER + bits.sum() / 8, rel=0.03)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 400), st.integers(*STEPS), st.floats(0.1, 3))
def test_a_cut_file_gives_the_first_numbers_and_no_wrong_one(
    coder: Coder, cut: int, step: int, scale: float
) -> None:
    data = coder.write(face(2, scale), step=step)
    whole = coder.read(data).code.values
    if cut < HEADER:
        with pytest.raises(BadRequest, match="no coded face"):
            coder.read(data[:cut], partial=True)
        return
    read = coder.read(data[:cut], partial=True)
    found = read.code.values
    assert read.complete == (cut >= len(data))
    missing = np.flatnonzero(found != whole)
    first = missing[0] if len(missing) else COUNT
    assert np.array_equal(found[:first], whole[:first]) and not found[first:].any()


def test_a_byte_budget_is_kept_and_used(coder: Coder) -> None:
    for most in (30, 40, 60):
        assert most - 6 < len(coder.best(face(3), most)) <= most
    with pytest.raises(BadRequest, match=r"needs at least \d+ bytes, found 14; give more"):
        coder.best(face(3), 14)


def test_the_place_in_the_photo_comes_along(coder: Coder) -> None:
    matrix = np.array([[1.5, 0.25, -12], [-0.25, 1.5, 40]])
    read = coder.read(coder.write(face(4), step=8, to_photo=matrix))
    assert read.to_photo is not None and np.array_equal(read.to_photo, matrix)
    with pytest.raises(BadRequest, match="cut within its header"):
        coder.read(coder.write(face(4), step=8, to_photo=matrix)[:30], partial=True)


def test_damaged_files_and_those_of_others_are_refused(coder: Coder) -> None:
    data = coder.write(face(5), step=8)
    for place in range(3, len(data)):
        damaged = data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :]
        with pytest.raises((BadRequest, CodeSpaceMismatch)):
            coder.read(damaged)
        if place >= 7:
            coder.read(damaged[:7] + data[7:10] + damaged[10:], partial=True)
    with pytest.raises(BadRequest, match="no coded face"):
        coder.read(b"PK" + data[2:])
    with pytest.raises(BadRequest, match="format 5, this version reads 1; update facedial"):
        coder.read(data[:2] + bytes([5]) + data[3:])
    with pytest.raises(CodeSpaceMismatch):
        coder.write(Code(face(5).values, "fd96-other"), step=8)
    assert coder.read(data).complete


def test_a_coder_is_kept_as_it_is(coder: Coder, tmp_path: Path) -> None:
    coder.save(tmp_path / "coder.npz")
    again = Coder.load(tmp_path / "coder.npz")
    data = coder.write(face(6), step=3)
    assert again.write(face(6), step=3) == data
    assert np.array_equal(again.read(data).code.values, coder.read(data).code.values)


def test_the_packaged_bytes_never_change(coder: Coder) -> None:
    # A file that this format once wrote must be readable for ever.
    levels = np.array([16, 8, 4, 2], np.float32)
    grid = np.linspace(-3, 3, 4001, dtype=np.float32)[:, None].repeat(4, 1)
    small = Coder.fit("fd4-test", levels, grid)
    code = Code(np.array([1.25, -0.5, 2.0, 0.75], np.float32), "fd4-test")
    data = small.write(code, step=0)
    assert data.hex() == GOLDEN
    read = small.read(bytes.fromhex(GOLDEN)).code.values
    assert read.tolist() == [1.25, -0.5, 2.0, 0.5]


def test_qualities_are_steps() -> None:
    assert step_of(0) == STEPS[1] and step_of(100) == STEPS[0]
    with pytest.raises(BadRequest, match=r"lies in 0\.\.100, found 101"):
        step_of(101)


GOLDEN = "464401bd11de530004005a32e1d2b553586e"
