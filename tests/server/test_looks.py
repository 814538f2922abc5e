"""Looks in the API: what is listed, previews and their place in the queue, regions of edits."""

import io
import threading
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image, ImageFilter

from facedial.closeup import CloseUp
from facedial.editor import Editor
from facedial.errors import BadRequest
from facedial.looks import LOOKS
from facedial.model import Model
from facedial.server.limits import Limits
from facedial.server.services import looks, photos

from .conftest import Serving
from .test_api import opened, pixels, problem

REACH = 7  # pixels of the close-up around a region's rim that resampling may touch


@pytest.fixture
def where(client: httpx.Client, photo: bytes) -> str:
    """Address of a photo of a woman who smiles."""
    return f"portraits/{opened(client, photo)['id']}"


def test_looks_are_listed_with_the_reason_against_each(client: httpx.Client, where: str) -> None:
    found = {one["name"]: one for one in client.get(f"{where}/looks").json()}
    assert list(found) == [one.name for one in LOOKS]
    assert found["smile"]["unavailable"] == "the face looks like this already"
    assert found["no-glasses"]["unavailable"] is not None
    assert found["no-smile"]["unavailable"] is None
    assert found["no-smile"]["edit"]["set"] == {"Smiling": 0}
    problem(client.get(f"{where}/looks", params={"face": 2}), 422, "no face 2")
    problem(client.get("portraits/x/looks"), 404, "open the photo again")


def test_a_preview_is_what_the_edit_of_its_look_renders(client: httpx.Client, where: str) -> None:
    (look,) = (one for one in client.get(f"{where}/looks").json() if one["name"] == "no-smile")
    shown = client.get(f"{where}/looks/no-smile")
    assert shown.headers["content-type"] == "image/jpeg"
    body = {"edits": [look["edit"]], "size": 128, "quality": "fast"}
    assert shown.content == client.post(f"{where}/render", json=body).content
    assert max(pixels(shown.content).shape) <= 128
    assert client.get(f"{where}/looks/no-smile").content == shown.content
    problem(client.get(f"{where}/looks/smile"), 422, "Smile is not available", "already")
    problem(client.get(f"{where}/looks/wig"), 422, "no look named", "beard")
    problem(client.get("portraits/x/looks/smile"), 404)


def test_a_preview_is_made_once_and_takes_no_place_of_a_close_up(
    editor: Editor, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = photos.open_photo(editor, Limits(), photo)
    rendered: list[int] = []
    render = CloseUp.render

    def counted(own: CloseUp, *given: Any) -> Any:
        rendered.append(1)
        return render(own, *given)

    monkeypatch.setattr(CloseUp, "render", counted)
    first = looks.preview(editor, kept, 1, "no-smile")
    assert looks.preview(editor, kept, 1, "no-smile") == first
    looks.preview(editor, kept, 1, "closed-mouth")
    assert len(rendered) == 2
    assert kept.close_ups == {}
    assert len(kept.small) == 1


def test_without_a_parser_a_colour_by_its_number_is_left_out(
    editor: Editor, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Model, "has_parser", False)
    kept = photos.open_photo(editor, Limits(), photo)
    found = {one["name"]: one["unavailable"] for one in looks.listed(editor, kept, 1)}
    assert "no parser" in found["red-hair"]
    assert found["blond-hair"] is None
    with pytest.raises(BadRequest, match="no parser"):
        looks.preview(editor, kept, 1, "red-hair")


def test_a_render_does_not_wait_for_previews(
    serving: Serving, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A preview that never ends holds up neither a render nor the list; a second preview waits."""
    begun, end = threading.Event(), threading.Event()

    def endless(*_: Any) -> bytes:
        begun.set()
        end.wait(60)
        return b"jpeg"

    monkeypatch.setattr(looks, "preview", endless)
    with serving(Limits(max_workers=1)) as client:
        where = f"portraits/{opened(client, photo)['id']}"
        answers: list[bytes] = []

        def fetch(name: str) -> None:
            answers.append(client.get(f"{where}/looks/{name}").content)

        threads = [threading.Thread(target=fetch, args=(name,)) for name in ("no-smile", "older")]
        for thread in threads:
            thread.start()
        assert begun.wait(30)
        body = {"edits": [{"set": {"Smiling": 0}}], "quality": "fast", "size": 64}
        assert client.post(f"{where}/render", json=body).status_code == 200
        assert client.get(f"{where}/looks").status_code == 200
        assert answers == []
        end.set()
        for thread in threads:
            thread.join(30)
        assert answers == [b"jpeg"] * 2


def test_nothing_changes_outside_the_region_of_an_edit(client: httpx.Client, where: str) -> None:
    edit = {"set": {"Smiling": 0}}
    answer = client.post(f"{where}/region", json={"edits": [edit], "size": 512})
    assert answer.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(answer.content)) as image:
        region = image.getchannel("A")
    near = np.asarray(region.filter(ImageFilter.MaxFilter(2 * REACH + 1))) > 0
    body = {"size": 512, "format": "png", "quality": "fast"}
    before, after = (
        client.post(f"{where}/render", json={**body, "edits": [one]}) for one in ({}, edit)
    )
    assert answer.headers["facedial-box"] == after.headers["facedial-box"]
    apart = (pixels(before.content) != pixels(after.content)).any(2)
    assert apart.shape == near.shape
    assert apart.any()
    assert not (apart & ~near).any()
    nothing = client.post(f"{where}/region", json={"edits": [{}], "size": 512})
    with Image.open(io.BytesIO(nothing.content)) as image:
        assert image.getchannel("A").getextrema() == (0, 0)
    problem(client.post(f"{where}/region", json={"edits": []}), 422, "one edit")
    problem(client.post(f"{where}/region", json={}), 422, "edits")


def test_hair_takes_a_colour_by_its_number(client: httpx.Client, where: str) -> None:
    edit = {"hair_colour": "#7a3318"}
    body = {"edits": [edit], "size": 256, "format": "png"}
    answer = client.post(f"{where}/render", json=body)
    if not client.get("version").json()["hair_colour"]:
        problem(answer, 422, "no parser of heads", "Brown_Hair")
        return
    less = {**body, "edits": [{**edit, "hair_amount": 0.5}]}
    none = {**body, "edits": [{**edit, "hair_amount": 0}]}
    full, half, own = (
        pixels(client.post(f"{where}/render", json=one).content).astype(int)
        for one in (body, less, none)
    )
    plain = client.post(f"{where}/render", json={**body, "edits": [{}]}).content
    assert np.array_equal(own, pixels(plain))
    assert 0 < np.abs(half - own).sum() < np.abs(full - own).sum()
    with Image.open(
        io.BytesIO(client.post(f"{where}/region", json=region_body(body)).content)
    ) as one:
        region = np.asarray(one.getchannel("A").filter(ImageFilter.MaxFilter(3))) > 0
    assert not ((full != own).any(2) & ~region).any()


def region_body(body: dict[str, Any]) -> dict[str, Any]:
    """The body of a render as one of its region."""
    return {name: body[name] for name in ("edits", "size")}
