"""A bundle: a folder of facts and graphs, checked when opened, its sessions made when first used."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from facedial.errors import BadBundle, UnknownName
from facedial.folder import nearest
from facedial.runtime.session import Session

FORMAT = 1
DEFAULT = "facedial"
LARGEST_BATCH = 32
BORROWED = ("landmarks", "matte", "reader")
READ_SIDE = 128  # pixels along the side of what the reader takes


def enlarged(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Crops [N, S, S, 3] smaller than a reader's, by whole factors; others as they are."""
    factor = READ_SIDE // pixels.shape[1]
    return pixels.repeat(factor, 1).repeat(factor, 2) if factor > 1 else pixels


def home() -> Path:
    """The folder of the bundles that came with the package."""
    return Path(str(resources.files("facedial"))) / "bundles"


def installed() -> list[str]:
    """Names of the bundles that came with the package, the default first."""
    names = (path.parent.name for path in home().glob("*/bundle.json"))
    return sorted(names, key=lambda name: (name != DEFAULT, name))


@dataclass(slots=True)
class Bundle:
    """A model ready to use. Pixels are uint8 RGB [N, S, S, 3]; codes float32 [N, D].

    Use as a context manager, or `close` it; sessions are made on first use, one for each graph. A
    model that brings no landmarks, reader or matte of its own uses those in the package.
    """

    path: Path
    facts: Mapping[str, Any]
    threads: int | None = None
    _sessions: dict[str, Session] = field(default_factory=dict)
    _packaged: "Bundle | None" = None

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
        for name, expected in facts.get("files", {}).items():
            _check(folder / name, expected)
        return Bundle(path=folder, facts=facts, threads=threads)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def space(self) -> str:
        """Id of the code space: codes of other spaces are refused."""
        return str(self.facts["space"])

    @property
    def side(self) -> int:
        """Pixels along a crop's side."""
        return int(self.facts["side"])

    @property
    def frame(self) -> str:
        """The frame of its crops (`faces.crop.FRAMES`)."""
        return str(self.facts.get("frame", "head"))

    @property
    def wants_attributes(self) -> bool:
        """Whether pictures are encoded together with the attributes they have."""
        return "attributes" in self._session("autoencoder-encode").inputs

    def encode(
        self, pixels: NDArray[np.uint8], attributes: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Crops uint8 [N, S, S, 3] -> codes float32 [N, D].

        `attributes` [N, 40] in 0..1, for models that want them: what the crops have; read where None.
        """
        if not self.wants_attributes:
            return self._run("autoencoder-encode", pixels)
        own = self.read(pixels) if attributes is None else np.asarray(attributes, np.float32)
        return self._run("autoencoder-encode", pixels, own)

    def decode(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Codes float32 [N, D] -> pictures float32 [N, S, S, 3], 0..255, neither clipped nor rounded."""
        return self._run("autoencoder-decode", np.asarray(codes, np.float32))

    @property
    def has_sharp(self) -> bool:
        """Whether the bundle can draw faces as sharp as photos, beside faithfully."""
        return self._holds("sharp")

    def draw(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        """As `decode`, for people to look at: sharp, where the bundle can."""
        if not self.has_sharp:
            return self.decode(codes)
        return self._run("sharp", np.asarray(codes, np.float32))

    @property
    def has_flow(self) -> bool:
        """Whether the bundle can draw faces by a learnt flow."""
        return self._holds("flow")

    def velocity(
        self,
        planes: NDArray[np.float32],
        time: NDArray[np.float32],
        wanted: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Where the flow goes: planes [N, 6, 32, 32], times [N], wishes [N, 40] -> as planes."""
        return self._run("flow", planes, time, wanted)

    @property
    def has_guide(self) -> bool:
        """Whether the bundle has a lesser flow, from which new faces are bent away."""
        return self._holds("guide")

    def lesser(
        self,
        planes: NDArray[np.float32],
        time: NDArray[np.float32],
        wanted: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """As `velocity`, of the guide."""
        return self._run("guide", planes, time, wanted)

    @property
    def has_student(self) -> bool:
        """Whether the bundle can do at once what its flow does in many evaluations."""
        return self._holds("student")

    def changed(
        self, planes: NDArray[np.float32], wishes: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The student: planes [N, 6, 32, 32], wishes now and then [N, 80] -> change of the planes."""
        return self._run("student", planes, wishes)

    def planes_of(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Codes float32 [N, D] -> the flow's planes [N, 6, 32, 32]."""
        return self._run("flow-planes", codes)

    def code_of(self, planes: NDArray[np.float32]) -> NDArray[np.float32]:
        """The flow's planes [N, 6, 32, 32] -> codes float32 [N, D]."""
        return self._run("flow-code", planes)

    def locate(self, patches: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Patches uint8 [N, 64, 64, 3] -> five landmarks each [N, 5, 2], (x, y) in patch pixels."""
        return self._run("landmarks", patches).astype(np.float64)

    def read(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Head crops uint8 [N, S, S, 3] -> probabilities of the 40 attributes [N, 40].

        Crops smaller than the reader's are enlarged by whole factors: it shrinks what it sees by means.
        """
        return self._run("reader", enlarged(pixels))

    @property
    def has_matte(self) -> bool:
        """Whether person and background of a head crop can be told apart."""
        return self._holder("matte")._holds("matte")

    def person(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Head crops uint8 [N, S, S, 3] -> how much of each place is person, 0..1, [N, 64, 64].

        Crops smaller than 128 pixels a side are enlarged by whole factors.
        """
        return self._run("matte", enlarged(pixels))

    def part(self, name: str) -> Mapping[str, Any]:
        """Facts of a part (`reader`, `landmarks`, …), the package's where the model has none."""
        own: Mapping[str, Any] = self._holder(name).facts["parts"][name]
        return own

    def file(self, name: str) -> Path:
        """Path of one of the bundle's checked files; raises `BadBundle` when it has none such."""
        if name not in self.facts.get("files", {}):
            raise BadBundle(f"{self.path} holds no {name}; export the model again")
        return self.path / name

    def folder_of(self, graph: str) -> Path:
        """Where a graph lies: in this bundle, or in the package's for what any model can use."""
        return self._holder(graph).path

    def costs(self, graph: str) -> tuple[int, int] | None:
        """Multiplications an item and parameters of a graph; None where it does not state them."""
        facts = self._session(graph).facts
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
                session = self._session(graph)
                wanted = own[session.output].astype(np.float32)
                given = [own[name] for name in session.inputs]
                found = session(
                    *(v.astype(np.float32) if v.dtype.kind == "f" else v for v in given)
                )
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
        self._sessions.clear()
        if self._packaged is not None:
            self._packaged.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _session(self, graph: str) -> Session:
        holder = self._holder(graph)
        if holder is not self:
            return holder._session(graph)
        if graph not in self._sessions:
            self._sessions[graph] = Session(self.file(graph + ".onnx"), threads=self.threads)
        return self._sessions[graph]

    def _holds(self, graph: str) -> bool:
        return f"{graph}.onnx" in self.facts.get("files", {})

    def _holder(self, graph: str) -> "Bundle":
        """The bundle that holds a graph: this one, or the package's for what any model can use."""
        own = graph not in BORROWED or self._holds(graph)
        if own or self.path == home() / DEFAULT:
            return self
        if self._packaged is None:
            self._packaged = Bundle.open(threads=self.threads)
        return self._packaged

    def _run(self, graph: str, *values: NDArray[Any]) -> NDArray[np.float32]:
        session = self._session(graph)
        count = len(values[0])
        if count <= LARGEST_BATCH:
            return session(*values)
        parts = [
            session(*(v[i : i + LARGEST_BATCH] for v in values))
            for i in range(0, count, LARGEST_BATCH)
        ]
        return np.concatenate(parts)


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
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise BadBundle(
            f"{path} is missing or cannot be read; reinstall or export again"
        ) from error
    if found != expected:
        raise BadBundle(
            f"{path} was changed or damaged (SHA-256 {found[:12]}…, expected {expected[:12]}…); "
            "reinstall facedial or export the model again"
        )
