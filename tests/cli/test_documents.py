"""Every command of the tutorial and the how-tos runs, or is named here with the reason why not."""

import shutil
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

from facedial import folder
from facedial.arrays import Bytes
from facedial.cli.entry import VERBS
from facedial.cli.entry import facedial as group
from facedial.editor import Editor
from moving_faces import heads, moving, write

from .conftest import Facedial
from .documented import PAGES, Command, blocks, commands

__all__ = ["heads"]

# The beginning of a command -> why it is not run. Options of those that are facedial's are parsed.
NOT_RUN = {
    "make demo": "makes an environment: what it calls, `facedial demo`, runs",
    "source ": "enters that environment",
    "pip install ": "needs a package index",
    "docker ": "needs docker",
    "curl ": "runs in tests/server/test_how_to.py, against a server",
    "id=$(python3": "runs in tests/server/test_how_to.py, against a server",
    "facedial serve": "serves until it is stopped: tests/server start it",
    "FACEDIAL_TOKEN=… facedial serve": "serves until it is stopped: tests/server start it",
    "python -m facedial.cli.reference": "runs in test_reference.py",
    # What follows needs data sets, or the bundles that come of them; each verb runs on drawn faces in
    # tests/training and tests/evaluate, recipes and settings of the pages are checked there.
    "facedial train ": "trains for minutes or hours",
    "facedial export ": "exports such a training",
    "facedial evaluate ": "measures on data sets",
    "facedial compare ": "trains for minutes on data sets",
    "facedial prepare ": "runs in tests/data/test_how_to.py, on made collections",
    "facedial encode holidays/ -r --cluster": "needs Ray: tests/cluster, by `make cluster-tests`",
    "facedial edit shards/ --set Smiling=1 --cluster": "needs Ray, and storage elsewhere",
    "facedial models check": "runs in test_verbs.py; half of its networks are used by nothing else here",
    "facedial edit me.jpg --set Smiling=0 --model bundles/mine": "needs a trained bundle",
    "facedial generate --model runs/ae-mse/bundle": "needs a trained bundle",
}
EVERY = [command for page in PAGES for command in commands(page)]


def not_run(command: Command) -> bool:
    return any(command.text.startswith(start) for start in NOT_RUN)


@pytest.fixture(scope="module")
def photos(
    head: Path,
    sets: tuple[Path, Path],
    editor: Editor,
    heads: Bytes,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Files by the names that the pages use, of the portrait in the public domain and of new faces."""
    home = tmp_path_factory.mktemp("newcomer")
    with Image.open(head) as image:
        me = image.convert("RGB")
    one, other = (Image.fromarray(pixels) for pixels in heads)
    group = Image.new("RGB", (720, 300), "grey")
    for picture, side, x in ((me, 160, 40), (other, 140, 320), (one, 150, 565)):
        group.paste(picture.resize((side, side)), (x, 120))
    for name, picture in {
        "me": me, "friend": one, "child": other, "glasses": one, "group": group,
        "holidays/a": me, "holidays/b": one, "album/a": me,
        "album/b": me.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    }.items():  # fmt: skip
        path = home / f"{name}.jpg"
        path.parent.mkdir(exist_ok=True)
        picture.save(path, quality=95)
    shutil.copy(home / "me.jpg", home / "photo.jpg")
    for name, those in zip(("dimples", "no-dimples"), sets, strict=True):
        (home / name).mkdir()
        for path in sorted(those.iterdir())[:4]:
            shutil.copy(path, home / name)
    one_face, two_faces = (moving(head, 2) for head in heads)
    both = [np.concatenate(pair, axis=1) for pair in zip(one_face, two_faces, strict=True)]
    write(home / "clip.mp4", both)
    return home


# Verb, option and what it is where a page does not say: fewer and smaller pictures than in use.
DEFAULTS = (("morph", "steps", 4), ("morph", "size", 128), ("generate", "size", 128))


@pytest.fixture
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Morphs and new faces are drawn small; tests/cli/test_verbs.py draws them at their own size."""
    for verb, name, value in DEFAULTS:
        command: click.Command = folder.load(VERBS, verb, "verb").command
        (option,) = [one for one in command.params if one.name == name]
        monkeypatch.setattr(option, "default", value)


@pytest.fixture
def newcomer(
    facedial: Facedial,
    photos: Path,
    tmp_path: Path,
    editor: Editor,
    small_demo: None,
    small_pictures: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Facedial:
    """`facedial(*words)` in a folder that holds those files and nothing else; one model for all calls."""
    shutil.copytree(photos, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(Editor, "open", staticmethod(lambda *_, **__: editor))
    return facedial


def run(facedial: Facedial, command: Command) -> None:
    """Run it and check what its page says that it prints and writes."""
    if command.words[0] == "echo":
        assert command.into
        Path(command.into).write_text(" ".join(command.words[1:]), encoding="utf-8")
        return
    assert command.words[0] == "facedial", command.text
    done = facedial(*command.words[1:])
    assert done.code == 0, (command.text, done.err)
    if command.into:
        Path(command.into).write_text(done.out, encoding="utf-8")
    for option, name in pairwise(command.words):
        if option in ("-o", "--codes"):
            assert Path(name).exists(), command.text
    for line in command.printed:
        if " " not in line:  # a file's name; what else is printed is an example
            assert line in done.lines, command.text


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(not not_run(c) for c in commands(page))]
)
def test_commands_of_a_page_run(newcomer: Facedial, page: str) -> None:
    for command in commands(page):
        if not not_run(command):
            run(newcomer, command)
    for block in blocks(page, "python"):
        if page in ("tutorial.md", "how-to/video.md", "how-to/find.md"):
            exec(compile(block, page, "exec"), {})  # noqa: S102 - a page of ours


@pytest.mark.parametrize("start", NOT_RUN)
def test_what_is_not_run_is_on_some_page(start: str) -> None:
    assert any(command.text.startswith(start) for command in EVERY)


@pytest.mark.parametrize(
    "command", [c for c in EVERY if c.verb and not_run(c)], ids=lambda command: command.text[:60]
)
def test_options_of_what_is_not_run_are_those_of_its_verb(command: Command) -> None:
    assert command.verb
    verb: click.Command = folder.load(VERBS, command.verb, "verb").command
    # As the command line makes it: a command keeps the names of its help option once it was asked.
    context = click.Context(verb, parent=click.Context(group, **group.context_settings))
    given, rest, _ = verb.make_parser(context).parse_args(list(command.words[2:]))
    assert not rest
    for parameter in verb.params:
        value = given.get(parameter.name or "")
        assert value is not None or not parameter.required, parameter.name
        if value is not None and not isinstance(parameter.type, click.Path):
            parameter.type_cast_value(context, value)
