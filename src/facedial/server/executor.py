"""A thread pool with a bounded queue: a request beyond it is answered 503."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

T = TypeVar("T")
QUIET_S = 0.2  # without a job, until work in the background goes on: steps of a slider come closer


class BoundedExecutor:
    """Runs at most `max_workers` functions at once in threads; at most `max_queued` more wait.

    Beside them one function at a time runs in the background, in a thread of its own: it begins when
    no other has run or waited for `QUIET_S`, so that no other waits for it. At most `max_queued` wait
    for that too. To be used from one event loop. `pending`: functions running or waiting, without
    those of the background; `rejected`: calls answered 503 so far.
    """

    def __init__(self, max_workers: int, max_queued: int) -> None:
        self.max_pending = max_workers + max_queued
        self.max_background = max(1, max_queued)
        self.pending = 0
        self.in_background = 0
        self.rejected = 0
        self._workers = asyncio.Semaphore(max_workers)
        self._threads = ThreadPoolExecutor(max_workers, thread_name_prefix="facedial")
        self._background = asyncio.Lock()
        self._background_thread = ThreadPoolExecutor(1, thread_name_prefix="facedial-background")
        self._last_end = float("-inf")

    async def run(
        self, function: Callable[[], T], disconnected: Callable[[], Awaitable[bool]]
    ) -> T:
        """The function's result; raises 503 with Retry-After when the queue is full.

        `disconnected`: whether the client has gone, asked when a worker is free; then the function
        is not run and `ClientDisconnect` is raised.
        """
        if self.pending >= self.max_pending:
            raise self._busy()
        self.pending += 1
        try:
            async with self._workers:
                if await disconnected():
                    raise ClientDisconnect
                return await asyncio.get_running_loop().run_in_executor(self._threads, function)
        finally:
            self.pending -= 1
            self._last_end = asyncio.get_running_loop().time()

    async def run_in_background(
        self, function: Callable[[], T], disconnected: Callable[[], Awaitable[bool]]
    ) -> T:
        """As `run`, for what nobody waits for: after all that `run` was given."""
        if self.in_background >= self.max_background:
            raise self._busy()
        self.in_background += 1
        loop = asyncio.get_running_loop()
        try:
            async with self._background:
                while not await disconnected():
                    quiet = loop.time() - self._last_end
                    if not self.pending and quiet >= QUIET_S:
                        return await loop.run_in_executor(self._background_thread, function)
                    await asyncio.sleep(QUIET_S if self.pending else QUIET_S - quiet)
                raise ClientDisconnect
        finally:
            self.in_background -= 1

    def shutdown(self) -> None:
        """Wait for what runs; cancel what waits."""
        for threads in (self._threads, self._background_thread):
            threads.shutdown(cancel_futures=True)

    def _busy(self) -> HTTPException:
        self.rejected += 1
        return HTTPException(503, "the server is busy; try again in a second", {"Retry-After": "1"})
