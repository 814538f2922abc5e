"""What teaches an edit student besides a flow: photos of people, and a reader of attributes.

A student that repeats a flow's changes repeats its faults, and the mean of them. Here its changes are
also judged: by discriminators, one of which is told what was wished (Miyato 2018b), against photos of
people who have it; and by a reader, which must find what was asked and all else unchanged (He 2019,
Liu 2019).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from facedial.codes.attributes import NAMES
from facedial.codes.moves import Manner
from facedial.codes.wishes import companions
from facedial.editor import Editor
from facedial.errors import BadRequest
from facedial.training import losses, tensors
from facedial.training.batches import Crops
from facedial.training.models import flow, perceptual, sharp
from facedial.training.models.reader import Reader
from facedial.training.recipe import Context, Terms
from facedial.training.recipes._pairs import other_side, used

READ = "read"
SHOWN = 256  # photos by which the sizes of features are measured
MEASURED = 6000  # photos by which a reader's usual logits, and the spread of findings, are
FEWEST = 8  # people, for a mean
SEEN_WISHES = 96  # numbers in which features and wishes meet
BROUGHT = 0.3  # what a companion of a wish counts beside it
HAVING = 4  # of so many faces one has what is changed in it, however rare that is
AFRESH = 0.5  # of photos shown, those that have what was asked of the face they stand beside


@dataclass(frozen=True, slots=True, kw_only=True)
class School:
    """Weights of a schooled student's terms; nothing of it without `features_file`.

    `imitated`: squared error of the flow's changes, over their square. `deceived`, `suited`: the
    discriminators', of those that see pictures and of the one that is told the wish. `asked`: what
    the reader's logits lack, in their s.d., of what they are of people who have what was asked, and not
    more: beyond that, skin is painted white and mouths burst; `kept`: how far its other findings move,
    in s.d. `fresh`: share of a batch that is no pair but a face with any wish, of
    `faces` training people. `reader`: bundle with the reader that teaches, the bundle's own where
    none is named; one that was trained under attack gives better advice. `features`, `features_file`:
    as for the recipe `sharp`. `warm`: steps at first in which the discriminators learn alone.
    """

    features: str = perceptual.SQUEEZENET
    features_file: str = ""
    reader: str = ""
    imitated: float = 8.0
    deceived: float = 2.0
    suited: float = 1.0
    asked: float = 12.0
    kept: float = 6.0
    fresh: float = 0.7
    faces: int = 30000
    warm: int = 100

    def __post_init__(self) -> None:
        if min(self.imitated, self.deceived, self.suited, self.asked, self.kept) < 0:
            raise BadRequest("weights of terms must be 0 or more")
        if not 0 < self.fresh < 1:
            raise BadRequest(f"fresh, a share, must lie between 0 and 1, got {self.fresh:g}")


class Judges(nn.Module):
    """Discriminators of small pictures, and one that sees whether a picture suits a wish.

    `channels`, `scales` as for `sharp.Discriminators`.
    """

    def __init__(self, channels: list[int], scales: list[float]) -> None:
        super().__init__()
        self.pictures = sharp.Discriminators(channels, scales)
        self.scale = scales[-1]
        self.seen = spectral_norm(nn.Linear(2 * channels[-1], SEEN_WISHES))
        self.wish = spectral_norm(nn.Linear(len(NAMES), SEEN_WISHES))

    def forward(self, pictures: Tensor, maps: list[Tensor]) -> list[Tensor]:
        """Pictures [N, 3, 64, 64] in 0..1 and their maps -> logits of being photos."""
        told: list[Tensor] = self.pictures(pictures, maps)
        return told

    def suits(self, maps: list[Tensor], wishes: Tensor) -> Tensor:
        """Logits [N] of the picture being one of somebody of whom the wishes [N, 40] are true."""
        last = maps[-1].float() / self.scale
        pooled = torch.cat([last.mean((2, 3)), last.amax((2, 3))], 1)
        logits: Tensor = (self.seen(pooled).float() * self.wish(wishes).float()).sum(1)
        return logits


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Faces' planes [N, 6, 32, 32] of whom something is asked, and photos' planes of people.

    `wishes` [N, 80] now and then; `masks` [N, 1, 32, 32] by which a change is multiplied; `signs`
    [N, 40]: what the reader is to find, 1 or -1 for what is asked, less for what that brings along, 0 for
    all else. `photos`, `labels` [N, 40] in -1..1.
    """

    faces: Tensor
    wishes: Tensor
    masks: Tensor
    signs: Tensor
    photos: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> "Asked":
        """The same on a device."""
        return Asked(*(getattr(self, one.name).to(device) for one in fields(self)))

    def parts(self, size: int) -> list["Asked"]:
        """The same in parts of `size` and a rest."""
        columns = (torch.split(getattr(self, one.name), size) for one in fields(self))
        return [Asked(*part) for part in zip(*columns, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class Eyes:
    """What looks at planes: frozen features of their small picture, and a reader.

    `usual` [2, 40]: the reader's mean logits of people without each attribute, and with it.
    `logits_spread`, `spread` [40]: s.d. over photos of those logits, and of the findings.
    """

    planes: flow.Planes
    features: Callable[[Tensor], list[Tensor]]
    reader: Reader
    usual: Tensor
    logits_spread: Tensor
    spread: Tensor

    def picture(self, planes: Tensor) -> Tensor:
        """Planes -> RGB [N, 3, 64, 64], about 0..1, of what a code holds of them."""
        return F.avg_pool2d(self.planes.linear.base(self.planes(planes)), 2)

    def read(self, planes: Tensor) -> Tensor:
        """Planes -> the reader's logits [N, 40], of what a code holds of them."""
        return self.reader.of_small(self.planes.linear.small(self.planes(planes))).float()


class Game(nn.Module):
    """A student and its judges: both losses of one batch, whose gradients do not meet."""

    def __init__(self, student: nn.Module, judges: Judges) -> None:
        super().__init__()
        self.student = student
        self.judges = judges

    def forward(
        self, pairs: tuple[Tensor, Tensor, Tensor, Tensor], asked: Asked, eyes: Eyes
    ) -> dict[str, Tensor]:
        """A flow's pairs (`Pairs.at`) and what is asked afresh -> terms, each a scalar."""
        faces, wishes, changes, masks = pairs
        count = len(asked.faces)
        change = self.student(
            torch.cat([asked.faces, faces]), torch.cat([asked.wishes, wishes])
        ).float()
        error = losses.squared(change[count:] * masks, changes * masks)
        after = asked.faces + change[:count] * asked.masks
        picture = eyes.picture(after)
        maps = eyes.features(picture)
        with torch.no_grad():
            photo = eyes.picture(asked.photos)
            photo_maps = eyes.features(photo)
            before = eyes.read(asked.faces)
        # Labels are given outright; a wish given by halves would be known by that.
        then = torch.where(asked.wishes[:, len(NAMES) :] > 0, 1.0, -1.0)
        still = [one.detach() for one in maps]
        told = self.judges(photo, photo_maps)
        not_told = self.judges(picture.detach(), still)
        suited = [
            F.relu(1 - self.judges.suits(photo_maps, asked.labels)).mean(),
            F.relu(1 + self.judges.suits(still, then)).mean(),
            F.relu(1 + self.judges.suits(photo_maps, asked.labels.roll(1, 0))).mean() / 2,
        ]
        with sharp.held(self.judges):
            deceived = sharp.deceived(self.judges(picture, maps))
            suits = -self.judges.suits(maps, then).mean()
        read = eyes.read(after)
        sign = torch.sign(asked.signs)
        usual = torch.where(sign > 0, eyes.usual[1], eyes.usual[0])
        short = F.relu(sign * (usual - read)) / eyes.logits_spread
        moved = (torch.sigmoid(read) - torch.sigmoid(before)).abs() / eyes.spread
        others = asked.signs == 0
        return {
            "imitated": error / losses.squared(changes * masks, 0 * changes).clamp_min(1e-6),
            "deceived": deceived,
            "suited": suits,
            "asked": (asked.signs.abs() * short).sum(1).mean(),
            "kept": ((moved * others).sum(1) / others.sum(1).clamp_min(1)).mean(),
            "judged": sharp.judged(told, not_told) + torch.stack(suited).sum() / 2,
        }


class Asking:
    """Draws what is asked of whom: any attribute that flows, of people as the editor reads them."""

    def __init__(
        self,
        context: Context,
        split: str,
        count: int,
        editor: Editor,
        codes: Tensor,
        planes: flow.Planes,
    ) -> None:
        """Of `count` people of a split at most, whose codes are given; their readings are kept."""
        self.planes = planes
        crops = Crops(context.stores, [split], editor.bundle.side)
        labels = 2 * crops.gather("attributes") - 1
        known = np.flatnonzero(~np.isnan(labels).any(1))
        if not len(known):
            raise BadRequest("a student is schooled on people whose attributes are all known")
        some = known[np.linspace(0, len(known) - 1, min(count, len(known))).astype(int)]
        self.codes = codes[torch.from_numpy(some)]
        self.labels = labels[some].astype(np.float32)
        self.read = _read(context.run / f"{READ}-{split}.safetensors", editor, crops, some)
        self.names = [name for name in NAMES if editor.manners.flows(name)]
        if not self.names:
            raise BadRequest(f"the flow of {editor.bundle.path} moves nothing best; measure moves")
        self.mover = editor.flow_move(Manner())
        self.masks = {
            name: torch.from_numpy(used(editor, name)) * editor.manners.table[name].gain
            for name in self.names
        }
        self.having = {
            (name, has): np.flatnonzero((self.labels[:, NAMES.index(name)] > 0) == has)
            for name in self.names
            for has in (False, True)
        }

    def draw(self, count: int, seed: int) -> Asked:
        """`count` faces and wishes, mirrored half the time, by `seed` alone."""
        rng = np.random.default_rng(seed)
        names = [self.names[i] for i in rng.integers(0, len(self.names), count)]
        rows = rng.integers(0, len(self.codes), count)
        photos = rng.integers(0, len(self.codes), count)
        wishes, signs = [], np.zeros((count, len(NAMES)), np.float32)
        for i, name in enumerate(names):
            if i % HAVING == 0:
                rows[i] = self._one(name, True, rng, rows[i])
            read = self.read[rows[i]]
            then, has = other_side(self.mover, name, read)
            wishes.append(np.concatenate([2 * read - 1, then]))
            for other, value in companions({name: float(has)}, NAMES).items():
                signs[i, NAMES.index(other)] = BROUGHT if value > 0.5 else -BROUGHT
            signs[i, NAMES.index(name)] = 1 if has else -1
            if rng.random() < AFRESH:
                photos[i] = self._one(name, has, rng, photos[i])
        faces, shown = (self._white(some) for some in (rows, photos))
        masks = torch.stack([self.masks[name] for name in names])[:, None]
        turned = torch.from_numpy(rng.random(count) < 0.5)[:, None, None, None]
        return Asked(
            faces=torch.where(turned, flow.mirror(faces), faces),
            wishes=torch.from_numpy(np.stack(wishes).astype(np.float32)),
            masks=torch.where(turned, masks.flip(3), masks),
            signs=torch.from_numpy(signs),
            photos=torch.where(turned, flow.mirror(shown), shown),
            labels=torch.from_numpy(self.labels[photos]),
        )

    def _white(self, rows: NDArray[np.int64]) -> Tensor:
        codes = self.codes[torch.from_numpy(rows)].float().to(self.planes.mean.device)
        return self.planes.white(codes).cpu()

    def _one(self, name: str, has: bool, rng: np.random.Generator, row: int) -> int:
        some = self.having[name, has]
        return int(rng.choice(some)) if len(some) else row


def _read(path: Path, editor: Editor, crops: Crops, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """What the editor reads of those crops [N, 40]; kept in a file."""
    if path.exists():
        kept, about = tensors.load(path)
        if about.get("space") == editor.bundle.space and len(kept["read"]) == len(rows):
            return np.asarray(kept["read"].numpy())
    parts = np.split(rows, range(64, len(rows), 64))
    read = np.concatenate([editor.bundle.read(crops.read(part)) for part in parts])
    tensors.save(path, {"read": torch.from_numpy(read)}, {"space": editor.bundle.space})
    return np.asarray(read)


def eyes(
    school: School, reader: Reader, planes: flow.Planes, asking: Asking
) -> tuple[Eyes, Judges]:
    """What looks on, measured on the people who are asked, and fresh discriminators for it."""
    device = planes.mean.device
    network = perceptual.features(school.features, Path(school.features_file)).to(device)
    reader = reader.to(device).eval().requires_grad_(False)
    ones = torch.ones(len(NAMES), device=device)
    plain = Eyes(planes, network, reader, torch.stack([ones, ones]), ones, ones)
    step = max(1, len(asking.codes) // MEASURED)
    has = torch.from_numpy(asking.labels[::step]) > 0
    with torch.no_grad():
        parts = torch.split(asking.codes[::step].float().to(device), 64)
        photos = [planes.white(part) for part in parts]
        maps = network(torch.cat([plain.picture(part) for part in photos[: SHOWN // 64]]))
        logits = torch.cat([plain.read(part) for part in photos])
    counts = [(~has).sum(0), has.sum(0)]
    # Of what hardly anybody has (or has not) the mean is no mean; then one half is enough.
    usual = [
        (logits * side.to(device)).sum(0)
        / count.clamp_min(1).to(device)
        * (count >= FEWEST).to(device)
        for side, count in zip((~has, has), counts, strict=True)
    ]
    spread, found = logits.std(0).clamp_min(0.1), torch.sigmoid(logits).std(0).clamp_min(1e-2)
    scales = [float(one.float().square().mean().sqrt()) for one in maps]
    judges = Judges([one.shape[1] for one in maps], scales)
    return Eyes(planes, network, reader, torch.stack(usual), spread, found), judges


def terms(school: School, raw: Mapping[str, Tensor], step: int) -> Terms:
    """The game's terms with their weights; only imitation and the judges' own while those warm up."""
    warm = step >= school.warm
    names = ("deceived", "suited", "asked", "kept")
    weights = {name: getattr(school, name) if warm else 0.0 for name in names}
    return Terms(raw, {"imitated": school.imitated, **weights})
