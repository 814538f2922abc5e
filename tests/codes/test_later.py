"""Values that are computed when they are first read."""

import copy

import numpy as np
import pytest

from facedial.codes.code import Code
from facedial.codes.later import Later
from facedial.errors import BadRequest


def test_a_value_is_computed_once_and_only_when_it_is_read() -> None:
    calls: list[int] = []

    def make() -> int:
        calls.append(1)
        return 7

    later = Later(make)
    assert calls == []
    assert (later.value, later.value) == (7, 7)
    assert calls == [1]


def test_a_code_of_later_is_the_code_of_its_values() -> None:
    values = np.arange(5, dtype=np.float64)
    calls: list[int] = []

    def make() -> np.ndarray:
        calls.append(1)
        return values

    code = Code.later(make, "space", 5)
    code.check("space", 5)
    assert (code.size, code.space, calls) == (5, "space", [])
    for same in (code, copy.copy(code), copy.deepcopy(code)):
        assert same.values.dtype == np.float32
        np.testing.assert_array_equal(same.values, values)
    assert calls == [1]


def test_wrong_values_are_refused_when_they_are_read() -> None:
    code = Code.later(lambda: np.array([1.0, np.nan]), "space", 2)
    with pytest.raises(BadRequest, match="finite"):
        _ = code.values


def test_a_code_of_another_size_is_refused_when_it_is_read() -> None:
    code = Code.later(lambda: np.zeros(3), "space", 4)
    with pytest.raises(BadRequest, match="has 4 numbers, found 3"):
        _ = code.values
