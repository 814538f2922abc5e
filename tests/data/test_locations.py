"""Bytes are found and read wherever they lie; what cannot be read is one sentence."""

import zipfile
from pathlib import Path

import pytest

from facedial.data.locations import ByteLocation, ByteReader, entries
from facedial.errors import BadPhoto, BadRequest
from facedial.files import is_picture


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "in.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("b/two.png", b"22")
        packed.writestr("a.png", b"1" * 50)
    return path


def test_entries_are_sorted_and_readable_in_any_order(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "plain.png").write_bytes(b"333")
    found = entries(archive)
    assert [entry.name for entry in found] == ["a.png", "b/two.png"]
    with ByteReader() as reader:
        places = [found[1].location, ByteLocation(str(tmp_path / "plain.png")), found[0].location]
        assert [reader.read(place) for place in places] == [b"22", b"333", b"1" * 50]


def test_damage_inside_an_archive_is_that_files_alone(archive: Path) -> None:
    found = entries(archive)
    data = bytearray(archive.read_bytes())
    data[data.index(b"1" * 50)] ^= 1
    archive.write_bytes(data)
    with ByteReader() as reader:
        with pytest.raises(BadPhoto, match="cannot be read: Bad CRC-32"):
            reader.read(found[0].location)
        assert reader.read(found[1].location) == b"22"


def test_a_file_that_went_away(tmp_path: Path) -> None:
    with ByteReader() as reader, pytest.raises(BadPhoto, match="cannot be read"):
        reader.read(ByteLocation(str(tmp_path / "gone.png")))
    with pytest.raises(BadRequest, match="there is no"):
        entries(tmp_path / "gone")


def test_pictures_by_name() -> None:
    names = ["a.JPG", "x/y.webp", "x/._y.jpg", "notes.txt", "jpg"]
    assert [is_picture(name) for name in names] == [True, True, False, False, False]
