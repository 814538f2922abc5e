"""Files of users: written whole or not at all, read as text, and the endings of picture files."""

import codecs
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath

from facedial.errors import BadRequest, FacedialError

# Endings of picture files that are written, and the name of the format in Pillow.
WRITABLE = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".avif": "AVIF",
    ".bmp": "BMP",
}
# Endings of picture files that are read.  Those that other kinds of files have too (.vst, .vda, .icb,
# .bw, .rgb, .rgba) are left out: such a file is read when it is named, and skipped in a folder.
READABLE = frozenset(WRITABLE) | {
    *(".apng", ".mpo", ".gif", ".dib", ".avifs", ".heic", ".heif", ".heics", ".heifs", ".hif"),
    *(".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    *(".tga", ".ico", ".pcx", ".sgi", ".qoi", ".psd", ".dds"),
}
MAX_KEPT_ENDING = 16  # bytes; a longer ending is no format's and could exceed what a name may have
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def is_picture(name: str | PurePath) -> bool:
    """Whether a file's name has the ending of a picture that can be read, and is not a hidden file's.

    >>> [is_picture(name) for name in ("me.JFIF", "shots/me.heic", ".me.jpg", "me.txt")]
    [True, True, False, False]
    """
    path = PurePath(name)
    return path.suffix.lower() in READABLE and not path.name.startswith(".")


def ending_of_result(suffix: str) -> str:
    """Of a changed picture: that of the picture, where such files are written, else `.png`.

    >>> ending_of_result(".JPG"), ending_of_result(".heic")
    ('.JPG', '.png')
    """
    return suffix if suffix.lower() in WRITABLE else ".png"


def is_text(name: str) -> bool:
    r"""Whether a name can be stored as UTF-8; names of files may hold any bytes.

    >>> is_text("me.jpg"), is_text("\udce9t\udce9.jpg")
    (True, False)
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal; raises `OSError`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refuse_existing(path: str | Path, *, overwrite: bool) -> None:
    """Raise `BadRequest` where `path` is a folder, or a file that must not be replaced."""
    if os.path.isdir(path) or (os.path.exists(path) and not overwrite):
        raise BadRequest(f"{path} exists already; choose another name or allow overwriting")


@contextmanager
def atomic_write(path: str | Path, *, overwrite: bool = True) -> Iterator[Path]:
    """A temporary file to write into, which takes the place of `path` when the block succeeds.

    The temporary file lies in the same folder, is created exclusively under a random name (with the
    ending of `path`, for writers that look at it) and is removed when the block fails, so that `path`
    is either complete or as it was.  An existing file keeps its mode, a new one gets the umask's; a
    symbolic link is kept and its target replaced.  Without `overwrite` a file that another process
    creates meanwhile is not replaced either, where the file system has hard links.

    Raises `BadRequest` as `refuse_existing` does, and `FacedialError` for an `OSError` of the block or
    of the file system, also when the block raised it as the cause of a `FacedialError`.
    """
    path = Path(path)
    refuse_existing(path, overwrite=overwrite)
    try:
        target, temporary, mode = _begin(path)
    except (OSError, ValueError) as error:
        raise _cannot_write(path, error) from error
    try:
        yield temporary
        _finish(temporary, target, mode, overwrite=overwrite)
    except FileExistsError as error:
        refuse_existing(path, overwrite=overwrite)
        raise _cannot_write(path, error) from error
    except OSError as error:
        raise _cannot_write(path, error) from error
    except FacedialError as error:
        if isinstance(error.__cause__, OSError):  # its sentence names the temporary file
            raise _cannot_write(path, error.__cause__) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write(path: str | Path, content: bytes | str, *, overwrite: bool = True) -> None:
    """Write `content`, text as UTF-8, by `atomic_write`; raises as it does."""
    data = content.encode() if isinstance(content, str) else content
    with atomic_write(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(data)


def read_text(path: str | Path, kind: str) -> str:
    """Text of a user's file, UTF-8 or (with a byte order mark) UTF-16; lines end in a line feed.

    `kind`: what the file is, for the message, e.g. "preset".  A byte order mark is not part of the text.
    Raises `BadRequest` where the file is missing, cannot be read or is no text.
    """
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise BadRequest(f"the {kind} {path} cannot be read ({_reason(error)})") from error
    return decode_text(data, str(path), kind)


def decode_text(data: bytes, name: str, kind: str) -> str:
    r"""Text of a file's content, as `read_text`.  Raises `BadRequest`.

    >>> decode_text("\ufeffZo\xeb\r\nMax".encode(), "people.txt", "list")
    'Zoë\nMax'
    """
    try:
        text = data.decode("utf-16" if data.startswith(UTF16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequest(f"{name} is no {kind}: it is not text in UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _begin(path: Path) -> tuple[Path, Path, int]:
    """The file to replace, a new empty file beside it, and the mode that it gets in the end."""
    try:
        found = path.stat()
    except FileNotFoundError:
        found = None
    if found is not None and not stat.S_ISREG(found.st_mode):
        raise OSError("it is not an ordinary file")  # e.g. /dev/null, which must not be replaced
    target = Path(os.path.realpath(path))
    ending = target.suffix if len(os.fsencode(target.suffix)) <= MAX_KEPT_ENDING else ""
    temporary = target.with_name(f".{secrets.token_hex(8)}{ending}")
    wanted = 0o666 if found is None else stat.S_IMODE(found.st_mode)
    # Never readable by more people than the file that it replaces, always writable by its owner.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, wanted | stat.S_IWUSR)
    created = stat.S_IMODE(os.fstat(descriptor).st_mode)
    os.close(descriptor)
    return target, temporary, created if found is None else wanted


def _finish(temporary: Path, target: Path, mode: int, *, overwrite: bool) -> None:
    if stat.S_IMODE(temporary.stat().st_mode) != mode:
        temporary.chmod(mode)
    if not overwrite:
        try:
            os.link(temporary, target)  # unlike a renaming, it never replaces
            return
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            if target.exists():
                raise FileExistsError(f"{target} exists") from None
    os.replace(temporary, target)


def _cannot_write(path: Path, error: OSError | ValueError) -> FacedialError:
    return FacedialError(f"cannot write {path}: {_reason(error)}")


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)
