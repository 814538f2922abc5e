"""The identity network: its losses, what it looks at, and that what ships is what was trained."""

import math
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from facedial.data.prepare import prepare
from facedial.data.sources import open_source
from facedial.data.store import Store
from facedial.errors import BadRequest, BadStore
from facedial.faces.crop import HEAD_TEMPLATE
from facedial.model import Model
from facedial.training import publish, start
from facedial.training.models import identity
from facedial.training.models.identity import Config, Embed, Embedding, Identity
from facedial.training.recipe import RunContext
from facedial.training.recipes.identity import Settings, Task

from .conftest import BuildOnce
from .tiny import bare_bundle, order

PEOPLE, PHOTOS = 48, 3
SMALL = Config(widths=(8, 8, 16, 16), blocks=(0, 0, 0, 0), dimensions=8)
SMALL_STEPS = (
    "model.widths=[8, 16, 32, 32]", "model.blocks=[0, 0, 0, 0]", "model.dimensions=16", "optim.batch=32",
    "optim.ema_steps=1", "margin_steps=1",
)  # fmt: skip


@pytest.fixture(scope="session")
def albums(drawn: np.ndarray, build_once: BuildOnce) -> Path:
    """A store of three photos each of 48 people, in other light, and one photo of one more person."""

    def build(folder: Path) -> None:
        rng = np.random.default_rng(0)
        points = ",".join(f"{value:.2f}" for value in np.asarray(HEAD_TEMPLATE).ravel())
        names = ["eye_imgleft", "eye_imgright", "nose", "mouth_imgleft", "mouth_imgright"]
        columns = ",".join(f"lm_{name}_{axis}" for name in names for axis in "xy")
        lines = [f"file,person,{columns}"]
        for i in range(PEOPLE * PHOTOS + 1):
            light = rng.uniform(0.8, 1.2, 3)
            face = np.clip(drawn[i // PHOTOS] * light + rng.normal(0, 4, (128, 128, 3)), 0, 255)
            Image.fromarray(face.astype(np.uint8)).save(folder / f"{i:03d}.png")
            lines.append(f"{i:03d}.png,person-{i // PHOTOS},{points}")
        (folder / "labels.csv").write_text("\n".join(lines) + "\n")
        source = open_source([folder], labels=folder / "labels.csv", ready=True)
        prepare(source, folder / "albums", processes=1)

    return build_once("albums", build) / "albums"


def task(albums: Path, run: Path, **changes: object) -> Task:
    settings = Settings(model=SMALL, **changes)  # type: ignore[arg-type]
    context = RunContext(stores=[Store.open(albums)], run=run, device=torch.device("cpu"))
    return Task(settings, context)


def test_the_margin_lowers_the_right_cosine_alone():
    cosines, people = torch.tensor([[0.9, 0.1, -0.3], [0.2, 0.4, 0.0]]), torch.tensor([0, 1])
    rows = [
        -math.log(math.exp(10 * (0.9 - 0.3)) / sum(map(math.exp, (10 * (0.9 - 0.3), 1, -3)))),
        -math.log(math.exp(10 * (0.4 - 0.3)) / sum(map(math.exp, (2, 10 * (0.4 - 0.3), 0)))),
    ]
    found = identity.cosface(cosines, people, 10.0, 0.3)
    assert float(found) == pytest.approx(sum(rows) / 2, rel=1e-5)
    assert float(identity.cosface(cosines, people, 10.0, 0.0)) < float(found)


def test_pairs_are_told_apart_in_both_directions():
    apart = torch.eye(4)
    assert float(identity.contrast(torch.cat([apart, apart]), 30.0, 0.2)) < 1e-6
    turned = identity.contrast(torch.cat([apart, apart.roll(1, 0)]), 30.0, 0.2)
    assert float(turned) > 30
    random = torch.nn.functional.normalize(torch.randn(8, 5, generator=torch.manual_seed(0)))
    first, second = random.chunk(2)
    one, other = (
        identity.contrast(torch.cat(pair), 9.0, 0.1) for pair in ((first, second), (second, first))
    )
    assert float(one) == pytest.approx(float(other), rel=1e-5)


def test_embeddings_are_unit_and_see_the_inner_face_alone_and_mirrored_alike():
    torch.manual_seed(0)
    network = Embedding(SMALL)
    network(torch.rand(32, 3, 72, 72))  # running statistics of something
    embed = Embed(network).eval()
    pixels = torch.randint(0, 256, (3, 128, 128, 3), dtype=torch.uint8)
    around = pixels.clone()
    inner = (
        slice(identity.TOP, identity.TOP + identity.SIDE),
        slice(identity.LEFT, identity.LEFT + identity.SIDE),
    )
    around[:] = 255 - around
    around[:, inner[0], inner[1]] = pixels[:, inner[0], inner[1]]
    with torch.no_grad():
        found, same = embed(pixels), embed(around)
        # The box is not the crop's middle, so a mirrored crop is shifted by what it is off.
        mirrored = embed(pixels.flip(2).roll(2 * identity.LEFT + identity.SIDE - 128, 2))
        other = embed(255 - pixels)
    assert torch.allclose(found.norm(dim=1), torch.ones(3), atol=1e-5)
    assert torch.equal(found, same)
    assert torch.allclose(found, mirrored, atol=1e-5)
    assert (found - other).abs().max() > 1e-3


def test_all_parameters_get_a_gradient(albums: Path, tmp_path: Path):
    one = task(albums, tmp_path)
    one.loss(one.network, 16, 3).total.backward()
    for name, parameter in one.network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_a_batch_holds_other_photos_of_the_same_people(albums: Path, tmp_path: Path):
    one = task(albums, tmp_path)
    for seed in range(20):
        first, second = np.split(one.pairs(16, np.random.default_rng(seed)), 2)
        assert (one.people[first] == one.people[second]).all() and (first != second).all()
        assert len(set(one.people[first].tolist())) == 8
    assert np.array_equal(
        one.pairs(8, np.random.default_rng(1)), one.pairs(8, np.random.default_rng(1))
    )
    everybody = one.pairs(10_000, np.random.default_rng(0))  # no more people than there are
    assert len(everybody) == 2 * len(set(one.people.tolist()))


def test_people_of_one_photo_are_left_out_and_no_person_is_in_two_splits(
    albums: Path, tmp_path: Path
):
    one, store = task(albums, tmp_path), Store.open(albums)
    rows = one.crops.rows[:, 1]
    assert set(store.split[rows]) == {"train"}
    _, counts = np.unique(store.person[rows], return_counts=True)
    assert set(counts) == {PHOTOS} and f"person-{PEOPLE}" not in store.person[rows]


def test_chance_is_even_and_a_perfect_embedding_is_certain(albums: Path, tmp_path: Path):
    one = task(albums, tmp_path)

    class Known(Identity):
        """Embeddings by the number of the person."""

    one._embedded = lambda _: np.eye(PEOPLE, dtype=np.float32)[one.val_people]  # type: ignore[method-assign]
    assert one.scores(Known(SMALL, 2)) == {"auc": 1.0, "tar": 1.0, "threshold": 0.0}


def test_it_learns_and_ships(albums: Path, tmp_path: Path):
    run, out = tmp_path / "identity", tmp_path / "bundle"
    given = {
        "recipe": "identity",
        "assignments": (*SMALL_STEPS, "optim.lr=0.02", "optim.schedule=constant"),
    }
    start.run(order(albums, run, steps=70, **given))
    assert (run / "sheet.png").exists()
    bare_bundle(out)
    publish.publish([run], out)
    with closing(Model.open(out)) as model:
        assert model.has_identity and model.bundle.prove()["identity"] < 2e-3
        assert model.facts("identity")["scores"]["auc"] > 0.9
        store = Store.open(albums)
        rows = store.where("test")
        found = model.embed_identity(store.pixels[rows])
        assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
        # Crops of other sizes are resampled, so their embeddings are close.
        large = store.pixels[rows].repeat(2, 1).repeat(2, 2)
        assert np.abs(model.embed_identity(large) - found).max() < 1e-5
        small = store.pixels[rows][:, ::2, ::2]
        assert ((model.embed_identity(small) * found).sum(1) > 0.5).all()
    start.run(order(albums, tmp_path / "on", steps=1, init=out, **given))


def test_what_cannot_be_learnt_from_is_refused(store: Path, tmp_path: Path):
    with pytest.raises(BadStore, match="no two train people with several photos"):
        start.run(order(store, tmp_path / "r", recipe="identity", assignments=(), steps=1))
    with pytest.raises(BadRequest, match="4 numbers"):
        Config(widths=(8, 8, 8))  # type: ignore[arg-type]
    with pytest.raises(BadRequest, match="two photos each"):
        task(store, tmp_path, optim=Settings().optim.__class__(batch=2))
