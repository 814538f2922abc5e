"""Our conditional VAE: calibrated error, attributes in every block, changed faces read by the reader."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from facedial.codes.attributes import NAMES
from facedial.codes.labelled import UNKNOWN
from facedial.errors import BadRequest
from facedial.runtime.bundle import Bundle
from facedial.training import export, loop, losses
from facedial.training.batches import pictures
from facedial.training.models import cvae, perceptual, reader, small_picture
from facedial.training.recipe import Context, Pace, Recipe, Terms, from_json
from facedial.training.recipes import _conditional as shared
from facedial.training.recipes import reader as reader_recipe

FLIPPED = ("Smiling", "Eyeglasses", "Male", "Blond_Hair", "Young", "Bangs")
HAIR = tuple(
    NAMES.index(name) for name in ("Bald", "Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair")
)
TURNED = 128  # validation people whose attributes are turned to see whether it is found
FITTED_TO = 12288  # people, for what is fitted in closed form


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Weights of the terms, each relative to half the log of the mean squared error.

    `kl`: of the divergence in nats (1 = the evidence bound). `asked`, `kept`: of what the teacher (the
    reader of a bundle, best one that withstands attacks; the packaged one unless named) finds beside the
    wish in changed faces, in attributes that change and in the rest (with equal weights it does not pay
    to show a rare attribute in everyone). `likeness`: of the distance of `features` (vgg16, vgg19,
    squeezenet or none; weights from `features_file`).
    Shares: `open_share` of attributes are unknown, at random; `changed_share` of faces are changed;
    `read_share` of photos are said to have what the packaged reader finds in them; `liked_share` are
    compared by features, which is slow. `along`, `temperature`, `emphasis`: see `_conditional.Use`;
    changes are taught up to `emphasis` times as far from what is usual as a label is.
    """

    model: cvae.Config = field(default_factory=cvae.Config)
    pace: Pace = field(default_factory=lambda: Pace(batch=16, rate=2e-3, memory=600, clip=1.0))
    kl: float = 1.0
    asked: float = 0.7
    kept: float = 0.7
    likeness: float = 0.2
    teacher: str = ""
    features: str = "none"
    features_file: str = ""
    open_share: float = 0.1
    read_share: float = 0.5
    changed_share: float = 0.75
    liked_share: float = 0.2
    along: float = 0.0
    temperature: float = 0.7
    emphasis: float = 1.5
    judged: int = 512

    def __post_init__(self) -> None:
        for name in ("open_share", "read_share", "changed_share", "liked_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadRequest(f"{name} must lie in 0..1, got {getattr(self, name)}")
        if self.emphasis < 1:
            raise BadRequest(f"emphasis must be 1 or more, got {self.emphasis}")


class Task:
    """Reconstruction, divergence, and faces changed to other people's attributes, as read."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.pace = settings.pace
        self.device = context.device
        self.side = settings.model.side
        network, shape = build(settings)
        self.people = shared.People.of(context, "train", self.side, NAMES)
        judges = shared.People.of(context, "val", self.side, NAMES)
        self.judged = shared.Judged(judges, settings.judged, shape.latent, context.device)
        assert isinstance(network, cvae.Cvae)
        if not (context.run / "last.safetensors").exists():
            _fit(network, self.people)
        self.network = network.to(context.device)
        self.reader = the_reader(context.device)
        named = settings.teacher
        self.teacher = the_reader(context.device, named) if named else self.reader
        # What is asked for half the time must not lean on how rare it is in photos.
        self.usual = self.people.features.mean(0)
        rarity = torch.logit(torch.from_numpy(self.usual).clamp(0.005, 0.995))
        self.rarity = rarity.to(context.device)
        self.halves = loop.fastest_precision(context.device) == "bf16-mixed"
        self.features = None
        if settings.features != "none":
            path = Path(settings.features_file) if settings.features_file else None
            self.features = perceptual.features(settings.features, path).to(context.device)

    def loss(self, network: nn.Module, batch: int, seed: int, step: int = 0) -> Terms:
        """All terms a number of the picture, so that none depends on its size."""
        s, rng = self.settings, np.random.default_rng(seed)
        chosen = self.people.crops.draw(batch, seed)
        target = pictures(self.people.crops.read(chosen), self.device)
        target[::2] = target[::2].flip(3)
        labels = torch.from_numpy(self.people.features[chosen]).to(self.device)
        own = self._own(target, labels, rng)
        count = max(1, int(s.changed_share * batch))
        wanted, turned = wishes(labels[:count].cpu().numpy(), rng)
        far = torch.from_numpy(rng.uniform(1, s.emphasis, (count, 1)).astype(np.float32))
        usual = torch.from_numpy(self.usual)
        written = torch.where(turned, usual + far * (wanted - usual), wanted).to(self.device)
        wanted, turned = wanted.to(self.device), turned.to(self.device)
        noise = torch.from_numpy(rng.standard_normal((batch, s.model.latent), np.float32))
        plain = self.network
        assert isinstance(plain, cvae.Cvae)
        packed = plain.pack(target)
        mean = plain.linear.encode(target, own)
        again, changed, log_variance = network(mean, own, written, noise.to(self.device))
        numbers = target[0].numel()
        raw = {
            "error": losses.calibrated(again, packed) / numbers,
            "kl": losses.normal_divergence(mean, log_variance).sum(1).mean() / numbers,
        }
        logits = self._read(plain.unpack(changed), rng)
        nothing = torch.full_like(wanted, torch.nan)
        raw["asked"] = losses.masked_binary(logits, torch.where(turned, wanted, nothing))
        kept = ~turned & (wanted != UNKNOWN)
        raw["kept"] = losses.masked_binary(logits, torch.where(kept, wanted, nothing))
        if self.features is not None:
            some = slice(0, max(1, int(s.liked_share * batch)))
            drawn = plain.unpack(again[some])
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.halves):
                raw["likeness"] = perceptual.distance(self.features, drawn, target[some])
        weights = {"kl": s.kl, "asked": s.asked, "kept": s.kept, "likeness": s.likeness}
        return Terms(raw, weights)

    @torch.no_grad()
    def _own(self, target: Tensor, labels: Tensor, rng: np.random.Generator) -> Tensor:
        """What the picture is said to have: labels, or what the reader finds, as it will be in use."""
        read = torch.from_numpy(rng.random(len(labels)) < self.settings.read_share)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.halves):
            found = torch.sigmoid(self.reader(enlarged(target)).float())
        own = torch.where(read[:, None].to(self.device), found, labels)
        open_ = torch.from_numpy(rng.random(labels.shape) < self.settings.open_share)
        return torch.where(open_.to(self.device), torch.full_like(own, UNKNOWN), own)

    def _read(self, drawn: Tensor, rng: np.random.Generator) -> Tensor:
        """The teacher's logits, as if half of people had every attribute.

        On pictures moved and dimmed a little, so that no pixel can fool it.
        """
        x, y = rng.integers(-3, 4, 2)
        moved = torch.roll(enlarged(drawn), (int(y), int(x)), (2, 3))
        shade = torch.from_numpy(rng.uniform(0.9, 1.1, (len(drawn), 1, 1, 1)).astype(np.float32))
        grain = torch.from_numpy(rng.standard_normal(moved.shape, np.float32)) * 0.02
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.halves):
            logits: Tensor = self.teacher(moved * shade.to(moved) + grain.to(moved))
        return logits.float() - self.rarity

    def scores(self, network: nn.Module) -> dict[str, float]:
        """`_conditional.Judged.scores`, and `found`: share of turned attributes that the reader finds.

        `merit`, by which the best is kept, is the PSNR and a dB for each tenth found: faithful
        pictures that do not change on a wish are as bad as changes of somebody else.
        """
        assert isinstance(network, cvae.Cvae)
        scores = self.judged.scores(network)
        found = self._found(network)
        return {"merit": scores["psnr"] + 10 * found, **scores, "found": found}

    @torch.no_grad()
    def _found(self, network: cvae.Cvae) -> float:
        """Of validation people with one of `FLIPPED` turned round, as emphasised as new faces have it.

        The reader, which is not the teacher unless none was named, is asked as if half of people had
        every attribute.
        """
        usual, right = torch.from_numpy(self.usual).to(self.device), []
        some, features = self.judged.pictures[:TURNED], self.judged.features[:TURNED]
        mean, _ = network.posterior(some, features)
        for name in FLIPPED:
            k = NAMES.index(name)
            wanted = (features[:, k] <= UNKNOWN).float()
            turned = features.clone()
            turned[:, k] = usual[k] + self.settings.emphasis * (wanted - usual[k])
            for block in torch.split(torch.arange(len(some)), 64):
                drawn = enlarged(network.draw(mean[block], turned[block]).clamp(0, 1))
                read = self.reader(drawn)[:, k] > self.rarity[k]
                right.append((read == (wanted[block] > UNKNOWN)).float())
        return float(torch.cat(right).mean())

    def sheet(self, network: nn.Module) -> NDArray[np.uint8]:
        """See `_conditional.Judged.sheet`; `FLIPPED` are the rows."""
        assert isinstance(network, cvae.Cvae)
        return self.judged.sheet(network, FLIPPED)


@torch.no_grad()
def _fit(network: cvae.Cvae, people: shared.People) -> None:
    """Fit the linear part to people, evenly chosen, and their mirrors; then scales of planes."""
    chosen = people.crops.spread(FITTED_TO)
    features = torch.from_numpy(people.features[chosen])
    small: list[list[Tensor]] = [[], []]
    for block in np.array_split(chosen, max(1, len(chosen) // 256)):
        whole = pictures(people.crops.read(block), torch.device("cpu"))
        small[0].append(small_picture.shrink(whole))
        small[1].append(small_picture.shrink(whole.flip(3)))
    network.linear.fit(torch.cat([*small[0], *small[1]]), torch.cat([features, features]))
    some = np.linspace(0, len(chosen) - 1, min(1024, len(chosen))).astype(int)
    whole = pictures(people.crops.read(chosen[some]), torch.device("cpu"))
    code = network.linear.encode(whole, features[some])
    base = network.pack(network.linear.base(code, features[some]))
    rest = network.pack(whole) - base
    network.plane_mean.copy_(base.mean((0, 2, 3))[:, None, None])
    network.plane_deviation.copy_(base.std((0, 2, 3))[:, None, None].clamp_min(0.02))
    network.rest_deviation.copy_(rest.std((0, 2, 3))[:, None, None])


def wishes(labels: NDArray[np.float32], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Wished attributes [N, 40] for people with `labels`, and bool [N, 40] where they change.

    One to three attributes are turned round, each as likely as any other, however rare it is. Told of
    other people's whole lists alone, a decoder learns to change what goes together, and nothing alone.
    A hair colour that comes sends the others away.
    """
    own = np.where(labels == UNKNOWN, UNKNOWN, labels > UNKNOWN).astype(np.float32)
    wanted = own.copy()
    for row, wish in enumerate(wanted):
        for k in rng.choice(labels.shape[1], rng.integers(1, 4), replace=False):
            wish[k] = float(labels[row, k] <= UNKNOWN)
            if k in HAIR and wish[k] == 1:
                wish[[other for other in HAIR if other != k]] = 0
    return torch.from_numpy(wanted), torch.from_numpy(wanted != own)


def enlarged(whole: Tensor) -> Tensor:
    """RGB [N, 3, S, S] as the reader takes it, 128 px; it shrinks what it sees by means."""
    return (
        F.interpolate(whole, size=(128, 128), mode="nearest") if whole.shape[-1] != 128 else whole
    )


def the_reader(device: torch.device, path: str | None = None) -> reader.Reader:
    """The reader of a bundle, the packaged one unless named, frozen."""
    with Bundle.open(path) as bundle:
        settings = bundle.facts["parts"]["reader"]["settings"]
        folder = bundle.path
    network = reader.Reader(
        from_json(reader_recipe.Settings().model, settings["model"]), len(NAMES)
    )
    export.take_weights(network, folder, "reader")
    return network.to(device).eval().requires_grad_(False)


def build(settings: Settings) -> tuple[nn.Module, shared.Shape]:
    """A fresh network and its shape."""
    return cvae.Cvae(settings.model), shared.Shape(settings.model.latent, settings.model.side)


def start(context: Context, settings: Settings) -> Task:
    """A fresh network, or that of a bundle."""
    task = Task(settings, context)
    if context.init is not None:
        export.take_weights(task.network, context.init, "autoencoder", new=["log_variance"])
    return task


def after(context: Context, task: Task) -> None:
    """Encode people with the best network."""
    shared.keep_codes(context, task.settings, task.people, build)


def finish(run: Path, settings: Settings, out: Path) -> dict[str, Any]:
    """Write the bundle; faces are drawn from what codes are, given the attributes."""
    held = shared.Held({"linear.basis": 1}, ("linear.basis", "linear.slope"))
    use = shared.Use(
        along=settings.along, temperature=settings.temperature, emphasis=settings.emphasis
    )
    return shared.finish(run, settings, out, build, use, held)


RECIPE = Recipe(
    summary="conditional VAE, ours: faces drawn and changed by forty attributes",
    settings=Settings(),
    start=start,
    export=finish,
    after=after,
)
