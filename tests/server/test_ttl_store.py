"""The store of what is kept open between requests: bounded, and not for ever."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from facedial.server.ttl_store import TTLStore


def made(count: int = 3, weight: float = 10.0) -> tuple[TTLStore[str], list[float]]:
    now = [0.0]
    return TTLStore(
        "thing", "bring it", max_items=count, max_weight=weight, ttl_s=5.0, clock=lambda: now[0]
    ), now


@given(st.lists(st.tuples(st.floats(0, 20), st.floats(0, 3)), max_size=30))
def test_a_store_never_holds_more_than_its_bounds(things: list[tuple[float, float]]) -> None:
    store, now = made()
    for weight, wait in things:
        now[0] += wait
        key = store.put("x", weight)
        assert store.get(key) == "x"  # what was just put is there, however heavy
        assert len(store) <= 3


def test_values_expire_after_their_last_use() -> None:
    store, now = made()
    keys = [store.put(name) for name in "abc"]
    store.get(keys[0])
    store.put("d")
    assert store.get(keys[0]) == "a"
    with pytest.raises(HTTPException, match="bring it"):
        store.get(keys[1])
    now[0] = 4.0
    store.get(keys[2])
    now[0] = 8.0
    assert store.get(keys[2]) == "c"
    with pytest.raises(HTTPException):
        store.get(keys[0])
    store.delete(keys[2])
    store.delete("never there")
    assert len(store) == 0


def test_the_least_recently_used_is_evicted_for_weight() -> None:
    store, _ = made()
    light, heavy = store.put("a", 4.0), store.put("b", 8.0)
    assert store.get(heavy) == "b"
    with pytest.raises(HTTPException):
        store.get(light)
