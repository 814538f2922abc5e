"""Laws of bundles: golden numbers, batches, threads, pickling, damage."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from facedial.errors import BadBundle, UnknownName
from facedial.runtime import bundle
from facedial.runtime.bundle import Bundle
from facedial.runtime.session import Session

ENCODER, DECODER = "autoencoder-encode", "autoencoder-decode"


@pytest.fixture(scope="module")
def opened() -> Bundle:
    return Bundle.open()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle.home() / bundle.DEFAULT, tmp_path / "copy"))


def codes(count: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, 1024)).astype(np.float32)


def test_golden_numbers_agree(opened: Bundle) -> None:
    differences = opened.prove()
    assert set(differences) == {
        "autoencoder-decode",
        "autoencoder-encode",
        "flow",
        "flow-code",
        "flow-planes",
        "guide",
        "identity",
        "detail",
        "detector",
        "landmarks",
        "parser",
        "reader",
        "second_stage",
        "sharp",
        "student",
    }
    assert max(differences.values()) < 2e-3


def test_a_batch_is_its_singles(opened: Bundle) -> None:
    many = codes(bundle.LARGEST_BATCH + 3)
    together = opened.run(DECODER, many)
    alone = np.concatenate([opened.run(DECODER, row[None]) for row in many])
    assert together.shape == (len(many), 128, 128, 3)
    assert_allclose(together, alone, atol=0.02)  # of 255: sums in another order


def test_a_bundle_tells_which_graphs_and_files_it_holds(opened: Bundle) -> None:
    assert opened.has(DECODER) and opened.has("flow")
    assert not opened.has("no-such-graph") and not opened.has("prior")
    assert opened.has_file("prior.npz") and not opened.has_file("raw.npz")
    assert opened.part("flow")["of"] == opened.facts["space"]
    assert opened.part("no-such-part") == {}
    assert opened.file("prior.npz").is_file()
    with pytest.raises(BadBundle, match=r"holds no no-such-graph\.onnx"):
        opened.run("no-such-graph", codes(1))
    with pytest.raises(BadBundle, match=r"holds no raw\.npz"):
        opened.file("raw.npz")


def test_a_graph_has_one_session_which_a_close_frees_and_a_call_opens_again() -> None:
    with Bundle.open("cvae") as one:
        values = np.zeros((1, one.facts["dimensions"]), np.float32)
        first = one.run(DECODER, values)
        session = one.session(DECODER)
        assert one.session(DECODER) is session
        one.close()
        assert np.array_equal(one.run(DECODER, values), first)
        assert one.session(DECODER) is not session


def test_sessions_are_made_in_the_background_and_each_only_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[str] = []

    class Counted(Session):
        def __init__(self, path: Path, *, threads: int | None = None) -> None:
            made.append(path.stem)
            super().__init__(path, threads=threads)

    monkeypatch.setattr(bundle, "Session", Counted)
    with Bundle.open("cvae") as one:
        one.prepare([DECODER, "no-such-graph", ENCODER])
        values = np.zeros((1, one.facts["dimensions"]), np.float32)
        first = one.run(DECODER, values)
        one.session(ENCODER)
        assert sorted(made) == sorted([DECODER, ENCODER])
        # What could not be opened in the background says so when it is asked for.
        with pytest.raises(BadBundle, match=r"holds no no-such-graph\.onnx"):
            one.session("no-such-graph")
        one.close()
        assert np.array_equal(one.run(DECODER, values), first)


def test_what_is_prepared_and_closed_at_once_is_opened_again() -> None:
    with Bundle.open("cvae") as one:
        one.prepare([ENCODER, DECODER])
        one.close()
        values = np.zeros((1, one.facts["dimensions"]), np.float32)
        assert one.run(DECODER, values).shape[0] == 1


def test_a_used_bundle_is_pickled_without_its_sessions() -> None:
    with Bundle.open("cvae", threads=1) as one:
        values = np.zeros((1, one.facts["dimensions"]), np.float32)
        first = one.run(DECODER, values)
        data = pickle.dumps(one)
        assert len(data) < 100_000
        with pickle.loads(data) as copy:  # noqa: S301
            assert (copy.path, copy.facts, copy.threads) == (one.path, one.facts, 1)
            assert np.array_equal(copy.run(DECODER, values), first)


def test_thread_counts_agree(opened: Bundle) -> None:
    with Bundle.open(threads=1) as one, Bundle.open(threads=2) as two:
        assert_allclose(one.run(DECODER, codes(2)), two.run(DECODER, codes(2)), atol=0.02)


def test_decoded_codes_are_encoded_as_themselves(opened: Bundle) -> None:
    """The leading numbers, in which codes of most pictures differ, survive decoding and encoding."""
    given = 0.3 * codes(8)  # mild, so that little is clipped to black and white
    pictures = np.clip(np.rint(opened.run(DECODER, given)), 0, 255).astype(np.uint8)
    found = opened.run(ENCODER, pictures)
    agree = [np.corrcoef(a[:64], b[:64])[0, 1] for a, b in zip(given, found, strict=True)]
    assert min(agree) > 0.95


def test_encoding_twice_gives_the_same_bits(opened: Bundle) -> None:
    crops = np.random.default_rng(1).integers(0, 256, (2, 128, 128, 3), dtype=np.uint8)
    assert np.array_equal(opened.run(ENCODER, crops), opened.run(ENCODER, crops))


def test_mirrored_crops_have_codes_of_equal_length(opened: Bundle) -> None:
    """Fitted on mirrors too, each component is even or odd: mirroring changes only signs."""
    crop = np.clip(opened.run(DECODER, 0.5 * codes(1)), 0, 255).astype(np.uint8)
    both = opened.run(ENCODER, np.concatenate([crop, crop[:, :, ::-1]]))
    assert_allclose(np.abs(both[0, :32]), np.abs(both[1, :32]), atol=0.15)


@pytest.mark.parametrize(
    "name",
    ["shared.bin", "autoencoder-decode.onnx", "landmarks.onnx", "directions.npz", "CARD.md"],
)
def test_a_flipped_byte_is_refused_by_name(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(bytes(data))
    with pytest.raises(BadBundle, match=rf"{name} was changed or damaged"):
        Bundle.open(copy)


def test_a_missing_file_is_refused_by_name(copy: Path) -> None:
    (copy / "reader.onnx").unlink()
    with pytest.raises(BadBundle, match=r"reader\.onnx is missing"):
        Bundle.open(copy)


def test_an_unknown_format_is_refused(copy: Path) -> None:
    facts = json.loads((copy / "bundle.json").read_text())
    (copy / "bundle.json").write_text(json.dumps({**facts, "format": 99}))
    with pytest.raises(BadBundle, match="bundle format 99, this version reads format 1"):
        Bundle.open(copy)


def test_wrong_folders_and_names(tmp_path: Path) -> None:
    with pytest.raises(BadBundle, match="is no bundle"):
        Bundle.open(tmp_path)
    with pytest.raises(BadBundle, match="does not exist"):
        Bundle.open(tmp_path / "nowhere")
    with pytest.raises(UnknownName, match="did you mean facedial"):
        Bundle.open("facedal")


@pytest.mark.parametrize("name", bundle.installed())
def test_the_card_has_its_headings(name: str) -> None:
    card = (bundle.home() / name / "CARD.md").read_text()
    for heading in (
        "Data and consent",
        "Under-represented",
        "Figures",
        "Failures",
        "Intended use",
        "Refused uses",
        "Recipe",
    ):
        assert f"## {heading}" in card
