"""`Index`: the faces of many photos, found by person, by code, or by an attribute."""

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from facedial.arrays import Floats
from facedial.errors import BadIndex, BadRequest, FacedialError
from facedial.identity import check_people
from facedial.model import Model
from facedial.runtime.threads import default_threads
from facedial.search import table
from facedial.search.entry import KINDS, PERSON, PhotoEntry
from facedial.search.manifest import NAME, Manifest, ModelStamp
from facedial.search.searcher import Hit, Searcher
from facedial.search.writer import Writer, locked

# Cosine of identity embeddings that 1 in 100 pairs of two people exceed (decision 26).
SAME_PERSON = 0.62


@dataclass(slots=True)
class Index:
    """The faces of many photos in a folder. Use as a context manager, or `close` it.

    Leaving the block commits what was added and removed, also when it is left by an error.

    `writer`: where it was opened to be changed. A search sees what was committed before the index
    was opened or last saved.
    """

    folder: Path
    manifest: Manifest
    writer: Writer | None = None
    searcher: Searcher = field(init=False)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.searcher = Searcher(self.folder, self.manifest)

    @staticmethod
    def create(folder: str | Path, model: Model) -> "Index":
        """A new index, to be changed, in a folder that is empty or made here.

        Raises `BadRequest` for a model that cannot tell people apart and a folder with other files.
        """
        table.require()
        check_people(model)
        folder = Path(folder)
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise BadRequest(f"{folder} exists and is no index; give the name of a new folder")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FacedialError(f"cannot make the folder {folder}: {error.strerror}") from error
        blank = np.zeros((1, model.side, model.side, 3), np.uint8)
        identities = model.embed_identity(blank).shape[1]
        sizes = {
            "identity": identities,
            "likeness": len(model.directions.names),
            "code": model.dimensions,
        }
        Manifest(ModelStamp.of(model), sizes).save(folder)
        return Index.open(folder, model, writable=True)

    @staticmethod
    def open(folder: str | Path, model: Model | None = None, *, writable: bool = False) -> "Index":
        """The index in a folder, to be searched or (`writable`) changed too.

        `model`: the one that will embed what is added or looked for; none is needed to sort. Raises
        `BadIndex` where the index is missing, damaged, made with another model, or `writable` and
        being changed by another process.
        """
        table.require()
        folder = Path(folder)
        index = Index(folder, Manifest.load(folder))
        if model is not None:
            own = ModelStamp.of(model)
            differing = own.differing(index.manifest.model)
            if differing:
                raise BadIndex(
                    f"the index {folder} was made with another model ({index.manifest.model.name}, "
                    f"now {own.name}: other {', '.join(differing)}); use that one, or make a new index"
                )
        if writable:
            index._stack.enter_context(locked(folder))
            try:
                manifest = Manifest.load(folder)  # as it is now that nobody else changes it
                index.manifest, index.searcher = manifest, Searcher(folder, manifest)
                index.writer = Writer(folder, manifest)
            except BaseException:
                index.close()
                raise
        return index

    @staticmethod
    def opened_or_made(folder: str | Path, model: Model) -> "Index":
        """`open` to be changed where there is an index, else `create`."""
        if (Path(folder) / NAME).exists():
            return Index.open(folder, model, writable=True)
        return Index.create(folder, model)

    @property
    def photos(self) -> int:
        """Photos that were committed."""
        return self.manifest.photos

    @property
    def faces(self) -> int:
        """Faces that were committed."""
        return self.manifest.faces

    def has(self, path: Path) -> bool:
        """Whether a photo is in the index and its file is as it was: of that size and time."""
        return self._changed().has(path)

    def knows(self, path: str | Path) -> bool:
        """Whether a photo is in the index, perhaps as it was before."""
        return self._changed().knows(path)

    def gone(self, under: Iterable[Path]) -> list[str]:
        """Photos of the index in those folders, or named so, whose files no longer exist."""
        return self._changed().gone(under)

    def add(self, entries: Iterable[PhotoEntry]) -> None:
        """Add photos (`entry.entry_of`), each in place of what the index has of it."""
        for one in entries:
            self._changed().add(one)

    def remove(self, files: Iterable[str]) -> None:
        """Remove photos, of those absolute paths."""
        self._changed().remove(files)

    def save(self, threads: int | None = None) -> None:
        """Commit what was added and removed, and bring the graphs up to date.

        `threads`: of the making of graphs; None for those that this process may use.
        """
        self.commit()
        for kind in KINDS:
            self.searcher.sync(kind, default_threads() if threads is None else threads)
        self._changed().commit(final=True)

    def commit(self) -> None:
        """Write what was added and removed; graphs are then out of date, and searches exact."""
        self._changed().commit()
        self.searcher = Searcher(self.folder, self.manifest)

    def _changed(self) -> Writer:
        if self.writer is None:
            raise BadRequest(f"the index {self.folder} was opened to be searched alone")
        return self.writer

    def nearest(self, vector: Floats, kind: str = PERSON, most: int = 10) -> list[Hit]:
        """The faces whose vectors have the highest cosines with `vector` [D], the highest first.

        `kind`: "person", for an embedding of identity, or "code", for a `likeness`; unit vectors both.
        Among 25,000 faces or more a graph finds them, and misses 1 in 100 at most; with fewer,
        without usearch, and where the graph is not up to date, the search is exact.
        """
        if kind not in KINDS:
            raise BadRequest(f"faces are found by {' or '.join(KINDS)}, not by {kind!r}")
        return self.searcher.nearest(np.asarray(vector, np.float32), kind, most)

    def ranked(self, name: str, most: int = 10, *, least: bool = False) -> list[Hit]:
        """The faces with the highest (`least`: lowest) probability of an attribute, or measure.

        Measures are `faces.overview.MEASURES`. Raises `UnknownName` for a name that is neither.
        """
        return self.searcher.ranked(name, most, least=least)

    def codes(self) -> Floats:
        """The codes of all faces, float32 [N, 1024], from half precision."""
        return self.searcher.codes()

    def close(self) -> None:
        """Let others change it; what was not committed is lost."""
        self._stack.close()
        self.writer = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self.writer is not None:
                self.writer.commit()
        finally:
            self.close()
