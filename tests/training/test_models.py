"""Laws of networks and losses."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from facedial.errors import BadRun
from facedial.training import losses
from facedial.training.models import (
    autoencoder,
    classifier,
    decoder,
    flow,
    landmarks,
    latents,
    refiner,
)


def pictures(count: int, seed: int = 0) -> torch.Tensor:
    """Smooth random pictures [N, 3, 128, 128] in 0..1."""
    coarse = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size=(128, 128), mode="bilinear")


def fitted(dimensions: int = 6, count: int = 12) -> latents.LinearMap:
    moments = latents.Moments(torch.device("cpu"))
    moments.add(pictures(count))
    linear = latents.LinearMap(dimensions)
    for buffer, value in zip(
        (linear.mean, linear.basis, linear.deviation), moments.solve(dimensions), strict=True
    ):
        buffer.copy_(value)
    return linear


def test_squared_error_of_the_420_picture_is_that_of_rgb() -> None:
    """On flat pictures, where nothing is lost, squared errors agree number by number of RGB."""
    one, other = torch.rand(2, 1, 3, 1, 1).expand(2, 1, 3, 128, 128)
    small = (latents.ycc420(one) - latents.ycc420(other)).square().sum()
    # A flat YCbCr error has cross terms between Cb and Cr in RGB; weights hold for each alone.
    for axis in range(3):
        ycc = torch.zeros(3)
        ycc[axis] = 0.1
        rgb = (latents.TO_RGB @ ycc)[None, :, None, None]
        moved = latents.ycc420(one + rgb) - latents.ycc420(one)
        # 6,144 numbers stand for 3 * 128 * 128: a luma number for four pixels of three colours.
        assert_close(moved.square().sum() * 12, rgb.square().sum() * 128 * 128, rtol=1e-3, atol=0)
    assert torch.isfinite(small)


def test_linear_map_is_exact_on_its_range() -> None:
    linear = fitted()
    codes = torch.randn(5, 6)
    luma, chroma = linear.luma_chroma(codes)
    weight = torch.tensor(latents.CHROMA_WEIGHT)[:, None, None]
    flat = torch.cat([(luma * latents.LUMA_WEIGHT).flatten(1), (chroma * weight).flatten(1)], 1)
    assert_close((flat - linear.mean) @ linear.basis / linear.deviation, codes, atol=1e-3, rtol=0)


def test_codes_of_the_fitted_pictures_are_white() -> None:
    linear = fitted()
    both = torch.cat([pictures(12), pictures(12).flip(3)])
    codes = linear.encode(both)
    assert_close(codes.mean(0), torch.zeros(6), atol=1e-3, rtol=0)
    assert_close(codes.T @ codes / len(codes), torch.eye(6), atol=1e-3, rtol=0)


def test_few_and_many_pictures_give_the_same_components(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decomposing pictures and decomposing their covariance agree (a small stand-in for 6,144)."""
    few = fitted()
    monkeypatch.setattr(latents, "MANY", 5)
    moments = latents.Moments(torch.device("cpu"))
    moments.add(pictures(12))
    assert moments.products is not None
    # eigh of 6144 x 6144 takes a minute; its action on the found basis says as much.
    order = latents.mirror_order()
    mean = (moments.sum / 12).float()
    shifted = mean - 0.3
    covariance = moments.products / 12 - torch.outer(shifted, shifted)
    difference = (mean - mean[order]) / 2
    covariance = (covariance + covariance[order][:, order]) / 2
    covariance += torch.outer(difference, difference)
    assert_close(covariance @ few.basis, few.basis * few.deviation**2, atol=2e-3, rtol=1e-2)


def test_mirroring_a_crop_is_reordering_its_420_picture() -> None:
    x = pictures(2)
    order = latents.mirror_order()
    assert_close(latents.ycc420(x.flip(3)), latents.ycc420(x)[:, order])


def test_too_many_dimensions_are_refused() -> None:
    with pytest.raises(BadRun, match="12 pictures cannot carry codes of 24 numbers"):
        fitted(24)


def test_haar_planes_are_orthonormal() -> None:
    kernel = decoder.haar_kernel().reshape(48, 48)
    assert_close(kernel @ kernel.T, torch.eye(48))
    network = decoder.Decoder(decoder.Config(width=8))
    x = torch.rand(2, 3, 128, 128)
    assert_close(network.unpack(network.pack(x)), x)


def test_a_new_decoder_returns_the_base_picture() -> None:
    network = decoder.Decoder(decoder.Config(width=8))
    x = torch.rand(2, 3, 128, 128)
    assert_close(network(x), x)


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (decoder.Decoder(decoder.Config(width=8)), (2, 3, 128, 128)),
        (refiner.Refiner(refiner.Config(width=8)), (2, 144, 32, 32)),
        (landmarks.Landmarks(landmarks.Config()), (4, 3, 64, 64)),
        (classifier.Classifier(classifier.Config()), (4, 3, 128, 128)),
    ],
)
def test_every_parameter_gets_gradient(network: torch.nn.Module, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    for parameter in network.parameters():
        # Blocks that start at zero pass no gradient inward in their very first step.
        parameter.data += 0.02 * torch.randn_like(parameter)
    output = network(torch.rand(*shape))
    parts = output if isinstance(output, tuple) else (output,)
    sum(part.square().sum() for part in parts).backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not silent


def small_autoencoder() -> autoencoder.Autoencoder:
    settings = autoencoder.Config(
        dimensions=6, decoder=decoder.Config(width=8), refiner=refiner.Config(width=8)
    )
    network = autoencoder.Autoencoder(settings)
    for mine, theirs in zip(network.linear.buffers(), fitted().buffers(), strict=True):
        mine.copy_(theirs)
    return network


def test_a_new_refiner_leaves_codes_as_the_linear_map_makes_them() -> None:
    network = small_autoencoder()
    x = pictures(3)
    assert_close(network.encode(x), network.linear.encode(x))


def test_the_loss_is_the_error_of_encode_then_decode() -> None:
    """The loss's planes are those of decode(encode(x)) - x, however often codes are refined."""
    torch.manual_seed(0)
    network = small_autoencoder()
    for parameter in network.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    bytes_ = (pictures(3) * 255).round().byte()
    x = bytes_.float() / 255
    for times in range(4):
        with torch.no_grad():
            codes = network.encode(x, times)
            wanted = network.renderer.pack(network.decode(codes) - x)
            found = network(bytes_, torch.zeros(3, 6), times)
        assert_close(found, wanted, atol=1e-4, rtol=0)
    assert not torch.allclose(network.encode(x, 1), network.encode(x, 2))


def test_the_refiner_gets_its_gradient_through_the_code() -> None:
    """Its last layer gets a gradient although it starts at zero, and the linear map gets none."""
    network = small_autoencoder()
    error = network((pictures(2) * 255).byte(), torch.zeros(2, 6), 2)
    error.square().mean().backward()
    assert network.refiner is not None
    gradient = network.refiner.leave.weight.grad
    assert gradient is not None
    assert gradient.abs().sum() > 0
    assert all(not buffer.requires_grad for buffer in network.linear.buffers())


def small_flow() -> flow.Flow:
    torch.manual_seed(0)
    network = flow.Flow(flow.Config(width=8, condition=16, heads=2))
    for parameter in network.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    return network


def test_every_parameter_of_the_flow_gets_gradient() -> None:
    network = small_flow()
    velocity = network(torch.randn(3, 6, 32, 32), torch.rand(3), torch.randn(3, 40))
    velocity.square().sum().backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not silent


def test_a_new_flow_predicts_nothing_and_a_row_does_not_mind_the_others() -> None:
    fresh = flow.Flow(flow.Config(width=8, condition=16, heads=2))
    x, t, y = torch.randn(3, 6, 32, 32), torch.rand(3), torch.randn(3, 40)
    assert not fresh(x, t, y).any()
    network = small_flow()
    together = network(x, t, y)
    alone = torch.cat([network(x[i : i + 1], t[i : i + 1], y[i : i + 1]) for i in range(3)])
    assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_codes_become_latents_and_come_back() -> None:
    planes = latents.Latents(fitted())
    codes = torch.randn(64, 6)
    planes.fit(codes)
    white = planes.encode(codes)
    assert_close(planes(white), codes, atol=1e-3, rtol=0)
    assert_close(white.mean((0, 2, 3)), torch.zeros(6), atol=1e-4, rtol=0)
    assert_close(white.std((0, 2, 3)), torch.tensor(latents.DEVIATIONS), atol=1e-3, rtol=0)


def test_mirrored_latents_are_those_of_the_mirrored_crop() -> None:
    planes = latents.Latents(fitted())
    x = pictures(4)
    one, other = (planes.raw(planes.linear.encode(p)) for p in (x, x.flip(3)))
    # The fitted pictures and their mirrors span few dimensions, so both are exact.
    # Components are found to about 1e-4; a wrong sign or order would be off by about 1.
    assert_close(latents.mirror(one), other, atol=1e-3, rtol=0)
    assert_close(latents.mirror(latents.mirror(one)), one)


def test_landmarks_lie_in_the_patch_at_first() -> None:
    network = landmarks.Landmarks(landmarks.Config()).eval()
    points, heat = network(torch.rand(3, 3, 64, 64))
    assert heat.shape == (3, 5, 256)
    assert points.shape == (3, 5, 2)
    assert points.min() > 0
    assert points.max() < 63


@given(st.integers(1, 4), st.integers(1, 6))
def test_losses_are_zero_at_equality_and_finite_elsewhere(n: int, k: int) -> None:
    for loss in (losses.absolute, losses.squared, losses.wing):
        x = torch.randn(n, k)
        assert float(loss(x, x)) == pytest.approx(0, abs=1e-6)
        y = (x + 10).requires_grad_()
        loss(y, x).backward()
        assert torch.isfinite(y.grad).all()
        assert_close(loss(torch.cat([y, y]), torch.cat([x, x])), loss(y, x))


def test_wing_is_continuous_at_its_width() -> None:
    near, far = (losses.wing(torch.tensor([d]), torch.zeros(1)) for d in (2.9999, 3.0001))
    assert_close(near, far, atol=1e-3, rtol=0)


def test_masked_binary_ignores_unknown_labels_and_vanishes_at_the_target() -> None:
    targets = torch.tensor([[0.3, float("nan"), 0.9]])
    exact = torch.logit(torch.tensor([[0.3, 0.5, 0.9]]))
    assert float(losses.masked_binary(exact, targets)) == pytest.approx(0, abs=1e-6)
    other = exact.clone()
    other[0, 1] = 50
    assert_close(losses.masked_binary(other, targets), losses.masked_binary(exact, targets))
    hard = losses.masked_binary(torch.zeros(1, 1), torch.ones(1, 1))
    assert float(hard) == pytest.approx(0.693147, abs=1e-5)  # ln 2


def test_divergence_is_zero_at_the_target_and_never_negative() -> None:
    target = torch.tensor([[0.2, 0.3, 0.5], [0.0, 1.0, 0.0]])
    exact = torch.log(target.clamp_min(1e-30))
    assert float(losses.divergence(exact, target)) == pytest.approx(0, abs=1e-6)
    assert float(losses.divergence(torch.randn(2, 3), target)) > 0


def test_the_centre_of_a_heat_map_is_its_point() -> None:
    points = torch.rand(7, 5, 2) * 59 + 2  # between the outermost cells' middles
    heat = landmarks.heat_of(points)
    assert_close(heat.sum(-1), torch.ones(7, 5))
    network = landmarks.Landmarks(landmarks.Config())
    assert_close(heat @ network.cells, points, atol=1e-4, rtol=0)
