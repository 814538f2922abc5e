"""Laws of feature networks: theirs are the published shapes, the file's weights, and true distances."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.testing import assert_close

from facedial.errors import BadRequest, UnknownName
from facedial.training.models import perceptual

Array = NDArray[np.floating]

# torchvision's names and shapes, up to the convolution whose output is returned.
COMMON = [
    ("features.0.weight", (64, 3, 3, 3)),
    ("features.0.bias", (64,)),
    ("features.2.weight", (64, 64, 3, 3)),
    ("features.2.bias", (64,)),
    ("features.5.weight", (128, 64, 3, 3)),
    ("features.5.bias", (128,)),
    ("features.7.weight", (128, 128, 3, 3)),
    ("features.7.bias", (128,)),
    ("features.10.weight", (256, 128, 3, 3)),
    ("features.10.bias", (256,)),
    ("features.12.weight", (256, 256, 3, 3)),
    ("features.12.bias", (256,)),
    ("features.14.weight", (256, 256, 3, 3)),
    ("features.14.bias", (256,)),
]
NAMES = {
    "vgg16": COMMON,
    "vgg19": [
        *COMMON,
        ("features.16.weight", (256, 256, 3, 3)),
        ("features.16.bias", (256,)),
    ],
}
FILES = {"vgg16": "vgg16-397923af.pth", "vgg19": "vgg19-dcbb9e9d.pth"}

# Inputs, squeezed, expanded (each way) of the fire modules of SqueezeNet 1.1.
FIRES = {
    2: (64, 16, 64), 3: (128, 16, 64), 4: (128, 32, 128), 5: (256, 32, 128),
    6: (256, 48, 192), 7: (384, 48, 192), 8: (384, 64, 256), 9: (512, 64, 256),
}  # fmt: skip


def pictures(count: int, height: int, width: int, seed: int = 0) -> Tensor:
    """Random pictures [N, 3, H, W] in 0..1."""
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


def drawn(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Weights that keep the size of what passes through, and biases that are not nothing."""
    inputs = int(np.prod(shape[1:])) if len(shape) == 4 else 100
    return torch.randn(shape, generator=generator) * (2 / inputs) ** 0.5


def checkpoint(kind: str, seed: int = 0) -> dict[str, Tensor]:
    """A state as torchvision saves it: with deeper layers and a classifier (cut to a few numbers)."""
    generator = torch.Generator().manual_seed(seed)
    state = {name: drawn(shape, generator) for name, shape in NAMES[kind]}
    beyond = ("features.28.weight", "features.28.bias", "classifier.0.weight", "classifier.6.bias")
    return {**state, **{name: drawn((4, 4), generator) for name in beyond}}


def saved(state: object, folder: Path, name: str = "weights.pth") -> Path:
    path = folder / name
    torch.save(state, path)
    return path


def seeded(kind: str, folder: Path) -> perceptual.Vgg:
    return perceptual.load_vgg(kind, saved(checkpoint(kind), folder))


@pytest.mark.parametrize("kind", ["vgg16", "vgg19"])
def test_names_and_shapes_are_torchvisions(kind: str) -> None:
    state = perceptual.Vgg(kind).state_dict()
    assert [(name, tuple(value.shape)) for name, value in state.items()] == NAMES[kind]


def test_deeper_layers_stand_where_torchvision_has_them() -> None:
    """The last convolution is features.28 of VGG-16, features.34 of VGG-19; a pool ends each."""
    for kind, last, end in (("vgg16", 28, 30), ("vgg19", 34, 36)):
        network = perceptual.Vgg(kind, (end,))
        convolution = network.features[last]
        assert isinstance(convolution, nn.Conv2d)
        assert convolution.weight.shape == (512, 512, 3, 3)
        assert isinstance(network.features[end], nn.MaxPool2d)
        with pytest.raises(ValueError, match=rf"0\.\.{end}"):
            perceptual.Vgg(kind, (end + 1,))


@pytest.mark.parametrize("kind", ["vgg16", "vgg19"])
@pytest.mark.parametrize("suffix", ["pth", "pt", "safetensors"])
def test_a_file_gives_exactly_its_weights(kind: str, suffix: str, tmp_path: Path) -> None:
    state = checkpoint(kind)
    path = tmp_path / f"weights.{suffix}"
    if suffix == "safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path)
    network = perceptual.features(kind, path)
    loaded = network.state_dict()
    assert list(loaded) == [name for name, _ in NAMES[kind]]
    assert all(torch.equal(loaded[name], state[name]) for name in loaded)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not network.training


@pytest.mark.parametrize("kind", ["vgg16", "vgg19"])
def test_without_a_path_the_cache_is_asked(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cache = tmp_path / "hub" / "checkpoints"
    with pytest.raises(BadRequest, match=FILES[kind]) as caught:
        perceptual.features(kind, None)
    assert str(cache) in str(caught.value)
    assert "features_file" in str(caught.value)

    cache.mkdir(parents=True)
    saved(checkpoint(kind, seed=1), cache, f"{kind}_bn-00000000.pth")  # another network's
    with pytest.raises(BadRequest, match=FILES[kind]):
        perceptual.features(kind, None)
    for seed, name in ((2, f"{kind}-00000000.pth"), (3, FILES[kind])):
        state = checkpoint(kind, seed)
        saved(state, cache, name)
        loaded = perceptual.features(kind, None).state_dict()
        assert all(torch.equal(loaded[each], state[each]) for each in loaded)


def test_a_weight_that_is_missing_or_of_another_shape_is_named(tmp_path: Path) -> None:
    state = checkpoint("vgg16")
    lacking = {name: value for name, value in state.items() if name != "features.7.bias"}
    with pytest.raises(BadRequest, match=r"lacks the weight features\.7\.bias.*397923af"):
        perceptual.load_vgg("vgg16", saved(lacking, tmp_path))
    turned = {**state, "features.5.weight": state["features.5.weight"].transpose(0, 1)}
    wrong = r"features\.5\.weight of shape \[64, 128, 3, 3\], not \[128, 64, 3, 3\]"
    with pytest.raises(BadRequest, match=wrong):
        perceptual.load_vgg("vgg16", saved(turned, tmp_path))
    # VGG-16 ends its third block with a pool where VGG-19 has one more convolution.
    with pytest.raises(BadRequest, match=r"lacks the weight features\.16\.weight"):
        perceptual.load_vgg("vgg19", saved(state, tmp_path))


def test_files_that_hold_no_weights_are_refused_in_one_sentence(tmp_path: Path) -> None:
    for name, complaint in (
        ("noise.pth", "cannot be read"),
        ("noise.safetensors", "cannot be read"),
        ("noise.h5", r"no \.pth, \.pt or \.safetensors file"),
    ):
        (tmp_path / name).write_bytes(b"these are no weights")
        with pytest.raises(BadRequest, match=complaint):
            perceptual.load_vgg("vgg16", tmp_path / name)
    with pytest.raises(BadRequest, match="holds a list"):
        perceptual.load_vgg("vgg16", saved([torch.zeros(1)], tmp_path))
    for missing in (tmp_path / "none.pth", tmp_path):
        with pytest.raises(BadRequest, match=r"there is no file .*397923af"):
            perceptual.load_vgg("vgg16", missing)


def test_unknown_and_unfinished_requests_say_what_to_give() -> None:
    with pytest.raises(UnknownName, match="did you mean vgg16"):
        perceptual.features("vgg-16", None)
    with pytest.raises(BadRequest, match=r"features_file.*squeezenet1_1_caffe_keras_tf_notop\.h5"):
        perceptual.features("squeezenet", None)


@pytest.mark.parametrize("kind", ["vgg16", "vgg19"])
def test_maps_are_those_of_the_plain_chain(kind: str, tmp_path: Path) -> None:
    """The last convolution of the third block before its ReLU, computed layer by layer."""
    state = {name: value.double() for name, value in checkpoint(kind).items()}
    x = pictures(2, 12, 8).double()

    def convolved(y: Tensor, index: int) -> Tensor:
        weight, bias = (state[f"features.{index}.{part}"] for part in ("weight", "bias"))
        return F.conv2d(y, weight, bias, padding=1)

    mean = torch.tensor([0.485, 0.456, 0.406]).double()
    deviation = torch.tensor([0.229, 0.224, 0.225]).double()
    y = ((x.movedim(1, 3) - mean) / deviation).movedim(3, 1)
    shallow = convolved(y, 0)
    y = F.max_pool2d(convolved(shallow.relu(), 2).relu(), 2)
    y = F.max_pool2d(convolved(convolved(y, 5).relu(), 7).relu(), 2)
    y = convolved(convolved(convolved(y, 10).relu(), 12).relu(), 14)
    if kind == "vgg19":
        y = convolved(y.relu(), 16)

    (found,) = seeded(kind, tmp_path).double()(x)
    assert found.shape == (2, 256, 3, 2)
    assert_close(found, y)
    assert y.min() < 0
    # Asked for two maps, the shallow one is still what it was before its ReLU.
    network = perceptual.load_vgg(kind, tmp_path / "weights.pth", (0, 1)).double()
    assert_close(network(x), [shallow, shallow.relu()])


DISTANCES = [perceptual.distance, perceptual.plain_distance]
Distance = Callable[[nn.Module, Tensor, Tensor], Tensor]


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("kind", ["vgg16", "vgg19"])
def test_distances_are_zero_at_equality_only(distance: Distance, kind: str, tmp_path: Path) -> None:
    network = seeded(kind, tmp_path)
    one, other = pictures(2, 16, 16).requires_grad_(), pictures(2, 16, 16, 1).requires_grad_()
    assert distance(network, one, one.detach().clone()).item() == 0
    found = distance(network, one, other)
    assert found.shape == ()
    assert found > 0
    found.backward()
    assert one.grad is not None
    assert torch.isfinite(one.grad).all()
    assert (one.grad != 0).any(1).all()
    assert other.grad is None
    assert all(parameter.grad is None for parameter in network.parameters())


class Doubled(nn.Module):
    """Two maps: the picture, and a hundred times the picture."""

    def forward(self, x: Tensor) -> list[Tensor]:
        return [x, 100 * x]


def test_depths_count_alike_only_where_they_should() -> None:
    """Differences 1, squares 4: a quarter at each depth; as they are, (1 + 100^2) / 2."""
    one, other = torch.full((2, 3, 4, 4), 3.0), torch.full((2, 3, 4, 4), 2.0)
    assert perceptual.distance(Doubled(), one, other).item() == pytest.approx(0.25)
    assert perceptual.plain_distance(Doubled(), one, other).item() == pytest.approx(5000.5)
    # A map that is zero everywhere on both sides tells nothing, and breaks nothing.
    assert perceptual.distance(Doubled(), 0 * one, 0 * one).item() == 0


@pytest.mark.parametrize("distance", DISTANCES)
def test_gradients_are_those_of_finite_differences(distance: Distance, tmp_path: Path) -> None:
    network = seeded("vgg16", tmp_path).double()
    one, other = pictures(1, 8, 8).double().requires_grad_(), pictures(1, 8, 8, 1).double()
    (gradient,) = torch.autograd.grad(distance(network, one, other), one)
    step = 1e-6
    for place in ((0, 0, 0, 0), (0, 1, 3, 5), (0, 2, 7, 4)):
        moved = torch.zeros_like(other)
        moved[place] = step
        with torch.no_grad():
            up, down = (distance(network, one + s * moved, other) for s in (1, -1))
        assert_close((up - down) / (2 * step), gradient[place], rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("distance", DISTANCES)
def test_autocast_makes_features_in_half_and_differences_whole(
    distance: Distance, tmp_path: Path
) -> None:
    one, other = pictures(1, 32, 32), pictures(1, 32, 32, 1)
    for network in (seeded("vgg16", tmp_path), perceptual.SqueezeNet()):
        wanted = distance(network, one, other)
        with torch.autocast("cpu", torch.bfloat16):
            found = distance(network, one, other)
            nothing = distance(network, one, one)
        assert found.dtype == torch.float32
        assert not torch.equal(found, wanted)
        assert_close(found, wanted, rtol=0.05, atol=1e-6)
        assert float(nothing.detach()) == 0


def squeezenet_layers() -> dict[str, tuple[int, ...]]:
    """Layers of the published file in order, with their kernels' shapes: height, width, in, out."""
    layers: dict[str, tuple[int, ...]] = {"conv1": (3, 3, 3, 64)}
    for k, (inputs, squeezed, expanded) in FIRES.items():
        layers[f"fire{k}/squeeze1x1"] = (1, 1, inputs, squeezed)
        layers[f"fire{k}/expand1x1"] = (1, 1, squeezed, expanded)
        layers[f"fire{k}/expand3x3"] = (3, 3, squeezed, expanded)
    return layers


def keras_file(path: Path, without: str | None = None) -> dict[str, tuple[Array, Array]]:
    """Write random weights under the published file's names; kernel and bias of each layer."""
    h5py = pytest.importorskip("h5py")
    rng = np.random.default_rng(5)
    written = {}
    with h5py.File(path, "w") as file:
        # As in the published file, layers without weights have their empty groups.
        file.create_group("drop9").attrs["weight_names"] = np.zeros(0)
        for number, (layer, shape) in enumerate(squeezenet_layers().items(), 1):
            scale = (2 / np.prod(shape[:3])) ** 0.5
            kernel = (rng.standard_normal(shape) * scale).astype(np.float32)
            bias = rng.standard_normal(shape[3]).astype(np.float32)
            if layer != without:
                group = file.create_group(layer)
                names = [f"uniform{number}", f"{layer}_b"]
                group.attrs["weight_names"] = np.array([name.encode() for name in names])
                group[names[0]], group[names[1]] = kernel, bias
            written[layer] = (kernel, bias)
    return written


def windows(x: Array, size: int, stride: int) -> Array:
    """[N, H, W, C] -> [N, rows, columns, C, size, size], only whole windows."""
    every = np.lib.stride_tricks.sliding_window_view(x, (size, size), (1, 2))
    return every[:, ::stride, ::stride]


def keras_squeezenet(weights: dict[str, tuple[Array, Array]], x: Array) -> list[Array]:
    """The published network on RGB [N, H, W, 3] in 0..1, by NumPy, channels last throughout."""

    def convolved(y: Array, layer: str, stride: int = 1) -> Array:
        kernel, bias = weights[layer]
        if layer.endswith("3x3"):
            y = np.pad(y, ((0, 0), (1, 1), (1, 1), (0, 0)))
        seen = windows(y, len(kernel), stride)
        return np.maximum(np.einsum("nrcihw,hwio->nrco", seen, kernel, optimize=True) + bias, 0)

    def fire(y: Array, k: int) -> Array:
        y = convolved(y, f"fire{k}/squeeze1x1")
        wide = [convolved(y, f"fire{k}/expand{size}") for size in ("1x1", "3x3")]
        return np.concatenate(wide, 3)

    def pooled(y: Array) -> Array:
        return windows(y, 3, 2).max((4, 5))

    blue_first = x[..., ::-1].astype(np.float64) * 255 - [103.939, 116.779, 123.68]
    first = convolved(blue_first, "conv1", 2)
    third = fire(fire(pooled(first), 2), 3)
    fifth = fire(fire(pooled(third), 4), 5)
    last = pooled(fifth)
    for k in (6, 7, 8, 9):
        last = fire(last, k)
    return [first, third, fifth, last]


def test_squeezenet_is_the_network_of_its_file(tmp_path: Path) -> None:
    """Kernels turned, colours in Caffe's order and range, windows where Keras puts them."""
    path = tmp_path / "weights.h5"
    wanted = keras_squeezenet(keras_file(path), pictures(2, 36, 50).movedim(1, 3).numpy())
    network = perceptual.features("squeezenet", path)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not network.training
    found = network.double()(pictures(2, 36, 50))
    assert [tuple(x.shape[1:]) for x in found] == [
        (64, 17, 24), (128, 8, 11), (256, 3, 5), (512, 1, 2)
    ]  # fmt: skip
    for mine, theirs in zip(found, wanted, strict=True):
        # The means are float32 in the network.
        assert_close(mine.movedim(1, 3), torch.from_numpy(theirs), rtol=1e-5, atol=1e-4)


def test_squeezenet_measures_distances(tmp_path: Path) -> None:
    path = tmp_path / "weights.h5"
    keras_file(path)
    network = perceptual.load_squeezenet(path)
    one, other = pictures(1, 32, 32).requires_grad_(), pictures(1, 32, 32, 1)
    assert perceptual.distance(network, one, one.detach()).item() == 0
    perceptual.distance(network, one, other).backward()
    assert one.grad is not None
    assert torch.isfinite(one.grad).all()
    assert one.grad.any()


def test_a_keras_file_that_is_not_squeezenets_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.h5"
    keras_file(path, without="fire6/expand3x3")
    with pytest.raises(BadRequest, match=r"lacks the weight fire6\.expand3x3\.weight"):
        perceptual.load_squeezenet(path)
    h5py = pytest.importorskip("h5py")
    keras_file(path)
    with h5py.File(path, "a") as file:
        del file["conv1/uniform1"]
        file["conv1/uniform1"] = np.zeros((7, 7, 3, 96), np.float32)  # as in SqueezeNet 1.0
    wrong = r"conv1\.weight of shape \[96, 3, 7, 7\], not \[64, 3, 3, 3\]"
    with pytest.raises(BadRequest, match=wrong):
        perceptual.load_squeezenet(path)
    with h5py.File(path, "a") as file:
        del file["conv1/uniform1"]
    with pytest.raises(BadRequest, match=r"cannot be read .*features_file wants squeezenet1_1"):
        perceptual.load_squeezenet(path)
    path.write_bytes(b"these are no weights")
    with pytest.raises(BadRequest, match="cannot be read"):
        perceptual.load_squeezenet(path)
    with pytest.raises(BadRequest, match="there is no file"):
        perceptual.load_squeezenet(tmp_path / "none.h5")


def test_without_h5py_the_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(BadRequest, match="pip install h5py"):
        perceptual.load_squeezenet(tmp_path / "weights.h5")
