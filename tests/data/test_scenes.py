"""Scenes: labels move with the pixels, and photos are labelled by people first, detectors second."""

import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_allclose
from PIL import Image

from facedial.data import labelled_photos
from facedial.data.heads import ALPHA_SIDE, Heads, cut_out_some
from facedial.data.labelled_photos import LabelledPhoto, hand_drawn, split_of
from facedial.data.overlays import cover
from facedial.data.scenes import SceneConfig, Scenes
from facedial.errors import BadRequest, BadStore
from facedial.faces.crop import head_template
from facedial.faces.face import Detection
from facedial.faces.face_boxes import FaceBoxes

GREY, SKIN = 40, 160
COLOURS = np.array([[255, 0, 0], [0, 0, 255], [255, 255, 0], [255, 0, 255], [0, 255, 255]])
CLEAN = SceneConfig(
    side=256, photo_shares=(0, 0, 1), turned=1, empty=0, decoy=0, cover=0, blur=0, coarse=0, jpeg=0,
    noise=0, grey=0, dark=0, coloured=0, pasted_from=70, most_pasted=1,
)  # fmt: skip


def head() -> np.ndarray:
    """A grey crop uint8 [256, 256, 3] with a disc of another colour at each landmark."""
    pixels = np.full((256, 256, 3), SKIN, np.uint8)
    y, x = np.mgrid[:256, :256]
    for (px, py), colour in zip(head_template(256), COLOURS, strict=True):
        pixels[np.hypot(x - px, y - py) < 9] = colour
    return pixels


@pytest.fixture
def scenes() -> Scenes:
    store = SimpleNamespace(pixels=head()[None], landmarks=head_template(256)[None])
    alpha = np.full((1, ALPHA_SIDE, ALPHA_SIDE), 255, np.uint8)
    heads = Heads([store], np.array([[0, 0]]), [alpha])  # type: ignore[list-item]
    background = LabelledPhoto(np.full((300, 400, 3), GREY, np.uint8), FaceBoxes.none())
    return Scenes((), (), [background], heads, CLEAN)


def colour_of(pixel: np.ndarray) -> int:
    """The landmark whose colour is nearest in hue: light and tint may differ."""
    directions = COLOURS - COLOURS.mean(1, keepdims=True)
    own = pixel.astype(np.float64) - pixel.mean()
    return int((directions @ own / np.linalg.norm(directions, axis=1)).argmax())


def test_landmarks_are_where_their_pixels_are(scenes: Scenes) -> None:
    """Under any roll, size and mirroring; a mirrored left eye is a right eye."""
    seen = 0
    for seed in range(12):
        scene = scenes.draw(np.random.default_rng(seed))
        for shown in (scene, scene.turned(1, mirrored=False), scene.turned(2, mirrored=True)):
            (points,) = shown.faces.landmarks
            across, down = points[1] - points[0], points[3:].mean(0) - points[:2].mean(0)
            assert across[0] * down[1] - across[1] * down[0] > 0  # never a mirrored face
            inside = ((points > 2) & (points < 253)).all(1)
            colours = [colour_of(shown.pixels[round(y), round(x)]) for x, y in points[inside]]
            # Mirrored pixels carry the other side's colours.
            straight = np.flatnonzero(inside).tolist()
            mirrored = np.array([1, 0, 2, 4, 3])[inside].tolist()
            assert colours in (straight, mirrored)
            seen += len(colours)
    assert seen > 100


def test_a_scene_is_its_seeds(scenes: Scenes) -> None:
    one, again = (scenes.draw(np.random.default_rng([3, 4])) for _ in range(2))
    assert (one.pixels == again.pixels).all()
    assert_allclose(one.faces.boxes, again.faces.boxes)
    assert (scenes.draw(np.random.default_rng([3, 5])).pixels != one.pixels).any()


def test_small_and_hidden_faces_are_not_sure(scenes: Scenes) -> None:
    tiny = replace(scenes, config=replace(CLEAN, pasted_from=9.0, largest=0.04, smallest=11.0))
    sizes = [
        (scene.faces.sizes, scene.faces.sure)
        for scene in (tiny.draw(np.random.default_rng(seed)) for seed in range(20))
    ]
    assert all((sure == (size >= 11)).all() for size, sure in sizes)
    assert {bool(one) for _, sure in sizes for one in sure} == {False}


def test_a_photo_without_faces_may_stay_so(scenes: Scenes) -> None:
    empty = replace(scenes, config=replace(CLEAN, empty=1.0))
    assert not len(empty.draw(np.random.default_rng(0)).faces)


@pytest.mark.parametrize("kind", ["glasses", "mask", "object"])
def test_covers_lie_on_the_face(kind: str) -> None:
    face = FaceBoxes.of_landmarks(head_template(256)[None] * 0.5 + 40)
    image = Image.new("RGB", (256, 256), (GREY,) * 3)
    cover(image, face, kind, np.random.default_rng(1))
    rows, columns = np.nonzero((np.asarray(image) != GREY).any(2))
    x0, y0, x1, y1 = face.boxes[0]
    side = x1 - x0
    assert len(rows) > 50
    assert columns.min() > x0 - 0.5 * side and columns.max() < x1 + 0.5 * side
    assert rows.min() > y0 - 0.6 * side and rows.max() < y1 + 0.6 * side


def test_hand_drawn_boxes_come_first_and_doubtful_detections_are_not_sure() -> None:
    drawn = np.array([[10.0, 10, 30, 40], [100, 10, 120, 40]])
    points = head_template(32)
    found = [
        Detection(np.array([10.0, 6, 30, 36]), 0.9, landmarks=points),
        Detection(np.array([200.0, 10, 220, 40]), 0.8, landmarks=points + 1),
        Detection(np.array([201.0, 10, 221, 40]), 0.9, landmarks=points + 2),
        Detection(np.array([300.0, 10, 320, 40]), 0.4, landmarks=points + 3),
    ]
    faces = labelled_photos._joined(drawn, found)
    assert faces.sure.tolist() == [True, True, True, False]
    assert_allclose(faces.boxes[0, [1, 3]], [8, 38], atol=3)  # the mean of both
    assert np.isnan(faces.landmarks[1]).all()
    assert_allclose(faces.landmarks[2], points + 2)  # of the surer of the two


def test_photos_are_split_by_their_names(tmp_path) -> None:
    names = [f"photo-{i}.jpg" for i in range(300)]
    shares = [split_of(name) for name in names]
    assert 0.5 < shares.count("train") / 300 < 0.7 and 0.22 < shares.count("test") / 300 < 0.38
    packed = io.BytesIO()
    Image.new("RGB", (8, 6)).save(packed, "PNG")
    table = {"name": names[:20], "webp": [packed.getvalue()] * 20, "boxes": [[1.0, 2, 3, 4]] * 20}
    pq.write_table(pa.table(table), tmp_path / "detect.parquet")
    tests = hand_drawn(tmp_path / "detect.parquet", "test")
    assert [photo.name for photo in tests] == [n for n in names[:20] if split_of(n) == "test"]
    assert tests[0].pixels.shape == (6, 8, 3) and tests[0].boxes.tolist() == [[1, 2, 3, 4]]


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(BadRequest, match="multiple of 64"):
        SceneConfig(side=250)
    store = SimpleNamespace(frame="portrait", size=256)
    with pytest.raises(BadStore, match="frame head"):
        cut_out_some([store], "test", lambda crops: (crops, crops), 4)  # type: ignore[list-item,arg-type]
