"""The examples of the how-to pages run as they are printed."""

import json
import re
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from facedial import evaluate, folder
from facedial.cli import verbs
from facedial.cli.entry import main
from facedial.training import losses, models, recipes, runs
from facedial.training.recipe import with_settings

DOCS = Path(__file__).parents[2] / "docs" / "how-to"
PACKAGES = {
    "cli/verbs": verbs,
    "training/models": models,
    "training/recipes": recipes,
    "evaluate": evaluate,
}


def blocks(page: str, language: str) -> list[tuple[str, str]]:
    """(the last file named before it, text) of every block of a page."""
    found = []
    path = ""
    text = (DOCS / page).read_text(encoding="utf-8")
    for part in re.finditer(r"^## .*?`([\w/]+\.py)`$|^```(\w+)\n(.*?)^```", text, re.M | re.S):
        if part[1]:
            path = part[1]
        elif part[2] == language:
            found.append((path, part[3]))
    return found


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's modules, importable where the page puts them."""
    written = dict(blocks("add-a-verb-recipe-metric.md", "python"))
    for place, package in PACKAGES.items():
        (tmp_path / place).mkdir(parents=True)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path / place)])
    for path, text in written.items():
        if path == "training/losses.py":
            before = dict(vars(losses))
            exec(text, vars(losses))  # noqa: S102 - a page of ours
            for name in set(vars(losses)) - set(before):
                new = vars(losses).pop(name)
                monkeypatch.setattr(losses, name, new, raising=False)
        else:
            (tmp_path / path).write_text(text, encoding="utf-8")
            name = "facedial." + path.removesuffix(".py").replace("/", ".")
            monkeypatch.delitem(sys.modules, name, raising=False)
    assert len(written) == 5


def called(*words: str | Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    assert ended.value.code == 0


@pytest.mark.usefixtures("examples")
def test_the_recipe_with_its_loss_and_model(labelled_store: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(8), torch.tensor([0, 1, 0, 1, float("nan"), 0, 1, 1])
    plain = losses.masked_binary(logits, target)
    assert losses.focal(logits, target, 0.0) == pytest.approx(float(plain), rel=1e-5)  # type: ignore[attr-defined]
    assert losses.focal(logits, target) < plain  # type: ignore[attr-defined]
    run, out = tmp_path / "glasses", tmp_path / "bundle"
    short = ("--steps", "4", "--set", "optim.batch=8", "--precision", "32-true")
    called("train", "smile", "--data", labelled_store, *short, "-o", run)
    called("train", "smile", "--data", labelled_store, "--steps", "6", "-o", run)
    called("export", run, "-o", out)
    facts = json.loads((out / "bundle.json").read_text())["parts"]["smile"]
    assert 0 <= facts["scores"]["auc"] <= 1
    assert facts["step"] <= 6
    again = tmp_path / "again"
    called("train", "smile", "--data", labelled_store, *short, "--init", out, "-o", again)


@pytest.mark.usefixtures("examples")
def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = pytest.importorskip("skimage.data")
    Image.fromarray(data.astronaut()).save(tmp_path / "astronaut.png")
    called("count", tmp_path / "astronaut.png")
    assert capsys.readouterr().out.strip().endswith("astronaut.png: 1")


@pytest.mark.usefixtures("examples")
def test_the_metric(labelled_store: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures"
    given = ("--data", labelled_store, "--only", "sharpness", "--most", "8")
    called("evaluate", *given, "--work", tmp_path, "-o", out)
    (run,) = json.loads((out / "figures.json").read_text())["runs"]
    (row,) = run["rows"]
    assert row["metric"] == "reconstruction_sharpness" and row["value"] > 0


@pytest.mark.parametrize("page", ["train.md", "source-systems.md"])
def test_commands_of_a_page_name_recipes_and_settings_that_there_are(page: str) -> None:
    """Every `facedial train RECIPE ... --set NAME=VALUE` of the page, without running it."""
    text = "".join(block for _, block in blocks(page, "console")).replace("\\\n", " ")
    commands = re.findall(r"facedial train (\S+)(.*)", text)
    assert len(commands) > 1
    for name, rest in commands:
        settings = runs.recipe_named(name).settings
        given = re.findall(r"--set (?:'([^']*)'|(\S+))", rest.split("&&")[0])
        with_settings(settings, [quoted or plain for quoted, plain in given])
    # And every setting that its prose mentions is one of some recipe.
    known = [runs.recipe_named(name).settings for name in folder.names(runs.RECIPES)]
    prose = (DOCS / page).read_text(encoding="utf-8")
    for path in re.findall(r"--set\s+'?([\w.]+)=", prose):
        assert any(_has(settings, path) for settings in known), path


def _has(settings: object, path: str) -> bool:
    for part in path.split("."):
        if not hasattr(settings, part):
            return False
        settings = getattr(settings, part)
    return True
