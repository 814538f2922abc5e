"""The detail network: identity at first, nothing outside the region, what it learns from, what ships."""

import dataclasses
import json
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from facedial.data.prepare import prepare
from facedial.data.sources import open_source
from facedial.data.store import Store
from facedial.editor import Editor
from facedial.errors import BadRequest, BadRun, BadStore
from facedial.faces.crop import align
from facedial.faces.photo import Photo
from facedial.model import Model
from facedial.training import composites, decoded_crops, edited_crops, publish, start, tensors
from facedial.training.composites import EDIT_REGIONS, Draws, parsed_region
from facedial.training.models.detail import Config, DetailNetwork, DetailTraining, Restore
from facedial.training.models.discriminators import Discriminators, feature_distance
from facedial.training.recipe import RunContext, from_json
from facedial.training.recipes.detail import SIDE, Settings, Task

from .test_parser import drawn, encoded
from .test_perceptual import keras_file
from .tiny import bare_bundle, order

PEOPLE = {"train": 5, "val": 2}
SMALL = Config(levels=((8, 0, 1), (8, 1, 0)))
OUTSIDE = 20  # columns at the left of every crop that its photo does not have


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of drawn heads of 256 px."""
    folder = tmp_path_factory.mktemp("heads")
    rows: dict[str, list[object]] = {}
    for i, split in enumerate(s for s, count in PEOPLE.items() for _ in range(count)):
        own = {"name": f"{i}.png", "person": str(i), "split": split, "webp": encoded(drawn(i)[0])}
        place = {"to_crop": [1.0, 0.0, OUTSIDE, 0.0, 1.0, 0.0], "width": SIDE - OUTSIDE}
        for name, value in {**own, **place, "height": SIDE}.items():
            rows.setdefault(name, []).append(value)
    pq.write_table(pa.table(rows), folder / "heads.parquet")
    prepare(open_source([folder / "heads.parquet"]), folder / "store", size=SIDE, processes=1)
    return folder / "store"


@pytest.fixture(scope="module")
def kept(heads: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Settings of a small run: folder of the decoded faces, random features, small network."""
    folder = tmp_path_factory.mktemp("kept")
    keras_file(folder / "squeezenet.h5")
    with closing(Model.open()) as model:
        for split in PEOPLE:
            decoded_crops.decoded(Store.open(heads), split, 100, folder / "decoded", model)
    return (
        "model.levels=[[8, 0, 1], [8, 1, 0]]",
        "optim.batch=2",
        "warmup_steps=1",
        f"decoded={folder / 'decoded'}",
        f"features_file={folder / 'squeezenet.h5'}",
    )


def task(heads: Path, kept: tuple[str, ...], run: Path) -> Task:
    paths = dict(one.split("=") for one in kept[3:])
    settings = Settings(model=SMALL, **paths)  # type: ignore[arg-type]
    context = RunContext(stores=[Store.open(heads)], run=run, device=torch.device("cpu"))
    return Task(settings, context)


def stirred(network: torch.nn.Module) -> torch.nn.Module:
    """With random weights in place of those initialised at zero."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(0.1 * torch.randn(weight.shape, generator=generator))
    return network


def inputs(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    composites = torch.rand(count, 3, SIDE, SIDE, generator=generator)
    regions = torch.zeros(count, 1, SIDE, SIDE)
    regions[:, :, 70:190, 50:200] = 1
    regions[:, :, 60:70, 50:200] = 0.5
    return composites, regions, torch.randn(count, 8, SIDE // 4, SIDE // 4, generator=generator)


def test_it_starts_as_the_identity():
    composites, regions, noise = inputs(2)
    assert torch.equal(DetailNetwork(Config())(composites, regions, noise), composites)


def test_nothing_changes_outside_the_region_and_noise_decides_the_rest():
    network = stirred(DetailNetwork(SMALL))
    composites, regions, noise = inputs(2)
    outside = (regions == 0).expand_as(composites)
    with torch.no_grad():
        first, again = (network(composites, regions, noise) for _ in range(2))
        other = network(composites, regions, noise.flip(0))
        half, whole = (network.residual(composites, r, noise) for r in (regions, regions))
        pixels = (255 * composites).byte().permute(0, 2, 3, 1)
        shipped = Restore(network)(pixels, regions[:, 0], noise)
    assert torch.equal(first[outside], composites[outside])
    assert torch.equal(first, again) and torch.equal(half, whole)
    assert float((first - other)[~outside].abs().mean()) > 1e-4
    assert float((first - composites)[~outside].abs().mean()) > 1e-3
    places = (regions == 0)[:, 0]
    assert torch.equal(shipped[places], pixels[places].float())
    assert float(shipped.min()) >= 0 and float(shipped.max()) <= 255
    # The whole residual where the region is 1, half of it where it is one half.
    torch.testing.assert_close(
        (first - composites)[:, :, 60:70, 50:200], 0.5 * half[:, :, 60:70, 50:200]
    )


def test_terms_are_what_their_names_say_and_gradients_are_separate():
    torch.manual_seed(0)
    discriminators = Discriminators([3], [0.5])
    training = DetailTraining(DetailNetwork(SMALL), discriminators)
    composites, regions, noise = inputs(2)
    photos = composites.clone()
    photos[:, :, 80:112, 64:96] += 0.25  # 32 x 32 of 256 x 256 pixels
    seen = lambda pictures: [pictures[:, :, ::2, ::2]]  # noqa: E731
    terms = training(composites, regions, noise, photos, seen)
    share = (32 / SIDE) ** 2
    assert float(terms["absolute"].detach()) == pytest.approx(0.25 * share, rel=1e-4)
    # Mean square 0.25^2 in that share of the map, over the square of the scale.
    assert float(terms["perceptual"].detach()) == pytest.approx(share * 0.25**2 / 0.25, rel=1e-4)
    same = training(composites, regions, noise, composites, seen)
    assert float(same["absolute"].detach()) == 0 == float(same["perceptual"].detach())
    maps, targets = [torch.ones(1, 2, 4, 4)], [torch.zeros(1, 2, 4, 4)]
    assert float(feature_distance(maps, targets, torch.tensor([2.0]))) == 0.25
    stirred(training.detail)
    for term, learner, other in (
        ("g_loss", training.detail, discriminators),
        ("d_loss", discriminators, training.detail),
    ):
        training.zero_grad()
        training(composites, regions, noise, photos, seen)[term].backward()
        assert any(p.grad is not None and p.grad.abs().max() > 0 for p in learner.parameters())
        assert all(p.grad is None or p.grad.abs().max() == 0 for p in other.parameters())


def test_edits_are_judged_alone_and_keep_their_coarse_picture():
    torch.manual_seed(0)
    training = DetailTraining(DetailNetwork(SMALL), Discriminators([3], [0.5]))
    composites, regions, noise = inputs(2)
    seen = lambda pictures: [pictures[:, :, ::2, ::2]]  # noqa: E731
    plain = training(composites, regions, noise, composites, seen)
    edits = (composites.flip(3), regions.flip(3), noise)
    both = training(composites, regions, noise, composites, seen, edits)
    assert float(both["kept"].detach()) == 0 == float(both["absolute"].detach())
    assert float(both["g_loss"].detach()) != float(plain["g_loss"].detach())
    stirred(training.detail)
    moved = training(composites, regions, noise, composites, seen, edits)
    alone = training(composites, regions, noise, composites, seen)
    for term in ("absolute", "perceptual"):  # of what has a photo to be restored
        assert float(moved[term].detach()) == pytest.approx(float(alone[term].detach()), rel=1e-5)
    assert float(moved["kept"].detach()) > 0 == float(alone["kept"].detach())
    moved["kept"].backward()
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in training.detail.parameters())


def test_an_edit_is_what_the_network_meets_in_use(astronaut: Path):
    """The picture that is composed before detail is drawn, and where it is to be drawn."""
    with Editor.open() as editor:
        photo = Photo.open(astronaut)
        (face,) = editor.faces(photo)
        crop = align(photo, face, "head", SIDE).pixels
        known = np.ones((SIDE, SIDE), bool)
        known[:, :OUTSIDE] = False
        store = SimpleNamespace(pixels=[crop], size=SIDE, known=lambda row: known)
        found = edited_crops.composite(editor, store, 0, "Bangs")  # type: ignore[arg-type]
        # Glasses are put on at the photo's own size: nothing is drawn.
        nothing = edited_crops.composite(editor, store, 0, "Eyeglasses")  # type: ignore[arg-type]
    assert found is not None and nothing is None
    pixels, region = found[..., :3].astype(int), found[..., 3]
    assert region.max() > 100 and not region[:, :OUTSIDE].any()
    changed = np.abs(pixels - crop).max(2)
    assert changed[region > 100].mean() > 5


def test_edits_are_made_once_and_resumed(
    heads: Path, kept: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []

    def drawn_edit(_: Editor, own: Store, row: int, name: str) -> np.ndarray | None:
        asked.append(name)
        if len(asked) % 3 == 0:
            return None  # hardly anything is drawn: another crop is tried
        region = np.full((SIDE, SIDE, 1), 255, np.uint8)
        return np.concatenate([own.pixels[row], region], 2)

    monkeypatch.setattr(edited_crops, "composite", drawn_edit)
    store = Store.open(heads)
    first = edited_crops.edited([store], "train", 2, tmp_path / "e", None)
    more = edited_crops.edited([store], "train", 4, tmp_path / "e", None)
    count = len(asked)
    again = edited_crops.edited([store, store], "train", 4, tmp_path / "e", None)
    assert (len(first), len(more), len(again)) == (2, 4, 8) and len(asked) == count
    pixels, regions = again.at(np.array([1, 5]))
    assert np.array_equal(pixels[0], pixels[1]) and regions.min() == 255
    assert np.array_equal(first.at(np.array([1]))[0], pixels[:1])
    run = tmp_path / "run"
    given = (*kept, "edits=2", f"edits_from={tmp_path / 'e'}")
    start.run(order(heads, run, recipe="detail", assignments=given, steps=1))
    (line,) = (json.loads(text) for text in (run / "log.jsonl").read_text().splitlines()[:1])
    assert line["terms"]["kept"] == 0  # the identity at first
    with pytest.raises(BadRequest, match="a share between 0 and 1"):
        Settings(edited=1.0)


def test_a_batch_replaces_a_region_of_known_pixels(
    heads: Path, kept: tuple[str, ...], tmp_path: Path
):
    own = task(heads, kept, tmp_path)
    chosen, from_code = np.arange(3), np.array([True, False, False])
    whole = Draws(whole=1.0, blurred=0.0)
    made = [
        composites.drawn(whole, own.train, chosen, from_code, rng, own.device, mirrored=0)
        for rng in (np.random.default_rng(5), np.random.default_rng(5))
    ]
    for name in ("composites", "regions", "noise", "photos"):
        assert torch.equal(*(getattr(one, name) for one in made))
    given = made[0]
    # Everything is replaced, but for the pixels that the photo does not have.
    assert given.regions[..., :OUTSIDE].max() == 0 and given.regions[..., OUTSIDE:].min() == 1
    shown = (255 * given.composites).round().byte().permute(0, 2, 3, 1).numpy()
    photos = own.train.pixels(chosen)
    assert np.array_equal(shown[:, :, :OUTSIDE], photos[:, :, :OUTSIDE])
    # As in use: Pillow's enlargement of the decoded face, of the shrunk photo.
    sources = [own.train.faces(chosen)[0]]
    sources += [
        np.rint(photos[i].reshape(128, 2, 128, 2, 3).mean((1, 3))).astype(np.uint8) for i in (1, 2)
    ]
    for picture, source in zip(shown, sources, strict=True):
        large = Image.fromarray(source).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        off = np.abs(picture.astype(int) - np.asarray(large))[:, OUTSIDE:]
        assert off.mean() < 0.5 and off.max() <= 3  # Pillow rounds between rows and columns
    # Any other region, mirrored or not, leaves the rest as it was.
    rng, every = np.random.default_rng(1), np.ones(5, bool)
    given = composites.drawn(Draws(whole=0), own.train, np.arange(5), every, rng, own.device)
    outside = (given.regions == 0).expand_as(given.photos)
    assert 0.2 < float(given.regions.mean()) < 0.8 and outside.any()
    torch.testing.assert_close(given.composites[outside], given.photos[outside], atol=1e-6, rtol=0)


def test_regions_of_a_parse_are_those_of_edits():
    classes = np.zeros((128, 128), np.uint8)
    classes[30:110, 30:100] = 1  # skin
    classes[10:30, 30:100] = 10  # hair
    found = [parsed_region(classes, np.random.default_rng(i)) for i in range(40)]
    there = [one for one in found if one is not None]
    assert len(there) > 10 and all(one.shape == (SIDE, SIDE) for one in there)
    assert all(one.min() >= 0 and one.max() <= 1 for one in there)
    # None of what edits may change is in an empty picture, but where background may be drawn over.
    empty = np.zeros((128, 128), np.uint8)
    assert all(parsed_region(empty, np.random.default_rng(i)) is None for i in range(40))
    assert len(EDIT_REGIONS) == len(set(EDIT_REGIONS)) > 10


def test_at_the_start_it_is_as_good_as_an_enlargement(
    heads: Path, kept: tuple[str, ...], tmp_path: Path
):
    own = task(heads, kept, tmp_path)
    scores = own.scores(own.network)
    assert next(iter(scores)) == "score"
    for name in ("feature_ratio", "feature_ratio_decoded"):
        assert scores[name] == pytest.approx(1, abs=1e-5)
    assert scores["score"] == pytest.approx(-1, abs=1e-5)
    assert scores["psnr"] == pytest.approx(scores["psnr_enlarged"], abs=1e-4)
    assert 0 < scores["sharpness"] < 1
    assert scores == own.scores(own.network)  # the same regions and noise
    shown = own.sheet(own.network)
    assert shown.shape == (5 * SIDE, PEOPLE["val"] * SIDE, 3)
    assert np.array_equal(shown[SIDE : 2 * SIDE], shown[2 * SIDE : 3 * SIDE])
    weights = own.loss(own.network, 2, seed=0, step=0).weights
    assert weights["g_loss"] == 0 < own.loss(own.network, 2, seed=0, step=200).weights["g_loss"]


def brightness_as_class(_: Model, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """In place of a parser: logits [N, 12, S, S] of a class by the brightness of each pixel."""
    own = crops.mean(3) // 22
    return np.stack([-np.abs(own - k) for k in range(12)], 1), np.zeros(own.shape)


def test_decoded_faces_are_made_once_and_resumed(
    heads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Model, "has_parser", True)
    monkeypatch.setattr(Model, "parse", brightness_as_class)
    store = Store.open(heads)
    with closing(Model.open()) as model:
        whole = decoded_crops.decoded(store, "train", 5, tmp_path / "a", model)
        decoded_crops.decoded(store, "train", 2, tmp_path / "b", model)
        (path,) = (tmp_path / "b").glob("*/faces.u8")
        path.write_bytes(path.read_bytes() + b"half a face")
        resumed = decoded_crops.decoded(store, "train", 5, tmp_path / "b", model)
        assert whole.faces.shape == (5, 128, 128, 3) and len(whole) == 5
        assert np.array_equal(whole.faces, resumed.faces)
        assert whole.classes is not None and resumed.classes is not None
        assert np.array_equal(whole.classes, resumed.classes)
        shown = store.pixels[whole.rows][:, ::2, ::2].mean(3) // 22
        assert np.array_equal(whole.classes, shown)
        assert not np.array_equal(whole.faces[0], whole.faces[1])
        about = path.parent / decoded_crops.ABOUT
        about.write_text(json.dumps({**json.loads(about.read_text()), "space": "fd1-another"}))
        with pytest.raises(BadRun, match="another model"):
            decoded_crops.decoded(store, "train", 5, tmp_path / "b", model)


def test_it_is_trained_resumed_exported_and_used(
    heads: Path, kept: tuple[str, ...], tmp_path: Path
):
    run, out = tmp_path / "detail", tmp_path / "bundle"
    given = {"recipe": "detail", "assignments": (*kept, "optim.ema_steps=1", "optim.lr=0.01")}
    start.run(order(heads, run, steps=1, **given))
    start.run(order(heads, run, steps=2, **given))
    logged = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in logged if "terms" in line] == [1, 2]
    assert (run / "sheet.png").exists()
    bare_bundle(out)
    publish.publish([run], out)
    with closing(Model.open(out)) as model:
        assert model.has_detail and model.bundle.prove()["detail"] < 2e-3
        assert (out / "detail-golden.npz").stat().st_size < 200_000
        assert "feature_ratio" in model.facts("detail")["scores"]
        network = DetailNetwork(SMALL)
        state, _ = tensors.load(run / "best.safetensors")
        own = {k.removeprefix("detail."): v for k, v in state.items() if k.startswith("detail.")}
        network.load_state_dict(own)
        composites, regions, noise = inputs(3)
        pixels = (255 * composites).byte().permute(0, 2, 3, 1)
        found = model.detail(pixels.numpy(), regions[:, 0].numpy(), noise.numpy())
        with torch.no_grad():
            wanted = Restore(network)(pixels, regions[:, 0], noise).numpy()
        assert found.shape == (3, SIDE, SIDE, 3) and found.dtype == np.float32
        assert np.abs(found - wanted).max() < 2  # 8 bits a weight
        outside = regions[:, 0].numpy() == 0
        assert np.array_equal(found[outside], pixels.numpy()[outside].astype(np.float32))
        alone = model.detail(pixels.numpy()[:1], regions[:1, 0].numpy(), noise.numpy()[:1])
        np.testing.assert_allclose(alone, found[:1], atol=1e-3)
    more = tmp_path / "more"
    start.run(order(heads, more, steps=1, init=out, **given))


def test_settings_of_earlier_runs_are_read_with_defaults():
    stated = dataclasses.asdict(Settings(g_loss=0.1))
    del stated["draws"]
    assert from_json(Settings(), stated) == Settings(g_loss=0.1)


def test_other_crops_and_settings_are_refused(
    store: Path, heads: Path, kept: tuple[str, ...], tmp_path: Path
):
    with pytest.raises(BadStore, match="256-px crops of head: prepare it again"):
        start.run(order(store, tmp_path / "r", recipe="detail", assignments=kept, steps=1))
    with pytest.raises(BadRequest, match=r"shares in 0\.\.1"):
        Draws(decoded=1.5)
    with pytest.raises(BadRequest, match="weights"):
        Settings(g_loss=-1)
    with pytest.raises(BadRequest, match="at least 1"):
        Settings(train_images=0)
    with pytest.raises(BadRequest, match="levels"):
        Config(levels=((8, 1),))  # type: ignore[arg-type]
    with pytest.raises(BadRequest, match="features_file"):
        start.run(order(heads, tmp_path / "f", recipe="detail", assignments=kept[:4], steps=1))
