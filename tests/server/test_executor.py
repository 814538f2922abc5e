"""The executor: so many functions at once, so many waiting, the rest answered 503."""

import asyncio
import threading
import time
from functools import partial

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from facedial.server.executor import QUIET_S, BoundedExecutor


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


async def _here() -> bool:
    return False


def test_work_in_the_background_waits_until_nothing_else_runs() -> None:
    order: list[str] = []

    def job(name: str, seconds: float = 0.0) -> None:
        time.sleep(seconds)
        order.append(name)

    async def all_() -> None:
        executor = BoundedExecutor(1, 8)
        first = asyncio.create_task(executor.run(lambda: job("first", 0.1), _here))
        await asyncio.sleep(0)
        waiting = [
            asyncio.create_task(executor.run_in_background(partial(job, name), _here))
            for name in ("one", "two")
        ]
        await first
        # Less than `QUIET_S` after the first, as the steps of a slider follow each other.
        await asyncio.sleep(QUIET_S / 4)
        await executor.run(lambda: job("second"), _here)
        await asyncio.gather(*waiting)
        assert (executor.pending, executor.in_background) == (0, 0)
        executor.shutdown()

    asyncio.run(all_())
    assert order == ["first", "second", "one", "two"]


def test_the_background_is_bounded_and_forgets_clients_that_left() -> None:
    ran: list[int] = []
    left = False

    async def gone() -> bool:
        return left

    async def all_() -> None:
        nonlocal left
        executor = BoundedExecutor(1, 1)
        running = asyncio.create_task(executor.run(lambda: time.sleep(0.2), _here))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(executor.run_in_background(lambda: ran.append(1), gone))
        await asyncio.sleep(0)
        with pytest.raises(HTTPException, match="busy"):
            await executor.run_in_background(lambda: ran.append(2), _here)
        left = True
        with pytest.raises(ClientDisconnect):
            await waiting
        await running
        assert (executor.in_background, executor.rejected) == (0, 1)
        executor.shutdown()

    asyncio.run(all_())
    assert ran == []
