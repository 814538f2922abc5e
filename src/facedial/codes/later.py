"""A value that is computed when it is first read."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Later(Generic[T]):
    """What `make` returns: called when `value` is first read, and not again.

    Threads may call it twice at the same time; what both return must be equal, and one of the results is
    kept. It is pickled, and copied, with its value, which is computed for it.
    """

    __slots__ = ("_make", "_value")

    def __init__(self, make: Callable[[], T]) -> None:
        self._make: Callable[[], T] | None = make
        self._value: T | None = None

    @staticmethod
    def of(value: T) -> "Later[T]":
        """A value that is known."""
        known: Later[T] = Later(lambda: value)
        known._value, known._make = value, None
        return known

    @property
    def value(self) -> T:
        """The value."""
        make = self._make
        if make is not None:
            self._value = make()
            self._make = None  # what the function holds is freed
        return self._value  # type: ignore[return-value]

    def __reduce__(self) -> tuple[Any, ...]:
        return Later.of, (self.value,)
