"""Contact sheets of faces that were found."""

from pathlib import Path

import numpy as np

from facedial.editor import Editor
from facedial.faces.photo import Photo
from facedial.search.entry import entry_of
from facedial.search.searcher import Hit
from facedial.search.sheet import ACROSS, GREY, SIDE, contact_sheet, crop_of


def test_faces_are_cut_from_their_photos_and_missing_ones_are_said(
    editor: Editor, astronaut: Path, tmp_path: Path
) -> None:
    photo = Photo.open(astronaut)
    (face,) = entry_of(editor, astronaut, photo).faces
    hit = Hit(astronaut, 1, face.facts.box, face.landmarks, 0.9, face.facts.score)
    gone = Hit(tmp_path / "gone.jpg", 1, face.facts.box, face.landmarks, 0.8, 1)
    (portrait,) = editor.read(photo)
    np.testing.assert_array_equal(crop_of(hit), portrait.crop.pixels)
    sheet, notes = contact_sheet(
        [(portrait.crop.pixels, [hit, gone]), (None, [hit] * (ACROSS + 1))]
    )
    assert len(notes) == 1 and "gone.jpg" in notes[0]
    assert sheet.pixels.shape[1] == ACROSS * (SIDE + 2) - 2
    first = sheet.pixels[:SIDE, (sheet.pixels.shape[1] - 3 * SIDE - 4) // 2 :]  # centred
    np.testing.assert_array_equal(first[:, :SIDE], portrait.crop.pixels)
    np.testing.assert_array_equal(first[:, SIDE + 2 : 2 * SIDE + 2], portrait.crop.pixels)
    assert (first[:, 2 * SIDE + 4 : 3 * SIDE + 4] == GREY).all()
