"""Input of every metric: model, stores, and the PCA baseline."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedial.codes.pca import BLOCK, Pca, fit_pca
from facedial.data.store import Store
from facedial.editor import Editor
from facedial.errors import BadStore
from facedial.faces.crop import head_template
from facedial.faces.face import Face
from facedial.faces.photo import Photo
from facedial.model import FRAME
from facedial.portrait import Portrait

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
UNSEEN, SEEN = "test", "train"
SPLITS = {"unseen": UNSEEN, "train": SEEN}


@dataclass(slots=True)
class EvaluationContext:
    """Model and stores of an evaluation, and its options.

    `editor`: the opened model. `work`: folder of the fitted baseline. `most`: maximum number of
    pictures of each group. `teacher`: ONNX file of the YuNet face detector. `models`: name ->
    bundle, to compare. `judge`: bundle of the independent attribute classifier. `identity`: ONNX
    file of a face embedding. `sets`: table of smiling and sad photos (CSV: file, set).
    `parse_teachers`: folder of the parser's teacher networks. `photos`: folder of photos with boxes of
    their faces, and of photos without faces. `detectors`: folder of other face detectors.
    """

    editor: Editor
    stores: Sequence[Store]
    work: Path
    seed: int = 0
    most: int = 4000
    teacher: Path | None = None
    models: Mapping[str, Path] = field(default_factory=dict)
    judge: Path | None = None
    identity: Path | None = None
    sets: Path | None = None
    parse_teachers: Path | None = None
    photos: Path | None = None
    detectors: Path | None = None
    _pca: Pca | None = field(default=None)
    _predicted: dict[Path, Floats] = field(default_factory=dict)

    @property
    def head(self) -> list[Store]:
        """Stores with crops of the head frame at the model's size."""
        side = self.editor.model.side
        return [s for s in self.stores if s.frame == FRAME and s.size == side]

    @staticmethod
    def data(store: Store, group: str) -> str:
        """Name of a group of people of a store in `Row.data`, e.g. `celeba-head/unseen`."""
        return f"{store.path.name}-{store.frame}/{group}"

    def rows(self, store: Store, group: str) -> NDArray[np.int64]:
        """At most `most` evenly spaced rows of a group (`unseen`, `train`)."""
        return evenly(store.where(SPLITS[group]), self.most)

    def predicted(self, store: Store) -> Floats:
        """Attribute probabilities float32 [N, 40] of the rows `unseen` of a head store, kept."""
        if store.path not in self._predicted:
            model = self.editor.model
            self._predicted[store.path] = np.concatenate(
                [
                    model.predict_attributes(block)
                    for block in blocks(store, self.rows(store, "unseen"), 64)
                ]
            )
        return self._predicted[store.path]

    def pca(self) -> Pca:
        """PCA-1024 fitted on the training people of all head stores, cached in `work`."""
        if self._pca is None:
            stores = self.head
            if not stores:
                raise BadStore("an evaluation needs at least one store on the head frame")
            count = sum(len(s.where(SEEN)) for s in stores)
            path = self.work / f"pca-{self.editor.model.bundle.facts['dimensions']}-of-{count}.npz"
            if not path.exists():
                self.work.mkdir(parents=True, exist_ok=True)
                fitted = fit_pca(
                    lambda: training_blocks(stores),
                    self.editor.model.side,
                    self.editor.model.dimensions,
                    rng=np.random.default_rng(self.seed),
                )
                fitted.save(path)
            self._pca = Pca.load(path)
        return self._pca


def evenly(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """At most `count` of `rows`, evenly spaced, hence the same every time."""
    if len(rows) <= count:
        return rows
    return np.asarray(rows[np.linspace(0, len(rows) - 1, count).astype(np.int64)])


def portrait_of(editor: Editor, store: Store, row: int) -> Portrait:
    """A head crop of a store as a photo that is nothing but the crop, on the frame already."""
    box = np.array([0.0, 0.0, store.size, store.size])
    face = Face(box, head_template(store.size), 1.0)
    (portrait,) = editor.read(Photo(store.pixels[row]), [face])
    return portrait


def training_blocks(stores: Sequence[Store]) -> Iterator[Bytes]:
    """Crops uint8 [B, S, S, 3] of the training people of all stores."""
    for store in stores:
        yield from blocks(store, store.where(SEEN))


def blocks(store: Store, rows: NDArray[np.int64], size: int = BLOCK) -> Iterable[Bytes]:
    """Crops uint8 [B, S, S, 3] of `rows`, at most `size` at once."""
    for start in range(0, len(rows), size):
        yield store.pixels[rows[start : start + size]]
