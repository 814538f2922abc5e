"""Frozen feature networks, and how far two pictures lie apart in their features.

VGG-16 and VGG-19 (Simonyan 2014, arXiv 1409.1556) with torchvision's weights, SqueezeNet 1.1 (Iandola
2016, arXiv 1602.07360) with Caffe's weights in a Keras file. They judge pictures while others are
trained: no weight of theirs is trained, kept with a run or put into a bundle, and none is fetched.
The distances are those of perceptual losses (Johnson 2016, arXiv 1603.08155).
"""

import importlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facedial.data.tables import first_line
from facedial.errors import BadRequest, UnknownName
from facedial.folder import nearest
from facedial.training.precision import exact

# Mean and deviation of ImageNet's pictures as torchvision states them, RGB in 0..1.
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
# Mean of ImageNet's pictures as Caffe states it, BGR in 0..255.
CAFFE_MEAN = (103.939, 116.779, 123.68)

# Mean squares of real features are far above; a map that is zero everywhere divides nothing by zero.
LEAST_SQUARE = 1e-12

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Convolutions in each of five blocks, indices of the maps returned, torchvision's file."""

    blocks: tuple[int, int, int, int, int]
    depths: tuple[int, ...]
    file: str


WIDTHS = (64, 128, 256, 512, 512)
VGG = {
    "vgg16": _Plan((2, 2, 3, 3, 3), (14,), "vgg16-397923af.pth"),
    "vgg19": _Plan((2, 2, 4, 4, 4), (16,), "vgg19-dcbb9e9d.pth"),
}
SQUEEZENET = "squeezenet"
SQUEEZENET_FILE = "squeezenet1_1_caffe_keras_tf_notop.h5"
KINDS = (*VGG, SQUEEZENET)


class Vgg(nn.Module):
    """RGB [N, 3, H, W] in 0..1 -> feature maps, one for each of `depths`, in order of depth.

    `kind` is a key of `VGG`; `depths` are indices into torchvision's `features`, whose names the
    parameters bear. Without them it is the last convolution of the third block before its ReLU, one
    map [N, 256, H // 4, W // 4]: conv3_3 of VGG-16 (14), conv3_4 of VGG-19 (16). Nothing is built
    beyond the deepest. Weights are random until loaded; raises `ValueError` for depths that the
    network does not have.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, kind: str, depths: tuple[int, ...] | None = None) -> None:
        super().__init__()
        plan = VGG[kind]
        self.depths = plan.depths if depths is None else depths
        size = 2 * sum(plan.blocks) + len(plan.blocks)
        if not self.depths or min(self.depths) < 0 or max(self.depths) >= size:
            raise ValueError(f"depths of {kind} lie in 0..{size - 1}, got {self.depths}")
        self.features = nn.Sequential(*itertools.islice(_layers(plan), max(self.depths) + 1))
        # Not persistent: the names of a state are those of torchvision's file.
        for name, value in (("mean", MEAN), ("deviation", DEVIATION)):
            self.register_buffer(name, torch.tensor(value)[:, None, None], persistent=False)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """The maps, each [N, channels, height, width]."""
        x = (pictures - self.mean) / self.deviation
        maps = []
        for depth, layer in enumerate(self.features):
            x = layer(x)
            if depth in self.depths:
                maps.append(x)
        return maps


def _layers(plan: _Plan) -> Iterator[nn.Module]:
    inputs = 3
    for width, times in zip(WIDTHS, plan.blocks, strict=True):
        for _ in range(times):
            yield nn.Conv2d(inputs, width, 3, padding=1)
            # Not in place, as torchvision's is: that would overwrite the map before it.
            yield nn.ReLU()
            inputs = width
        yield nn.MaxPool2d(2)


class Fire(nn.Module):
    """[N, inputs, H, W] -> [N, 2 * expanded, H, W]: 1x1 to few channels, then 1x1 beside 3x3."""

    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze1x1 = nn.Conv2d(inputs, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Features after their ReLU."""
        x = F.relu(self.squeeze1x1(x))
        return F.relu(torch.cat([self.expand1x1(x), self.expand3x3(x)], 1))


class SqueezeNet(nn.Module):
    """RGB [N, 3, H, W] in 0..1, sides of 31 or more -> four maps, each after its ReLU.

    conv1, fire3, fire5 and fire9: for sides of 128, [N, 64, 63, 63], [N, 128, 31, 31],
    [N, 256, 15, 15] and [N, 512, 7, 7]. Modules bear the names of the Keras file's layers. No padding
    but in the 3x3 of `Fire`, and pooling rounds down, as Keras does (Caffe rounds up, which is the
    same for sides of 128). Weights are random until loaded.
    """

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, stride=2)
        self.fire2 = Fire(64, 16, 64)
        self.fire3 = Fire(128, 16, 64)
        self.fire4 = Fire(128, 32, 128)
        self.fire5 = Fire(256, 32, 128)
        self.fire6 = Fire(256, 48, 192)
        self.fire7 = Fire(384, 48, 192)
        self.fire8 = Fire(384, 64, 256)
        self.fire9 = Fire(512, 64, 256)
        self.register_buffer("mean", torch.tensor(CAFFE_MEAN)[:, None, None], persistent=False)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """The maps, shallow to deep."""
        # In the precision of the mean first: times 255, half precision would round it off.
        blue_first = pictures.to(self.mean.dtype).flip(1) * 255 - self.mean
        first = F.relu(self.conv1(blue_first))
        third = self.fire3(self.fire2(F.max_pool2d(first, 3, 2)))
        fifth = self.fire5(self.fire4(F.max_pool2d(third, 3, 2)))
        last = self.fire7(self.fire6(F.max_pool2d(fifth, 3, 2)))
        return [first, third, fifth, self.fire9(self.fire8(last))]


def features(kind: str, path: Path | None) -> nn.Module:
    """The frozen network of a name in `KINDS`, in float32 on the CPU, with the weights in `path`.

    Without a path VGG's weights are taken from torch's cache, see `load_vgg`. Raises `UnknownName` for
    another name, `BadRequest` when the weights are not there or not the network's.
    """
    if kind not in KINDS:
        raise UnknownName(nearest(kind, KINDS, "feature network"))
    if kind != SQUEEZENET:
        return load_vgg(kind, path)
    if path is None:
        raise BadRequest(
            f"{SQUEEZENET} needs a setting features_file: the path of {SQUEEZENET_FILE}, "
            "SqueezeNet 1.1 as a Keras HDF5 file"
        )
    return load_squeezenet(path)


def load_vgg(kind: str, path: Path | None, depths: tuple[int, ...] | None = None) -> Vgg:
    """`Vgg(kind, depths)`, frozen, with the weights of a .pth, .pt or .safetensors file.

    Without a path: of a file in torch's hub cache (`TORCH_HOME`), torchvision's present one before
    others. Weights beyond the network's are ignored. Raises `BadRequest` when there is no file, when
    it cannot be read, and when it lacks a weight or has one of another shape.
    """
    wanted = VGG[kind].file
    if path is None:
        cache = Path(torch.hub.get_dir()) / "checkpoints"
        candidates = [cache / wanted, *sorted(cache.glob(f"{kind}-*.pth"))]
        path = next((file for file in candidates if file.is_file()), None)
        if path is None:
            raise BadRequest(
                f"found no {kind}-*.pth in {cache}; fetch torchvision's {wanted} to there, or give "
                "its path as the setting features_file"
            )
    weights = _read_torch(path, f"torchvision's {wanted}")
    return _filled(Vgg(kind, depths), weights, path, f"torchvision's {wanted}")


def load_squeezenet(path: Path) -> SqueezeNet:
    """`SqueezeNet`, frozen, with the weights of a Keras HDF5 file.

    Raises `BadRequest` when h5py is not installed, when there is no such file, when it cannot be read,
    and when it lacks a weight or has one of another shape.
    """
    network = SqueezeNet()
    layers = [n for n, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    return _filled(network, _read_keras(path, layers), path, SQUEEZENET_FILE)


def distance(network: nn.Module, one: Tensor, other: Tensor) -> Tensor:
    """Mean squared difference of feature maps, each over its mean square on `other`; a scalar >= 0.

    Pictures are RGB [N, 3, H, W] in 0..1. The share makes all depths count alike: 0 at equality, 1
    where features of `one` vanish. Squares are means over the batch, so pictures with strong features
    count for more. Only `one` gets a gradient.

    Features are made in the precision of the caller's autocast, differences in float32.
    """
    differences, squares = _compared(network, one, other)
    return (differences / squares.clamp_min(LEAST_SQUARE)).mean()


def plain_distance(network: nn.Module, one: Tensor, other: Tensor) -> Tensor:
    """As `distance`, but of features as they are: a map of large numbers counts for more.

    With one map it is the feature reconstruction loss as first described (Johnson 2016, eq. 2).
    """
    return _compared(network, one, other)[0].mean()


def _compared(network: nn.Module, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Mean squared difference of each map [maps], mean square of each map of `other` [maps]."""
    with torch.no_grad():
        theirs = [_whole(their) for their in network(other)]
    pairs = list(zip(network(one), theirs, strict=True))
    with exact(one):
        differences = torch.stack([(_whole(mine) - their).square().mean() for mine, their in pairs])
        return differences, torch.stack([their.square().mean() for their in theirs])


def _whole(features: Tensor) -> Tensor:
    """In float32 where they were made in half precision."""
    return features.float() if features.dtype in (torch.bfloat16, torch.float16) else features


def _read_torch(path: Path, wanted: str) -> Mapping[str, Any]:
    """What a checkpoint holds by name; raises `BadRequest` when it is not there or is none."""
    _require_file(path, wanted)
    if path.suffix not in (".pth", ".pt", ".safetensors"):
        raise BadRequest(
            f"{path} is no .pth, .pt or .safetensors file; features_file wants {wanted}"
        )
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # an unpickler that meets foreign bytes may raise anything
        raise _unreadable(path, error, wanted) from error
    if not isinstance(weights, Mapping):
        raise BadRequest(
            f"{path} holds a {type(weights).__name__}, not named weights; "
            f"features_file wants {wanted}"
        )
    return weights


def _read_keras(path: Path, layers: list[str]) -> dict[str, Tensor]:
    """Weights of those of `layers` that the file holds, named and ordered as torch does (OIHW)."""
    try:
        # Few need it, and it has no types.
        h5py: Any = importlib.import_module("h5py")
    except ImportError as lacking:
        raise BadRequest(
            f"the weights of {SQUEEZENET} are an HDF5 file, which needs h5py; "
            "install it with: pip install h5py"
        ) from lacking
    _require_file(path, SQUEEZENET_FILE)
    weights = {}
    try:
        with h5py.File(path, "r") as file:
            for layer in layers:
                group = file.get(layer.replace(".", "/"))
                # Keras lists a layer's weights by names of its own making: kernel, then bias.
                names = () if group is None else group.attrs.get("weight_names", ())
                for part, name in zip(("weight", "bias"), names, strict=False):
                    value = torch.from_numpy(group[name][()])
                    # Keras has height, width, inputs, outputs.
                    turned = value.permute(3, 2, 0, 1) if value.dim() == 4 else value
                    weights[f"{layer}.{part}"] = turned
    except (OSError, KeyError, TypeError) as error:
        raise _unreadable(path, error, SQUEEZENET_FILE) from error
    return weights


def _filled(network: Network, weights: Mapping[str, Any], path: Path, wanted: str) -> Network:
    """`network` with its weights out of `weights`, frozen; raises `BadRequest` where one does not fit."""
    state = network.state_dict()
    for name, old in state.items():
        new = weights.get(name)
        if not isinstance(new, Tensor):
            raise BadRequest(f"{path} lacks the weight {name}; features_file wants {wanted}")
        if new.shape != old.shape:
            raise BadRequest(
                f"{path} has the weight {name} of shape {list(new.shape)}, not {list(old.shape)}; "
                f"features_file wants {wanted}"
            )
    network.load_state_dict({name: weights[name] for name in state})
    return network.requires_grad_(False).eval()


def _require_file(path: Path, wanted: str) -> None:
    if not path.is_file():
        raise BadRequest(f"there is no file {path}; features_file wants the path of {wanted}")


def _unreadable(path: Path, error: Exception, wanted: str) -> BadRequest:
    return BadRequest(f"{path} cannot be read ({first_line(error)}); features_file wants {wanted}")
