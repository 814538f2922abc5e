"""What all conditional VAEs share: data, scores, sheets, and export."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facedial.codes.attributes import NAMES
from facedial.editing.directions import label_directions
from facedial.errors import BadRun
from facedial.priors.conditional import UNKNOWN, ConditionalPrior
from facedial.training import export, losses, networks, precision, tensors
from facedial.training.batches import Crops, grid, labelled, pictures
from facedial.training.models.conditional_graphs import Conditional, Decode, Encode
from facedial.training.recipe import RunContext

CODED = "codes.safetensors"
AT_ONCE = 64
# A number of the code is active when the variance of its mean over pictures exceeds this (Burda 2016).
ACTIVE = 0.01
MOST = 8192  # people to whose codes the prior is fitted
PEOPLE = 4096  # people whose attributes a bundle keeps, to draw combinations from


@dataclass(slots=True)
class People:
    """Crops of a split, and the values [N, K] in 0..1 of some attributes, 0.5 where unknown."""

    crops: Crops
    features: NDArray[np.float32]

    @staticmethod
    def of(context: RunContext, split: str, side: int, names: tuple[str, ...]) -> "People":
        """Everyone of the split whose attributes are known at least in part."""
        crops, labels = labelled(context.stores, split, "attributes", side)
        columns = [NAMES.index(name) for name in names]
        chosen = labels[:, columns]
        return People(crops, np.where(np.isnan(chosen), UNKNOWN, chosen).astype(np.float32))


class Validation:
    """Validation people, on whom a conditional VAE is scored, and whom its sheet shows."""

    def __init__(self, people: People, count: int, latent: int, device: torch.device) -> None:
        chosen = people.crops.evenly(count)
        self.pictures = pictures(people.crops.read(chosen), device)
        self.features = torch.from_numpy(people.features[chosen]).to(device)
        self.latent = latent

    @torch.no_grad()
    def scores(self, network: Conditional) -> dict[str, float]:
        """PSNR (mean of dB) from mean codes, divergence in nats a picture, active numbers."""
        psnr, means, nats = [], [], []
        for part, features in self._parts():
            mean, log_variance = network.posterior(part, features)
            error = (network.draw(mean, features).clamp(0, 1) - part).square().mean((1, 2, 3))
            psnr.append(-10 * torch.log10(error))
            means.append(mean)
            nats.append(losses.normal_divergence(mean, log_variance).sum(1))
        active = (torch.cat(means).var(0) > ACTIVE).sum()
        return {
            "psnr": float(torch.cat(psnr).mean()),
            "kl_nats": float(torch.cat(nats).mean()),
            "active": float(active),
        }

    def _parts(self) -> "zip[tuple[Tensor, Tensor]]":
        return zip(torch.split(self.pictures, 64), torch.split(self.features, 64), strict=True)

    @torch.no_grad()
    def sheet(self, network: Conditional, flipped: tuple[str, ...]) -> NDArray[np.uint8]:
        """Ten people, their reconstructions, one attribute flipped a row, and ten new faces."""
        step = max(1, len(self.pictures) // 10)
        shown, features = self.pictures[::step][:10], self.features[::step][:10]
        mean, _ = network.posterior(shown, features)
        rows = [shown, network.draw(mean, features)]
        for name in flipped:
            other = features.clone()
            k = network.attributes.index(name)
            other[:, k] = 1 - (other[:, k] > UNKNOWN).float()
            rows.append(network.draw(mean, other))
        generator = torch.Generator().manual_seed(0)
        drawn = torch.randn(len(shown), self.latent, generator=generator).to(mean)
        return grid([*rows, network.draw(drawn, features)])


@torch.no_grad()
def encoded(network: Conditional, people: People, device: torch.device) -> Tensor:
    """Mean codes float32 [N, L] of the people."""
    features = torch.from_numpy(people.features)
    halves = precision.uses_bfloat16(device)
    parts = []
    for block in people.crops.blocks(AT_ONCE):
        whole = pictures(people.crops.read(block), device)
        with torch.autocast(device.type, torch.bfloat16, enabled=halves):
            mean, _ = network.posterior(whole, features[torch.from_numpy(block)].to(device))
        parts.append(mean.cpu())
    return torch.cat(parts)


def space_of(network: nn.Module, latent: int, names: tuple[str, ...]) -> str:
    """Id of a network's code space: a hash of all its weights."""
    weights = [value for value in network.state_dict().values() if value.dtype.is_floating_point]
    return export.space_of(torch.empty(0, latent + len(names)), *weights)


@dataclass(frozen=True, slots=True)
class Shape:
    """Numbers in a code besides the attributes, and pixels along the side."""

    latent: int
    side: int


Build = Callable[[Any], tuple[nn.Module, Shape]]


def best(run: Path, settings: Any, build: Build) -> tuple[Any, Shape, str, dict[str, Any]]:
    """A run's best network in evaluation mode, its shape, its code space, and the facts beside it."""
    network, shape = build(settings)
    facts = networks.load_best(network, run)
    names: tuple[str, ...] = network.attributes  # type: ignore[assignment]
    return network, shape, space_of(network, shape.latent, names), facts


def keep_codes(context: RunContext, settings: Any, people: People, build: Build) -> None:
    """Encode people, evenly spaced, with the best network, and keep the codes; once per best network."""
    network, _, space, _ = best(context.run, settings, build)
    path = context.run / CODED
    if path.exists() and tensors.load(path)[1]["space"] == space:
        return
    chosen = people.crops.evenly(MOST)
    people.crops.rows, people.features = people.crops.rows[chosen], people.features[chosen]
    codes = encoded(network.to(context.device), people, context.device)
    kept = {"codes": codes.half(), "labels": torch.from_numpy(people.features)}
    tensors.save(path, kept, {"space": space, "frame": people.crops.frame})


@dataclass(frozen=True, slots=True)
class Storage:
    """Axes of int8 scales other than 0, and weights of both graphs, whose bytes are stored once."""

    axes: Mapping[str, int] = field(default_factory=dict)
    shared: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Use:
    """How a bundle generates and edits.

    `fitted`: whether the prior is fitted to codes, or N(0, I), to which the loss draws them.
    `slope_fraction`: fraction of the latent numbers' regression slope on an attribute that an edit of
    it adds. `temperature` of new faces. `emphasis`: see `ConditionalPrior`.
    """

    fitted: bool = True
    slope_fraction: float = 0.0
    temperature: float = 1.0
    emphasis: float = 1.0


def finish(
    run: Path,
    settings: Any,
    out: Path,
    build: Build,
    use: Use,
    storage: Storage = Storage(),  # noqa: B008 - frozen
) -> dict[str, Any]:
    """Write graphs, directions and prior of a run into the bundle folder `out`."""
    network, shape, space, facts = best(run, settings, build)
    kept, about = tensors.load(run / CODED) if (run / CODED).exists() else ({}, {})
    if about.get("space") != space:
        raise BadRun(
            f"{run} was stopped before its people were encoded; train it again with the budget it has "
            "had, to finish it as it is, or with a larger one"
        )
    names = network.attributes
    codes, labels = kept["codes"].float().numpy(), kept["labels"].numpy()
    make = ConditionalPrior.fit if use.fitted else ConditionalPrior.standard
    first: Any = codes if use.fitted else shape.latent
    prior = make(first, labels, names, space=space, people=PEOPLE)
    prior = dataclasses.replace(prior, usual_temperature=use.temperature, emphasis=use.emphasis)
    prior.save(out / "prior.npz")
    slope = use.slope_fraction * prior.slope if use.slope_fraction else None
    label_directions(shape.latent, labels, names, space=space, slope=slope).save(
        out / "directions.npz"
    )
    whole = dict.fromkeys(storage.shared, 0) | dict(storage.axes)
    axes = export.quantize(network, whole, settings.optim.bits)
    generator = torch.Generator().manual_seed(0)
    pixels = export.picture_like(generator, shape.side)
    attributes = torch.rand(2, len(NAMES), generator=generator).half().float()
    drawn = torch.randn(2, shape.latent, generator=generator)
    codes_in = torch.cat([drawn, attributes[:, : len(names)]], 1).half().float()
    golden = export.write(
        Encode(network),
        (pixels, attributes),
        (["pixels", "attributes"], ["codes"]),
        out / "autoencoder-encode.onnx",
        axes,
        [name for name in storage.shared if name in axes],
    )
    golden |= export.write(
        Decode(network, shape.latent),
        (codes_in,),
        (["codes"], ["pixels"]),
        out / "autoencoder-decode.onnx",
        axes,
        [name for name in storage.shared if name in axes],
    )
    export.save_golden(out / "autoencoder-golden.npz", golden)
    return {
        "space": space,
        "frame": about["frame"],
        "dimensions": shape.latent + len(names),
        "side": shape.side,
        "latent": shape.latent,
        "attributes": list(names),
        **facts,
    }
