"""Patterns of light on faces, as files of a bundle."""

from pathlib import Path

import numpy as np
import pytest

from facedial.compose import rims, shave
from facedial.compose.face_patterns import FacePatterns
from facedial.errors import BadBundle
from facedial.runtime.bundle import Bundle


@pytest.mark.parametrize(
    ("kind", "file", "what", "error"),
    [
        (shave.CleanFaces, shave.FILE, "faces without beards", 0.01),
        (rims.BareEyes, rims.FILE, "eyes without glasses", 0.02),
    ],
)
def test_patterns_are_written_and_read(
    kind: type[FacePatterns], file: str, what: str, error: float, tmp_path: Path
) -> None:
    own = kind.load(Bundle.open().file(file))
    path = tmp_path / file
    own.save(path)
    again = kind.load(path)
    np.testing.assert_allclose(again.usual, own.usual, atol=1e-4)
    np.testing.assert_allclose(again.patterns, own.patterns, atol=error)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(BadBundle, match=what):
        kind.load(path)
