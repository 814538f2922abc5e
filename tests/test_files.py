"""Laws of files: written whole or not at all, modes and links kept; text with a byte order mark."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from facedial import files
from facedial.errors import BadRequest, FacedialError
from facedial.faces.reading import READ


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), files.atomic_write(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o755])
def test_the_mode_of_an_existing_file_is_kept(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(mode)
    with files.atomic_write(path) as temporary:
        # Nobody may read meanwhile who could not read the file.
        assert mode_of(temporary) & 0o077 & ~mode == 0
        temporary.write_text("new")
    assert mode_of(path) == mode
    assert path.read_text() == "new"


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_new_file_has_the_mode_of_the_umask(tmp_path: Path, umask: int) -> None:
    """In a process of its own, whose umask is nobody else's; also where a writer makes a new file."""
    code = (
        "import os, sys\nfrom facedial import files\n"
        f"os.umask({umask})\n"
        "with files.atomic_write(sys.argv[1]) as temporary:\n"
        "    temporary.unlink()\n"
        "    os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY, 0o600))\n"
    )
    path = tmp_path / "a"
    subprocess.run([sys.executable, "-B", "-c", code, str(path)], check=True)  # noqa: S603
    assert mode_of(path) == 0o666 & ~umask


def test_a_symbolic_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "target.txt"
    link = tmp_path / "link.txt"
    link.symlink_to(Path("elsewhere") / "target.txt")
    for text in ("new", "newer"):  # first it leads nowhere
        files.write(link, text)
        assert link.is_symlink()
        assert target.read_text() == text
    assert len(list(tmp_path.rglob("*"))) == 3
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(FacedialError, match=r"cannot write .*loop"):
        files.write(loop, "x")
    assert loop.is_symlink()


def test_what_is_no_ordinary_file_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(FacedialError, match=r"cannot write .*pipe: it is not an ordinary file"):
        files.write(pipe, "x")
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    with pytest.raises(BadRequest, match="exists already"):
        files.write(tmp_path, "x")


@pytest.mark.parametrize("name", ["n" * 255, "ж" * 127, "a." + "b" * 253, "\udce9.png"])
def test_any_name_that_the_file_system_takes(tmp_path: Path, name: str) -> None:
    for text in ("new", "newer"):
        files.write(tmp_path / name, text)
        assert (tmp_path / name).read_text() == text
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["n" * 256, "no/folder", "a\0b"])
def test_a_name_that_cannot_be_is_one_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(FacedialError, match=r"^cannot write ") as error:
        files.write(f"{tmp_path}/{name}", "x")
    assert "\n" not in str(error.value)


def test_an_existing_file_is_kept_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    files.write(path, "mine", overwrite=False)
    with pytest.raises(BadRequest, match="exists already"):
        files.write(path, "other", overwrite=False)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_kept(
    tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError("no hard links here")

    if not links:
        monkeypatch.setattr(os, "link", unsupported)
        files.write(tmp_path / "b.txt", "also without links", overwrite=False)
        assert (tmp_path / "b.txt").read_text() == "also without links"
    path = tmp_path / "a.txt"
    with (
        pytest.raises(BadRequest, match="exists already"),
        files.atomic_write(path, overwrite=False) as temporary,
    ):
        temporary.write_text("ours")
        path.write_text("theirs")
    assert path.read_text() == "theirs"
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_the_sentence_names_the_file_and_not_the_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for error in (OSError(28, "No space left on device"), FacedialError("cannot write .0a1b.txt")):
        with pytest.raises(FacedialError) as caught, files.atomic_write(path):
            if isinstance(error, FacedialError):
                raise error from OSError(28, "No space left on device")
            raise error
        assert str(caught.value) == f"cannot write {path}: No space left on device"


def test_two_writers_never_share_a_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with files.atomic_write(path) as one, files.atomic_write(path) as two:
        assert one != two
        assert one.suffix == two.suffix == ".png"
        one.write_text("one")
        two.write_text("two")
    assert path.read_text() == "one"


TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\ufeff"))


@given(TEXTS, st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]), st.sampled_from(["\n", "\r\n"]))
def test_text_is_the_same_with_and_without_a_byte_order_mark(
    text: str, encoding: str, end: str
) -> None:
    data = text.replace("\n", end).encode(encoding)
    assert files.decode_text(data, "me.txt", "list") == text


def test_what_is_no_text_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "me.txt").write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF")
    with pytest.raises(BadRequest, match=r"me\.txt is no preset: it is not text in UTF-8"):
        files.read_text(tmp_path / "me.txt", "preset")
    with pytest.raises(BadRequest, match=r"nobody cannot be read \(No such file or directory\)"):
        files.read_text(tmp_path / "nobody", "preset")
    with pytest.raises(BadRequest, match=r"the preset .* cannot be read \(Is a directory\)"):
        files.read_text(tmp_path, "preset")


def test_a_preset_and_lists_with_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    from facedial.cli.options import load_preset
    from facedial.data.tables import read_table
    from facedial.teaching import listed

    preset, listing, table = (tmp_path / n for n in ("edit.json", "list.txt", "labels.csv"))
    preset.write_text('{"set": {"Smiling": 1}}', encoding="utf-8-sig")
    listing.write_text("me.jpg\nyou.jpg\n", encoding="utf-8-sig", newline="\r\n")
    table.write_text("file,person\nme.jpg,Zoë\n", encoding="utf-8-sig")
    assert load_preset(preset).targets == {"Smiling": 1}
    assert listed(listing) == [tmp_path / "me.jpg", tmp_path / "you.jpg"]
    assert read_table(table) == {"file": ["me.jpg"], "person": ["Zoë"]}


def test_every_ending_of_a_format_that_is_read_is_on_the_list() -> None:
    """But those that other kinds of files have too."""
    Image.init()
    of_formats = {ending for ending, kind in Image.registered_extensions().items() if kind in READ}
    shared = {".vda", ".vst", ".icb", ".bw", ".rgb", ".rgba"}
    assert of_formats - shared <= files.READABLE
    assert set(files.WRITABLE) <= files.READABLE
    for ending in (".jfif", ".jpe", ".heif", ".hif", ".heic", ".tga", ".jp2", ".JPG"):
        assert files.is_picture(f"folder/me{ending}")
    assert not files.is_picture(".hidden.jpg")
