"""Files of named arrays (.npz) that are read whole or refused, never half and never as pickles."""

import zipfile
import zlib
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray


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


def _opened(path: Path | BinaryIO) -> AbstractContextManager[BinaryIO]:
    return path.open("rb") if isinstance(path, Path) else nullcontext(path)
