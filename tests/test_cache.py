"""Laws of the cache of one portrait."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from facedial.cache import Cache


def test_entries_are_computed_once() -> None:
    cache, computed = Cache(), []
    for _ in range(3):
        found = cache.get("key", lambda: computed.append(1) or np.ones(2, np.float32))
        assert np.array_equal(found, [1, 1])
    assert len(computed) == len(cache) == 1
    assert cache.peek("key") is found and cache.peek("other") is None


def test_the_oldest_entries_are_dropped_beyond_the_maximum() -> None:
    cache = Cache(max_entries=2)
    for key in (1, 2, 3):
        cache.get(key, lambda: np.zeros(1, np.float32))
    assert len(cache) == 2 and cache.peek(1) is None
    computed: list[int] = []
    cache.get(3, lambda: computed.append(3) or np.zeros(1, np.float32))
    cache.get(1, lambda: computed.append(1) or np.zeros(1, np.float32))
    assert computed == [1]


def test_many_threads_share_a_small_cache() -> None:
    cache = Cache(max_entries=3)

    def work(seed: int) -> bool:
        keys = np.random.default_rng(seed).integers(0, 12, 3000).tolist()
        return all(cache.get(k, lambda k=k: np.full(1, k, np.float32))[0] == k for k in keys)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    assert len(cache) <= 3 + 8  # each thread may add one entry after all have made room


def test_a_cache_is_pickled_with_its_entries() -> None:
    cache = Cache()
    cache.get(("a", b"b"), lambda: np.arange(3, dtype=np.float32))
    copy = pickle.loads(pickle.dumps(cache))  # noqa: S301
    assert np.array_equal(copy.peek(("a", b"b")), [0, 1, 2])
