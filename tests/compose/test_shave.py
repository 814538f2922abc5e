"""Skin under beards: patterns of light fitted to what is seen, and grain."""

import numpy as np
import pytest

from facedial.compose import shave
from facedial.compose.grain import grain
from facedial.compose.shave import MAP, CleanFaces, Seen
from facedial.faces.crop import head_template
from facedial.faces.parse import SIDE
from facedial.runtime.bundle import Bundle


@pytest.fixture(scope="module")
def faces() -> CleanFaces:
    return CleanFaces.load(Bundle.open().file(shave.FILE))


def test_a_face_of_the_patterns_is_continued_from_its_upper_half(faces: CleanFaces) -> None:
    rng = np.random.default_rng(0)
    shares = rng.standard_normal((8, len(faces.patterns) - 1)).astype(np.float32)
    mean, patterns = faces.patterns[0].astype(np.float32), faces.patterns[1:].astype(np.float32)
    lights = mean + np.tensordot(shares, patterns, 1)
    known = np.zeros((MAP, MAP), np.float32)
    known[14:42, 16:48] = 1
    below = np.s_[:, 44:54, 24:40]
    found = np.stack(
        [faces.continued(np.where(known[..., None] > 0, one, -9), known) for one in lights]
    )
    error = np.sqrt(((found - lights)[below] ** 2).mean())
    assert error < 0.7 * np.sqrt(((mean - lights)[below] ** 2).mean())
    # Where nothing is known, it is the mean face.
    np.testing.assert_allclose(faces.continued(lights[0], np.zeros_like(known)), mean, atol=1e-4)


def test_the_chin_of_the_mean_face_is_no_darker_than_a_beard_would_make_it(
    faces: CleanFaces,
) -> None:
    mean = faces.patterns[0].astype(float).mean(2)
    chin, cheek = mean[50:53, 29:35].mean(), mean[34:37, 20:23].mean()
    assert -0.35 < chin - cheek < 0.2


def seen(pixels: np.ndarray, faces: CleanFaces, **planes: np.ndarray) -> Seen:
    """A face whose features lie where they usually do; planes that are not given are 0."""
    none = np.zeros((SIDE, SIDE), np.float32)
    given = {name: plane.astype(np.float32) for name, plane in planes.items()}
    names = ("skin", "mouth", "hair", "ears", "behind")
    every = {name: given.get(name, none) for name in names} | {"face": given["skin"]}
    return Seen(pixels, faces.usual, head_template(SIDE), **every)


def test_hair_that_falls_beside_a_cheek_and_hides_the_ear_is_no_beard(faces: CleanFaces) -> None:
    pixels = np.full((SIDE, SIDE, 3), (200, 160, 140), np.uint8)
    x, y = np.arange(SIDE)[None], np.arange(SIDE)[:, None]
    beside = np.broadcast_to(x > 150, (SIDE, SIDE))  # hair that hides one half of a face
    beard = (y > 208) & (y < 228) & (x > 110) & (x < 145)
    ear = (x > 200) & (x < 212) & (y > 120) & (y < 160)
    pixels[beside | beard] = 40
    hair = beside | beard
    goes = shave.shaved(seen(pixels, faces, skin=~hair, hair=hair), faces).hair
    assert goes[213:221, 118:135].min() > 0.9
    assert not goes[:, 162:].any()
    # Beside an ear that is seen it is one.
    short = seen(pixels, faces, skin=~hair, hair=hair & ~ear, ears=ear)
    assert shave.shaved(short, faces).hair[200:210, 162:168].min() > 0.5


def test_a_rim_of_a_beard_before_a_wall_gives_way_to_the_wall_and_an_ear_stays(
    faces: CleanFaces,
) -> None:
    x, y = np.arange(SIDE)[None], np.arange(SIDE)[:, None]
    face = np.hypot((x - 128) / 58, (y - 150) / 85) < 1
    around = (np.hypot((x - 128) / 61, (y - 150) / 89) < 1) & ~face
    rim, ear = around & (y > 225), (np.hypot((x - 70) / 8, (y - 165) / 16) < 1) & ~face
    assert rim.sum() > 100 and ear.sum() > 100
    wall = (150, 170, 190)
    pixels = np.full((SIDE, SIDE, 3), wall, np.uint8)
    pixels[face], pixels[ear] = (200, 160, 140), (60, 40, 35)
    planes = {"skin": face, "ears": ear, "behind": ~face & ~ear}
    clean = shave.shaved(seen(pixels, faces, **planes), faces)
    assert not clean.hair[rim].any()
    pixels[around & (y > 170) & ~ear] = 40
    pixels[face & (y > 170)] = 40
    found = shave.shaved(seen(pixels, faces, **planes), faces)
    assert found.hair[rim].mean() > 0.8 and found.skin[rim].mean() < 0.2
    assert np.abs(found.light[rim] - np.log(np.array(wall) + 8.0)).mean() < 0.15
    assert not found.hair[ear].any()
    # Beyond the rim the wall is what it was.
    beyond = ~face & (np.hypot((x - 128) / 80, (y - 150) / 108) > 1)
    assert not found.hair[beyond].any()
    assert found.skin[215:220, 120:136].min() > 0.9


def test_grain_has_the_contrast_of_its_patch_and_no_seam() -> None:
    patch = np.random.default_rng(1).normal(0, 0.05, (32, 32)).astype(np.float32)
    found = grain(patch, 256)
    assert found.std() == pytest.approx(patch.std(), rel=1e-3)
    assert abs(float(found.mean())) < 0.01
    seam, inside = np.abs(found[:, 0] - found[:, -1]), np.abs(np.diff(found, axis=1))
    assert seam.mean() < 1.5 * inside.mean()
    np.testing.assert_array_equal(found, grain(patch, 256))
