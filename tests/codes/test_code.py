import builtins
from pathlib import Path

import numpy as np
import pytest

from facedial.codes.code import Code, CodeTable, check_same_space, load_codes, save_codes
from facedial.errors import BadRequest, CodeSpaceMismatch, FacedialError


def table(rows: int = 3) -> CodeTable:
    values = np.random.default_rng(0).standard_normal((rows, 8)).astype(np.float32)
    return CodeTable(values, "a", tuple(f"photo {i} é.jpg" for i in range(rows)))


@pytest.mark.parametrize("name", ["codes.npz", "codes.parquet"])
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_codes_come_back_bit_for_bit(tmp_path: Path, name: str, rows: int) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    saved = table(rows)
    save_codes(tmp_path / name, saved)
    loaded = load_codes(tmp_path / name)
    assert np.array_equal(loaded.values, saved.values)
    assert (loaded.space, loaded.names) == (saved.space, saved.names)


def test_two_models_do_not_mix() -> None:
    here, there = Code(np.zeros(4, np.float32), "a"), Code(np.zeros(4, np.float32), "b")
    check_same_space(here, here, table())
    with pytest.raises(CodeSpaceMismatch, match="'a' and 'b'"):
        check_same_space(here, there)
    with pytest.raises(CodeSpaceMismatch):
        CodeTable.of([here, there], ["x", "y"])


def test_a_code_is_one_row_of_finite_numbers() -> None:
    with pytest.raises(BadRequest, match="finite"):
        Code(np.array([0, np.nan], np.float32), "a")
    with pytest.raises(BadRequest, match="shape"):
        Code(np.zeros((2, 2), np.float32), "a")
    with pytest.raises(BadRequest, match="names"):
        CodeTable(np.zeros((2, 2), np.float32), "a", ("one",))
    with pytest.raises(BadRequest, match="at least one"):
        CodeTable.of([], [])
    assert table().code(1).moved(np.ones(8, np.float32)).values.dtype == np.float32


def test_files_that_are_no_codes_are_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="no codes file"):
        load_codes(tmp_path / "missing.npz")
    with pytest.raises(BadRequest, match=r"not 'codes\.txt'"):
        load_codes(tmp_path / "codes.txt")
    with pytest.raises(BadRequest, match=r"not 'codes\.txt'"):
        save_codes(tmp_path / "codes.txt", table())
    whole = tmp_path / "whole.npz"
    save_codes(whole, table())
    for content in (b"", b"not a zip", whole.read_bytes()[:200]):
        (tmp_path / "bad.npz").write_bytes(content)
        with pytest.raises(BadRequest, match="not a file of codes"):
            load_codes(tmp_path / "bad.npz")
    with pytest.raises(FacedialError, match="cannot write"):
        save_codes(tmp_path / "no" / "folder.npz", table())


def test_damaged_parquet_is_refused(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no")
    arrow.parquet.write_table(arrow.table({"other": [1]}), tmp_path / "other.parquet")
    for name in ("bad.parquet", "other.parquet"):
        with pytest.raises(BadRequest, match="not a file of codes"):
            load_codes(tmp_path / name)


def test_parquet_without_pyarrow_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def blocked(name: str, *args: object) -> object:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", blocked)
    with pytest.raises(BadRequest, match=r"facedial\[train\]"):
        save_codes(tmp_path / "codes.parquet", table())
