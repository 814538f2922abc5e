"""Standard input, output and error: text in any encoding, errors as sentences, bytes of pictures."""

import codecs
import csv
import io
import json
import logging
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import click

from facedial.errors import BadPhoto, BadRequest, FacedialError

PREFIX = "facedial: "  # of sentences about the run
ESCAPE = "facedial.escape"  # error handler of both text streams
# Categories of characters that move the cursor, begin a line or are no characters.
CONTROL = {"Cc", "Cs", "Zl", "Zp"}
EXTRAS = {
    "pillow_heif": "facedial[heic]",
    "av": "facedial[video]",
    "pyarrow": "facedial[parquet]",
    "usearch": "facedial[search]",
    "fastapi": "facedial[serve]",
    "ray": "facedial[cluster]",
    "uvicorn": "facedial[serve]",
    "prometheus_client": "facedial[serve]",
    "starlette": "facedial[serve]",
}
CORE = {"numpy", "PIL", "onnxruntime", "rich"}
STDIN_NAME = "standard input"


def accept_any_text() -> None:
    """Let stdout and stderr escape what their encoding lacks, whoever writes; called once by `main`."""
    codecs.register_error(ESCAPE, _escape_error)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ESCAPE)


def printable(text: str) -> str:
    r"""`text` on one line: control characters and bytes of a name that are no text are escaped.

    >>> printable("caf\udce9.jpg"), printable("two\nlines"), printable("顔.png")
    ('caf\\xe9.jpg', 'two\\nlines', '顔.png')
    """
    if text.isprintable():
        return text
    return "".join(_escaped(c) if unicodedata.category(c) in CONTROL else c for c in text)


def say(line: str) -> None:
    """Print one line on stdout, escaped (see `printable`).

    Raises `click.ClickException` where stdout cannot be written to, which is no photo's fault.
    """
    try:
        _print(line, sys.stdout)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _stdout_failed(error) from error


def say_text(text: str) -> None:
    """Print several lines on stdout."""
    for line in text.splitlines():
        say(line.expandtabs())


def say_json(facts: Any) -> None:
    """Print as JSON on stdout; names that are no text appear as JSON's escapes."""
    say_text(json.dumps(facts, indent=1))


def say_csv(cells: Sequence[Any]) -> None:
    """Print one row of CSV on stdout."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    say(line.getvalue())


def tell(line: str) -> None:
    """Print one line on stderr, escaped (see `printable`)."""
    _print(line, sys.stderr)


def show(text: str) -> None:
    """Print on stderr as it is, without a line's end: for a dialogue, whose text is printable already."""
    if sys.stderr is not None:
        sys.stderr.write(text)
        sys.stderr.flush()


def warn(sentence: str) -> None:
    """Print a sentence about the run on stderr, with the program's name before it."""
    tell(f"{PREFIX}{sentence}")


def show_log(level: int) -> None:
    """Print messages of at least this level of `logging` on stderr."""
    logging.basicConfig(level=level, format="%(name)s: %(message)s")


def sentence(error: BaseException) -> str:
    """What happened and what to do, in one line."""
    if isinstance(error, FacedialError):
        return str(error)
    if isinstance(error, ImportError):
        package = (error.name or str(error)).partition(".")[0]
        source = "facedial" if package in CORE else EXTRAS.get(package, "facedial[train]")
        return f"this needs {package}, which is not installed; run: pip install '{source}'"
    if isinstance(error, OSError):
        parts = [error.strerror or str(error) or type(error).__name__, error.filename]
        return ": ".join(str(part) for part in parts if part is not None)
    if isinstance(error, MemoryError):
        return "out of memory; give fewer or smaller pictures at once"
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return f"this is a fault of facedial ({what}); --debug shows where, please report it"


def sentence_about(file: str, error: BaseException) -> str:
    """As `sentence`, with the name of the file that it is about in it."""
    text = sentence(error)
    return text if Path(file).name in text else f"{file}: {text}"


def read_picture() -> bytes:
    """All of stdin; raises `BadPhoto` where there is none, `BadRequest` for a terminal."""
    if sys.stdin is None:
        raise BadPhoto(f"{STDIN_NAME} is closed; give a file")
    if sys.stdin.isatty():
        raise BadRequest(f"{STDIN_NAME} is a terminal; pipe a photo in, or give a file")
    return sys.stdin.buffer.read()


def ending_of(data: bytes) -> str:
    """The ending of a file with such content, by its first bytes; `.png` where it is not known.

    >>> ending_of(bytes.fromhex("ffd8ffe0")), ending_of(b"GIF89a")
    ('.jpg', '.png')
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    return ".jpg" if data.startswith(b"\xff\xd8\xff") else ".png"


def check_stdout() -> None:
    """Raise `BadRequest` where stdout cannot take a picture, before any work."""
    if sys.stdout is None or sys.stdout.isatty():
        raise BadRequest("standard output is a terminal; redirect it, or give a file for -o")


def write_picture(data: bytes) -> None:
    """Write a picture's bytes to stdout; raises as `say` does."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _stdout_failed(error) from error


class Recorder:
    """A text stream that keeps lines, in place of stdout or (`is_error`) stderr of a worker."""

    def __init__(self, lines: list[tuple[bool, str]], is_error: bool) -> None:
        self._lines, self._is_error, self._begun = lines, is_error, ""

    def write(self, text: str) -> int:
        """Keep what is printed, line by line."""
        *lines, self._begun = (self._begun + text).split("\n")
        self._lines += [(self._is_error, line) for line in lines]
        return len(text)

    def flush(self) -> None:
        """Lines are kept as they come."""

    def isatty(self) -> bool:
        """Nobody looks at it while it is written."""
        return False


def counted(count: int, one: str, many: str | None = None) -> str:
    """A number with its noun.

    >>> counted(1, "file"), counted(2, "file"), counted(2, "entry", "entries")
    ('1 file', '2 files', '2 entries')
    """
    return f"{count} {one if count == 1 else many or one + 's'}"


def _print(line: str, stream: TextIO | None) -> None:
    if stream is not None:  # as in a program without a console
        stream.write(printable(line) + "\n")
        stream.flush()


def _stdout_failed(error: OSError) -> click.ClickException:
    return click.ClickException(f"cannot write to standard output: {error.strerror or error}")


def _escape_error(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_escaped, error.object[error.start : error.end])), error.end


def _escaped(character: str) -> str:
    """As in a Python string; a byte that stands for itself in a name as that byte."""
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
