"""What is kept open between requests: under names nobody can guess, bounded, and not for ever."""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from starlette.exceptions import HTTPException

T = TypeVar("T")


@dataclass(slots=True)
class _Kept(Generic[T]):
    value: T
    weight: float
    used: float


class Shelf(Generic[T]):
    """At most `count` things of at most `weight` together; each goes `idle_s` after its last use.

    To be used by one thread, the event loop's. `kind` and `remedy` are for the message.
    """

    def __init__(
        self,
        kind: str,
        remedy: str,
        *,
        count: int,
        weight: float,
        idle_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.kind, self.remedy = kind, remedy
        self.count, self.weight, self.idle_s = count, weight, idle_s
        self._clock = clock
        self._kept: OrderedDict[str, _Kept[T]] = OrderedDict()

    def put(self, value: T, weight: float = 0.0) -> str:
        """Keep it; returns its name. What was not used for longest makes room."""
        self.sweep()
        key = secrets.token_urlsafe(18)
        self._kept[key] = _Kept(value, weight, self._clock())
        while len(self._kept) > self.count or (
            len(self._kept) > 1 and sum(k.weight for k in self._kept.values()) > self.weight
        ):
            self._kept.popitem(last=False)
        return key

    def get(self, key: str) -> T:
        """What is kept under that name; 404 where it is gone or never was."""
        self.sweep()
        kept = self._kept.get(key)
        if kept is None:
            raise HTTPException(404, f"no {self.kind} is kept under this id; {self.remedy}")
        kept.used = self._clock()
        self._kept.move_to_end(key)
        return kept.value

    def drop(self, key: str) -> None:
        """Forget it, if it is there."""
        self._kept.pop(key, None)

    def sweep(self) -> None:
        """Forget what was not used for `idle_s`."""
        oldest = self._clock() - self.idle_s
        # In order of use: the first that is young enough ends it.
        while self._kept and next(iter(self._kept.values())).used < oldest:
            self._kept.popitem(last=False)

    def __len__(self) -> int:
        return len(self._kept)
