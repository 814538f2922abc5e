"""A thread pool with a bounded queue: a request beyond it is answered 503."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

T = TypeVar("T")


class BoundedExecutor:
    """Runs at most `max_workers` functions at once in threads; at most `max_queued` more wait.

    To be used from one event loop. `pending`: functions running or waiting; `rejected`: calls
    answered 503 so far.
    """

    def __init__(self, max_workers: int, max_queued: int) -> None:
        self.max_pending = max_workers + max_queued
        self.pending = 0
        self.rejected = 0
        self._workers = asyncio.Semaphore(max_workers)
        self._threads = ThreadPoolExecutor(max_workers, thread_name_prefix="facedial")

    async def run(
        self, function: Callable[[], T], disconnected: Callable[[], Awaitable[bool]]
    ) -> T:
        """The function's result; raises 503 with Retry-After when the queue is full.

        `disconnected`: whether the client has gone, asked when a worker is free; then the function
        is not run and `ClientDisconnect` is raised.
        """
        if self.pending >= self.max_pending:
            self.rejected += 1
            raise HTTPException(
                503, "the server is busy; try again in a second", {"Retry-After": "1"}
            )
        self.pending += 1
        try:
            async with self._workers:
                if await disconnected():
                    raise ClientDisconnect
                return await asyncio.get_running_loop().run_in_executor(self._threads, function)
        finally:
            self.pending -= 1

    def shutdown(self) -> None:
        """Wait for what runs; cancel what waits."""
        self._threads.shutdown(cancel_futures=True)
