"""A code with the model it belongs to, and files of many codes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from facedial.arrays import Floats, load_arrays
from facedial.codes.later import Later
from facedial.errors import BadRequest, CodeSpaceMismatch
from facedial.files import atomic_write

FORMAT = 1  # of the .npz and .parquet files below


class InSpace(Protocol):
    """Anything stamped with the id of a model: codes, directions, learned directions, priors."""

    @property
    def space(self) -> str:
        """Id of the code space, the model's."""


def check_same_space(*things: InSpace) -> None:
    """Raise `CodeSpaceMismatch` unless all `things` belong to one model."""
    spaces = list(dict.fromkeys(t.space for t in things))
    if len(spaces) > 1:
        raise CodeSpaceMismatch(
            f"codes of two models cannot be mixed: found {' and '.join(map(repr, spaces))}; "
            "encode all photos with the same model"
        )


@dataclass(frozen=True, slots=True, eq=False, init=False, repr=False)
class Code:
    """One face: `values` float32 [D], whitened (1 = one standard deviation); `space`, its model.

    Values may be computed later (`Code.later`), when they are first read. Raises `BadRequest` when they
    are not one row of finite numbers.
    """

    space: str
    size: int
    _values: Later[Floats]

    def __init__(self, values: Floats, space: str) -> None:
        found = _row(values)
        self._set(Later.of(found), space, len(found))

    @staticmethod
    def later(make: Callable[[], Floats], space: str, size: int) -> "Code":
        """A code of `size` numbers whose values `make` computes when they are first read."""

        def values() -> Floats:
            found = _row(make())
            if len(found) != size:
                raise BadRequest(f"a code of {space} has {size} numbers, found {len(found)}")
            return found

        code = object.__new__(Code)
        code._set(Later(values), space, size)
        return code

    def _set(self, values: Later[Floats], space: str, size: int) -> None:
        object.__setattr__(self, "_values", values)
        object.__setattr__(self, "space", space)
        object.__setattr__(self, "size", size)

    @property
    def values(self) -> Floats:
        """float32 [D]."""
        return self._values.value

    def __repr__(self) -> str:
        return f"Code({self.size} numbers, {self.space!r})"

    def to_bytes(self) -> bytes:
        """The numbers, little-endian float32."""
        return self.values.astype("<f4").tobytes()

    @staticmethod
    def from_bytes(data: bytes, space: str, size: int) -> "Code":
        """The code of `size` numbers that `to_bytes` gave; raises `BadRequest` for anything else."""
        if len(data) != 4 * size:
            raise BadRequest(
                f"a code of {space} has {4 * size:,} bytes, found {len(data):,}; "
                "encode the photo again"
            )
        return Code(np.frombuffer(data, "<f4"), space)

    def check(self, space: str, size: int) -> None:
        """Raise `CodeSpaceMismatch` for a code of another model, `BadRequest` for one of another size."""
        if self.space != space:
            raise CodeSpaceMismatch(
                f"the code belongs to {self.space}, the model to {space}; "
                "encode the photo again with this model"
            )
        if self.size != size:
            raise BadRequest(
                f"a code of {space} has {size} numbers, found {self.size}; encode the photo again"
            )

    def moved(self, step: Floats) -> "Code":
        """This code plus `step`, float32 [D]."""
        return Code(self.values + step, self.space)


def _row(values: Floats) -> Floats:
    """Values as float32 [D]; raises `BadRequest` for anything but one row of finite numbers."""
    found = np.ascontiguousarray(values, dtype=np.float32)
    if found.ndim != 1 or not np.isfinite(found).all():
        raise BadRequest(f"a code is one row of finite numbers, found shape {found.shape}")
    return found


@dataclass(frozen=True, slots=True, eq=False)
class CodeTable:
    """Many faces of one model: `values` float32 [N, D]; `names` [N], one a row (file names).

    Raises `BadRequest` when numbers and names do not go together.
    """

    values: Floats
    space: str
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        values = np.ascontiguousarray(self.values, dtype=np.float32)
        if values.ndim != 2 or not np.isfinite(values).all():
            raise BadRequest(f"codes are finite numbers [N, D], found shape {values.shape}")
        if len(self.names) != len(values):
            raise BadRequest(f"{len(values)} codes cannot carry {len(self.names)} names")
        object.__setattr__(self, "values", values)

    @staticmethod
    def of(codes: Sequence[Code], names: Sequence[str]) -> "CodeTable":
        """The table of `codes`, at least one; raises `CodeSpaceMismatch` for two models."""
        if not codes:
            raise BadRequest("a table of codes needs at least one code")
        check_same_space(*codes)
        return CodeTable(np.stack([c.values for c in codes]), codes[0].space, tuple(names))

    def code(self, row: int) -> Code:
        """Row `row` as a code."""
        return Code(self.values[row], self.space)


def save_codes(path: str | Path, table: CodeTable) -> None:
    """Write `table` to a `.npz` or, with pyarrow, a `.parquet` file; values stay exact.

    Raises `BadRequest` for another suffix, `FacedialError` when the file cannot be written.
    """
    path = Path(path)
    if path.suffix not in (".npz", ".parquet"):
        raise BadRequest(f"codes are written as .npz or .parquet, not {path.name!r}")
    with atomic_write(path) as temporary:
        if path.suffix == ".parquet":
            _save_parquet(temporary, table)
            return
        np.savez(
            temporary,
            format=np.int64(FORMAT),
            values=table.values,
            space=np.array(table.space),
            names=np.array(table.names, dtype=np.str_),
        )


def load_codes(path: str | Path) -> CodeTable:
    """Read what `save_codes` wrote.

    Raises `BadRequest` when the file is missing, of another kind or damaged.
    """
    path = Path(path)
    if path.suffix not in (".npz", ".parquet"):
        raise BadRequest(f"codes are read from .npz or .parquet, not {path.name!r}")
    if not path.is_file():
        raise BadRequest(f"no codes file {path}")
    if path.suffix == ".parquet":
        return _load_parquet(path)
    try:
        file = load_arrays(path)
        names = tuple(str(name) for name in file["names"])
        return CodeTable(file["values"], str(file["space"]), names)
    except (OSError, KeyError, ValueError) as error:
        raise BadRequest(
            f"{path.name} is not a file of codes; make one with `facedial encode`"
        ) from error


def _arrow() -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise BadRequest(
            ".parquet needs pyarrow: pip install 'facedial[train]', or use a .npz file"
        ) from error
    return pyarrow


def _save_parquet(path: Path, table: CodeTable) -> None:
    arrow = _arrow()
    rows = arrow.FixedSizeListArray.from_arrays(
        arrow.array(table.values.ravel()), table.values.shape[1]
    )
    columns = arrow.table({"name": arrow.array(table.names, arrow.string()), "code": rows})
    arrow.parquet.write_table(columns.replace_schema_metadata(parquet_facts(table.space)), path)


def parquet_facts(space: str) -> dict[str, str]:
    """Metadata of a Parquet file with the columns `name` and `code`, which makes it one of codes."""
    return {"facedial.space": space, "facedial.format": str(FORMAT)}


def _load_parquet(path: Path) -> CodeTable:
    arrow = _arrow()
    try:
        columns = arrow.parquet.read_table(path)
        # A run on a cluster has rows of photos that failed, too.
        columns = columns.filter(columns["code"].is_valid())
        rows = columns["code"].combine_chunks()
        size = rows.type.list_size
        values = rows.flatten().to_numpy(zero_copy_only=False).reshape(-1, size)
        space = columns.schema.metadata[b"facedial.space"].decode()
        return CodeTable(values, space, tuple(columns["name"].to_pylist()))
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadRequest(
            f"{path.name} is not a file of codes; make one with `facedial encode`"
        ) from error
