"""A store in memory with random keys, a bounded size, and an expiry after the last use."""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from starlette.exceptions import HTTPException

T = TypeVar("T")


@dataclass(slots=True)
class _Item(Generic[T]):
    value: T
    weight: float
    last_used: float


class TTLStore(Generic[T]):
    """At most `max_items` values of at most `max_weight` in sum; each expires `ttl_s` after its last use.

    The least recently used is evicted first; the value just put stays, however heavy. To be used
    from one thread. `kind` and `remedy` are words of the 404 message.
    """

    def __init__(
        self,
        kind: str,
        remedy: str,
        *,
        max_items: int,
        max_weight: float,
        ttl_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.kind, self.remedy = kind, remedy
        self.max_items, self.max_weight, self.ttl_s = max_items, max_weight, ttl_s
        self._clock = clock
        self._items: OrderedDict[str, _Item[T]] = OrderedDict()

    def put(self, value: T, weight: float = 0.0) -> str:
        """Store the value; returns its key, 144 random bits."""
        self.expire()
        key = secrets.token_urlsafe(18)
        self._items[key] = _Item(value, weight, self._clock())
        while len(self._items) > self.max_items or (
            len(self._items) > 1
            and sum(item.weight for item in self._items.values()) > self.max_weight
        ):
            self._items.popitem(last=False)
        return key

    def get(self, key: str) -> T:
        """The value of that key; raises 404 where it has expired or never was."""
        self.expire()
        item = self._items.get(key)
        if item is None:
            raise HTTPException(404, f"no {self.kind} is kept under this id; {self.remedy}")
        item.last_used = self._clock()
        self._items.move_to_end(key)
        return item.value

    def delete(self, key: str) -> None:
        """Remove the value, if it is there."""
        self._items.pop(key, None)

    def expire(self) -> None:
        """Remove what was not used for `ttl_s`."""
        oldest = self._clock() - self.ttl_s
        # In order of last use: the first that is young enough ends the loop.
        while self._items and next(iter(self._items.values())).last_used < oldest:
            self._items.popitem(last=False)

    def __len__(self) -> int:
        return len(self._items)
