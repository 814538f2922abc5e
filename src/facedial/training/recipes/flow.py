"""The conditional flow: new faces from noise and wished attributes, in the codes of a bundle."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facedial.codes.attributes import NAMES
from facedial.codes.flow import GUIDANCE, STEPS, bent, carry
from facedial.codes.people import PEOPLE, People
from facedial.errors import BadBundle
from facedial.runtime.bundle import Bundle
from facedial.training import export, losses, tensors
from facedial.training.batches import Crops, grid
from facedial.training.models import flow, small_picture
from facedial.training.recipe import Context, Pace, Recipe, from_json
from facedial.training.recipes import autoencoder

# Seen in at least one picture in eight: too rare otherwise for a wish to mean much.
RARE = ("Bald", "Eyeglasses", "Mustache", "Gray_Hair")
RARE_EVERY = 8
FEWEST = 8
KEPT = "planes.safetensors"
PACE = Pace(batch=64, rate=3e-3, memory=1000, optimiser="muon", bits=5, rounded_from=0.7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Shares of pictures shown with no wish at all and with every wish; how codes are drawn on sheets.

    The rest is shown with a random part of its attributes, so that any wish may be left open.
    """

    model: flow.Config = field(default_factory=lambda: flow.Config(width=96))
    pace: Pace = PACE
    open_share: float = 0.15
    whole_share: float = 0.45
    judged: int = 512
    guidance: float = GUIDANCE
    steps: int = STEPS


class Task:
    """Squared error of the velocity on straight paths, times logit-normal (Esser 2024)."""

    def __init__(
        self,
        settings: Settings,
        context: Context,
        decoder: autoencoder.Autoencoder,
        codes: dict[str, Tensor],
    ) -> None:
        self.network = flow.Flow(settings.model, len(NAMES)).to(context.device)
        self.pace = settings.pace
        self.settings = settings
        self.device = context.device
        self.decoder = decoder.to(context.device).eval().requires_grad_(False)
        self.planes = flow.Planes(self.decoder.linear).to(context.device)
        self.codes = codes["train"]
        self.labels = wishes(Crops(context.stores, ["train"]))
        self.planes.fit(self.codes[:: max(1, len(self.codes) // 4096)].float().to(context.device))
        self.rare = rare_rows(self.labels)
        judges = Crops(context.stores, ["val"]).spread(settings.judged)
        self.judged = codes["val"][judges].float().to(context.device)
        self.judged_labels = torch.from_numpy(wishes(Crops(context.stores, ["val"]))[judges])

    def draw(self, batch: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], Tensor]:
        """Addresses and wishes of a batch.

        A picture drawn for a rare attribute shows that attribute: left open, it would teach that
        people are bald more often than they are.
        """
        chosen = rng.integers(0, len(self.codes), batch)
        shown = rng.random((batch, len(NAMES))) < rng.random((batch, 1))
        kind = rng.random(batch)
        shown[kind < self.settings.open_share] = False
        shown[kind >= 1 - self.settings.whole_share] = True
        for number, (name, rows) in enumerate(self.rare):
            # Every eighth place of the batch, so that each has its share in every batch.
            places = np.arange(number, batch, RARE_EVERY)
            chosen[places] = rng.choice(rows, len(places))
            shown[places, NAMES.index(name)] = True
        return chosen, torch.from_numpy(np.where(shown, self.labels[chosen], 0).astype(np.float32))

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Tensor:
        """Mean squared error of the velocity in white planes."""
        rng = np.random.default_rng(seed)
        chosen, wanted = self.draw(batch, rng)
        face = self.planes.white(self.codes[chosen].float().to(self.device))
        mirrored = torch.from_numpy(rng.random(batch) < 0.5).to(self.device)
        face = torch.where(mirrored[:, None, None, None], flow.mirror(face), face)
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(face.shape, generator=generator).to(self.device)
        time = torch.sigmoid(torch.randn(batch, generator=generator)).to(self.device)
        return losses.squared(
            network(_between(noise, face, time), time, wanted.to(self.device)), face - noise
        )

    @torch.no_grad()
    def scores(self, network: nn.Module) -> dict[str, float]:
        """`explained`: share of the velocity's square explained on validation people, at set times."""
        generator = torch.Generator().manual_seed(0)
        error, total = 0.0, 0.0
        for part, labels in zip(
            torch.split(self.judged, 64), torch.split(self.judged_labels, 64), strict=True
        ):
            face = self.planes.white(part)
            noise = torch.randn(face.shape, generator=generator).to(self.device)
            time = torch.sigmoid(torch.randn(len(face), generator=generator)).to(self.device)
            found = network(_between(noise, face, time), time, labels.to(self.device))
            error += float((found - (face - noise)).square().sum())
            total += float((face - noise).square().sum())
        return {
            "explained": 1 - error / total,
            "loss": error / len(self.judged) / small_picture.NUMBERS,
        }

    @torch.no_grad()
    def sheet(self, network: nn.Module) -> NDArray[np.uint8]:
        """Forty faces from set noise: two rows as people come, two with wishes of validation people."""
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(40, flow.PLANES, flow.SIDE, flow.SIDE, generator=generator)
        wanted = torch.zeros(40, len(NAMES))
        wanted[20:] = self.judged_labels[torch.linspace(0, len(self.judged) - 1, 20).long()]
        drawn = self.sample(network, noise, wanted)
        pictures = self.decoder.decode(self.planes(drawn)).cpu()
        return grid(list(torch.split(pictures, 10)))

    def sample(self, network: nn.Module, noise: Tensor, wanted: Tensor) -> Tensor:
        """White planes [N, 6, 32, 32] from noise under wishes [N, 40], as `generate` makes them."""

        def velocity(*given: NDArray[np.float32]) -> NDArray[np.float32]:
            found: Tensor = network(*(torch.from_numpy(v).to(self.device) for v in given))
            return found.cpu().numpy()

        asked = wanted.numpy()
        planes = carry(
            bent(velocity, self.settings.guidance, np.zeros_like(asked)),
            noise.numpy(),
            asked,
            times=(0.0, 1.0),
            steps=self.settings.steps,
        )
        return torch.from_numpy(planes).to(self.device)


def _between(noise: Tensor, face: Tensor, time: Tensor) -> Tensor:
    return noise + time[:, None, None, None] * (face - noise)


def rare_rows(labels: NDArray[np.float32]) -> list[tuple[str, NDArray[np.int64]]]:
    """Rare attributes and the addresses of who has them; those whom hardly anyone has are left out."""
    found = [(name, np.flatnonzero(labels[:, NAMES.index(name)] > 0)) for name in RARE]
    return [(name, rows) for name, rows in found if len(rows) >= FEWEST]


def wishes(crops: Crops) -> NDArray[np.float32]:
    """Attributes of all crops [N, 40] in -1..1; 0 where nothing is known."""
    labels = crops.gather("attributes")
    return np.where(np.isnan(labels), 0, 2 * labels - 1).astype(np.float32)


def described(labels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Of wishes [N, 40] those [M, 40] that say all of a person, as attributes there or not.

    Where people gave labels, which are plainly -1 or 1, those alone; what a machine guessed of other
    collections is soft, and half of a smile is none.
    """
    whole = labels[(labels != 0).all(1)]
    by_hand = whole[(np.abs(whole) == 1).all(1)]
    return np.asarray((by_hand if len(by_hand) else whole) > 0)


def start(context: Context, settings: Settings) -> Task:
    """A fresh flow on the codes of a bundle (the packaged one unless named), or the bundle's flow."""
    task = begun(context, settings)
    known = described(task.labels)
    if len(known) and not (context.run / PEOPLE).exists():
        People.fit(known, np.random.default_rng(context.seed)).save(context.run / PEOPLE)
    if context.init is not None:
        with Bundle.open(context.init) as bundle:
            folder, parts = bundle.path, bundle.facts["parts"]
        if "flow" in parts:
            export.take_weights(task.network, folder, "flow")
    return task


def begun(context: Context, settings: Settings) -> Task:
    """The task with fresh weights; how its planes become codes is kept in the run."""
    with Bundle.open(context.init) as bundle:
        folder, facts = bundle.path, bundle.facts
    try:
        settings_of_codes = from_json(
            autoencoder.Settings(), facts["parts"]["autoencoder"]["settings"]
        )
    except KeyError as error:
        raise BadBundle(f"{folder} holds no autoencoder whose codes a flow could learn") from error
    network = autoencoder.Autoencoder(settings_of_codes)
    space = export.take_weights(network, folder, "autoencoder")
    codes = {
        split: autoencoder.encoded(context, Crops(context.stores, [split]), network, space, split)
        for split in ("val", "train")
    }
    task = Task(settings, context, network, codes)
    tensors.save(context.run / KEPT, task.planes.state_dict(), {"space": space})
    return task


class _Planes(nn.Module):
    def __init__(self, planes: flow.Planes) -> None:
        super().__init__()
        self.planes = planes

    def forward(self, codes: Tensor) -> Tensor:
        return self.planes.white(codes)


class _Code(nn.Module):
    def __init__(self, planes: flow.Planes) -> None:
        super().__init__()
        self.planes = planes

    def forward(self, planes: Tensor) -> Tensor:
        codes: Tensor = self.planes(planes)
        return codes


def write_flow(network: flow.Flow, bits: int, path: Path) -> dict[str, NDArray[Any]]:
    """Write a flow's graph with weights of so many bits; returns golden numbers."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(2, flow.PLANES, flow.SIDE, flow.SIDE, generator=generator).half().float()
    wanted = torch.zeros(2, len(NAMES))
    wanted[1] = 1
    given = (noise, torch.tensor([0.25, 0.75]), wanted)
    axes = export.round_network(network, {}, bits)
    return export.write(network, given, (["planes", "time", "wanted"], ["velocity"]), path, axes)


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write the flow, its two maps to codes and back, and golden numbers into the bundle `out`.

    Raises `BadRun` when `out` holds an autoencoder of another space.
    """
    network = flow.Flow(settings.model, len(NAMES)).eval()
    state, facts = tensors.load(run / "best.safetensors")
    network.load_state_dict(state)
    kept, about = tensors.load(run / KEPT)
    export.check_space(run, out, about["space"], "learnt", "train the flow again")
    planes = flow.Planes(small_picture.LinearMap(kept["linear.basis"].shape[1]))
    planes.load_state_dict(kept)
    golden = write_flow(network, settings.pace.bits, out / "flow.onnx")
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(2, flow.PLANES, flow.SIDE, flow.SIDE, generator=generator).half().float()
    codes = torch.randn(2, planes.linear.deviation.numel(), generator=generator).half().float()
    for name, module, value, ends in (
        ("flow-code", _Code(planes), noise, (["planes"], ["codes"])),
        ("flow-planes", _Planes(planes), codes, (["codes"], ["planes"])),
    ):
        basis = "linear.basis"
        path = out / f"{name}.onnx"
        golden |= export.write(module, (value,), ends, path, {basis: 1}, [basis])
    export.save_golden(out / "flow-golden.npz", golden)
    if (run / PEOPLE).exists():
        shutil.copyfile(run / PEOPLE, out / PEOPLE)
    return {**facts, "of": about["space"], "attributes": list(NAMES)}


RECIPE = Recipe(
    summary="new faces from noise and wishes: conditional flow matching on the small picture",
    settings=Settings(),
    start=start,
    export=finish,
)
