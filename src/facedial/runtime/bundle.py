"""A bundle: a folder of facts and graphs, checked when opened, its sessions made when first used."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from facedial.errors import BadBundle, UnknownName
from facedial.files import sha256
from facedial.folder import nearest
from facedial.runtime.session import Session

FORMAT = 1
DEFAULT = "facedial"
LARGEST_BATCH = 32
CHECKED_TOGETHER = 2  # files whose hashes are computed at the same time


def home() -> Path:
    """The folder of the bundles that came with the package."""
    return Path(str(resources.files("facedial"))) / "bundles"


def installed() -> list[str]:
    """Names of the bundles that came with the package, the default first."""
    names = (path.parent.name for path in home().glob("*/bundle.json"))
    return sorted(names, key=lambda name: (name != DEFAULT, name))


@dataclass(slots=True)
class Bundle:
    """Files, facts and graphs of one model; what a graph means is `facedial.model`'s to know.

    Use as a context manager, or `close` it; sessions are made on first use, one for each graph.
    """

    path: Path
    facts: Mapping[str, Any]
    threads: int | None = None
    _sessions: dict[str, Future[Session]] = field(default_factory=dict)
    _lock: Any = field(default_factory=Lock)

    @staticmethod
    def open(path: str | Path | None = None, *, threads: int | None = None) -> "Bundle":
        """Open a bundle by folder, by the name of an installed one, or the default (None).

        `threads`: processor threads of each session; None for `default_threads()`.
        Raises `BadBundle` when files are missing or changed or the format is unknown, `UnknownName`
        for a bare name that is not installed.
        """
        folder = _find(path)
        try:
            facts = json.loads((folder / "bundle.json").read_text())
        except FileNotFoundError as error:
            raise BadBundle(
                f"{folder} is no bundle: it has no bundle.json; give the folder that "
                "`facedial export` wrote"
            ) from error
        except (json.JSONDecodeError, UnicodeDecodeError, OSError) as error:
            raise BadBundle(f"{folder / 'bundle.json'} cannot be read ({error})") from error
        if not isinstance(facts, dict) or facts.get("format") != FORMAT:
            found = facts.get("format") if isinstance(facts, dict) else "none"
            raise BadBundle(
                f"{folder} has bundle format {found}, this version reads format {FORMAT}; "
                "update facedial or export the model again"
            )
        files = facts.get("files", {})
        with ThreadPoolExecutor(CHECKED_TOGETHER) as pool:
            list(pool.map(lambda name: _check(folder / name, files[name]), files))
        return Bundle(path=folder, facts=facts, threads=threads)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    def has(self, graph: str) -> bool:
        """Whether the bundle holds that graph."""
        return self.has_file(f"{graph}.onnx")

    def has_file(self, name: str) -> bool:
        """Whether the bundle holds a file of that name."""
        return name in self.facts.get("files", {})

    def run(self, graph: str, *arrays: NDArray[Any]) -> NDArray[np.float32]:
        """A graph's first output, float32 [N, ...], for one array [N, ...] each input.

        In batches of at most `LARGEST_BATCH`. Raises `BadBundle` where there is no such graph.
        """
        session = self.session(graph)
        count = len(arrays[0])
        if count <= LARGEST_BATCH:
            return session(*arrays)
        parts = [
            session(*(v[i : i + LARGEST_BATCH] for v in arrays))
            for i in range(0, count, LARGEST_BATCH)
        ]
        return np.concatenate(parts)

    def session(self, graph: str) -> Session:
        """The session of a graph, made when it is first asked for; raises `BadBundle`."""
        with self._lock:
            made = self._sessions.get(graph)
            if made is None:
                made = self._sessions[graph] = Future()
                mine = True
            else:
                mine = False
        if mine:
            try:
                path = self.file(graph + ".onnx")
                made.set_result(Session(path, threads=self.threads))
            except BaseException as error:
                self._sessions.pop(graph, None)
                made.set_exception(error)
                raise
        return made.result()

    def prepare(self, graphs: Sequence[str]) -> None:
        """Begin to make the sessions of graphs in the background, in this order.

        Whoever asks for one of them waits, or makes it where its turn has not come. What cannot be
        opened says so when it is asked for.
        """
        sessions = self._sessions

        def make() -> None:
            for graph in graphs:
                if self._sessions is not sessions:  # closed meanwhile
                    return
                try:
                    self.session(graph)
                except BadBundle:
                    continue

        Thread(target=make, name="sessions").start()

    def part(self, name: str) -> Mapping[str, Any]:
        """Facts of a part, as its recipe stated them; empty where the bundle has no such part."""
        found: Mapping[str, Any] = self.facts.get("parts", {}).get(name, {})
        return found

    def file(self, name: str) -> Path:
        """Path of one of the bundle's checked files; raises `BadBundle` when it has none such."""
        if name not in self.facts.get("files", {}):
            raise BadBundle(f"{self.path} holds no {name}; export the model again")
        return self.path / name

    def costs(self, graph: str) -> tuple[int, int] | None:
        """Multiplications an item and parameters of a graph; None where it does not state them."""
        facts = self.session(graph).facts
        return (int(facts["macs"]), int(facts["parameters"])) if "macs" in facts else None

    def megabytes(self) -> float:
        """Size of all files in millions of bytes."""
        return sum(f.stat().st_size for f in self.path.iterdir() if f.is_file()) / 1e6

    def prove(self) -> dict[str, float]:
        """Run every graph on its golden inputs: graph -> largest difference, relative to the range.

        Raises `BadBundle` when one differs by more than 2e-3.
        """
        differences: dict[str, float] = {}
        for path in sorted(self.path.glob("*-golden.npz")):
            with np.load(path) as golden:
                numbers = {key: golden[key] for key in golden.files}
            graphs = {key.rpartition(".")[0] for key in numbers}
            for graph in sorted(graphs):
                own = {
                    k.rpartition(".")[2]: v for k, v in numbers.items() if k.startswith(graph + ".")
                }
                session = self.session(graph)
                wanted = own[session.output].astype(np.float32)
                # Golden numbers of large maps are of every k-th row and column alone.
                given = [own[name] for name in session.inputs]
                found = session(
                    *(v.astype(np.float32) if v.dtype.kind == "f" else v for v in given)
                )
                steps = (-(-f // w) for f, w in zip(found.shape, wanted.shape, strict=True))
                found = found[tuple(slice(None, None, step) for step in steps)]
                span = max(float(np.ptp(wanted)), 1e-6)
                differences[graph] = float(np.abs(found - wanted).max()) / span
                if differences[graph] > 2e-3:
                    raise BadBundle(
                        f"{graph} of {self.path} gives other numbers than when it was exported "
                        f"(off by {differences[graph]:.2g} of the range); reinstall facedial"
                    )
        return differences

    def close(self) -> None:
        """Free the sessions; a later call opens them again."""
        self._sessions = {}

    def __getstate__(self) -> tuple[Path, Mapping[str, Any], int | None]:
        """Without sessions, which are opened again where the bundle is unpickled."""
        return self.path, self.facts, self.threads

    def __setstate__(self, state: tuple[Path, Mapping[str, Any], int | None]) -> None:
        self.path, self.facts, self.threads = state
        self._sessions, self._lock = {}, Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _find(path: str | Path | None) -> Path:
    if path is None:
        folder = home() / DEFAULT
        if not folder.exists():
            raise BadBundle(f"the package came without its model ({folder}); reinstall facedial")
        return folder
    folder = Path(path)
    if folder.exists():
        return folder
    if len(folder.parts) == 1:
        if str(path) in installed():
            return home() / str(path)
        raise UnknownName(nearest(str(path), installed(), "model"))
    raise BadBundle(
        f"{folder} does not exist; give a bundle's folder or a name of `facedial models`"
    )


def _check(path: Path, expected: str) -> None:
    try:
        found = sha256(path)
    except OSError as error:
        raise BadBundle(
            f"{path} is missing or cannot be read; reinstall or export again"
        ) from error
    if found != expected:
        raise BadBundle(
            f"{path} was changed or damaged (SHA-256 {found[:12]}…, expected {expected[:12]}…); "
            "reinstall facedial or export the model again"
        )
