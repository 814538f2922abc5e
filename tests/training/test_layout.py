"""Where things are: networks in models/, recipes in files of their own."""

import ast
from pathlib import Path

import pytest

from facedial import training

FOLDER = Path(training.__file__).parent
SOURCES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.py"))


def tree(name: str) -> ast.Module:
    return ast.parse((FOLDER / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", [name for name in SOURCES if not name.startswith("models/")])
def test_networks_are_in_models(name: str) -> None:
    classes = [node for node in ast.walk(tree(name)) if isinstance(node, ast.ClassDef)]
    bases = {ast.unparse(base) for one in classes for base in one.bases}
    assert not bases & {"nn.Module", "torch.nn.Module"}


@pytest.mark.parametrize("name", SOURCES)
def test_the_best_weights_of_a_run_are_loaded_in_one_place(name: str) -> None:
    """By `networks.load_best`: nobody else calls a checkpoint's file by name, or loads it."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert ("tensors.load(run / BEST)" in text) is (name == "networks.py")
    literals = [
        node.value
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Constant) and node.value == "best.safetensors"
    ]
    assert len(literals) == (1 if name == "checkpoints.py" else 0)


@pytest.mark.parametrize("name", SOURCES)
def test_files_and_classes_are_of_a_size_to_be_read(name: str) -> None:
    """350 lines a file, 200 a class."""
    assert len((FOLDER / name).read_text(encoding="utf-8").splitlines()) <= 350
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.ClassDef):
            assert (node.end_lineno or 0) - node.lineno < 200, node.name
