"""The executor: so many functions at once, so many waiting, the rest answered 503."""

import asyncio
import threading
import time

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from facedial.server.executor import BoundedExecutor


def test_so_many_run_at_once_and_the_rest_are_rejected() -> None:
    running, most, lock = 0, 0, threading.Lock()

    def one() -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.05)
        with lock:
            running -= 1
        return 1

    async def here() -> bool:
        return False

    async def all_() -> list[int | BaseException]:
        executor = BoundedExecutor(2, 3)
        jobs = (executor.run(one, here) for _ in range(9))
        done = await asyncio.gather(*jobs, return_exceptions=True)
        assert executor.pending == 0
        assert executor.rejected == 4
        executor.shutdown()
        return done

    done = asyncio.run(all_())
    assert most == 2
    assert done[:5] == [1] * 5
    assert all(isinstance(one, HTTPException) and one.status_code == 503 for one in done[5:])


def test_nothing_is_computed_for_a_client_that_disconnected() -> None:
    ran = []

    async def gone() -> bool:
        return True

    async def one() -> None:
        executor = BoundedExecutor(1, 1)
        with pytest.raises(ClientDisconnect):
            await executor.run(lambda: ran.append(1), gone)
        assert executor.pending == 0
        executor.shutdown()

    asyncio.run(one())
    assert ran == []
