"""The edit student: what a bundle's flow makes of a wish, in one evaluation instead of a hundred."""

import dataclasses
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facedial.codes.attributes import NAMES
from facedial.codes.code import Floats
from facedial.codes.flow import MOVE_STEPS, FlowMove, Velocity
from facedial.codes.moves import Manner
from facedial.editor import Editor
from facedial.errors import BadBundle, BadRequest, BadRun
from facedial.runtime.bundle import Bundle
from facedial.training import export, loop, losses, tensors
from facedial.training.batches import Crops, grid
from facedial.training.models import flow
from facedial.training.recipe import Context, Pace, Recipe, from_json
from facedial.training.recipes import autoencoder

log = logging.getLogger(__name__)

AT_ONCE = 16  # people carried back together
WISHES = 3  # of each of them
HELD_BACK = 16  # every so many-th pair is looked at and not learnt
PAIRS = "pairs"
COLUMNS = ("faces", "wishes", "changes", "masks")
PLANES = "planes.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How many `pairs` the flow makes before the training begins, each in `steps` steps.

    `still`: share of a batch in which nothing is wished and nothing must change.
    """

    model: flow.Config = field(default_factory=lambda: flow.Config(width=32))
    pace: Pace = field(default_factory=lambda: Pace(batch=64, rate=1e-3, memory=500))
    pairs: int = 12000
    steps: int = MOVE_STEPS
    still: float = 1 / 16

    def __post_init__(self) -> None:
        if self.pairs < 2 * HELD_BACK:
            raise BadRequest(f"a student needs {2 * HELD_BACK} pairs at least, got {self.pairs}")


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Faces' planes [N, 6, 32, 32], wishes now and then [N, 2 K], and the flow's changes, as planes.

    `masks` [N, 32, 32]: what of a change is used.
    """

    faces: Tensor
    wishes: Tensor
    changes: Tensor
    masks: Tensor

    def __len__(self) -> int:
        return len(self.faces)

    def at(self, rows: Tensor, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Those rows in single precision, masks as [N, 1, 32, 32]."""
        faces, wishes, changes, masks = (getattr(self, name)[rows].float() for name in COLUMNS)
        return faces.to(device), wishes.to(device), changes.to(device), masks[:, None].to(device)


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
        return losses.squared(network(faces, wishes) * masks, changes * masks)

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


def start(context: Context, settings: Settings) -> Task:
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
        teacher = flow.Flow(
            from_json(flow.Config(), parts["flow"]["settings"]["model"]), len(NAMES)
        )
        export.take_weights(teacher, bundle.path, "flow")
        teacher.to(context.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        crops = Crops(context.stores, ["train"], bundle.side)
        pairs = _pairs(context, settings, editor, crops, _asked(teacher, context.device))
        guide = _guide(bundle, settings.model)
    task = Task(settings, context, pairs, planes)
    if guide is not None:
        task.network.take(guide)
    tensors.save(context.run / PLANES, planes.state_dict(), {"space": space})
    return task


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


def _asked(teacher: nn.Module, device: torch.device) -> Velocity:
    """The flow's velocity, in the precision that is fastest here."""
    halves = loop.fastest_precision(device) == "bf16-mixed"

    @torch.no_grad()
    def velocity(*given: Floats) -> Floats:
        with torch.autocast(device.type, torch.bfloat16, enabled=halves):
            found: Tensor = teacher(*(torch.from_numpy(v).to(device) for v in given))
        return np.asarray(found.float().cpu().numpy())

    return velocity


def _pairs(
    context: Context, settings: Settings, editor: Editor, crops: Crops, velocity: Velocity
) -> Pairs:
    """All pairs, made part by part and kept in the run, so that a stopped run goes on where it was."""
    parts: list[dict[str, Tensor]] = []
    count = 0
    while count < settings.pairs:
        path = context.run / f"{PAIRS}-{len(parts):04d}.safetensors"
        if not path.exists():
            rng = np.random.default_rng([context.seed, len(parts)])
            made = [*_made(settings, editor, crops, velocity, rng)]
            columns = [torch.from_numpy(np.concatenate(c)).half() for c in zip(*made, strict=True)]
            named = dict(zip(COLUMNS, columns, strict=True))
            tensors.save(path, named, {"space": editor.bundle.space})
        kept, about = tensors.load(path)
        if about["space"] != editor.bundle.space:
            raise BadRun(f"{path} was made with codes of {about['space']}; choose another -o")
        parts.append(kept)
        count += len(kept["faces"])
        log.info("%d of %d pairs", count, settings.pairs)
    return Pairs(*(torch.cat([p[name] for p in parts]) for name in COLUMNS))


def _made(
    settings: Settings,
    editor: Editor,
    crops: Crops,
    velocity: Velocity,
    rng: np.random.Generator,
) -> Iterator[tuple[Floats, Floats, Floats, Floats]]:
    """Faces, wishes, changes and masks of one round: people of each manner there is."""
    manners: dict[tuple[float, float], list[str]] = {}
    for name in editor.directions.names:
        if name in NAMES:
            manner = editor.manners.table.get(name, Manner())
            manners.setdefault((manner.turning, manner.guidance), []).append(name)
    for names in manners.values():
        manner = editor.manners.table.get(names[0], Manner())
        mover = dataclasses.replace(
            editor.flow_move(manner), velocity=velocity, steps=settings.steps
        )
        # As many people as the manner has attributes, so that each attribute is learnt alike.
        for _ in range(max(1, round(len(names) * WISHES / AT_ONCE))):
            pixels = crops.read(rng.integers(0, len(crops), AT_ONCE))
            planes = editor.bundle.planes_of(editor.bundle.encode(pixels))
            read = editor.bundle.read(pixels)
            now = (2 * read - 1).astype(np.float32)
            turned = mover.back(planes, now)
            still = mover.still(turned, now)
            for _ in range(WISHES):
                chosen = [names[i] for i in rng.integers(0, len(names), AT_ONCE)]
                then = np.stack(
                    [_then(mover, name, row) for name, row in zip(chosen, read, strict=True)]
                )
                change = mover.forth(turned, then, now) - still
                yield planes, np.concatenate([now, then], 1), change, _masks(editor, chosen)


def _masks(editor: Editor, names: Sequence[str]) -> Floats:
    """What of a change of each attribute is used, [N, 32, 32]."""
    everywhere = np.ones((flow.SIDE, flow.SIDE), np.float32)
    places = [editor.manners.table.get(name, Manner()).place for name in names]
    found = [editor.places.mask(*one) for one in zip(names, places, strict=True)]
    return np.stack([everywhere if mask is None else mask for mask in found])


def _then(mover: FlowMove, name: str, read: Floats) -> Floats:
    """The wish for a person's other side of an attribute, with what goes with it."""
    own = dict(zip(NAMES, map(float, read), strict=True))
    sign = -1 if own[name] > 0.5 else 1
    return mover.then(own, name, sign)[0]


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write `student.onnx` and its golden numbers into the bundle `out`, whose flow it learnt from.

    Raises `BadRun` when `out` holds an autoencoder of another space.
    """
    network = Student(settings.model).eval()
    state, facts = tensors.load(run / "best.safetensors")
    network.load_state_dict(state)
    _, about = tensors.load(run / PLANES)
    export.check_space(run, out, about["space"], "learnt edits of", "train it again")
    generator = torch.Generator().manual_seed(0)
    planes = torch.randn(2, flow.PLANES, flow.SIDE, flow.SIDE, generator=generator).half().float()
    wishes = torch.randn(2, 2 * len(NAMES), generator=generator).half().float()
    axes = export.round_network(network, {})
    names = (["planes", "wishes"], ["change"])
    golden = export.write(network, (planes, wishes), names, out / "student.onnx", axes)
    export.save_golden(out / "student-golden.npz", golden)
    return {**facts, "of": about["space"]}


RECIPE = Recipe(
    summary="the edit student: what a bundle's flow makes of a wish, in one evaluation",
    settings=Settings(),
    start=start,
    export=finish,
)
