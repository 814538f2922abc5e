"""The recipe that fits where beards grow."""

from pathlib import Path

import numpy as np
import pytest

from facedial.codes.attributes import NAMES
from facedial.compose.growth import FILE, LEFT, NOSE, RIGHT, SIDE, TEMPLATE, Beards
from facedial.errors import BadRun, BadStore
from facedial.training import publish, start
from facedial.training.recipes import beards

from .tiny import order


def drops(rows: slice, columns: slice, kind: str) -> dict[str, np.ndarray]:
    """Mean log lumas of which one kind is darker in a rectangle."""
    found = {name: np.zeros((SIDE, SIDE)) for name in beards.KINDS}
    found[kind][rows, columns] = -0.3
    return found


def test_each_kind_of_hair_lies_where_it_belongs() -> None:
    mouth = TEMPLATE[[LEFT, RIGHT], 1].mean()
    everywhere = drops(slice(0, SIDE), slice(0, SIDE), "moustache")
    rows = np.nonzero(beards.densities(everywhere)["Mustache"] > 0.5)[0]
    assert TEMPLATE[NOSE, 1] < rows.min() < rows.max() < mouth + 8
    goatee = beards.densities(drops(slice(0, SIDE), slice(0, SIDE), "goatee"))
    rows, columns = np.nonzero(goatee["Goatee"] > 0.5)
    assert rows.max() > mouth + 30 and abs(columns.mean() - TEMPLATE[NOSE, 0]) < 1
    assert np.ptp(columns) < 2.2 * np.ptp(TEMPLATE[[LEFT, RIGHT], 0])
    shadow = beards.densities(drops(slice(0, SIDE), slice(0, SIDE), "shadow"))
    assert not shadow["No_Beard"][: int(TEMPLATE[NOSE, 1])].any()
    assert 0.3 < shadow["5_o_Clock_Shadow"].max() < 0.5
    # Where men without a beard are as dark, nothing grows.
    none = beards.densities(drops(slice(0, 1), slice(0, 1), "beard"))
    assert all(not density[100:].any() for density in none.values())


def test_it_is_fitted_and_exported(
    store: Path, with_flow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    asked = order(store, run, recipe="beards", assignments=("men=4",))
    with pytest.raises(BadRun, match="finish the run"):
        beards.finish(tmp_path, beards.Settings(), tmp_path)
    labels = iter(range(10**6))

    def some(values: np.ndarray, wanted: object) -> np.ndarray:
        return np.arange(len(values)) % 2 == next(labels) % 2

    monkeypatch.setattr(beards, "_are", some)
    monkeypatch.setattr(beards, "_faced", lambda points: np.ones(len(points), bool))
    start.run(asked)
    found = Beards.load(run / FILE)
    assert [*found.densities] == ["Mustache", "Goatee", "No_Beard", "5_o_Clock_Shadow"]
    assert set(found.densities) <= set(NAMES)
    start.run(asked)  # a second time nothing is fitted
    publish.publish([run], with_flow / "bundle")
    again = Beards.load(with_flow / "bundle" / FILE)
    for name, density in found.densities.items():
        assert np.array_equal(again.densities[name], density)


def test_a_store_without_such_men_is_refused(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beards, "_are", lambda labels, wanted: np.zeros(len(labels), bool))
    with pytest.raises(BadStore, match="no labelled crops of men with No_Beard=1"):
        start.run(order(store, tmp_path / "run", recipe="beards", assignments=()))
