"""What the tests' quick exporter makes is what bundles are published with."""

from pathlib import Path

import numpy as np
import pytest

from facedial.runtime.bundle import Bundle
from facedial.training import publish


@pytest.mark.usefixtures("quick_export")
def test_both_exporters_make_the_same_graphs(
    finished: Path, published: Path, drawn: np.ndarray, tmp_path: Path
) -> None:
    publish.publish([finished], tmp_path / "bundle")
    with Bundle.open(published / "bundle") as ours, Bundle.open(tmp_path / "bundle") as quick:
        for count in (1, 5):
            codes = ours.run("autoencoder-encode", drawn[:count])
            again = quick.run("autoencoder-encode", drawn[:count])
            np.testing.assert_allclose(again, codes, atol=1e-4)
            pictures = ours.run("autoencoder-decode", codes)
            again = quick.run("autoencoder-decode", codes)
            np.testing.assert_allclose(again, pictures, atol=1e-2)
