"""The file in a request's body: the body itself, or the one file of a form."""

from typing import TYPE_CHECKING

from fastapi import Request
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from facedial.errors import BadRequest

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FORM = "multipart/form-data"
FIELD = "file"  # the form's field, as the OpenAPI document names it


async def uploaded(request: Request) -> bytes:
    """The file's bytes; raises `BadRequest` for a form that holds no file or several.

    `curl --data-binary @me.jpg` sends the file as the body, a browser's form and `curl -F file=@me.jpg`
    as a part of `multipart/form-data`.
    """
    body = await request.body()
    media_type, options = parse_options_header(request.headers.get("content-type"))
    if media_type != FORM.encode():
        return body
    files = _files(body, options.get(b"boundary", b""))
    if len(files) != 1:
        found = f"{len(files)} files" if files else "no file"
        raise BadRequest(f"the form holds {found}; send one, in a field named {FIELD!r}")
    return files[0]


def _files(body: bytes, boundary: bytes) -> list[bytes]:
    """The files of a form: parts with a file name, or of the field `FIELD`.

    Starlette's own parser writes files of more than 1 MB to disk; this one keeps all in memory, and
    the body is bounded before.
    """
    parser = _FileParser()
    try:
        reader = MultipartParser(boundary, parser.callbacks())
        reader.write(body)
        reader.finalize()
    except FormParserError as error:
        raise BadRequest(f"the form cannot be read ({error}); send the file as the body") from error
    if not parser.ended:
        raise BadRequest("the form is cut off; send it again")
    return parser.files


class _FileParser:
    """Collects the files of a form from the events of `MultipartParser`."""

    def __init__(self) -> None:
        self.files: list[bytes] = []
        self.ended = False
        self._data = bytearray()
        self._name = self._value = b""
        self._is_file = False

    def callbacks(self) -> "MultipartCallbacks":
        """The events listened to."""
        return {
            "on_part_begin": self._part_begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_part_data": self._part_data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    def _part_begin(self) -> None:
        self._data = bytearray()
        self._is_file = False

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            self._is_file = b"filename" in options or options.get(b"name") == FIELD.encode()
        self._name = self._value = b""

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._data += data[start:end]

    def _part_end(self) -> None:
        if self._is_file:
            self.files.append(bytes(self._data))

    def _end(self) -> None:
        self.ended = True
