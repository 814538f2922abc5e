"""Laws of an index: what is added is found, nothing is half written, and Parquet is the truth."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from facedial.editor import Editor
from facedial.errors import BadIndex, BadRequest, UnknownName
from facedial.search import graph, searcher, writer
from facedial.search.entry import likeness
from facedial.search.index import Index

from .made_faces import face, photo


@pytest.fixture
def index(tmp_path: Path, editor: Editor) -> Index:
    """Three photos, of seeds 1, 2 and 3, none, and 4; open to be changed."""
    made = Index.create(tmp_path / "index", editor.model)
    made.add([photo(tmp_path / "a.jpg", 1, 2, 3), photo(tmp_path / "b.jpg")])
    made.add([photo(tmp_path / "c.jpg", 4)])
    made.save()
    return made


def names(index: Index) -> list[tuple[str, int]]:
    """Photo and face, of all faces, by smile."""
    return [(hit.file.name, hit.face) for hit in index.ranked("smiling", 99, least=True)]


def test_a_face_that_was_added_is_the_nearest_to_itself_and_comes_back_whole(index: Index) -> None:
    own = face(3, 3)
    for kind, vector in (("person", own.identity), ("code", own.likeness)):
        hits = index.nearest(vector, kind, most=2)
        assert len(hits) == 2
        assert (hits[0].file.name, hits[0].face) == ("a.jpg", 3)
        assert hits[0].value == pytest.approx(1, abs=1e-3)
        assert hits[1].value < hits[0].value
        assert hits[0].box == own.facts.box
        np.testing.assert_allclose(hits[0].landmarks, own.landmarks, atol=1e-4)
    np.testing.assert_allclose(index.codes()[2], own.code, atol=2e-3)
    with pytest.raises(BadRequest, match="person or code, not by 'hat'"):
        index.nearest(own.identity, "hat")


def test_faces_are_sorted_by_an_attribute_or_a_measure(index: Index) -> None:
    hits = index.ranked("smiling", 2)
    assert [hit.value for hit in hits] == pytest.approx([0.0004, 0.0003])
    assert [hit.face for hit in index.ranked("Smiling", 2, least=True)] == [1, 2]
    assert index.ranked("sharpness", 1)[0].value == pytest.approx(0.01)
    with pytest.raises(UnknownName, match="did you mean Smiling"):
        index.ranked("smilling")


def test_photos_are_replaced_and_removed_whole(index: Index, tmp_path: Path) -> None:
    index.add([photo(tmp_path / "a.jpg", 5, modified=2)])
    index.remove([str(tmp_path / "c.jpg"), "never/seen.jpg"])
    index.save()
    assert (index.photos, index.faces) == (2, 1) and names(index) == [("a.jpg", 1)]
    index.remove([str(tmp_path / "a.jpg")])
    index.save()
    assert (index.photos, index.faces) == (1, 0) and names(index) == []
    assert index.nearest(face(5).identity) == []


def test_a_photo_is_known_while_its_file_is_as_it_was(index: Index, tmp_path: Path) -> None:
    path = tmp_path / "d.jpg"
    path.write_bytes(b"x" * 100)
    os.utime(path, ns=(7, 7))
    assert not index.has(path) and not index.knows(path)
    index.add([photo(path, 9, modified=7)])
    index.save()
    assert index.has(path) and index.knows(path)
    os.utime(path, ns=(8, 8))
    assert not index.has(path) and index.knows(path)
    assert index.gone([tmp_path]) == [str(tmp_path / f"{name}.jpg") for name in "abc"]
    assert index.gone([tmp_path / "a.jpg"]) == [str(tmp_path / "a.jpg")]
    assert index.gone([tmp_path / "other"]) == []


def test_leaving_the_block_commits_also_by_an_error(tmp_path: Path, editor: Editor) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        Index.create(tmp_path / "index", editor.model) as index,
    ):
        index.add([photo(tmp_path / "a.jpg", 1)])
        raise KeyboardInterrupt
    assert names(Index.open(tmp_path / "index")) == [("a.jpg", 1)]


@pytest.mark.parametrize("call", ["write", "save"])
def test_a_commit_that_fails_anywhere_leaves_the_index_as_it_was(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """The disk is full when rows are written, or the manifest."""
    before = names(index)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(
            *((writer.table, "write") if call == "write" else (writer.Manifest, "save")), full
        )
        index.add([photo(tmp_path / "a.jpg", 7), photo(tmp_path / "e.jpg", 8)])
        with pytest.raises(OSError, match="No space"), index:
            index.commit()
    assert names(Index.open(index.folder)) == before


def test_a_killed_process_loses_no_commit_and_the_next_goes_on(
    tmp_path: Path, editor: Editor
) -> None:
    """Killed while rows are written, before the manifest names them."""
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from search.made_faces import photo; from facedial.model import Model\n"
        "from facedial.search import writer; from facedial.search.index import Index\n"
        "index = Index.create(sys.argv[1], Model.open())\n"
        "index.add([photo(Path('/p/a.jpg'), 1)]); index.commit()\n"
        "writer.Manifest.save = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "index.add([photo(Path('/p/b.jpg'), 2)]); index.commit()\n"
    )
    folder = tmp_path / "index"
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    done = subprocess.run(  # noqa: S603  # a program of our own
        [sys.executable, "-c", program, str(folder)],
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    assert done.returncode == -9
    assert len(list(folder.glob("faces-*.parquet"))) == 2  # one of them does not count
    assert names(Index.open(folder)) == [("a.jpg", 1)]
    with Index.open(folder, editor.model, writable=True) as index:
        index.add([photo(Path("/p/b.jpg"), 2)])
        index.save()
        assert names(index) == [("a.jpg", 1), ("b.jpg", 1)]
    assert len(list(folder.glob("faces-*.parquet"))) == 1


def test_parts_are_bounded_and_changes_rewrite_their_own(
    tmp_path: Path, editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "PART_PHOTOS", 2)
    with Index.create(tmp_path / "index", editor.model) as index:
        index.add(photo(tmp_path / f"{seed}.jpg", seed) for seed in range(5))
        index.save()
        assert [part.photos for part in index.manifest.parts] == [2, 2, 1]
        first, _, last = index.manifest.parts
        index.add([photo(tmp_path / "2.jpg", 7)])
        index.save()
        assert [part.photos for part in index.manifest.parts] == [2, 1, 2]
        assert index.manifest.parts[0] == first and index.manifest.parts[2] != last
        assert names(index) == [(f"{seed}.jpg", 1) for seed in (0, 1, 3, 4, 2)]
        ids = index.searcher.ids()
        assert (np.diff(ids) > 0).all() and ids[-1] == 5  # none is used twice


def test_an_index_changed_by_two_at_once_is_refused(index: Index, editor: Editor) -> None:
    with pytest.raises(BadIndex, match="another process is changing the index"):
        Index.open(index.folder, editor.model, writable=True)
    assert names(Index.open(index.folder)) == names(index)
    index.close()
    Index.open(index.folder, editor.model, writable=True).close()
    with pytest.raises(BadRequest, match="opened to be searched alone"):
        Index.open(index.folder).commit()


def test_another_models_index_is_refused(index: Index, editor: Editor) -> None:
    path = index.folder / "index.json"
    facts = json.loads(path.read_text())
    facts["model"] |= {"name": "mine", "identity": "0" * 64}
    path.write_text(json.dumps(facts))
    with pytest.raises(
        BadIndex, match=r"another model \(mine, now facedial: other identity\); use"
    ):
        Index.open(index.folder, editor.model)
    assert len(Index.open(index.folder).ranked("Male")) == 4  # for which no model is needed


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [_cut, _flip, Path.unlink])
def test_damage_is_one_sentence(index: Index, damage: object) -> None:
    assert callable(damage)
    (rows,) = index.folder.glob("faces-*.parquet")
    damage(rows)
    again = Index.open(index.folder)
    with pytest.raises(BadIndex, match=r"is damaged: faces-0\d+.parquet cannot be read .*; delete"):
        again.codes()
    damage(index.folder / "index.json")
    with pytest.raises(BadIndex, match="index"):
        Index.open(index.folder)


def test_what_is_no_index_is_refused(tmp_path: Path, editor: Editor) -> None:
    with pytest.raises(BadIndex, match=r"has no index.json; make one with `facedial index`"):
        Index.open(tmp_path)
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(BadRequest, match="exists and is no index"):
        Index.create(tmp_path, editor.model)
    (tmp_path / "index.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(BadIndex, match="of another version of facedial"):
        Index.open(tmp_path)


def test_the_rows_are_a_table_for_other_programs(index: Index) -> None:
    (path,) = index.folder.glob("faces-*.parquet")
    rows = parquet.read_table(path)
    assert rows.num_rows == 4
    assert {"file", "face", "x0", "yaw", "sharpness", "Smiling", "No_Beard"} < set(
        rows.column_names
    )
    assert [
        str(rows.schema.field(name).type)[-4:] for name in ("identity", "likeness", "code")
    ] == [
        "128]",
        "[40]",
        "024]",
    ]


def test_by_a_graph_faces_are_found_as_exactly(
    tmp_path: Path, editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From some faces on there is a graph; it follows what is added and removed, and is made of rows."""
    monkeypatch.setattr(searcher, "GRAPH_FACES", 300)
    seeds = range(400)
    queries = [face(seed).identity for seed in range(0, 400, 40)]

    def found(index: Index) -> list[list[tuple[str, float]]]:
        hits = [index.nearest(one, "person", 5) for one in queries]
        return [[(hit.file.name, round(hit.value, 5)) for hit in one] for one in hits]

    with Index.create(tmp_path / "index", editor.model) as index:
        index.add(photo(tmp_path / f"{seed}.jpg", seed) for seed in seeds)
        index.commit()
        assert index.searcher.graph("person") is None
        exact = found(index)
        index.save(threads=1)
        assert index.searcher.graph("person") is not None
        assert found(index) == exact
    with Index.open(tmp_path / "index", editor.model, writable=True) as index:
        first = index.searcher.graph("person")
        assert len(first) == 400 and found(index) == exact  # as it lies on the disk
        index.remove([str(tmp_path / "0.jpg")])
        index.add([photo(tmp_path / "more.jpg", 0)])
        index.save(threads=1)
        # The same graph with one face less and one more, not a new one.
        followed = [
            [("more.jpg" if name == "0.jpg" else name, v) for name, v in one] for one in exact
        ]
        assert found(index) == followed
        assert set(index.searcher.graph("person").keys) == {*range(1, 400), 400}
        files = sorted(path.name for path in index.folder.glob("*.usearch"))
        assert files == sorted(one.file for one in index.manifest.graphs.values())
    # Damaged graphs cost time, not faces, and are made anew from the rows.
    for path in (tmp_path / "index").glob("*.usearch"):
        _cut(path)
    assert found(Index.open(tmp_path / "index")) == followed
    with Index.open(tmp_path / "index", editor.model, writable=True) as index:
        index.save(threads=1)
        assert index.searcher.graph("person") is not None and found(index) == followed
    monkeypatch.setattr(graph, "is_installed", lambda: False)
    assert found(Index.open(tmp_path / "index")) == followed


def test_likeness_is_the_angle_of_standardised_readings(editor: Editor) -> None:
    """Codes that differ where no attribute is read are as alike as can be; opposite codes least."""
    directions = editor.model.directions
    rng = np.random.default_rng(0)
    code = rng.standard_normal((1, 1024)).astype(np.float32)
    beside = rng.standard_normal(1024).astype(np.float32)
    basis = np.linalg.qr(directions.read_weights.T.astype(np.float64))[0]
    beside -= (basis @ (basis.T @ beside)).astype(np.float32)
    one, same, opposite = likeness(directions, np.concatenate([code, code + 9 * beside, -code]))
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5)
    assert one @ same == pytest.approx(1, abs=1e-4) and one @ opposite == pytest.approx(
        -1, abs=1e-5
    )
