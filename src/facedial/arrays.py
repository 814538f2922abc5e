"""Array aliases, and files of named arrays (.npz): read whole or refused, never as pickles."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from facedial.errors import BadBundle
from facedial.files import atomic_write

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Bytes = NDArray[np.uint8]

LUMA: Floats = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green and blue: ITU-R BT.601


def load_arrays(path: Path | BinaryIO, only: str | None = None) -> dict[str, NDArray[Any]]:
    """All arrays of an `.npz` file, or of one that is open already, or `only` that one.

    Raises `OSError` or `ValueError`, `KeyError` where the one is missing, and leaves no file open.
    """
    try:
        # opened here: np.load leaves its own file open when the archive is damaged
        with _opened(path) as raw, np.load(raw, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ValueError("one array, not a table of arrays")
            return {name: file[name] for name in (file.files if only is None else [only])}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(str(error) or type(error).__name__) from error


@contextmanager
def open_part(
    path: str | Path, what: str, version: int, kind: str | None = None
) -> Iterator[dict[str, NDArray[Any]]]:
    """The arrays of a file of a bundle; errors of the code that uses them are reported as the file's.

    `what`: its name, for messages. Raises `BadBundle` when the file is missing, damaged, of another
    `version` (its `format`) or `kind`, and for `KeyError` and `ValueError` inside the block.
    """
    path = Path(path)
    try:
        file = load_arrays(path)
        found = (int(file["format"]), None if kind is None else str(file["kind"]))
        if found != (version, kind):
            of, named = found[0], f"{found[1]}, " if kind else ""
            raise BadBundle(
                f"{path.name} holds {named}format {of}, where {what} of format {version} was "
                "expected; take the bundle and facedial from one version"
            )
        yield file
    except (OSError, KeyError, ValueError) as error:
        raise BadBundle(f"cannot read {what} from {path}: {error}") from error


def save_arrays(path: str | Path, *, compressed: bool = False, **arrays: Any) -> None:
    """Write an `.npz` file of named arrays, whole or not at all (`files.atomic_write`)."""
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        (np.savez_compressed if compressed else np.savez)(file, **arrays)


def _opened(path: Path | BinaryIO) -> AbstractContextManager[BinaryIO]:
    return path.open("rb") if isinstance(path, Path) else nullcontext(path)
