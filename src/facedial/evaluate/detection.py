"""Faces found: in photos with hand-drawn boxes, in composites, and where there are none."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facedial.data.detection_teachers import load
from facedial.data.heads import cut_out_some
from facedial.data.labelled_photos import DETECT, NEGATIVES, hand_drawn, negatives
from facedial.data.scenes import Scene, SceneConfig, Scenes
from facedial.errors import NoFaceFound
from facedial.evaluate._context import UNSEEN, EvaluationContext, evenly
from facedial.evaluate._rows import Goal, Row
from facedial.faces.detector import shrunk
from facedial.faces.face import Detection
from facedial.faces.face_boxes import HIT, matched
from facedial.faces.parse import SIDE as HEAD_SIDE
from facedial.faces.photo import Photo

Bytes = NDArray[np.uint8]
Doubles = NDArray[np.float64]
Find = Callable[[Bytes], Doubles]  # pixels [H, W, 3] -> boxes [K, 4], best first

LEAST_PX = 20.0  # geometric mean of the sides of a box
MIN_IOU = 0.4
TEACHER_SIDE, TEACHER_ENLARGE = 640, 2.0
MOST_SCENES, MOST_HEADS = 60, 120  # of each kind, and of each store
# Faces of 20 to 400 px in scenes of 640 px; what is not named is as in training.
PLAIN = SceneConfig(
    side=640, photo_shares=(0, 0, 1), smallest=LEAST_PX, pasted_from=LEAST_PX, largest=0.625,
    turned=0, empty=0, decoy=0, coloured=0, cover=0, blur=0, coarse=0, jpeg=0.3, noise=0, grey=0, dark=0,
)  # fmt: skip


def _kind(**changes: float) -> SceneConfig:
    from dataclasses import replace

    return replace(PLAIN, **changes)  # type: ignore[arg-type]


KINDS = {
    "plain": PLAIN,
    "turned": _kind(turned=1),
    "covered": _kind(cover=1, turned=0.5),
    "dark": _kind(dark=1, turned=0.5),
    "blurred": _kind(blur=1, coarse=0.5, turned=0.5),
    "grey": _kind(grey=1, turned=0.5),
}

GOALS = (
    Goal("detection_recall", must=0.9, aim=0.96, data="detect"),
    Goal("detection_false", must=0.02, aim=0.005, lower=True),
)


def measure(context: EvaluationContext) -> Iterator[Row]:
    """`detection_recall`: share of faces found; `detection_false`: boxes per photo without a face.

    Recall in the test part of the photos with hand-drawn boxes (those of at least 20 px), and in
    composites: heads of test people, 20 to 400 px, pasted into the test part of the photos without
    faces. A face counts as found with an overlap of at least 0.4. Needs the context's `photos`; with
    `detectors` also of YuNet and SCRFD at a score of 0.5, in the photo shrunk or enlarged to 640 px.
    """
    if context.photos is None:
        return
    models: dict[str, Find] = {"facedial": partial(_faces, context)}
    if context.detectors is not None:
        for name, teacher in load(context.detectors).items():
            models[name] = partial(_teacher, teacher)
    yield from _drawn_rows(context, context.photos / DETECT, models)
    yield from _false_rows(context, context.photos / NEGATIVES, models)
    yield from _composite_rows(context, context.photos / NEGATIVES, models)


def _faces(context: EvaluationContext, pixels: Bytes) -> Doubles:
    """The boxes that the editor finds."""
    try:
        faces = context.editor.faces(Photo(pixels))
    except NoFaceFound:
        return np.zeros((0, 4))
    return np.array([face.box for face in sorted(faces, key=lambda face: -face.score)])


def _teacher(detector: Callable[[Bytes], list[Detection]], pixels: Bytes) -> Doubles:
    picture = shrunk(pixels, TEACHER_SIDE, TEACHER_ENLARGE)
    factor = pixels.shape[1] / picture.shape[1]
    found = detector(picture)
    return np.asarray(np.array([one.box for one in found]).reshape(-1, 4) * factor)


def _drawn_rows(context: EvaluationContext, path: Path, models: dict[str, Find]) -> Iterator[Row]:
    photos = hand_drawn(path, UNSEEN)
    photos = [photos[i] for i in evenly(np.arange(len(photos)), context.most)]
    for model, find in models.items():
        hits, groups = [], []
        for number, photo in enumerate(photos):
            sides = photo.boxes[:, 2:] - photo.boxes[:, :2]
            large = np.sqrt(sides.prod(1)) >= LEAST_PX
            pixels = photo.pixels
            boxes = _clipped(find(pixels), pixels)
            _, which = matched(boxes, photo.boxes, np.ones(len(large), np.bool_), MIN_IOU)
            hits.append(np.isin(np.flatnonzero(large), which))
            groups.append(np.full(int(large.sum()), number))
        yield Row.of(
            "detection_recall",
            model,
            "detect/unseen",
            np.concatenate(hits).astype(np.float64),
            "share",
            np.concatenate(groups),
        )


def _clipped(boxes: Doubles, pixels: Bytes) -> Doubles:
    """Boxes cut at the photo's edge, as hand-drawn ones are."""
    height, width = pixels.shape[:2]
    return np.clip(boxes, 0, [width, height, width, height])


def _false_rows(context: EvaluationContext, path: Path, models: dict[str, Find]) -> Iterator[Row]:
    photos = hand_drawn(path, UNSEEN)
    photos = [photos[i] for i in evenly(np.arange(len(photos)), context.most)]
    for model, find in models.items():
        counts = [len(find(photo.pixels)) for photo in photos]
        yield Row.of("detection_false", model, "negatives/unseen", counts, "boxes per photo")


def composites(context: EvaluationContext, path: Path) -> dict[str, list[Scene]]:
    """Scenes of each of `KINDS`, of test people and test photos alone; the same every time."""
    stores = [one for one in context.stores if one.size == HEAD_SIDE and one.frame == "head"]
    if not stores:
        return {}
    most = max(2, min(MOST_HEADS, context.most))
    heads = cut_out_some(stores, UNSEEN, context.editor.model.parse, most)
    backgrounds = negatives(path, UNSEEN)
    count = min(MOST_SCENES, context.most)
    return {
        kind: [
            Scenes((), (), backgrounds, heads, config).draw(
                np.random.default_rng([context.seed, number, i])
            )
            for i in range(count)
        ]
        for number, (kind, config) in enumerate(KINDS.items())
    }


def _composite_rows(
    context: EvaluationContext, path: Path, models: dict[str, Find]
) -> Iterator[Row]:
    scenes = composites(context, path)
    for model, find in models.items():
        every: list[NDArray[np.bool_]] = []
        sizes: list[Doubles] = []
        for kind, own in scenes.items():
            hits = [_hits(scene, find(scene.pixels)) for scene in own]
            every += hits
            sizes += [scene.faces.sizes[scene.faces.sure] for scene in own]
            yield _share(model, f"composites/unseen/{kind}", hits)
        if every:
            yield _share(model, "composites/unseen", every)
            flat, size = np.concatenate(every), np.concatenate(sizes)
            for name, low, high in (
                ("20-40 px", 0, 40),
                ("40-100 px", 40, 100),
                ("100-400 px", 100, 999),
            ):
                some = flat[(size >= low) & (size < high)]
                if len(some):
                    yield _share(model, f"composites/unseen/{name}", [some])


def _hits(scene: Scene, boxes: Doubles) -> NDArray[np.bool_]:
    """Which of the sure faces of a scene are found."""
    faces = scene.faces
    kind, which = matched(boxes, faces.boxes, faces.sure, MIN_IOU)
    return np.isin(np.flatnonzero(faces.sure), which[kind == HIT])


def _share(model: str, data: str, hits: Sequence[NDArray[np.bool_]]) -> Row:
    values = np.concatenate(hits).astype(np.float64)
    groups = np.concatenate([np.full(len(own), i) for i, own in enumerate(hits)])
    return Row.of("detection_recall", model, data, values, "share", groups)
