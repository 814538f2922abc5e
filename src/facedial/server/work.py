"""A bounded amount of work at once: what is too much is told to come back, not piled up."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

T = TypeVar("T")


class Work:
    """Runs functions in threads, `at_once` together; at most `waiting` more wait for their turn."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self.most = at_once + waiting
        self.given = 0
        self.refused = 0
        self._turns = asyncio.Semaphore(at_once)
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="facedial")

    async def run(self, function: Callable[[], T], gone: Callable[[], Awaitable[bool]]) -> T:
        """The function's result. Raises 503 with Retry-After when too much waits already.

        `gone`: whether who asked went away, looked at when the turn comes; then `ClientDisconnect`.
        """
        if self.given >= self.most:
            self.refused += 1
            raise HTTPException(
                503, "the server is busy; try again in a second", {"Retry-After": "1"}
            )
        self.given += 1
        try:
            async with self._turns:
                if await gone():
                    raise ClientDisconnect
                return await asyncio.get_running_loop().run_in_executor(self._threads, function)
        finally:
            self.given -= 1

    def close(self) -> None:
        """Let what runs end, and take nothing more."""
        self._threads.shutdown(cancel_futures=True)
