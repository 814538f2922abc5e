"""Models trained for equal time and measured side by side, from stores to the report."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facedial.cli.entry import main
from facedial.data.judging import judged
from facedial.data.store import Store
from facedial.errors import BadRequest, BadRun, UnknownName
from facedial.evaluate import _conditional, _run, comparison, edits, generation
from facedial.evaluate._judge import Judge
from facedial.training import compare, publish, start

TINY_JUDGE = ("val_images=4", "optim.batch=8", "model.widths=[8,8,8,8]")


@pytest.fixture(scope="module")
def judge(labelled_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("judge") / "run"
    start.run(
        start.RunConfig(
            recipe="judge", stores=(labelled_store,), run=run, steps=3, assignments=TINY_JUDGE
        )
    )
    publish.publish([run], run / "bundle")
    return run / "bundle"


@pytest.fixture(autouse=True)
def quick(few_steps: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few steps and few pictures: no test here is about the looks of faces."""
    monkeypatch.setattr("facedial.codes.pca.SPARE", 16)
    monkeypatch.setattr("facedial.evaluate.interpolation.SHOWN", 1)
    monkeypatch.setattr("facedial.evaluate.interpolation.FRAMES", 3)


def measured(folder: Path) -> list[dict[str, Any]]:
    """Rows of the one run of an evaluation."""
    (run,) = json.loads((folder / "figures.json").read_text())["runs"]
    rows: list[dict[str, Any]] = run["rows"]
    return rows


def test_the_judge_reads_pictures_of_any_part_of_its_size(judge: Path, drawn: np.ndarray) -> None:
    whom = Judge(judge)
    small = np.ascontiguousarray(drawn[:5, ::2, ::2])
    read = whom.predict(small)
    assert read.shape == (5, 40)
    assert ((read >= 0) & (read <= 1)).all()
    np.testing.assert_allclose(whom.predict(small.repeat(2, 1).repeat(2, 2)), read, atol=1e-6)
    assert whom.features(drawn[:3]).shape == (3, 8)
    np.testing.assert_allclose(whom.distance(drawn[:3], drawn[:3]), 0, atol=1e-9)
    assert (whom.distance(drawn[:3], drawn[3:6]) > 0).all()
    together = whom.distance(drawn[:3], drawn[3:6])
    np.testing.assert_allclose(whom.distance(drawn[:1], drawn[3:4]), together[:1], rtol=1e-4)


def test_a_judge_is_trained_from_random_weights(
    labelled_store: Path, judge: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadRequest, match="trained from random weights"):
        start.run(
            start.RunConfig(
                recipe="judge", stores=(labelled_store,), run=tmp_path, steps=1, init=judge
            )
        )


def counted_in_steps(monkeypatch: pytest.MonkeyPatch, steps: dict[str, int]) -> list[float | None]:
    """Trainings of a comparison end after a recipe's steps; returns the minutes that they are given.

    In minutes a busy processor makes too few steps for codes that tell faces apart.
    """
    minutes: list[float | None] = []
    trained = start.run

    def run(config: start.RunConfig) -> bool:
        minutes.append(config.minutes)
        return trained(dataclasses.replace(config, minutes=None, steps=steps[config.recipe]))

    monkeypatch.setattr(compare.start, "run", run)
    return minutes


@pytest.mark.usefixtures("quick_export")
def test_from_stores_to_the_report(
    labelled_store: Path, judge: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = tuple(
        compare.Contender(name, recipe, given)
        for name, recipe, given in (
            ("pca", "pca", ("side=64", "dimensions=12")),
            (
                "ae-bce", "ae-bce",
                (
                    "side=64", "width=0.15", "dimensions=12", "optim.lr=1e-2", "optim.batch=8",
                    "val_images=4",
                ),
            ),
            (
                "cvae", "cvae",
                ("model.side=64", "model.width=8", "model.latent=6", "optim.batch=8", "val_images=4"),
            ),
        )
    )  # fmt: skip
    monkeypatch.setattr(compare, "CONTENDERS", few)
    minutes = counted_in_steps(monkeypatch, {"pca": 1, "ae-bce": 16, "cvae": 3})
    order = compare.CompareConfig(
        stores=(labelled_store,), out=tmp_path / "all", minutes=0.01, judge=judge, most=80
    )
    lines = list(compare.run(order))
    assert minutes == [0.01] * 3
    figures = measured(tmp_path / "all" / "report")
    rows = {(row["metric"], row["model"]): row for row in figures}
    for name in ("pca", "ae-bce", "cvae"):
        for metric in (
            "psnr", "ssim", "perceptual", "frechet_ratio", "diversity", "sharpness_ratio",
            "conditional_success", "macs", "decode_per_s",
        ):  # fmt: skip
            assert np.isfinite(rows[metric, name]["value"]), (metric, name)
    assert rows["psnr", "pca"]["n"] == len(judged(Store.open(labelled_store)))
    assert rows["kl", "cvae"]["value"] > 0
    assert ("parameters", "ae-bce") in rows
    html = (tmp_path / "all" / "report" / "report.html").read_text()
    assert "codes drawn uniformly" in html
    assert "targets" in html
    # Once trained they are not trained again.
    before = (tmp_path / "all" / "cvae" / "log.jsonl").read_text()
    again = list(compare.run(order))
    assert (tmp_path / "all" / "cvae" / "log.jsonl").read_text() == before
    assert not any("training" in line for line in again)
    assert any("training" in line for line in lines)


@pytest.mark.usefixtures("quick_export")
def test_finished_runs_are_measured_in_the_same_table(
    labelled_store: Path,
    finished: Path,
    judge: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Runs and bundles as they are, beside what is trained; a run is never written to."""
    few = (compare.Contender("pca", "pca", ("side=64", "dimensions=12")),)
    monkeypatch.setattr(compare, "CONTENDERS", few)
    own = tmp_path / "pca"
    start.run(
        start.RunConfig(
            recipe="pca", stores=(labelled_store,), run=own, assignments=("side=64", "dimensions=6")
        )
    )
    before = sorted((path, path.stat().st_mtime_ns) for path in finished.rglob("*"))
    out = tmp_path / "all"
    arguments = [
        "compare", "--data", str(labelled_store), "--judge", str(judge), "--most", "80",
        "-o", str(out), "--runs", str(finished), "--runs", str(own),
    ]  # fmt: skip

    def told(*more: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main([*arguments, *more])
        assert ended.value.code == 0
        return capsys.readouterr().out

    assert "training" not in told()
    names = {row["model"] for row in measured(out / "report") if row["metric"] == "psnr"}
    assert names == {finished.name, "pca"}  # alone, as no minutes were given
    assert "pca: training" in told("--minutes", "0.01")
    names = {row["model"] for row in measured(out / "report") if row["metric"] == "psnr"}
    assert names == {finished.name, "pca", "pca-finished"}
    assert sorted((path, path.stat().st_mtime_ns) for path in finished.rglob("*")) == before


def test_runs_that_cannot_be_compared_are_refused(
    store: Path, labelled_store: Path, finished: Path, judge: Path, tmp_path: Path
) -> None:
    def compared(*given: Path, **more: Any) -> None:
        facts: dict[str, Any] = {
            "stores": (labelled_store,), "out": tmp_path / "all", "minutes": None, "judge": None,
        }  # fmt: skip
        list(compare.run(compare.CompareConfig(**{**facts, "runs": given, **more})))

    with pytest.raises(BadRequest, match="nothing to compare"):
        compared()
    with pytest.raises(BadRequest, match="no minutes to train pca"):
        compared(finished, only=("pca",))
    with pytest.raises(BadRequest, match=f"two runs are called {finished.name}"):
        compared(finished, finished)
    with pytest.raises(BadRun, match=r"has no run\.json"):
        compared(tmp_path)
    with pytest.raises(BadRun, match="trains no codes of faces"):
        compared(judge)
    unsaved = tmp_path / "unsaved"
    unsaved.mkdir()
    (unsaved / "run.json").write_text((finished / "run.json").read_text())
    with pytest.raises(BadRun, match=r"no best\.safetensors yet"):
        compared(unsaved)
    with pytest.raises(BadRun, match="export the autoencoder first"):
        table = tmp_path / "table"
        table.mkdir()
        recipe = {"recipe": "edit-table", "settings": {}, "seed": 0, "stores": []}
        (table / "run.json").write_text(json.dumps(recipe))
        (table / "moves.json").write_text(json.dumps({"space": "fd", "table": {}}))
        compared(table)


def judged_figures(
    store: Path, judge: Path, folder: Path, metric: str, most: int
) -> list[dict[str, Any]]:
    """Rows of an evaluation of one metric with a judge."""
    order = _run.EvaluationConfig(
        stores=(store,),
        out=folder / "figures",
        work=folder,
        only=(metric,),
        judge=judge,
        most=most,
    )
    list(_run.run(order))
    return measured(folder / "figures")


def test_new_faces_are_judged(
    labelled_store: Path, judge: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_conditional, "REQUESTED", ("Smiling",))
    monkeypatch.setattr(generation, "TARGET_SETS", ({"Male": 1, "Smiling": 1},))
    monkeypatch.setattr(generation, "SHOWN", 4)
    monkeypatch.setattr(generation, "ACROSS", 4)
    monkeypatch.setattr(generation, "DRAWN", 4)
    calls: list[tuple[object, ...]] = []
    drawn = generation._drawn

    def counted(context: Any, *words: Any) -> np.ndarray:
        calls.append(words)
        return drawn(context, *words)

    monkeypatch.setattr(generation, "_drawn", counted)
    rows = judged_figures(labelled_store, judge, tmp_path, "generation", 12)
    found = {(row["metric"], row["data"]): row for row in rows if row["model"] == "facedial"}
    ratio = found["frechet_ratio", f"random against {labelled_store.name}-head/train"]
    assert ratio["value"] > 0 and ratio["n"] == 12
    parts = [found["conditional_success", f"random/faces/Smiling{sign}"] for sign in "-+"]
    assert [row["n"] for row in parts] == [4, 4]
    assert found["conditional_success", "random"]["n"] == 8
    # The judge sees the faces that were counted, and more.
    assert calls == [(4,), (8, 4, "learned"), (12, 0, "gaussian"), (4,)]


def test_the_verb_adds_what_is_measured_to_what_was(
    labelled_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def evaluate(*words: str) -> tuple[str, list[dict[str, Any]]]:
        fixed = ("evaluate", "--data", str(labelled_store), "-o", str(tmp_path / "figures"))
        with pytest.raises(SystemExit) as left:
            main([*fixed, "--work", str(tmp_path), "--most", "8", *words])
        assert left.value.code == 0
        report = json.loads((tmp_path / "figures" / "figures.json").read_text())
        return capsys.readouterr().out, [row for run in report["runs"] for row in run["rows"]]

    _, first = evaluate("--only", "implied")
    told, both = evaluate("--only", "interpolation", "--add")
    assert {row["metric"] for row in first} == {"implied_holds"}
    assert {row["metric"] for row in both} == {"implied_holds", "midpoint_sharpness"}
    assert [row for row in both if row["metric"] == "implied_holds"] == first
    assert "midpoint_sharpness" in told and "implied_holds" not in told
    _, alone = evaluate("--only", "implied")
    assert alone == first


def test_interpolation_is_measured_beside_linear_interpolation(
    labelled_store: Path, judge: Path, tmp_path: Path
) -> None:
    rows = judged_figures(labelled_store, judge, tmp_path, "interpolation", 8)
    found = {(row["metric"], row["model"]): row for row in rows}
    sharp = [found["midpoint_sharpness", model] for model in ("facedial", "linear")]
    assert sharp[0]["n"] == sharp[1]["n"] == 4
    # On these pictures, which are no faces, neither is the sharper one.
    assert sharp[0]["value"] > 0.9 * sharp[1]["value"] > 0
    assert found["midpoint_frechet_ratio", "facedial"]["value"] > 0


def test_what_a_comparison_needs_is_said(
    store: Path, labelled_store: Path, judge: Path, tmp_path: Path
) -> None:
    with pytest.raises(UnknownName, match="did you mean ae-mse"):
        wrong = compare.CompareConfig(
            stores=(store,), out=tmp_path, minutes=1, judge=None, only=("ae_mse_",)
        )
        list(compare.run(wrong))
    order = {
        "stores": (labelled_store,),
        "out": tmp_path,
        "work": tmp_path,
        "only": ("comparison",),
    }
    bundle = Path("facedial")
    with pytest.raises(BadRequest, match="needs a judge"):
        list(_run.run(_run.EvaluationConfig(**order, models=(bundle,))))  # type: ignore[arg-type]
    unlabelled = {**order, "stores": (store,)}
    with pytest.raises(BadRequest, match="manual attribute labels"):
        list(_run.run(_run.EvaluationConfig(**unlabelled, models=(bundle,), judge=judge)))  # type: ignore[arg-type]
    with pytest.raises(BadRequest, match="two models are called x"):
        _run.named([tmp_path / "x", tmp_path / "x" / "bundle"])
    nothing = list(_run.run(_run.EvaluationConfig(**order)))  # type: ignore[arg-type]
    assert not any("frechet" in line for line in nothing)


def test_edits_are_judged_with_their_costs(
    labelled_store: Path, judge: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edits, "EDITS", {"Smiling": 1.0, "Male": None})
    monkeypatch.setattr(edits, "SHOWN", 1)
    monkeypatch.setattr(edits, "SHOWN_EDITS", ("Smiling", "Eyeglasses", "Blond_Hair"))
    order = _run.EvaluationConfig(
        stores=(labelled_store,),
        out=tmp_path,
        work=tmp_path,
        only=("edits",),
        judge=judge,
        most=16,
    )
    list(_run.run(order))
    figures = measured(tmp_path)
    found = {(row["metric"], row["data"].rpartition("/")[2]): row["value"] for row in figures}
    assert 0 <= found["edit_success", "Smiling+"] <= 1
    assert 0 <= found["outside_mask_changed", "Smiling+"] <= 1
    assert ("edit_success", "Male") in found
    assert ("outside_mask_changed", "Male") not in found
    assert np.isfinite(found["edit_success", "judged"])
    assert "not selected" in (tmp_path / "report.html").read_text()


def test_change_outside_a_part_is_counted_where_it_lies() -> None:
    before = np.zeros((3, 128, 128, 3), np.uint8)
    after = before.copy()
    after[0, 80:90, 50:60] = 9  # all within the lower face
    after[1, 0:10, 50:60] = 9  # all outside
    after[2, 80:90, 50:60] = 9
    after[2, 0:10, 50:60] = 9
    part, within = edits.PARTS["Smiling"]
    np.testing.assert_allclose(edits._outside(before, after, part, within), [0, 1, 0.5])
    np.testing.assert_allclose(edits._outside(before, after, part, not within), [1, 0, 0.5])


def test_every_name_on_the_sheet_is_an_attribute() -> None:
    from facedial.codes.attributes import NAMES

    assert set(comparison.REQUESTED) <= set(NAMES)
    assert all(set(wish) <= set(NAMES) for wish in comparison.TARGET_SETS)
    assert len(comparison.TARGET_SETS) == 10
