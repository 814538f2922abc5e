"""Fixtures of all tests: no network, repeatable examples, the bundled model, one real photo."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "ci", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may leave the machine: connecting anywhere but to it fails, in every test."""

    def only_here(connect: Callable[..., Any]) -> Callable[..., Any]:
        def checked(own: socket.socket, address: Any) -> Any:
            if own.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1"):
                raise AssertionError(f"facedial tried to reach the network: {address}")
            return connect(own, address)

        return checked

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, only_here(getattr(socket.socket, name)))


@pytest.fixture(scope="session")
def astronaut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A public-domain portrait (Eileen Collins, NASA), 512x512, as a PNG file."""
    from PIL import Image
    from skimage import data

    path = tmp_path_factory.mktemp("photos") / "astronaut.png"
    Image.fromarray(data.astronaut()).save(path)
    return path


@pytest.fixture(scope="session")
def editor() -> Iterator["object"]:
    """The editor of the bundled model, opened once."""
    from facedial.editor import Editor

    with Editor.open() as opened:
        yield opened
