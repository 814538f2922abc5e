"""The recipe that fits the coder of coded faces."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from facedial.coded import CODER, packed, unpacked
from facedial.codes.code import Code
from facedial.codes.entropy import Coder
from facedial.errors import BadRequest, BadRun
from facedial.model import Model
from facedial.training import publish, start

from .tiny import order


def test_a_coder_is_fitted_and_codes_faces_of_its_bundle(
    store: Path, with_flow: Path, tmp_path: Path
) -> None:
    bundle = shutil.copytree(with_flow / "bundle", tmp_path / "bundle")
    plain = Model.open(bundle)
    code = Code(np.linspace(-2, 2, plain.dimensions, dtype=np.float32), plain.space)
    with pytest.raises(BadRequest, match="has no coder"):
        packed(plain, code)
    plain.close()
    run = tmp_path / "run"
    start.run(order(store, run, recipe="coder", assignments=("crops=16", "faces=2"), init=bundle))
    publish.publish([run], bundle)
    model = Model.open(bundle)
    sizes = [len(packed(model, code, quality=quality)) for quality in (50, 100)]
    assert sizes[0] < sizes[1]
    found = unpacked(model, packed(model, code, quality=100)).code.values
    levels = 2.0 ** (Coder.load(bundle / CODER).significance / 8)
    # Half a step of a quarter of a level, its dead zone, and the rounding of the significance.
    assert (np.abs(found - code.values) * levels).max() < 0.25
    model.close()
    (run / CODER).unlink()
    with pytest.raises(BadRun, match="finish the run"):
        publish.publish([run], bundle)
