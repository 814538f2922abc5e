"""Real servers for the tests: the process that people start, and applications with other settings."""

import io
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
import uvicorn

from facedial.editor import Editor
from facedial.server import app as web
from facedial.server.access import Access
from facedial.server.limits import Limits

Started = AbstractContextManager[tuple[str, "subprocess.Popen[str]"]]


def started(*words: str, **options: Any) -> Started:
    """`facedial serve` with those options: what it says first, and its process, which ends with it."""
    return _running("-m", "facedial", "serve", "--port", "0", *words, **options)


@contextmanager
def _running(*words: str, **options: Any) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    command = [sys.executable, *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), process
    finally:
        process.kill()
        process.wait(20)
        process.stdout.close()


# As the fixture `few_steps`, in a process of its own.
QUICK = """
import functools, sys
from facedial import changes, generation
from facedial.cli.entry import main
generation.STEPS, generation.MAX_ATTEMPTS = 1, 1
generation.FlowInterpolation = functools.partial(generation.FlowInterpolation, steps=1)
changes.FlowEdit = functools.partial(changes.FlowEdit, steps=1)
main(["serve", "--port", *sys.argv[1:]])
"""


def quickly_started(port: str = "0", **options: Any) -> Started:
    """A server of few steps, a process of its own too."""
    return _running("-c", QUICK, port, **options)


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Address of such a server, one for all tests of a process."""
    with quickly_started() as (first, _):
        assert first.startswith("http://127.0.0.1:"), first
        yield first.rstrip("/")


@pytest.fixture
def client(address: str) -> Iterator[httpx.Client]:
    """A client of that server's API."""
    with httpx.Client(base_url=f"{address}/api/", timeout=60) as made:
        yield made


@pytest.fixture(scope="session")
def photo(astronaut: Path) -> bytes:
    """A photo's file."""
    return astronaut.read_bytes()


@pytest.fixture(scope="session")
def two_faces(astronaut: Path) -> bytes:
    """A photo with the same face twice, once large and once small."""
    from PIL import Image

    with Image.open(astronaut) as one:
        both = Image.new("RGB", (900, 512), "white")
        both.paste(one, (0, 0))
        both.paste(one.resize((320, 320)), (546, 60))
    stream = io.BytesIO()
    both.save(stream, "PNG")
    return stream.getvalue()


class Serving(Protocol):
    """The fixture `serving`."""

    def __call__(
        self, limits: Limits | None = None, access: Access | None = None
    ) -> AbstractContextManager[httpx.Client]: ...


@pytest.fixture
def serving(editor: Editor, few_steps: None) -> Serving:
    """`with serving(limits, access) as client`: an application in a thread of this process."""

    @contextmanager
    def made(limits: Limits | None = None, access: Access | None = None) -> Iterator[httpx.Client]:
        app = web.create(editor, limits=limits, access=access)
        config = uvicorn.Config(app, port=0, log_level="error", access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            until = time.monotonic() + 30
            while not server.started and time.monotonic() < until:
                time.sleep(0.01)
            port = server.servers[0].sockets[0].getsockname()[1]
            with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/", timeout=60) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()

    return made
