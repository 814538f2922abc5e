"""The cosine of identity by the model's own network, beside that of the judge."""

from pathlib import Path

import numpy as np
import pytest

from facedial.data.store import Store
from facedial.editor import Editor
from facedial.evaluate._identity import kept_identity


def test_the_same_crops_keep_all_and_others_less(with_identity: Path, labelled_store: Path) -> None:
    crops = Store.open(labelled_store).pixels[:6]
    with Editor.open(with_identity) as editor:
        same = kept_identity(editor.model, crops, crops)
        other = kept_identity(editor.model, crops, crops[::-1])
    assert same == pytest.approx(np.ones(6), abs=1e-5)
    assert other is not None and (other < 1 - 1e-4).all()
    assert np.allclose(other, other[::-1])


def test_there_is_no_figure_without_the_network(editor: Editor, labelled_store: Path) -> None:
    crops = Store.open(labelled_store).pixels[:2]
    found = kept_identity(editor.model, crops, crops)
    assert (found is not None) is editor.model.has_identity
