"""Fixtures of all tests: no network, repeatable examples, the bundled model, one real photo.

What is slow begins first, so that no process is left alone with it at the end.
"""

import fcntl
import gc
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "ci", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci")

# Collecting garbage after every 700 new objects took a seventh of the time of an ONNX export.
gc.set_threshold(20_000, 20, 50)

MOST_SESSIONS = 24  # kept open: twice those of one model
SLOW = ("server", "cli", "evaluate")  # after `training`


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put slow rooms first, a file of `training` in turn with one of another room.

    Two files of `training` at once would wait for what `build_once` builds for both; the file that
    needs most of that comes first.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)

    def room(path: Path) -> str:
        return path.parent.name if path.is_relative_to(Path(__file__).parent) else "src"

    def needs(path: Path) -> int:
        return max(len(getattr(item, "fixturenames", ())) for item in files[path])

    training = sorted((f for f in files if room(f) == "training"), key=needs, reverse=True)
    rest = [f for name in SLOW for f in files if room(f) == name]
    rest += [f for f in files if room(f) not in ("training", *SLOW)]
    turns = [f for pair in zip(training, rest, strict=False) for f in pair]
    turns += training[len(rest) :] + rest[len(training) :]
    items[:] = [item for file in turns for item in files[file]]


BuildOnce = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def build_once(tmp_path_factory: pytest.TempPathFactory) -> BuildOnce:
    """`build_once(name, build)`: a folder that `build(folder)` fills, not to be written into.

    It is built once for all processes of a test run: whoever asks while another builds it waits.
    """
    base = tmp_path_factory.getbasetemp()
    home = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    home.mkdir(exist_ok=True)

    def built(name: str, build: Callable[[Path], object]) -> Path:
        folder, partial = home / name, home / f"{name}.part"
        with (home / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir()
                build(partial)
                partial.rename(folder)
        return folder

    return built


@pytest.fixture(scope="session")
def with_identity(build_once: BuildOnce) -> Path:
    """A copy of the packaged bundle with a small identity network of random weights."""

    def build(folder: Path) -> None:
        import torch

        from facedial.runtime.bundle import DEFAULT, home
        from facedial.training import export
        from facedial.training.models.identity import Config, Embed, Embedding

        bundle = shutil.copytree(home() / DEFAULT, folder / "bundle")
        generator = torch.Generator().manual_seed(0)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            config = Config(widths=(8, 8, 16, 16), blocks=(0, 0, 0, 0), dimensions=16)
            network = Embedding(config)
            network(torch.rand(16, 3, 72, 72))  # running statistics of something
        pixels = export.picture_like(generator, 128)
        names = (["pixels"], ["embeddings"])
        export.write_one(Embed(network), (pixels,), names, bundle / "identity.onnx", {})
        export.write_facts(bundle, {"parts": {"identity": {"scores": {"auc": 0.5}}}})

    return build_once("with-identity", build) / "bundle"


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
def known_sessions() -> Callable[..., object]:
    """`runtime.session.opened`, which opens a graph as it lies there only once: half a second an edit."""
    from facedial.runtime.session import opened

    sessions: dict[tuple[object, ...], object] = {}

    def session(path: Path, threads: int) -> object:
        files = [path, path.with_name("shared.bin")]
        stats = [file.stat() for file in files if file.exists()]
        states = (part for s in stats for part in (s.st_ino, s.st_mtime_ns, s.st_size))
        key = (path, threads, *states)
        sessions[key] = sessions.pop(key, None) or opened(path, threads)
        if len(sessions) > MOST_SESSIONS:
            del sessions[next(iter(sessions))]  # the one not used for longest
        return sessions[key]

    return session


@pytest.fixture(autouse=True)
def _opened_once(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    known_sessions: Callable[..., object],
) -> None:
    """Graphs are loaded once a process, but where loading them is what is tested."""
    if request.path.parent.name not in ("runtime", "faces"):
        monkeypatch.setattr("facedial.runtime.session.opened", known_sessions)


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The flow takes one step, and a new face one try: for laws that mind no face's looks."""
    from facedial.flow.interpolate import FlowInterpolation
    from facedial.flow.inversion import FlowEdit

    monkeypatch.setattr("facedial.generation.STEPS", 1)
    monkeypatch.setattr("facedial.generation.MAX_ATTEMPTS", 1)
    between = partial(FlowInterpolation, steps=1)
    monkeypatch.setattr("facedial.generation.FlowInterpolation", between)
    monkeypatch.setattr("facedial.changes.FlowEdit", partial(FlowEdit, steps=1))
    monkeypatch.setattr("facedial.flow.resampling.STEPS", 1)
    monkeypatch.setattr("facedial.flow.resampling.REPEATS", 1)


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


@pytest.fixture(scope="module")
def portrait(editor: Any, astronaut: Path) -> Any:
    """The face of `astronaut`, a smiling woman with brown hair before a flag: of each module its own."""
    from facedial.faces.photo import Photo

    (one,) = editor.portraits(Photo.open(astronaut))
    return one
