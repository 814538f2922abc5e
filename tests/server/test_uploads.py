"""Files as the body of a request, and as a browser's form sends them."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import Request
from hypothesis import given, settings
from hypothesis import strategies as st

from facedial.errors import BadRequest
from facedial.server.uploads import uploaded

from .test_api import problem


def received(body: bytes, content_type: str | None) -> bytes:
    """What `uploaded` finds in a request of that body."""
    headers = [] if content_type is None else [(b"content-type", content_type.encode())]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
    return asyncio.run(uploaded(request))


def form(*parts: tuple[str, bytes], boundary: str = "b0undary") -> bytes:
    """A form of parts (content disposition, data)."""
    lines = [
        b"--%s\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n"
        % (boundary.encode(), disposition.encode(), data)
        for disposition, data in parts
    ]
    return b"".join(lines) + b"--%s--\r\n" % boundary.encode()


FORM = "multipart/form-data; boundary=b0undary"
FILE = 'name="photo"; filename="me.jpg"'


@settings(max_examples=20)
@given(st.binary(max_size=300))
def test_a_file_is_the_same_as_the_body_and_in_a_form(data: bytes) -> None:
    for content_type in (None, "image/png", "application/x-www-form-urlencoded", "nonsense"):
        assert received(data, content_type) == data
    sent = httpx.Request("POST", "http://localhost", files={"file": ("me.jpg", data)})
    assert received(sent.read(), sent.headers["content-type"]) == data


def test_other_fields_of_a_form_are_left_out() -> None:
    body = form(('name="comment"', b"hello"), (FILE, b"\r\n--b0undar\r\n"), ('name="x"', b""))
    assert received(body, FORM) == b"\r\n--b0undar\r\n"
    assert received(form(('name="file"', b"abc")), FORM) == b"abc"


@pytest.mark.parametrize(
    ("body", "content_type", "part"),
    [
        (form(('name="comment"', b"hello")), FORM, "no file"),
        (form((FILE, b"a"), (FILE, b"b")), FORM, "2 files"),
        (form((FILE, b"a"))[:-12], FORM, "cut off"),
        (b"", FORM, "cut off"),
        (b"\xff\xd8 no form at all", FORM, "cannot be read"),
        (form((FILE, b"a")), "multipart/form-data", "boundary"),
        (form((FILE, b"a")), "multipart/form-data; boundary=other", "cannot be read"),
    ],
)
def test_a_form_without_one_file_is_refused(body: bytes, content_type: str, part: str) -> None:
    with pytest.raises(BadRequest, match=part):
        received(body, content_type)


def test_forms_are_accepted_wherever_a_photo_is(client: httpx.Client, photo: bytes) -> None:
    files = {"photo": ("me.png", photo, "image/png")}
    raw = client.post("faces", content=photo).json()
    assert client.post("faces", files=files).json() == raw
    assert client.post("portraits", files=files).status_code == 201
    assert client.post("codes", files=files).json() == client.post("codes", content=photo).json()
    two = [("a", ("a.png", photo)), ("b", ("b.png", photo))]
    problem(client.post("faces", files=two), 422, "2 files")
    problem(client.post("faces", data={"a": "b"}, files={"c": (None, b"d")}), 422, "no file")
    problem(client.post("faces", files={"file": ("empty.png", b"")}), 415, "empty")
