"""Every `facedial prepare` of the how-to pages runs as it is printed, on small collections."""

import io
import re
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facedial.cli.entry import main
from facedial.data.store import Store
from facedial.faces.crop import HEAD_TEMPLATE

from .made_pictures import celeba_files, encoded

DOCS = Path(__file__).parents[2] / "docs" / "how-to"
COMMANDS = sorted(
    {
        (line, page.name)
        for page in DOCS.glob("*.md")
        for line in re.findall(r"^\$ (facedial prepare .*)$", page.read_text(), re.M)
    }
)
PEOPLE = ("Ada_Lovelace", "Bo_Li")


@pytest.fixture(scope="module")
def collections(astronaut: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages prepare, by its names: the same portrait everywhere."""
    from pyarrow import Table, parquet

    home = tmp_path_factory.mktemp("collections")
    with Image.open(astronaut) as image:
        head = np.asarray(image.crop((90, 20, 346, 276)).resize((250, 250)))
    jpeg = encoded(head, "JPEG")
    files = {f"{who}/{who}_0001.jpg": jpeg for who in PEOPLE}
    for name, content in files.items():
        path = home / "lfw-deepfunneled" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    with zipfile.ZipFile(home / "lfw.zip", "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    with tarfile.open(home / "lfw-deepfunneled.tgz", "w:gz") as packed_tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            packed_tar.addfile(entry, io.BytesIO(content))
    scores = "".join(f"{who.replace('_', ' ')}\t1\t0.8\n" for who in PEOPLE)
    (home / "lfw_attributes.txt").write_text(f"person\timagenum\tSmiling\n{scores}")
    parquet.write_table(
        Table.from_pylist([{"file": n, "Smiling": 1.0} for n in files]), home / "lfw.parquet"
    )
    for name, content in celeba_files().items():
        path = home / "celeba" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    points = (np.asarray(HEAD_TEMPLATE) * 2).ravel().tolist()
    crop = encoded(head, "WEBP")
    rows = [
        {"webp": crop, "file": f"{who}.jpg", "person": who, "split": "train", "landmarks": points}
        for who in PEOPLE
    ]
    for name in ("shards", "portraits"):
        (home / name).mkdir()
        parquet.write_table(Table.from_pylist(rows), home / name / "one.parquet")
    table = re.findall(
        r"^```\n(file,.*?)^```", (DOCS / "prepare-data.md").read_text(), re.M | re.S
    )[0]
    (home / "labels.csv").write_text(table)
    for line in table.splitlines()[1:]:
        path = home / "pictures" / line.partition(",")[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg)
    return home


def test_there_are_such_commands() -> None:
    assert len(COMMANDS) >= 7


@pytest.mark.parametrize(("line", "page"), COMMANDS, ids=[line for line, _ in COMMANDS])
def test_a_command_makes_its_store(
    line: str, page: str, collections: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(collections)
    words = line.split()[1:]
    out = words[words.index("-o") + 1]
    shutil.rmtree(out, ignore_errors=True)
    with pytest.raises(SystemExit) as end:
        main([*words, "--processes", "1"])  # as by default, without two more processes to start
    assert end.value.code == 0
    store = Store.open(Path(out))
    assert len(store) >= 2
    if "labels.csv" in line:
        (block,) = re.findall(r"```python\n(.*?)```", (DOCS / "prepare-data.md").read_text(), re.S)
        exec(compile(block, page, "exec"), {})  # noqa: S102 - a page of ours
