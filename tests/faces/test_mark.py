"""Laws of the mark of edited pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facedial.editor import Editor
from facedial.faces import mark
from facedial.faces.photo import Photo
from facedial.files import WRITABLE

PIXELS = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
CARRIED = sorted(set(WRITABLE) - {".bmp"})


def with_exif() -> bytes:
    exif = Image.Exif()
    exif[0x013B] = "somebody"  # Artist
    return exif.tobytes()


@pytest.mark.parametrize("ending", CARRIED)
@pytest.mark.parametrize("exif", [None, with_exif()])
@pytest.mark.parametrize("term", [mark.EDITED, mark.GENERATED])
def test_a_mark_goes_into_the_file_and_comes_back(
    ending: str, exif: bytes | None, term: str, tmp_path: Path
) -> None:
    path = tmp_path / f"one{ending}"
    Photo(PIXELS, "one", exif, term).save(path)
    again = Photo.open(path)
    assert again.mark == term
    assert mark.VOCABULARY.encode() in path.read_bytes()
    assert (again.exif is None) is (exif is None)
    if ending in (".png", ".tif", ".tiff"):
        assert np.array_equal(again.pixels, PIXELS)
    again.save(tmp_path / f"two{ending}")
    assert Photo.open(tmp_path / f"two{ending}").mark == term


@pytest.mark.parametrize("ending", sorted(WRITABLE))
def test_unmarked_pictures_stay_unmarked(ending: str, tmp_path: Path) -> None:
    Photo(PIXELS).save(tmp_path / f"one{ending}")
    assert Photo.open(tmp_path / f"one{ending}").mark is None
    assert b"digitalsourcetype" not in (tmp_path / f"one{ending}").read_bytes()


@pytest.mark.parametrize(
    ("xmp", "wanted"),
    [
        (
            f'<a Iptc4xmpExt:DigitalSourceType="{mark.VOCABULARY}algorithmicMedia"/>',
            "algorithmicMedia",
        ),
        (
            f"<Iptc4xmpExt:DigitalSourceType>{mark.VOCABULARY}trainedAlgorithmicMedia"
            "</Iptc4xmpExt:DigitalSourceType>",
            "trainedAlgorithmicMedia",
        ),
        (
            f"<Iptc4xmpExt:DigitalSourceType>\n  {mark.VOCABULARY}compositeSynthetic\n"
            "</Iptc4xmpExt:DigitalSourceType>",
            "compositeSynthetic",
        ),
        (
            f'<Iptc4xmpExt:DigitalSourceType rdf:resource="{mark.VOCABULARY}algorithmicMedia"/>',
            "algorithmicMedia",
        ),
        (f'<a Iptc4xmpExt:DigitalSourceType="{mark.VOCABULARY}digitalCapture"/>', None),
        (f'<a note="{mark.VOCABULARY}algorithmicMedia"/>', None),
        ("", None),
    ],
)
def test_marks_of_other_programs_are_read(xmp: str, wanted: str | None) -> None:
    assert mark.found(xmp) == mark.found(xmp.encode()) == wanted


def test_an_edit_is_marked_and_a_zero_edit_is_not(editor_photo: tuple[Editor, Photo]) -> None:
    editor, photo = editor_photo
    portrait = editor.read(photo)[0]
    assert editor.render(portrait, {}).mark is None
    assert editor.render(portrait, {"Blond_Hair": 1.0}).mark == mark.EDITED


@pytest.fixture(scope="module")
def editor_photo() -> tuple[Editor, Photo]:
    from skimage.data import astronaut

    return Editor.open(), Photo(astronaut(), "astronaut")
