"""A small cache of arrays, shared by everything that is computed about one portrait."""

from collections.abc import Callable, Hashable

from facedial.arrays import Floats


class Cache:
    """Arrays by key; beyond `max_entries` the oldest entries are dropped.

    Threads may compute the same entry twice; both results are equal, and one of them is kept.
    """

    def __init__(self, max_entries: int = 256) -> None:
        self.max_entries = max_entries
        self._entries: dict[Hashable, Floats] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def peek(self, key: Hashable) -> Floats | None:
        """The entry, or None where there is none."""
        return self._entries.get(key)

    def put(self, key: Hashable, values: Floats) -> None:
        """Store an entry, in place of one that is there."""
        self._entries[key] = values

    def keys(self, kind: str) -> list[Hashable]:
        """Keys of entries that are tuples beginning with `kind`."""
        return [one for one in self._entries if isinstance(one, tuple) and one[0] == kind]

    def get(self, key: Hashable, compute: Callable[[], Floats]) -> Floats:
        """The entry; computed and stored where there is none."""
        found = self._entries.get(key)
        if found is None:
            found = compute()
            while len(self._entries) >= self.max_entries:
                self._entries.pop(next(iter(self._entries)), None)
            self._entries[key] = found
        return found
