from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from facedial.arrays import Floats
from facedial.codes.code import Code, CodeTable
from facedial.editing.directions import Directions
from facedial.editing.learn import Learned, learn, shrink
from facedial.editing.request import Edit
from facedial.errors import BadRequest, CodeSpaceMismatch, UnknownName
from small_world import SPACE, World

SMILE, MALE = 2, 0


def table(values: Floats, space: str = SPACE) -> CodeTable:
    return CodeTable(values, space, tuple(map(str, range(len(values)))))


def sets(
    world: World, count: int = 30, share_male: tuple[float, float] = (0.5, 0.5)
) -> list[CodeTable]:
    """Smiling and not smiling faces, with these shares of men."""
    made = []
    for smiles, share in zip((1, 0), share_male, strict=True):
        of = world.labels[:, SMILE] == smiles
        men = np.flatnonzero(of & (world.labels[:, MALE] == 1))[: round(count * share)]
        women = np.flatnonzero(of & (world.labels[:, MALE] == 0))[: count - len(men)]
        made.append(table(world.codes[np.r_[men, women]]))
    return made


def without(directions: Directions, name: str) -> Directions:
    rest = [k for k, n in enumerate(directions.names) if n != name]
    return Directions(
        names=tuple(directions.names[k] for k in rest),
        space=directions.space,
        unit=directions.unit[rest],
        read_weights=directions.read_weights[rest],
        read_bias=directions.read_bias[rest],
        sd=directions.sd[rest],
    )


def learned(world: World, directions: Directions, balance: tuple[str, ...] = ()) -> Learned:
    with_codes, without_codes = sets(world, share_male=(0.2, 0.8))
    return learn(
        "My smile",
        with_codes,
        without_codes,
        without(directions, "Smiling"),
        balance=balance,
        rng=np.random.default_rng(0),
    )


def test_a_learned_direction_separates_faces_that_it_was_not_fitted_on(
    world: World, directions: Directions
) -> None:
    made = learned(world, directions, ("Male",))
    unseen = slice(3000, None)
    reading = world.codes[unseen] @ made.read_weights + made.read_bias
    smiles = world.labels[unseen, SMILE] > 0.5
    assert reading[smiles].mean() - reading[~smiles].mean() == pytest.approx(1, abs=0.3)
    assert made.report.auc > 0.8
    assert (made.report.n_with, made.report.n_without, made.report.folds) == (30, 30, 5)


def test_one_step_changes_the_reading_by_one(world: World, directions: Directions) -> None:
    made = learned(world, directions)
    assert made.read_weights @ made.step == pytest.approx(1, abs=1e-5)


def test_balance_removes_the_attributes_in_which_the_sets_differ(
    world: World, directions: Directions
) -> None:
    plain, balanced = learned(world, directions), learned(world, directions, ("male",))
    assert plain.report.moves["Male"] < -0.3  # eight in ten of the smiling are women
    assert balanced.report.moves["Male"] == pytest.approx(0, abs=1e-5)
    assert balanced.report.balanced == ("Male",) and plain.report.balanced == ()
    first = plain.report.sets[0]
    assert first.name == "Male" and first.difference < -0.4
    sizes = [abs(effect) for effect in plain.report.moves.values()]
    assert sizes == sorted(sizes, reverse=True)


def test_the_same_generator_gives_the_same_report(world: World, directions: Directions) -> None:
    assert learned(world, directions).report == learned(world, directions).report


def test_sets_of_one_distribution_are_separated_at_chance_level(directions: Directions) -> None:
    rng = np.random.default_rng(3)
    made = learn(
        "nothing",
        table(rng.standard_normal((100, 32)).astype(np.float32)),
        table(rng.standard_normal((100, 32)).astype(np.float32)),
        directions,
        rng=rng,
    )
    assert 0.35 < made.report.auc < 0.65
    assert 0.35 < made.report.auc_mean < 0.65


def test_shrinking_beats_the_plain_mean_on_few_faces() -> None:
    # 256 numbers, truth a mixture of known directions: 20 faces a set are nearly all noise
    rng = np.random.default_rng(0)
    known = rng.standard_normal((10, 256)) * np.linspace(1, 0.1, 256)
    truth = known.T @ rng.standard_normal(10)
    truth *= 2 / np.linalg.norm(truth)
    seen = truth + rng.standard_normal(256) * np.sqrt(0.1)
    made = shrink(seen, 0.1, known)
    assert np.linalg.norm(made - truth) < 0.5 * np.linalg.norm(seen - truth)
    assert np.linalg.norm(shrink(seen, 1e-9, known) - seen) < 0.01  # no noise, nothing to take out


def test_shrink_is_the_posterior_mean_of_its_prior() -> None:
    # slow reference: the same prior with the full matrix, best of the same grid
    rng = np.random.default_rng(1)
    known, seen, noise = rng.standard_normal((3, 12)), rng.standard_normal(12), 0.3
    unit = known / np.linalg.norm(known, axis=1, keepdims=True)
    spectrum = (unit**2).mean(axis=0) / (unit**2).mean(axis=0).sum()
    found = []
    for size in seen @ seen * 0.5 ** np.arange(9):
        for mix in (0.1, 0.3, 0.5, 0.7, 0.9, 0.97):
            prior = size * (mix * unit.T @ unit / 3 + (1 - mix) * np.diag(spectrum))
            total = prior + noise * np.eye(12)
            evidence = -seen @ np.linalg.solve(total, seen) - np.linalg.slogdet(total)[1]
            found.append((evidence, prior @ np.linalg.solve(total, seen)))
    assert_allclose(shrink(seen, noise, known), max(found, key=lambda f: f[0])[1], atol=1e-10)


def test_the_method_mean_is_the_difference_of_means(world: World, directions: Directions) -> None:
    ups, downs = sets(world)
    made = learn("s", ups, downs, directions, method="mean", rng=np.random.default_rng(0))
    assert_allclose(made.step, ups.values.mean(axis=0) - downs.values.mean(axis=0), atol=1e-5)
    assert made.report.auc == made.report.auc_mean


def test_an_edit_names_a_learned_direction_like_an_attribute(
    world: World, directions: Directions
) -> None:
    wider = directions.with_learned(learned(world, directions))
    start = Code(world.codes[0], SPACE)
    asked = Edit({"my smile": 1, "Bald": 0}, keep=frozenset({"Male"}))
    after = wider.readings(start.moved(wider.step(start, asked)))
    assert after["My smile"] == pytest.approx(1, abs=1e-3)
    assert after["Bald"] == pytest.approx(0, abs=1e-3)
    assert after["Male"] == pytest.approx(wider.readings(start)["Male"], abs=1e-3)
    assert len(directions.names) == len(wider.names) - 1  # the first is untouched
    with pytest.raises(BadRequest, match="exists already"):
        wider.with_learned(learned(world, directions))


def test_a_learned_direction_comes_back_from_its_file(
    tmp_path: Path, world: World, directions: Directions
) -> None:
    made = learned(world, directions, ("Male",))
    made.save(tmp_path / "smile.npz")
    loaded = Learned.load(tmp_path / "smile.npz")
    assert np.array_equal(loaded.step, made.step)
    assert np.array_equal(loaded.read_weights, made.read_weights)
    assert (loaded.name, loaded.space, loaded.read_bias) == (made.name, made.space, made.read_bias)
    assert loaded.report == made.report
    (tmp_path / "bad.npz").write_bytes(b"no")
    for name in ("bad.npz", "missing.npz"):
        with pytest.raises(BadRequest, match="not a learned direction"):
            Learned.load(tmp_path / name)
    np.savez(tmp_path / "newer.npz", format=np.int64(99))
    with pytest.raises(BadRequest, match="another version"):
        Learned.load(tmp_path / "newer.npz")


def test_sets_that_are_too_small_or_equal_are_refused(world: World, directions: Directions) -> None:
    ups, downs = sets(world)
    rng = np.random.default_rng(0)
    with pytest.raises(BadRequest, match="4 faces or more, found 3 with"):
        learn("s", table(ups.values[:3]), downs, directions, rng=rng)
    with pytest.raises(BadRequest, match="same mean"):
        learn("s", ups, ups, directions, rng=rng)
    with pytest.raises(BadRequest, match="name"):
        learn("a=b", ups, downs, directions, rng=rng)
    with pytest.raises(UnknownName):
        learn("s", ups, downs, directions, balance=("Mael",), rng=rng)
    with pytest.raises(CodeSpaceMismatch):
        learn("s", ups, table(downs.values, "another"), directions, rng=rng)
