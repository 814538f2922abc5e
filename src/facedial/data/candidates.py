"""Candidates of the detector in scenes and in whole photos, and which of them are faces."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedial import files
from facedial.arrays import load_arrays
from facedial.data.labelled_photos import LabelledPhoto
from facedial.data.scenes import Scenes
from facedial.faces.detector import NetworkDetector, shrunk
from facedial.faces.face import ious
from facedial.faces.face_boxes import FALSE, HIT, FaceBoxes, matched
from facedial.faces.geometry import scaling
from facedial.faces.second_stage import patch

UInt8 = NDArray[np.uint8]
Generator = np.random.Generator

# Overlap with a face from which a candidate is one; up to which it is none.
MIN_IOU, APART = 0.4, 0.2
EASY, KEPT_EASY = 0.85, 0.4  # of faces that score more, so many are kept
SIDES = (320, 448, 640, 640, 900)  # of whole photos
ENLARGE = 1.5
# Shares of scenes as configured, with mostly no faces, large ones, and of whole photos.
KINDS = (0.3, 0.2, 0.1, 0.4)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Patches uint8 [N, 96, 96, 3], whether each shows a face bool [N], first scores float32 [N]."""

    patches: UInt8
    faces: NDArray[np.bool_]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.faces)

    def save(self, path: Path) -> None:
        """Write an `.npz` file."""
        with files.atomic_write(path) as temporary, temporary.open("wb") as file:
            np.savez(file, patches=self.patches, faces=self.faces, scores=self.scores)

    @staticmethod
    def load(path: Path) -> "Candidates":
        """As saved."""
        found = load_arrays(path)
        return Candidates(found["patches"], found["faces"], found["scores"])

    @staticmethod
    def collected(
        scenes: Scenes, detector: NetworkDetector, count: int, rng: Generator
    ) -> "Candidates":
        """At least `count` candidates of a detector, by `rng` alone.

        What overlaps a face by 0.4 is one, what overlaps none by 0.2 is none; between, and over faces
        that are not sure, it is left out.
        """
        config = scenes.config
        bare = replace(config, photo_shares=(0.15, 0.1, 0.75), empty=0.7, decoy=0.4)
        large = replace(config, side=2 * config.side, photo_shares=(0.5, 0.1, 0.4), empty=0.6)
        makers = [replace(scenes, config=one) for one in (config, bare, large)]
        natural = (scenes.groups, scenes.backgrounds)
        patches: list[UInt8] = []
        hits: list[bool] = []
        scores: list[float] = []
        while len(hits) < count:
            kind = int(rng.choice(4, p=KINDS))
            if kind < len(makers):
                scene = makers[kind].draw(rng)
                pixels, faces = scene.pixels, scene.faces
            else:
                pixels, faces = _whole(natural, config.smallest, rng)
            found = detector(pixels)
            boxes = np.array([one.box for one in found]).reshape(-1, 4)
            kinds, _ = matched(boxes, faces.boxes, faces.sure, MIN_IOU)
            for one, hit in zip(found, kinds, strict=True):
                beside = len(faces) and ious(one.box, faces.boxes).max() > APART
                if hit not in (HIT, FALSE) or (hit == FALSE and beside):
                    continue
                if hit == HIT and one.score > EASY and rng.random() >= KEPT_EASY:
                    continue
                patches.append(patch(pixels, one))
                hits.append(bool(hit == HIT))
                scores.append(one.score)
        return Candidates(np.array(patches), np.array(hits), np.array(scores, np.float32))


def _whole(
    kinds: tuple[Sequence[LabelledPhoto], Sequence[LabelledPhoto]], smallest: float, rng: Generator
) -> tuple[UInt8, FaceBoxes]:
    """A photo of a group or without faces, at some size, half of them mirrored."""
    photos = kinds[int(rng.random() >= 0.6)] or kinds[1]
    photo = photos[int(rng.integers(len(photos)))]
    pixels = shrunk(photo.pixels, int(rng.choice(SIDES)), ENLARGE)
    faces = photo.faces
    if len(faces):
        scale = pixels.shape[1] / photo.pixels.shape[1]
        faces = faces.moved(scaling(scale, scale))
    if rng.random() < 0.5:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
        if len(faces):
            faces = faces.moved(np.array([[-1.0, 0, pixels.shape[1] - 1], [0, 1, 0]]))
    return pixels, faces.but_sure(faces.sure & (faces.sizes >= smallest)) if len(faces) else faces
