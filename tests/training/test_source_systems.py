"""The two source systems as they are described, and our conditional VAE: layers, losses, use."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from facedial.changes import direction_step
from facedial.codes.attributes import NAMES
from facedial.data.store import Store
from facedial.editing.request import Edit
from facedial.editor import Editor
from facedial.errors import BadRequest
from facedial.faces.photo import Photo
from facedial.portrait import Portrait
from facedial.training import losses, publish, runs, start
from facedial.training.models import conditional, cvae, plain
from facedial.training.recipe import Recipe, RunContext, Terms, with_settings
from facedial.training.recipes import ae_bce, ae_mse, cvae_v9, cvae_v10
from facedial.training.recipes import cvae as cvae_recipe
from facedial.training.tasks import attribute_scores
from facedial.training.tasks import source_conditional as source
from facedial.training.tasks.classifier import even_logit

# (output channels, output side) of every convolution at 128 px, read off the sources.
LAYERS = {
    "mse": [
        (32, 128), (32, 128), (64, 64), (128, 64), (128, 64), (256, 32), (512, 32), (512, 32),
        (512, 16), (128, 16),
        (512, 16), (512, 32), (512, 32), (256, 32), (128, 64), (128, 64), (64, 64), (32, 128),
        (32, 128), (3, 128),
    ],
    "bce": [
        (32, 128), (64, 64), (128, 64), (256, 32), (512, 32), (512, 16), (256, 16), (128, 16),
        (64, 16),
        (128, 16), (256, 16), (512, 16), (512, 32), (256, 32), (128, 64), (64, 64), (32, 128),
        (3, 128),
    ],
}  # fmt: skip


def convolutions(network: nn.Module, *given: torch.Tensor) -> list[tuple[int, int]]:
    seen: list[tuple[int, int]] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.register_forward_hook(
                lambda _m, _g, out: seen.append((out.shape[1], out.shape[2]))
            )
    network(*given)
    return seen


@pytest.mark.parametrize(("kind", "millions"), [("mse", 81.29), ("bce", 82.33)])
def test_the_plain_autoencoders_have_the_layers_described(kind: str, millions: float) -> None:
    with torch.device("meta"):
        network = plain.Plain(plain.Config(kind=kind))
        assert convolutions(network, torch.rand(2, 3, 128, 128)) == LAYERS[kind]
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.005)


def test_the_conditional_vae_has_the_layers_described() -> None:
    with torch.device("meta"):
        network = conditional.Conditional(conditional.Config())
        seen = convolutions(
            network, torch.rand(2, 3, 128, 128), torch.rand(2, 32), torch.randn(2, 128)
        )
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(14.48, abs=0.005)
    assert seen[-1] == (3, 128)
    assert seen[0] == (64, 64)
    assert (512, 2) in seen
    assert len(conditional.FEATURES) == 32
    assert "Heavy_Makeup" not in conditional.FEATURES


@pytest.mark.parametrize("kind", plain.KINDS)
def test_plain_codes_and_pictures_lie_where_their_last_layers_put_them(kind: str) -> None:
    torch.manual_seed(0)
    network = plain.Plain(plain.Config(kind=kind, width=0.1, side=16, dimensions=24))
    x = torch.rand(4, 3, 16, 16)
    with torch.no_grad():
        codes, drawn, sure = network.encode(x), network(x), torch.sigmoid(network(x, True))
    assert codes.shape == (4, 24)
    assert drawn.shape == x.shape
    assert float(codes.min()) >= 0
    assert float(drawn.min()) >= 0
    if kind == "bce":
        assert float(codes.max()) <= 1
        assert_close(sure, drawn)


def shaken(network: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for parameter in network.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    return network


def small_cvae(side: int = 64) -> cvae.Cvae:
    network = cvae.Cvae(cvae.Config(latent=6, side=side, width=8, condition=16))
    small = cvae.ycc420(torch.rand(24, 3, side, side, generator=torch.Generator().manual_seed(1)))
    network.linear.fit(small, torch.rand(24, 40, generator=torch.Generator().manual_seed(2)))
    shaken(network)
    return network


def test_every_parameter_gets_gradient() -> None:
    x = torch.rand(4, 3, 64, 64)
    ours = small_cvae()
    given = (torch.randn(4, 6), torch.rand(4, 40), torch.rand(2, 40), torch.randn(4, 6))
    networks: list[tuple[nn.Module, tuple[torch.Tensor, ...]]] = [
        (shaken(plain.Plain(plain.Config(width=0.1, side=64, dimensions=8))), (x,)),
        (shaken(plain.Plain(plain.Config(kind="bce", width=0.1, side=64, dimensions=8))), (x,)),
        (
            shaken(conditional.Conditional(conditional.Config(latent=8, side=64))),
            (x, torch.rand(4, 32), torch.randn(4, 8)),
        ),
        (ours, given),
    ]
    for network, arguments in networks:
        output = network(*arguments)
        parts = output if isinstance(output, tuple) else (output,)
        sum(part.square().sum() for part in parts).backward()
        silent = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
        assert not silent, (type(network), silent)


def test_edited_faces_train_only_the_difference_from_the_reconstruction() -> None:
    """Their gradient is that of the difference: nothing where nothing changes, whatever is asked."""
    network = small_cvae()
    mean, own, noise = torch.randn(3, 6), torch.rand(3, 40), torch.zeros(3, 6)
    _, changed, _ = network(mean, own, own[:2], noise)
    changed.sum().backward()
    for name, parameter in network.drawing.named_parameters():
        # Rounding of sums over 2 x 12 x 32 x 32 numbers.
        assert parameter.grad is None or parameter.grad.abs().max() < 1e-3, name
    network.zero_grad()
    _, changed, _ = network(mean, own, 1 - own[:2], noise)
    changed.square().sum().backward()
    silent = [
        n for n, p in network.drawing.named_parameters() if p.grad is None or not p.grad.any()
    ]
    assert silent in ([], ["leave.bias"])  # a constant is always in common


def test_faces_of_mean_attributes_depend_on_the_shared_weights_alone() -> None:
    network = small_cvae().eval()
    usual = network.linear.usual.expand(2, 40)
    latent = torch.randn(2, 6)
    before = network.draw(latent, usual)
    with torch.no_grad():
        network.drawing.turn.normal_()
        network.drawing.wish.weight.normal_()
    assert_close(network.draw(latent, usual), before)
    assert not torch.allclose(network.draw(latent, usual + 0.1), before)


@pytest.mark.parametrize("side", cvae.SIDES)
def test_our_planes_are_an_orthonormal_change_of_coordinates(side: int) -> None:
    network = small_cvae(side)
    x = torch.rand(2, 3, side, side)
    assert_close(network.unpack(network.pack(x)), x)
    assert_close(network.pack(x).square().sum(), x.square().sum())


def test_what_our_vae_is_trained_on_is_what_it_draws() -> None:
    """Reconstructions and changed faces of the training step are those of `posterior` and `draw`."""
    network = small_cvae().eval()
    x, own, wanted = torch.rand(3, 3, 64, 64), torch.rand(3, 40), torch.rand(2, 40)
    noise = torch.randn(3, 6)
    with torch.no_grad():
        mean, log_variance = network.posterior(x, own)
        again, changed, found = network(mean, own, wanted, noise)
        latent = mean + (0.5 * log_variance).exp() * noise
        assert_close(found, log_variance)
        assert_close(network.unpack(again), network.draw(latent, own), atol=1e-5, rtol=1e-4)
        drawn = network.draw(latent[:2], wanted)
        assert_close(network.unpack(changed), drawn, atol=1e-5, rtol=1e-4)


def test_the_linear_part_is_the_best_there_is_given_attributes() -> None:
    """Codes are white and say nothing of the attributes; without a network, its range is exact."""
    torch.manual_seed(0)
    features = (torch.rand(200, 40) < 0.5).float()
    # Pictures of 3 hidden numbers and the attributes, flat in 8x8 cells so that shrinking loses nothing.
    mixing = torch.randn(43, 3 * 8 * 8) * 0.02
    flat = torch.cat([torch.randn(200, 3), features - 0.5], 1) @ mixing + 0.5
    x = F.interpolate(flat.reshape(200, 3, 8, 8), scale_factor=8, mode="nearest")
    linear = cvae.Linear(3, 64)
    linear.fit(cvae.ycc420(x), features)
    codes = linear.encode(x, features)
    assert_close(codes.mean(0), torch.zeros(3), atol=1e-3, rtol=0)
    assert_close(codes.T @ codes / 200, torch.eye(3), atol=2e-3, rtol=0)
    y = features - features.mean(0)
    assert (y.T @ codes / 200).abs().max() < 0.01
    small = cvae.ycc420(linear.base(codes, features))
    # Chroma is enlarged by bicubic and shrunk again, so cells bleed a little into each other.
    assert (small - cvae.ycc420(x)).square().mean() < 0.02 * cvae.ycc420(x).var(0).mean()


@given(st.floats(-3, 3), st.floats(-3, 3))
def test_the_divergence_is_that_of_two_normals(mean: float, log_variance: float) -> None:
    m, v = torch.tensor(mean, dtype=torch.float64), torch.tensor(log_variance, dtype=torch.float64)
    found = losses.normal_divergence(m, v)
    normal = torch.distributions.Normal
    closed = torch.distributions.kl_divergence(normal(m, (v / 2).exp()), normal(0.0, 1.0))
    assert float(found) == pytest.approx(float(closed), abs=1e-6)
    assert float(found) >= -1e-12
    # And by integration, which knows neither formula.
    x = torch.linspace(-30, 30, 200_001, dtype=torch.float64)
    q, p = normal(m, (v / 2).exp()), normal(0.0, 1.0)
    integral = torch.trapezoid(q.log_prob(x).exp() * (q.log_prob(x) - p.log_prob(x)), x)
    assert float(found) == pytest.approx(float(integral), abs=1e-5)
    nothing = torch.zeros((), dtype=torch.float64)
    assert float(losses.normal_divergence(nothing, nothing)) == 0
    assert float(losses.normal_divergence(nothing + 1, nothing)) == 0.5


def test_losses_have_the_gradients_of_finite_differences() -> None:
    torch.manual_seed(0)
    target = torch.rand(2, 3, dtype=torch.float64)
    logits = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: losses.binary(x, target), (logits,))
    assert torch.autograd.gradcheck(lambda x: losses.calibrated(x, target), (logits,))
    mean = torch.randn(4, dtype=torch.float64, requires_grad=True)
    log_variance = torch.randn(4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(losses.normal_divergence, (mean, log_variance))


def test_cross_entropy_and_calibrated_error_are_their_equations() -> None:
    target, logits = torch.rand(2, 3), torch.randn(2, 3)
    p = torch.sigmoid(logits)
    wanted = -(target * p.log() + (1 - target) * (1 - p).log()).sum()
    assert_close(losses.binary(logits, target), wanted)
    # The best variance of a normal is the mean square; its likelihood there, without the constant.
    error = (logits - target).square().mean()
    normal = torch.distributions.Normal(target, error.sqrt())
    constant = 0.5 * 6 * (1 + math.log(2 * math.pi))
    nats = -normal.log_prob(logits).sum() - constant
    assert_close(2 * losses.calibrated(logits, target), nats)


def test_the_sources_sums_are_as_they_are_written() -> None:
    raw = {
        "bce": torch.tensor(800.0),
        "mse": torch.tensor(24.0),
        "kl": torch.tensor(10.0),
        "perceptual": torch.tensor(2.0),
    }
    faithful = source.Settings(faithful=True, rec_alpha=0.25, kl_beta=2.0, perceptual_lambda=3.0)
    v9 = source.weighted(dict(raw), "v9", faithful, 0.5, 12)
    assert float(v9.total) == pytest.approx(800 + 24 / 12 + 0.5 * 10 + 2)
    v10 = source.weighted(dict(raw), "v10", faithful, 0.5, 12)
    assert float(v10.total) == pytest.approx(0.25 * 800 + 0.75 * 24 + 0.5 * 2 * 10 + 3 * 2)
    simple = source.weighted(dict(raw), "simple", faithful, 0.5, 12)
    assert float(simple.total) == pytest.approx(24 + 0.5 * 10)
    balanced = source.weighted(dict(raw), "v9", source.Settings(), 0.5, 12).weighted
    assert float(balanced["mse"]) == pytest.approx(source.BALANCED["mse"] * 24 / 12)
    assert float(balanced["bce"]) == pytest.approx(800 / 12)
    assert float(balanced["perceptual"]) == pytest.approx(source.BALANCED["perceptual"] * 2)
    scored = source.weighted(
        {**raw, "classification": torch.tensor(0.5)},
        "v10",
        source.Settings(classification=0.4),
        1,
        12,
    )
    assert float(scored.weighted["classification"]) == pytest.approx(0.2)
    with pytest.raises(BadRequest, match="classification"):
        source.Settings(classification=0.4, faithful=True)


def test_faces_with_other_features_follow_the_reconstructions_and_do_not_train_the_encoder() -> (
    None
):
    network = shaken(
        conditional.Conditional(conditional.Config(latent=8, side=64, feature_scale=4.0))
    )
    x, own, noise = torch.rand(4, 3, 64, 64), torch.rand(4, 32), torch.randn(4, 8)
    network.eval()
    with torch.no_grad():
        plain_logits, _, _ = network(x, own, noise)
        both, _, _ = network(x, own, noise, own)
    assert_close(both[:4], plain_logits)
    assert_close(both[4:6], plain_logits[:2])  # the same features, the same codes
    assert_close(both[6:], network.logits(noise[2:], own[2:]).detach())
    # Not in training mode, in which all pictures share the statistics of the batch norms.
    logits, _, _ = network(x, own, noise, 1 - own)
    logits[4:].square().sum().backward()
    assert network.mean.weight.grad is None or not network.mean.weight.grad.any()
    assert network.enter[0].weight.grad.any()


def test_attributes_are_scored_at_a_prior_of_one_half() -> None:
    mean = np.array([0.5, 0.05], np.float32)
    names = ("Smiling", "Eyeglasses")
    scores = attribute_scores.AttributeScores(mean, torch.device("cpu"), names)
    faces = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        apart = scores.balanced(faces) - scores.as_trained(faces)
    assert_close(apart, -torch.logit(torch.tensor([[0.5, 0.05]])).expand(2, 2))
    logits = torch.tensor([[4.0, -4.0]])
    right, wrong = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    everywhere = torch.ones(1, 2, dtype=torch.bool)
    low, high = (float(attribute_scores.loss(logits, t, everywhere)) for t in (right, wrong))
    assert low < 0.1 < 3 < high
    assert float(attribute_scores.loss(logits, torch.full((1, 2), 0.5), everywhere)) == 0


def context(store: Path, run: Path) -> RunContext:
    return RunContext(stores=[Store.open(store)], run=run, device=torch.device("cpu"))


def test_a_faithful_run_freezes_its_batch_norms_after_an_epoch(store: Path, tmp_path: Path) -> None:
    for faithful in ("false", "true"):
        settings = with_settings(
            ae_mse.RECIPE.settings,
            ["width=0.05", "side=32", "dimensions=8", "optim.batch=8", f"faithful={faithful}"],
        )
        task = ae_mse.RECIPE.start(context(store, tmp_path), settings)
        assert task is not None
        norm = next(m for m in task.network.modules() if isinstance(m, nn.BatchNorm2d))
        task.loss(task.network, 8, seed=0, step=0)
        before = norm.running_mean.clone()  # type: ignore[union-attr]
        task.loss(task.network, 8, seed=1, step=task.optim.eval_every)
        assert torch.equal(before, norm.running_mean) is (faithful == "true")  # type: ignore[arg-type]


def test_noise_in_training_is_normal(labelled_store: Path, tmp_path: Path) -> None:
    """The source drew it uniformly from 0..1."""
    settings = with_settings(cvae_v10.RECIPE.settings, ["side=64", "features=none", "val_images=4"])
    task = cvae_v10.RECIPE.start(context(labelled_store, tmp_path), settings)
    assert task is not None
    noises = []

    class Spy(nn.Module):
        def forward(self, x: torch.Tensor, own: torch.Tensor, noise: torch.Tensor) -> object:
            noises.append(noise)
            return task.network(x, own, noise)

    task.loss(Spy(), 32, seed=0, step=0)
    assert float(noises[0].mean()) == pytest.approx(0, abs=0.1)
    assert float(noises[0].std()) == pytest.approx(1, abs=0.1)


def test_vgg_must_be_at_hand_unless_another_is_named(
    labelled_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    settings = with_settings(cvae_v9.RECIPE.settings, ["side=64", "val_images=4"])
    with pytest.raises(BadRequest, match="vgg16-397923af"):
        cvae_v9.RECIPE.start(context(labelled_store, tmp_path), settings)


@pytest.mark.parametrize("recipe", [ae_mse.RECIPE, ae_bce.RECIPE, cvae_v9.RECIPE])
def test_eight_faces_are_overfitted(recipe: Recipe, labelled_store: Path, tmp_path: Path) -> None:
    plainly = hasattr(recipe.settings, "width")
    given, steps = (
        (["width=0.15", "side=32"], 40) if plainly else (["features=none", "side=64"], 15)
    )
    settings = with_settings(recipe.settings, [*given, "val_images=4", "optim.batch=8"])
    task = recipe.start(context(labelled_store, tmp_path), settings)
    assert task is not None
    crops = task.crops if plainly else task.people.crops  # type: ignore[attr-defined]
    crops.rows = crops.rows[:8]
    optimiser = torch.optim.Adam(task.network.parameters(), lr=1e-3)
    first: list[float] = []
    for step in range(steps):
        found = task.loss(task.network, 8, seed=step, step=0)
        loss = found.total if isinstance(found, Terms) else found
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        first.append(float(loss.detach()))
    # Cross-entropy has a floor: the entropy of the pictures themselves.
    seen = torch.from_numpy(crops.read(np.arange(8))).double() / 255
    entropy = torch.special.entr(seen) + torch.special.entr(1 - seen)
    floor = 0.0 if recipe is ae_mse.RECIPE else float(entropy.mean())
    assert first[-1] - floor < 0.6 * (first[0] - floor), first


STEPS = 16  # fewer leave the batch norms of ae-mse so far off that codes are the same for all faces
TINY = {
    "ae-mse": ("width=0.05", "side=32", "dimensions=12", "val_images=4", "optim.batch=8"),
    "ae-bce": (
        "width=0.15", "side=32", "dimensions=12", "val_images=4", "optim.batch=8", "optim.lr=1e-2",
    ),
    "cvae-v10": ("latent=6", "side=64", "features=none", "val_images=4", "optim.batch=8"),
    "cvae": (
        "model.latent=6", "model.side=64", "model.width=8", "model.condition=16", "val_images=4",
        "optim.batch=8",
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=sorted(TINY))
def bundle(
    request: pytest.FixtureRequest, labelled_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    run = tmp_path_factory.mktemp("source") / request.param
    start.run(
        start.RunConfig(
            recipe=request.param,
            stores=(labelled_store,),
            run=run,
            steps=STEPS,
            assignments=TINY[request.param],
            precision="32-true",
        )
    )
    publish.publish([run], run / "bundle")
    return run / "bundle"


def test_a_source_model_is_a_model_like_any_other(bundle: Path, drawn: np.ndarray) -> None:
    """Faces are drawn, photos encoded, edited and drawn again; without landmarks of its own."""
    with Editor.open(bundle) as editor:
        side = editor.model.side
        crops = drawn[:3].reshape(3, side, 128 // side, side, 128 // side, 3).mean((2, 4))
        crops = np.rint(crops).astype(np.uint8)
        codes = editor.encode(crops)
        again = editor.encode(crops)
        assert all(np.array_equal(a.values, b.values) for a, b in zip(codes, again, strict=True))
        assert editor.decode(codes).shape == crops.shape
        faces = editor.generate(3, seed=1, targets={"Smiling": 1})
        assert editor.decode(faces).shape == crops.shape
        assert np.array_equal(
            faces[0].values, editor.generate(1, seed=1, targets={"Smiling": 1})[0].values
        )
        moved = codes[0].moved(
            direction_step(editor.model, codes[0], Edit(shifts={"Smiling": 1.0}))
        )
        change = editor.model.directions.readings(moved)["Smiling"]
        change -= editor.model.directions.readings(codes[0])["Smiling"]
        own = editor.model.directions.sd[editor.model.directions.index("Smiling")]
        assert change == pytest.approx(own, rel=1e-3)
        assert editor.model.bundle.costs("autoencoder-decode") is not None


def test_codes_of_a_conditional_vae_end_in_the_attributes(bundle: Path, drawn: np.ndarray) -> None:
    with Editor.open(bundle) as editor:
        if not editor.model.needs_attributes:
            pytest.skip("a plain autoencoder")
        (part,) = editor.model.bundle.facts["parts"].values()
        latent, names = part["latent"], part["attributes"]
        crops = drawn[:2, ::2, ::2]
        own = np.random.default_rng(0).random((2, 40)).astype(np.float32)
        codes = editor.model.encode(np.ascontiguousarray(crops), own)
        columns = [NAMES.index(name) for name in names]
        np.testing.assert_allclose(codes[:, latent:], own[:, columns], atol=1e-6)
        code = editor.encode(np.ascontiguousarray(crops), own)[0]
        moved = code.moved(direction_step(editor.model, code, Edit({"Smiling": 1.0})))
        # What the encoder was told is what the picture has, never what is wished.
        assert np.array_equal(moved.values[:latent], code.values[:latent])
        changed = np.flatnonzero(moved.values != code.values)
        assert changed.tolist() == [latent + names.index("Smiling")]


def test_uniform_codes_are_the_models_own(bundle: Path) -> None:
    """U[0, 1) in the numbers that the source's network makes, not in whitened ones."""
    with Editor.open(bundle) as editor:
        if editor.model.needs_attributes:
            pytest.skip("a conditional VAE")
        codes = editor.generate(400, seed=0, prior="uniform")
        white = np.stack([code.values for code in codes])
        with np.load(bundle / "raw.npz") as raw:
            own = white @ np.linalg.inv(raw["forth"].astype(np.float64)) + raw["mean"]
        assert own.min() > -0.01
        assert own.max() < 1.01
        assert own.mean() == pytest.approx(0.5, abs=0.02)
        assert own.std() == pytest.approx(1 / math.sqrt(12), abs=0.01)


@pytest.mark.usefixtures("quick_export")
def test_a_model_of_whole_pictures_needs_no_face(
    labelled_store: Path, drawn: np.ndarray, tmp_path: Path
) -> None:
    """Its crop is a set part of the photo; the change is pasted back there."""
    import json

    store = tmp_path / "store"
    import shutil

    shutil.copytree(labelled_store, store)
    facts = json.loads((store / "store.json").read_text())
    (store / "store.json").write_text(json.dumps({**facts, "frame": "center150"}))
    run = tmp_path / "run"
    start.run(
        start.RunConfig(
            recipe="ae-mse",
            stores=(store,),
            run=run,
            steps=STEPS,
            assignments=TINY["ae-mse"],
            precision="32-true",
        )
    )
    publish.publish([run], run / "bundle")
    photo = Photo(
        np.ascontiguousarray(np.pad(drawn[0], ((40, 40), (60, 60), (0, 0)))), "photo", None
    )
    with Editor.open(run / "bundle") as editor:
        assert editor.model.frame == "center150"
        (portrait,) = editor.portraits(photo)
        assert isinstance(portrait, Portrait)
        assert portrait.face is None
        edited = editor.render(portrait, {"Smiling": 1.0})
        assert edited.pixels.shape == photo.pixels.shape
        middle = np.abs(edited.pixels.astype(int) - photo.pixels).sum(2)
        assert middle[:30].sum() == 0


def test_settings_of_the_sources_are_checked() -> None:
    with pytest.raises(BadRequest, match="rec_alpha must lie in"):
        with_settings(cvae_v10.RECIPE.settings, ["rec_alpha=2.0"])
    with pytest.raises(BadRequest, match="reconstruction must be one of mse, bce"):
        with_settings(cvae_v10.RECIPE.settings, ['reconstruction="l1"'])
    with pytest.raises(BadRequest, match="edited_fraction must lie in"):
        with_settings(cvae_recipe.RECIPE.settings, ["edited_fraction=1.5"])


def test_targets_invert_all_attributes_alike_and_have_one_hair_colour() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random((6000, len(NAMES))) < 0.1).astype(np.float32)
    labels[:, 3] = 0.5
    wanted, turned = (part.numpy() for part in attribute_scores.targets(labels, rng))
    assert np.array_equal(turned, wanted != np.where(labels == 0.5, 0.5, labels))
    hair = [NAMES.index(name) for name in attribute_scores.HAIR]
    others = [k for k in range(len(NAMES)) if k not in hair]
    share = turned[:, others].mean(0)
    assert share == pytest.approx(np.full(len(others), 2 / len(NAMES)), abs=0.01)
    came = (turned[:, hair] & (wanted[:, hair] == 1)).any(1)
    assert came.sum() > 500
    assert (wanted[came][:, hair] == 1).sum(1).tolist() == [1] * int(came.sum())
    assert turned.any(1).mean() > 0.99


def test_adversarial_perturbations_raise_the_loss_within_their_radius(
    store: Path, tmp_path: Path
) -> None:
    recipe = runs.recipe_named("classifier")
    settings = with_settings(
        recipe.settings, ["adversarial_radius=1.5", "val_images=8", "optim.batch=4"]
    )
    task = recipe.start(context(store, tmp_path), settings)
    assert task is not None
    whole = torch.rand(4, 3, 128, 128)
    labels = torch.randint(0, 2, (4, 40)).float()
    # In evaluation mode batch norms do not mix pictures; the attack sees it so too.
    attacked = task._perturbed(whole, labels)  # type: ignore[attr-defined]
    network = task.network.eval()
    with torch.no_grad():
        before = losses.masked_binary(network(whole), labels)
        after = losses.masked_binary(network(attacked), labels)
    assert float(after) > float(before)
    moved = (attacked - whole).square().sum((1, 2, 3)).sqrt()
    assert float(moved.max()) <= 1.5 + 1e-4
    assert float(moved.min()) > 0.5
    with pytest.raises(BadRequest, match="adversarial_radius must be 0 or more"):
        with_settings(recipe.settings, ["adversarial_radius=-1.0"])


def test_the_even_logit_has_equal_sensitivity_and_specificity() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(5000) < 0.05
    logits = (rng.standard_normal(5000) + 2 * truth - 3).astype(np.float32)
    even = even_logit(logits, truth)
    assert even == pytest.approx(-2, abs=0.15)  # half way between -3 and -1
    assert (logits[truth] > even).mean() == pytest.approx((logits[~truth] <= even).mean(), abs=0.01)


def test_a_bundle_does_not_say_where_files_lay() -> None:
    given = {"features_file": "/somewhere/else/vgg16.pth", "rate": 1e-3, "model": {"kind": "mse"}}
    assert publish._without_folders(given) == {**given, "features_file": "vgg16.pth"}
