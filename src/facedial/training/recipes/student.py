"""The edit student: what a bundle's flow makes of a wish, in one evaluation instead of a hundred.

Schooled (`_school`), it goes on from a bundle's student, and photos and a reader teach it too.
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facedial.codes.attributes import NAMES
from facedial.codes.flow import MOVE_STEPS
from facedial.editor import Editor
from facedial.errors import BadBundle, BadRequest
from facedial.runtime.bundle import Bundle
from facedial.training import export, losses, tensors
from facedial.training.batches import Crops, grid
from facedial.training.models import flow
from facedial.training.models.reader import Config as ReaderConfig
from facedial.training.models.reader import Reader
from facedial.training.recipe import Context, Pace, Recipe, Terms, from_json
from facedial.training.recipes import autoencoder
from facedial.training.recipes._pairs import Maker, Pairs, collected, fastest
from facedial.training.recipes._school import Asked, Asking, Eyes, Game, Judges, School, eyes, terms

HELD_BACK = 16  # every so many-th pair is looked at and not learnt
PLANES = "planes.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How many `pairs` the flow makes before the training begins, each in `steps` steps.

    `still`: share of a batch in which nothing is wished and nothing must change. `pairs_of`: a run whose
    pairs are taken instead. `judged`: validation people by whom a schooled student is scored.
    """

    model: flow.Config = field(default_factory=lambda: flow.Config(width=32))
    pace: Pace = field(default_factory=lambda: Pace(batch=64, rate=1e-3, memory=500, bits=5))
    pairs: int = 12000
    steps: int = MOVE_STEPS
    still: float = 1 / 16
    pairs_of: str = ""
    judged: int = 256
    school: School = field(default_factory=School)

    def __post_init__(self) -> None:
        if self.pairs < 2 * HELD_BACK:
            raise BadRequest(f"a student needs {2 * HELD_BACK} pairs at least, got {self.pairs}")


class Task:
    """Squared error of the change, where it is used."""

    def __init__(
        self, settings: Settings, context: Context, pairs: Pairs, planes: flow.Planes
    ) -> None:
        self.settings = settings
        self.pace = settings.pace
        self.device = context.device
        self.network = Student(settings.model).to(context.device)
        self.pairs = pairs
        self.planes = planes.to(context.device)
        every = torch.arange(len(pairs))
        self.judged = every[every % HELD_BACK == 0]
        self.learnt = every[every % HELD_BACK != 0]

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Tensor:
        """Mean squared error of masked changes in white planes; of none, where nothing is wished."""
        faces, wishes, changes, masks = self.lesson(batch, seed)
        return losses.squared(network(faces, wishes) * masks, changes * masks)

    def lesson(self, batch: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pairs to be learnt, mirrored half the time, as `Pairs.at` has them."""
        generator = torch.Generator().manual_seed(seed)
        rows = self.learnt[torch.randint(len(self.learnt), (batch,), generator=generator)]
        faces, wishes, changes, masks = self.pairs.at(rows, self.device)
        still = int(self.settings.still * batch)
        if still:
            now, _ = wishes[:still].chunk(2, 1)
            wishes[:still] = torch.cat([now, now], 1)
            changes[:still] = 0
            masks[:still] = 1
        turned = (torch.rand(batch, generator=generator) < 0.5).to(self.device)[:, None, None, None]
        faces = torch.where(turned, flow.mirror(faces), faces)
        changes = torch.where(turned, flow.mirror(changes), changes)
        masks = torch.where(turned, masks.flip(3), masks)
        return faces, wishes, changes, masks

    @torch.no_grad()
    def scores(self, network: nn.Module) -> dict[str, float]:
        """`explained`: share of the square of held-out pairs' masked changes that it gets right."""
        error, total = 0.0, 0.0
        for rows in torch.split(self.judged, 64):
            faces, wishes, changes, masks = self.pairs.at(rows, self.device)
            error += float(((network(faces, wishes) - changes) * masks).square().sum())
            total += float((changes * masks).square().sum())
        return {"explained": 1 - error / max(total, 1e-9), "loss": error / len(self.judged)}

    @torch.no_grad()
    def sheet(self, network: nn.Module) -> NDArray[np.uint8]:
        """Ten held-out pairs as base pictures: face, the flow's edit, the student's."""
        some = self.judged[:: max(1, len(self.judged) // 10)][:10]
        faces, wishes, changes, masks = self.pairs.at(some, self.device)
        rows = (faces, faces + changes * masks, faces + network(faces, wishes) * masks)
        return grid([self.planes.linear.base(self.planes(row)).cpu() for row in rows])


class Schooled:
    """The game of a student and its judges, beside what the flow teaches.

    `own`: the bundle's own reader, which does not teach it, unless it is the only one.
    """

    def __init__(
        self,
        task: Task,
        eyes: Eyes,
        judges: Judges,
        asking: tuple[Asking, Asking],
        own: Reader,
    ) -> None:
        self.lessons = task
        self.pace, self.device = task.pace, task.device
        self.school = task.settings.school
        self.network = Game(task.network, judges).to(task.device)
        self.eyes = eyes
        self.asking, judging = asking
        self.asked = judging.draw(task.settings.judged, 0)
        self.own = dataclasses.replace(eyes, reader=own.to(task.device).eval())
        with torch.no_grad():
            found = torch.sigmoid(self.own.read(self.asked.faces.to(task.device)))
        self.own = dataclasses.replace(self.own, spread=found.std(0).clamp_min(1e-2))

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Terms:
        """The game's terms."""
        fresh = min(max(2, round(self.school.fresh * batch)), batch - 1)
        asked = self.asking.draw(fresh, seed).to(self.device)
        pairs = self.lessons.lesson(batch - fresh, seed)
        return terms(self.school, network(pairs, asked, self.eyes), step)

    @torch.no_grad()
    def scores(self, network: nn.Module) -> dict[str, float]:
        """`merit`: `likely` less `kept`; and `explained`, as without schooling.

        Likely: mean probability by the own reader of what was asked of validation people. Kept: how
        far its other findings move, in s.d.
        """
        assert isinstance(network, Game)
        likely, moved = [], []
        for asked in self.asked.parts(64):
            now, after = self._changed(network, asked)
            before, read = (torch.sigmoid(self.own.read(one)) for one in (now.faces, after))
            likely.append((read * (now.signs == 1) + (1 - read) * (now.signs == -1)).sum(1))
            others = now.signs == 0
            change = (read - before).abs() / self.own.spread
            moved.append((change * others).sum(1) / others.sum(1).clamp_min(1))
        found, kept = (float(torch.cat(one).mean()) for one in (likely, moved))
        return {
            "merit": found - kept,
            "likely": found,
            "kept": kept,
            "explained": self.lessons.scores(network.student)["explained"],
        }

    @torch.no_grad()
    def sheet(self, network: nn.Module) -> NDArray[np.uint8]:
        """Forty faces of validation people in rows of twenty, each over what was asked of it."""
        assert isinstance(network, Game)
        rows = []
        for asked in self.asked.parts(20)[:2]:
            now, after = self._changed(network, asked)
            rows += [self.eyes.picture(one).cpu() for one in (now.faces, after)]
        return grid(rows)

    def _changed(self, network: Game, asked: Asked) -> tuple[Asked, Tensor]:
        """What is asked, on the device, and the faces' planes after it."""
        now = asked.to(self.device)
        return now, now.faces + network.student(now.faces, now.wishes) * now.masks


class Student(nn.Module):
    """Planes [N, 6, 32, 32] and wishes now and then [N, 2 K] -> the change of the planes."""

    def __init__(self, config: flow.Config) -> None:
        super().__init__()
        self.network = flow.Flow(config, 2 * len(NAMES))

    def forward(self, planes: Tensor, wishes: Tensor) -> Tensor:
        """Change [N, 6, 32, 32]."""
        now, then = wishes.chunk(2, 1)
        told = torch.cat([now, then - now], 1)
        # The time at which a flow sees a face, whose weights it may begin with.
        change: Tensor = self.network(planes, planes[:, 0, 0, 0] * 0 + 1, told)
        return change

    def take(self, guide: flow.Flow) -> None:
        """Begin with the weights of a flow of the same sizes, which knows faces, but changing none."""
        state = guide.state_dict()
        wide = self.network.state_dict()["wish.0.weight"].clone()
        wide[:, : len(NAMES)] = state["wish.0.weight"]
        zeros = {name: torch.zeros_like(state[name]) for name in ("leave.weight", "leave.bias")}
        self.network.load_state_dict({**state, **zeros, "wish.0.weight": wide})


def start(context: Context, settings: Settings) -> Task | Schooled:
    """A fresh student of the flow of a bundle (the packaged one unless named)."""
    with Editor.open(context.init) as editor:
        bundle = editor.bundle
        if not bundle.has_flow:
            raise BadBundle(f"{bundle.path} has no flow, so a student has nothing to learn from")
        parts = bundle.facts["parts"]
        coder = autoencoder.Autoencoder(
            from_json(autoencoder.Settings(), parts["autoencoder"]["settings"])
        )
        space = export.take_weights(coder, bundle.path, "autoencoder")
        planes = flow.Planes(coder.linear)
        named = nn.ModuleDict({"planes": planes})
        export.take_weights(named, bundle.path, "flow-code")
        if settings.pairs_of:
            pairs = collected(Path(settings.pairs_of), settings.pairs, space, None)
        else:
            crops = Crops(context.stores, ["train"], bundle.side)
            velocity = fastest(_teacher(bundle).to(context.device), context.device)
            maker = Maker(editor, crops, velocity, settings.steps)
            pairs = collected(context.run, settings.pairs, space, maker, context.seed)
        task = Task(settings, context, pairs, planes)
        tensors.save(context.run / PLANES, planes.state_dict(), {"space": space})
        if settings.school.features_file:
            return _schooled(task, context, editor, coder, space)
        guide = _guide(bundle, settings.model)
        if guide is not None:
            task.network.take(guide)
    return task


def _schooled(
    task: Task, context: Context, editor: Editor, coder: autoencoder.Autoencoder, space: str
) -> Schooled:
    """The task of going on from the bundle's student, in school."""
    settings, bundle = task.settings, editor.bundle
    if not bundle.has_student:
        raise BadBundle(f"{bundle.path} has no student to school; train one without a school first")
    export.take_weights(task.network.network, bundle.path, "student")
    codes, judged = (
        autoencoder.encoded(context, Crops(context.stores, [split]), coder, space, split)
        for split in ("train", "val")
    )
    own = _reader(bundle)
    with Bundle.open(
        Path(settings.school.reader) if settings.school.reader else bundle.path
    ) as other:
        teaching = _reader(other)
    asking = (
        Asking(context, "train", settings.school.faces, editor, codes, task.planes),
        Asking(context, "val", settings.judged, editor, judged, task.planes),
    )
    watching, judges = eyes(settings.school, teaching, task.planes, asking[0])
    return Schooled(task, watching, judges, asking, own)


def _reader(bundle: Bundle) -> Reader:
    """A bundle's reader."""
    facts = bundle.part("reader")
    network = Reader(from_json(ReaderConfig(), facts["settings"]["model"]), len(NAMES))
    export.take_weights(network, bundle.folder_of("reader"), "reader")
    return network.requires_grad_(False)


def _teacher(bundle: Bundle) -> flow.Flow:
    """A bundle's flow."""
    config = from_json(flow.Config(), bundle.facts["parts"]["flow"]["settings"]["model"])
    teacher = flow.Flow(config, len(NAMES))
    export.take_weights(teacher, bundle.path, "flow")
    return teacher.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload, no-any-return]


def _guide(bundle: Bundle, config: flow.Config) -> flow.Flow | None:
    """The bundle's guide, if it has one of these sizes."""
    if not bundle.has_guide:
        return None
    theirs = from_json(flow.Config(), bundle.facts["parts"]["guide"]["settings"]["model"])
    if theirs != config:
        return None
    guide = flow.Flow(config, len(NAMES))
    export.take_weights(guide, bundle.path, "guide")
    return guide


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write `student.onnx` and its golden numbers into the bundle `out`, whose flow it learnt from.

    Raises `BadRun` when `out` holds an autoencoder of another space.
    """
    network = Student(settings.model).eval()
    state, facts = tensors.load(run / "best.safetensors")
    if settings.school.features_file:
        prefix = "student."
        state = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    network.load_state_dict(state)
    _, about = tensors.load(run / PLANES)
    export.check_space(run, out, about["space"], "learnt edits of", "train it again")
    generator = torch.Generator().manual_seed(0)
    planes = torch.randn(2, flow.PLANES, flow.SIDE, flow.SIDE, generator=generator).half().float()
    wishes = torch.randn(2, 2 * len(NAMES), generator=generator).half().float()
    axes = export.round_network(network, {}, settings.pace.bits)
    names = (["planes", "wishes"], ["change"])
    export.write_one(network, (planes, wishes), names, out / "student.onnx", axes)
    return {**facts, "of": about["space"]}


RECIPE = Recipe(
    summary="the edit student: what a bundle's flow makes of a wish, in one evaluation",
    settings=Settings(),
    start=start,
    export=finish,
)
