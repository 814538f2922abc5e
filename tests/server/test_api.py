"""The API: what it answers, that it agrees with the library, and how it refuses."""

import base64
import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

import facedial as library
from facedial.codes.attributes import NAMES
from facedial.editing.request import Edit
from facedial.editing.table import BEST, DIRECTION, FAST
from facedial.editor import Editor
from facedial.errors import BadRequest
from facedial.faces.mark import EDITED, GENERATED
from facedial.server.limits import Limits
from facedial.server.services import learning, photos


def opened(client: httpx.Client, data: bytes) -> dict[str, Any]:
    answer = client.post("portraits", content=data)
    assert answer.status_code == 201, answer.text
    facts: dict[str, Any] = answer.json()
    return facts


def problem(answer: httpx.Response, status: int, *parts: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    facts = answer.json()
    assert facts["status"] == status
    assert facts["title"]
    for part in parts:
        assert part in facts["detail"]


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def test_it_says_what_it_is(client: httpx.Client) -> None:
    assert client.get("health").json() == {"status": "ok"}
    version = client.get("version").json()
    assert version["version"] == library.__version__
    with Editor.open() as editor:
        assert version["space"] == editor.model.space
    attributes = client.get("attributes").json()
    assert [one["name"] for one in attributes] == list(NAMES)
    assert any(one["weak"] for one in attributes)
    assert not all(one["weak"] for one in attributes)


def test_the_openapi_document_has_every_route_and_examples(client: httpx.Client) -> None:
    document = client.get("openapi.json").json()
    routes = {
        "/api/faces", "/api/portraits", "/api/portraits/{key}", "/api/portraits/{key}/render",
        "/api/portraits/new", "/api/generate", "/api/morph", "/api/presets", "/api/codes",
        "/api/learn", "/api/directions", "/api/directions/{key}", "/api/attributes",
        "/api/health", "/api/version", "/api/metrics", "/api/portraits/{key}/looks",
        "/api/portraits/{key}/looks/{name}", "/api/portraits/{key}/region",
    }  # fmt: skip
    assert set(document["paths"]) == routes
    for name in ("RenderBody", "GenerateBody"):
        assert document["components"]["schemas"][name]["examples"]
    for path in document["paths"].values():
        for call in path.values():
            assert call["description"]


def test_a_photo_is_opened_rendered_and_closed(client: httpx.Client, photo: bytes) -> None:
    facts = opened(client, photo)
    assert (facts["width"], facts["height"]) == (512, 512)
    (face,) = facts["faces"]
    assert face["attributes"].keys() == set(NAMES)
    assert face["current_values"].keys() == set(NAMES)
    where = f"portraits/{facts['id']}/render"
    answer = client.post(where, json={"edits": [{"set": {"blond-hair": 0}}]})
    assert answer.headers["content-type"] == "image/jpeg"
    box = [int(part) for part in answer.headers["facedial-box"].split(",")]
    assert box == face["close_up"]
    assert pixels(answer.content).shape == (box[3] - box[1], box[2] - box[0], 3)
    assert client.delete(f"portraits/{facts['id']}").status_code == 204
    problem(client.post(where, json={"edits": [{}]}), 404, "open the photo again")


@pytest.mark.usefixtures("few_steps")
def test_a_whole_photo_is_the_librarys_byte_for_byte(
    client: httpx.Client, astronaut: Path, tmp_path: Path
) -> None:
    facts = opened(client, astronaut.read_bytes())
    body = {"edits": [{"set": {"Smiling": 0, "Mustache": 1}}], "view": "photo", "format": "png"}
    answer = client.post(f"portraits/{facts['id']}/render", json=body)
    implied = json.loads(answer.headers["facedial-implied"])
    assert implied == {"Mouth_Slightly_Open": pytest.approx(0, abs=0.05), "No_Beard": 0.0}
    with Editor.open() as editor:
        (portrait,) = editor.read(library.Photo.open(astronaut))
        editor.render(portrait, {"Smiling": 0, "Mustache": 1}).save(tmp_path / "one.png")
    assert (tmp_path / "one.png").read_bytes() == answer.content
    (tmp_path / "two.png").write_bytes(answer.content)
    assert library.Photo.open(tmp_path / "two.png").mark == EDITED


def test_a_close_up_shows_what_the_photo_will(client: httpx.Client, photo: bytes) -> None:
    facts = opened(client, photo)
    where = f"portraits/{facts['id']}/render"
    edits = [{"set": {"Blond_Hair": 0}}]
    near = client.post(where, json={"edits": edits, "format": "png", "size": 1024})
    whole = client.post(where, json={"edits": edits, "format": "png", "view": "photo"})
    x0, y0, x1, y1 = facts["faces"][0]["close_up"]
    assert np.array_equal(pixels(near.content), pixels(whole.content)[y0:y1, x0:x1])
    untouched = client.post(where, json={"edits": [{}], "format": "png", "size": 1024})
    assert np.array_equal(pixels(untouched.content), pixels(photo)[y0:y1, x0:x1])
    small = pixels(client.post(where, json={"edits": edits, "format": "png", "size": 64}).content)
    assert max(small.shape) == 64
    shrunk = Image.fromarray(pixels(whole.content)[y0:y1, x0:x1]).resize(small.shape[1::-1])
    assert np.abs(np.asarray(shrunk).astype(int) - small).mean() < 6


def test_close_ups_of_many_sizes_are_not_all_kept(photo: bytes, editor: Editor) -> None:
    opened = photos.open_photo(editor, Limits(), photo)
    edits = [(1, Edit({"Smiling": 0.2}))]
    drawn = []
    for size in (64, 100, 128, 256, 64):
        picture = photos.render_close_up(
            editor, opened, edits, size=size, ending=".png", method=(BEST, FAST)
        )
        drawn.append(picture.data)
        assert len(opened.close_ups) <= 2
    assert drawn[0] == drawn[-1]  # made anew, the same
    assert len(set(drawn)) == 4


def test_each_face_has_its_own_edit(client: httpx.Client, two_faces: bytes) -> None:
    found = client.post("faces", content=two_faces).json()
    assert [face["number"] for face in found["faces"]] == [1, 2]
    first, second = (face["box"] for face in found["faces"])
    assert first[2] - first[0] > second[2] - second[0]
    facts = opened(client, two_faces)
    where = f"portraits/{facts['id']}/render"
    one = {"face": 1, "set": {"Blond_Hair": 0}}
    two = {"face": 2, "set": {"Male": 1}}
    pictures = [
        pixels(client.post(where, json={"edits": e, "view": "photo", "format": "png"}).content)
        for e in ([one], [two], [one, two])
    ]
    left, right = (picture[:, :512] for picture in pictures[:2]), pictures
    assert not np.array_equal(*left)
    assert np.array_equal(pictures[2][:, :500], pictures[0][:, :500])
    assert np.array_equal(right[2][:, 560:], pictures[1][:, 560:])
    problem(client.post(where, json={"edits": [{"face": 3}]}), 422, "2 faces", "no face 3")
    twice = {"edits": [one, two, {"face": 1, "set": {"Smiling": 0}}], "view": "photo"}
    problem(client.post(where, json=twice), 422, "face 1 is given two edits")


@pytest.mark.usefixtures("few_steps")
def test_new_faces_are_the_librarys_and_open_like_photos(client: httpx.Client) -> None:
    sampling = {"seed": 7, "targets": {"Gray_Hair": 1}}
    answer = client.post("generate", json={**sampling, "count": 3}).json()
    assert answer["implied"] == {"Black_Hair": 0, "Blond_Hair": 0, "Brown_Hair": 0}
    data = [base64.b64decode(face["picture"].partition(",")[2]) for face in answer["faces"]]
    with Editor.open() as editor:
        drawn = editor.decode(editor.generate(3, seed=7, targets={"Gray_Hair": 1}), size=256)
    for picture, own in zip(data, drawn, strict=True):
        assert np.array_equal(pixels(picture), own)
        assert library.Photo.from_bytes(picture, "face").mark == GENERATED
    facts = client.post("portraits/new", json={**sampling, "number": 2}).json()
    assert (facts["width"], facts["height"]) == (256, 256)
    where = f"portraits/{facts['id']}/render"
    still = client.post(where, json={"edits": [], "view": "photo", "format": "png"})
    assert np.array_equal(pixels(still.content), drawn[2])


def test_a_morph_begins_and_ends_at_its_faces(client: httpx.Client, photo: bytes) -> None:
    one, two = opened(client, photo)["id"], client.post("portraits/new", json={}).json()["id"]
    body = {"through": [{"portrait": one}, {"portrait": two}], "steps": 5}
    frames = client.post("morph", json={**body, "format": "frames"}).json()["frames"]
    assert len(frames) == 5
    assert len(set(frames)) == 5
    with Image.open(io.BytesIO(client.post("morph", json=body).content)) as moving:
        assert (moving.format, getattr(moving, "n_frames", 0)) == ("WEBP", 5)
    body["through"] = [{"portrait": one}]
    problem(client.post("morph", json=body), 422, "through")


def test_a_direction_is_learned_used_and_saved(client: httpx.Client, photo: bytes) -> None:
    codes = client.post("codes", content=photo).json()
    (own,) = (base64.b64decode(code) for code in codes["codes"])
    values = np.frombuffer(own, "<f4")
    assert len(values) == codes["dimensions"]
    rng = np.random.default_rng(0)
    sets = [
        [
            base64.b64encode(
                (values + rng.normal(0, 1, len(values)) + shift).astype("<f4")
            ).decode()
            for _ in range(6)
        ]
        for shift in (1.0, -1.0)
    ]
    body = {"name": "brighter", "with": sets[0], "without": sets[1]}
    answer = client.post("learn", json=body)
    assert answer.status_code == 201, answer.text
    direction = answer.json()
    assert direction["report"]["auc"] == 1
    assert "6 faces with, 6 without" in direction["report"]["text"]
    file = client.get(f"directions/{direction['id']}").content
    again = client.post("directions", content=file).json()
    facts = opened(client, photo)
    where = f"portraits/{facts['id']}/render"
    edit = {"edits": [{"add": {"brighter": 1}}]}
    pictures = [
        client.post(where, json={**edit, "directions": [key]}).content
        for key in (direction["id"], again["id"])
    ]
    assert pictures[0] == pictures[1]
    form = {"file": ("brighter.npz", file)}
    assert client.post("directions", files=form).json()["name"] == "brighter"
    problem(client.post(where, json=edit), 422, "brighter")
    problem(client.post(where, json={**edit, "directions": ["x"]}), 404, "send its file again")
    body["with"] = ["AAAA"] * 6
    problem(client.post("learn", json=body), 422, "bytes", "encode the photo again")
    problem(client.post("learn", json={**body, "name": "Smiling"}), 422, "another name")
    problem(client.post("directions", content=b"no"), 422, "not a learned direction")


def test_learned_directions_share_one_loaded_model(editor: Editor) -> None:
    """The editor of a set of directions is made once, over the same sessions."""
    rng = np.random.default_rng(0)
    sets = [
        [
            base64.b64encode(rng.normal(shift, 1, 1024).astype("<f4").tobytes()).decode()
            for _ in range(6)
        ]
        for shift in (1.0, -1.0)
    ]
    one, two = (learning.learn(editor, name, *sets, []) for name in ("one", "two"))
    cache = learning.EditorCache(editor)
    assert cache.extended([]) is editor
    both = cache.extended([one, two])
    assert both is cache.extended([one, two])
    assert both.model.bundle is editor.model.bundle
    assert both.model.directions.names == (*editor.model.directions.names, "one", "two")
    assert cache.extended([one]) is not both
    with pytest.raises(BadRequest, match="exists already"):
        cache.extended([one, one])


def test_presets_are_the_command_lines(client: httpx.Client) -> None:
    answer = client.post("presets", json={"set": {"smiling": 1}, "keep": ["male"]}).json()
    edit = library.Edit.from_json(json.dumps(answer))
    assert edit == library.Edit({"Smiling": 1}, keep=frozenset({"Male"}))
    problem(client.post("presets", json={"set": {"Smilin": 1}}), 422, "did you mean Smiling")
    problem(client.post("presets", json={"set": {"Smiling": 9}}), 422, "-0.5..1.5")
    answer = client.post("presets", json={"hair_colour": "#7A3318", "hair_amount": 0.5}).json()
    edit = library.Edit.from_json(json.dumps(answer))
    assert edit == library.Edit(hair_colour="#7a3318", hair_amount=0.5)
    answer = client.post("presets", json={"set": {"Eyeglasses": 1}, "lens_darkness": 0.7}).json()
    edit = library.Edit.from_json(json.dumps(answer))
    assert edit == library.Edit({"Eyeglasses": 1}, lens_darkness=0.7)


@pytest.mark.parametrize(
    ("data", "status", "part"),
    [
        (b"", 415, "empty"),
        (b"GIF89a of a kind", 415, "the photo"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, 415, "the photo"),
    ],
)
def test_what_is_no_photo_is_refused(
    client: httpx.Client, data: bytes, status: int, part: str
) -> None:
    for path in ("faces", "portraits", "codes"):
        problem(client.post(path, content=data), status, part)


def test_a_photo_without_a_face_and_one_too_large_are_told_apart(client: httpx.Client) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (300, 200), "teal").save(stream, "PNG")
    problem(client.post("portraits", content=stream.getvalue()), 422, "no face found")
    stream = io.BytesIO()
    Image.new("1", (20000, 20000)).save(stream, "PNG")
    problem(client.post("portraits", content=stream.getvalue()), 415, "50 megapixels are the most")


def test_bodies_that_make_no_sense_are_refused(client: httpx.Client, photo: bytes) -> None:
    where = f"portraits/{opened(client, photo)['id']}/render"
    wrong: list[tuple[str, dict[str, Any], str]] = [
        (where, {"edits": [{"set": {"Smiling": "much"}}]}, "Smiling"),
        (where, {"edits": [{"set": {"Smiling": 7}}]}, "-0.5..1.5"),
        (where, {"edits": [{"sett": {}}]}, "sett"),
        (where, {"edits": [{}, {}]}, "one edit"),
        (where, {"edits": [{}], "format": "bmp"}, "format"),
        (where, {"edits": [{"set": {"Smiling": 1}, "keep": ["Smiling"]}]}, "twice"),
        (where, {"edits": [{"hair_colour": "red"}]}, "#rrggbb, found 'red'"),
        (where, {"edits": [{"hair_colour": "#7a3318", "hair_amount": 2}]}, "0..1.5"),
        (where, {"edits": [{"lens_darkness": 2}]}, "lens darkness must lie in 0..1, found 2"),
        (where, {"edits": [{"set": {"Smiling": 1}}], "method": "sideways"}, "no edit method named"),
        ("generate", {"count": 0}, "count"),
        ("generate", {"targets": {"Happy": 1}}, "Happy"),
        ("generate", {"prior": "best"}, "no prior named"),
        ("portraits/new", {"number": -1}, "number"),
    ]
    for path, body, part in wrong:
        problem(client.post(path, json=body), 422, part)
    problem(client.post("generate", content=b"{"), 422)
    problem(client.get("nothing"), 404)
    problem(client.get("generate"), 405)


def test_metrics_name_routes_and_no_photo(client: httpx.Client, photo: bytes) -> None:
    key = opened(client, photo)["id"]
    client.delete(f"portraits/{key}")
    text = client.get("metrics").text
    assert "facedial_open_photos" in text
    assert '{method="POST",route="/portraits",status="201"}' in text
    assert key not in text


def test_the_whole_photo_says_how_much_of_each_face_is_kept(
    with_identity: Path, photo: bytes
) -> None:
    with Editor.open(with_identity) as editor:
        open_photo = photos.open_photo(editor, Limits(), photo)

        def rendered(edit: Edit) -> photos.RenderedPicture:
            method = (DIRECTION, FAST)
            return photos.render_photo(
                editor, open_photo, [(1, edit)], ending=".png", method=method
            )

        smile = Edit({"Smiling": 0})
        whole, tenth = (
            rendered(edit).identity[1] for edit in (smile, Edit({"Smiling": 0}, strength=0.1))
        )
        assert whole < tenth < 1
        least = (whole + tenth) / 2
        limited = dataclasses.replace(smile, min_identity=least)
        assert least <= rendered(limited).identity[1] < tenth
        closes = [
            photos.render_close_up(
                editor, open_photo, [(1, one)], size=128, ending=".png", method=(DIRECTION, FAST)
            )
            for one in (smile, limited)
        ]
        assert [one.identity for one in closes] == [{}, {}]
        first, last = (pixels(one.data).astype(int) for one in closes)
        assert (first != last).any()


def test_identity_is_a_header_and_a_limit_needs_the_network(
    client: httpx.Client, photo: bytes
) -> None:
    key = opened(client, photo)["id"]
    edit = {"set": {"Narrow_Eyes": 1}, "min_identity": 0.5}
    body = {"edits": [edit], "view": "photo", "method": "direction"}
    answer = client.post(f"portraits/{key}/render", json=body)
    with Editor.open() as editor:
        if not editor.model.has_identity:
            problem(answer, 422, "no identity network")
            del edit["min_identity"]
            answer = client.post(f"portraits/{key}/render", json=body)
        kept = json.loads(answer.headers["facedial-identity"])
        assert set(kept) == ({"1"} if editor.model.has_identity else set())
    problem(
        client.post(
            f"portraits/{key}/render", json={"edits": [{"set": {}, "min_identity": 2}]}
        ),
        422, "min_identity must lie in 0..1",
    )  # fmt: skip
