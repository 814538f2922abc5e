"""Where the detector's recipes take their photos and heads from, and the scenes made of them."""

from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facedial.data import labelled_photos
from facedial.data.detection_teachers import Scrfd, YuNet, load
from facedial.data.heads import cut_out
from facedial.data.labelled_photos import POSSIBLE, LabelledPhoto
from facedial.data.scenes import SceneConfig, Scenes
from facedial.errors import BadRequest
from facedial.model import Model
from facedial.training.recipe import RunContext

LABELS = "detector-labels"


class Sources(Protocol):
    """Settings of a recipe that trains on scenes.

    `photos`: folder of `detect.parquet` (photos with hand-drawn boxes) and `negatives.parquet` (photos
    without faces). `teachers`: folder of YuNet's and SCRFD's files, needed until their boxes are in
    `labels`, the folder in which those and the heads' opacities are kept, so that runs can share them;
    the run's own where empty.
    """

    @property
    def photos(self) -> str:
        """A folder."""

    @property
    def teachers(self) -> str:
        """A folder, or empty."""

    @property
    def labels(self) -> str:
        """A folder, or empty."""


class _Parser:
    """The bundle's parser of heads, opened when it is first called."""

    def __init__(self, bundle: Path | None) -> None:
        self.bundle = bundle

    @cached_property
    def model(self) -> Model:
        return Model.open(self.bundle)

    def __call__(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return self.model.parse(crops)


def labels_folder(settings: Sources, context: RunContext) -> Path:
    """Where labels are kept."""
    return Path(settings.labels) if settings.labels else context.run / LABELS


def scenes_of(settings: Sources, config: SceneConfig, context: RunContext, split: str) -> Scenes:
    """Photos and heads of a split; raises `BadRequest` where no folder of photos is given."""
    if not settings.photos:
        raise BadRequest(
            "the detector needs photos: --set photos=FOLDER of detect.parquet and negatives.parquet"
        )
    folder = labels_folder(settings, context)
    photos = Path(settings.photos)
    teachers: dict[str, YuNet | Scrfd] = {}
    if settings.teachers:
        teachers = load(Path(settings.teachers), min_score=POSSIBLE)
    both = [teachers[name] for name in ("scrfd", "yunet") if name in teachers]
    singles: list[LabelledPhoto] = []
    for store in context.stores:
        if store.frame == labelled_photos.PORTRAIT:
            singles += labelled_photos.portraits(store, split, both[1:], folder)
    heads = [store for store in context.stores if store.frame != labelled_photos.PORTRAIT]
    return Scenes(
        groups=labelled_photos.groups(photos / labelled_photos.DETECT, split, both, folder),
        singles=singles,
        backgrounds=labelled_photos.negatives(photos / labelled_photos.NEGATIVES, split),
        heads=cut_out(heads, split, _Parser(context.init), folder),
        config=config,
    )
