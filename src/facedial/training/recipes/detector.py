"""The face detector: boxes and five landmarks in one pass, trained on photos and pasted heads."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor, nn

from facedial.data.scenes import Scene, SceneConfig
from facedial.faces.detector import MULTIPLE, decoded
from facedial.faces.face import suppress
from facedial.faces.face_boxes import FALSE, HIT, NOT_JUDGED, matched
from facedial.faces.sheet import grid
from facedial.scores import average_precision
from facedial.training import export, networks
from facedial.training.batches import pictures
from facedial.training.detection_loss import Targets, terms
from facedial.training.models.detector import Config, Detect, Detector, cells
from facedial.training.recipe import OptimConfig, Recipe, RunContext, Terms
from facedial.training.tasks.scenes import scenes_of

UInt8 = NDArray[np.uint8]
Doubles = NDArray[np.float64]
Found = tuple[Doubles, Doubles, Doubles]  # scores [K], boxes [K, 4], landmarks [K, 5, 2]
SHOWN, SHOWN_SCORE = 24, 0.4
VAL_SEED = 20_000_000
SMALL, TURNED = 24.0, 60.0  # pixels and degrees, of `scores`
ROLL_LIMIT = 45.0
AT_ONCE = 16
GOLDEN_SIDE = 2 * MULTIPLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the detector is trained.

    `photos`, `teachers`, `labels`: see `tasks.scenes.Sources`. `val_scenes` are scored. `box`,
    `landmarks`: factors on terms of the loss.
    """

    model: Config = field(default_factory=Config)
    scenes: SceneConfig = field(default_factory=SceneConfig)
    optim: OptimConfig = field(
        default_factory=lambda: OptimConfig(
            batch=16, lr=2e-3, ema_steps=400, clip=10.0, qat_from=0.9
        )
    )
    photos: str = ""
    teachers: str = ""
    labels: str = ""
    val_scenes: int = 320
    box: float = 2.0
    landmarks: float = 3.0


class Task:
    """Scenes are drawn anew at every step; validation scenes are made of validation people and photos.

    Drawing a scene takes as long as training on it, so each is shown twice: as it is, and mirrored, half
    of these turned by quarters.
    """

    def __init__(self, settings: Settings, context: RunContext) -> None:
        self.network = Detector(settings.model).to(context.device)
        self.optim = settings.optim
        self.settings = settings
        self.device = context.device
        self.train = scenes_of(settings, settings.scenes, context, "train")
        val = scenes_of(settings, settings.scenes, context, "val")
        self.val = [
            val.draw(np.random.default_rng(VAL_SEED + i)) for i in range(settings.val_scenes)
        ]
        side = settings.scenes.side
        self.cells = cells((side, side), torch.zeros(1, device=context.device))

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Terms:
        """Terms of the loss of `batch` scenes."""
        scenes = []
        for i in range(-(-batch // 2)):
            rng = np.random.default_rng([seed, i])
            scene = self.train.draw(rng)
            quarters = int(rng.integers(1, 4)) if rng.random() < 0.5 else 0
            scenes += [scene, scene.turned(quarters, mirrored=True)]
        scenes = scenes[:batch]
        pixels = pictures(np.stack([scene.pixels for scene in scenes]), self.device)
        predictions = network(pixels.contiguous(memory_format=torch.channels_last))
        found = terms(predictions, targets(scenes, self.device), *self.cells)
        return Terms(found, {"box": self.settings.box, "landmarks": self.settings.landmarks})

    @torch.no_grad()
    def scores(self, network: nn.Module) -> dict[str, float]:
        """`ap`: average precision at an overlap of 0.5 on validation scenes; `recall` at score 0.4.

        `landmark_error`: mean distance of the landmarks of faces found, in percent of the box's size;
        `roll_error`: mean of the error of the roll in degrees, at most 45; `recall_small`,
        `recall_turned`: of faces below 24 px, and of those turned by more than 60 degrees; `false`:
        detections of no face above 0.4, per scene.
        """
        network.eval()
        hits: list[NDArray[np.bool_]] = []
        values: list[NDArray[np.float64]] = []
        rows = []
        total = false = 0
        for scene, (scores, boxes, landmarks) in zip(self.val, self._found(network), strict=True):
            faces = scene.faces
            kept, which = matched(boxes, faces.boxes, faces.sure, 0.5)
            total += int(faces.sure.sum())
            judged = kept != NOT_JUDGED
            hits.append(kept[judged] == HIT)
            values.append(scores[judged])
            false += int(((kept == FALSE) & (scores >= SHOWN_SCORE)).sum())
            best = np.full(len(faces), -1)
            for i in np.flatnonzero((kept == HIT) & (scores >= SHOWN_SCORE))[::-1]:
                best[which[i]] = i
            down = np.degrees(np.arctan2(-faces.down[:, 0], faces.down[:, 1]))
            for j in np.flatnonzero(faces.sure):
                away = apart = np.nan
                if best[j] >= 0 and np.isfinite(faces.landmarks[j]).all():
                    points = landmarks[best[j]]
                    away = (
                        np.linalg.norm(points - faces.landmarks[j], axis=1).mean() / faces.sizes[j]
                    )
                    own = points[3:].mean(0) - points[:2].mean(0)
                    apart = abs(
                        (np.degrees(np.arctan2(-own[0], own[1])) - down[j] + 180) % 360 - 180
                    )
                rows.append((best[j] >= 0, faces.sizes[j], abs(down[j]), away, apart))
        table = np.array(rows, np.float64).reshape(-1, 5)
        found, sizes, rolls, off, turned = table.T

        def mean(values: Doubles) -> float:
            return float(values.mean()) if len(values) else 0.0

        known = np.isfinite(off)
        return {
            "ap": average_precision(np.concatenate(values), np.concatenate(hits), total),
            "recall": mean(found),
            "recall_small": mean(found[sizes < SMALL]),
            "recall_turned": mean(found[rolls > TURNED]),
            "false": false / len(self.val),
            "landmark_error": 100 * mean(off[known]),
            "roll_error": mean(np.minimum(turned[known], ROLL_LIMIT)),
        }

    def _found(self, network: nn.Module) -> list[Found]:
        """Scores, boxes and landmarks, best first, in each validation scene."""
        assert isinstance(network, Detector)
        graph, found = Detect(network), []
        for start in range(0, len(self.val), AT_ONCE):
            part = self.val[start : start + AT_ONCE]
            pixels = torch.from_numpy(np.stack([scene.pixels for scene in part])).to(self.device)
            side = pixels.shape[1]
            for one in graph(pixels).cpu().numpy():
                scores, boxes, landmarks = decoded(one, (side, side), 0.05)
                kept = suppress(boxes, scores)
                found.append((scores[kept], boxes[kept], landmarks[kept]))
        return found

    @torch.no_grad()
    def sheet(self, network: nn.Module) -> UInt8:
        """Validation scenes: faces (white; grey: not judged), and what is found above 0.4 (green)."""
        network.eval()
        drawn = []
        shown = list(zip(self.val, self._found(network), strict=True))[:SHOWN]
        for scene, (scores, boxes, landmarks) in shown:
            image = Image.fromarray(scene.pixels)
            draw = ImageDraw.Draw(image)
            for box, sure in zip(scene.faces.boxes, scene.faces.sure, strict=True):
                draw.rectangle(list(map(float, box)), outline=(255,) * 3 if sure else (128,) * 3)
            some = scores >= SHOWN_SCORE
            for box, points in zip(boxes[some], landmarks[some], strict=True):
                draw.rectangle(list(map(float, box)), outline=(0, 255, 0))
                for (x, y), colour in zip(points.tolist(), POINT_COLOURS, strict=True):
                    draw.ellipse([x - 1, y - 1, x + 1, y + 1], fill=colour)
            drawn.append(np.asarray(image))
        return grid(drawn, 6)


POINT_COLOURS = ("red", "blue", "yellow", "magenta", "cyan")


def targets(scenes: list[Scene], device: torch.device) -> Targets:
    """The faces of scenes, padded to the largest number of them, at least one."""
    most = max(1, *(len(scene.faces) for scene in scenes))
    boxes = np.zeros((len(scenes), most, 4), np.float32)
    landmarks = np.full((len(scenes), most, 5, 2), np.nan, np.float32)
    there = np.zeros((2, len(scenes), most), np.bool_)
    for i, scene in enumerate(scenes):
        count = len(scene.faces)
        boxes[i, :count] = scene.faces.boxes
        landmarks[i, :count] = scene.faces.landmarks
        there[0, i, :count] = True
        there[1, i, :count] = scene.faces.sure

    def tensor(values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(values).to(device)

    return Targets(tensor(boxes), tensor(landmarks), tensor(there[0]), tensor(there[1]))


def start(context: RunContext, settings: Settings) -> Task:
    """A new network, or that of a bundle."""
    task = Task(settings, context)
    if context.init is not None:
        networks.load_part(task.network, context.init, "detector")
    return task


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write `detector.onnx` and its golden numbers into the bundle folder `out`."""
    network = Detector(settings.model)
    facts = networks.load_best(network, run)
    axes = export.quantize(network, {}, settings.optim.bits)
    pixels = export.picture_like(torch.Generator().manual_seed(0), GOLDEN_SIDE)
    names = (["pixels"], ["cells"])
    export.write_one(Detect(network), (pixels,), names, out / "detector.onnx", axes, sides=(1, 2))
    return facts


RECIPE = Recipe(
    summary="faces' boxes and landmarks in whole photos, from 20 px, turned by any angle",
    settings=Settings(),
    start=start,
    export=finish,
)
