"""The recipe that fits how light falls around eyes without glasses."""

from pathlib import Path

import pytest

from facedial.compose import rims
from facedial.errors import BadRequest, BadRun, BadStore
from facedial.runtime.bundle import Bundle
from facedial.training import start
from facedial.training.recipes import eyes

from .tiny import order


def test_too_few_people_wrong_settings_and_unfinished_runs_are_refused(
    store: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadStore, match="256"):
        start.run(order(store, tmp_path / "run", recipe="eyes", assignments=("people=4",)))
    with pytest.raises(BadRequest, match="1 or more, got 0"):
        eyes.Settings(patterns=0)
    with pytest.raises(BadRun, match="finish the run"):
        eyes.finish(tmp_path, eyes.Settings(), tmp_path)
    rims.BareEyes.load(Bundle.open().file(rims.FILE)).save(tmp_path / rims.FILE)
    out = tmp_path / "out"
    out.mkdir()
    assert eyes.finish(tmp_path, eyes.Settings(), out) == {"patterns": 64}
