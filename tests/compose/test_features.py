"""Points of features in a parse."""

import numpy as np

from facedial.compose import features
from facedial.faces.crop import head_template
from facedial.faces.parse import CLASSES, SIDE

TEMPLATE = head_template(SIDE)
MIDDLE = (TEMPLATE[:2].mean(0) + TEMPLATE[3:].mean(0)) / 2
RADIUS = 74.0  # px of a face that is a disc


def disc(at: np.ndarray, across: float, down: float) -> np.ndarray:
    """1 inside an ellipse, falling to 0 over a pixel."""
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(float)
    far = np.hypot((columns - at[0]) / across, (rows - at[1]) / down)
    return np.clip((1 - far) * min(across, down) + 0.5, 0, 1)


def parsed(*, hair: bool = False) -> np.ndarray:
    """Class probabilities of a round face with elliptic eyes and brows, before a background."""
    classes = np.zeros((len(CLASSES), SIDE, SIDE))
    face = disc(MIDDLE, RADIUS, RADIUS)
    for eye in TEMPLATE[:2]:
        classes[CLASSES.index("eyes")] += disc(eye, 12, 5)
        classes[CLASSES.index("brows")] += disc(eye - [0, 18], 18, 4)
    classes[CLASSES.index("skin")] = face - classes.sum(0) * face
    beyond = "hair" if hair else "background"
    classes[CLASSES.index(beyond)] = 1 - classes.sum(0)
    return classes.astype(np.float32)


def test_edges_of_eyes_brows_and_face_are_found_between_pixels() -> None:
    found = features.points(np.zeros((SIDE, SIDE, 3), np.uint8), parsed(), TEMPLATE)
    assert found.shape == (features.COUNT, 2)
    # No mouth is drawn.
    assert np.isnan(found[features.MOUTH]).all()
    assert not np.isnan(found[features.MOUTH.stop :]).any()
    for part, eye in zip((features.LEFT_EYE, features.RIGHT_EYE), TEMPLATE[:2], strict=True):
        upper, lower = found[part].reshape(2, features.EYE, 2)
        assert abs(upper[3, 1] - (eye[1] - 5)) < 0.7 and abs(lower[3, 1] - (eye[1] + 5)) < 0.7
        assert abs(upper[0, 0] - (eye[0] - 12)) < 1.5 and abs(upper[-1, 0] - (eye[0] + 12)) < 1.5
    radii = np.hypot(*(found[features.OUTLINE] - MIDDLE).T)
    assert np.abs(radii - RADIUS).max() < 1


def test_an_outline_that_hair_hides_is_not_known() -> None:
    found = features.points(np.zeros((SIDE, SIDE, 3), np.uint8), parsed(hair=True), TEMPLATE)
    assert np.isnan(found[features.OUTLINE]).all()


def test_points_of_a_mirror_image_are_those_of_its_own_parse() -> None:
    classes = parsed()
    classes[CLASSES.index("brows"), :, : SIDE // 2] = 0  # one of the brows is hidden
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    found = features.points(picture, classes, TEMPLATE)
    across = TEMPLATE.copy()
    across[:, 0] = SIDE - 1 - across[:, 0]
    turned = features.points(picture, classes[:, :, ::-1], across[[1, 0, 2, 4, 3]])
    assert np.isnan(found[features.LEFT_BROW]).all()
    assert np.isnan(turned[features.RIGHT_BROW]).all()
    mirror = features.mirrored(found[None])[0]
    np.testing.assert_allclose(mirror, turned, atol=1.0)
    np.testing.assert_allclose(features.mirrored(mirror[None])[0], found, atol=1e-9)
