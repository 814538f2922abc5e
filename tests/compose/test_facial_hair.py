import numpy as np

from facedial.compose.facial_hair import LUMA, bared, over_skin

SKIN = np.array([200, 160, 140], np.float32)
DARK = np.array([60, 50, 45], np.float32)


def face() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Skin [64, 64, 3], the same drawn with a moustache and redder cheeks, and the region."""
    before = np.broadcast_to(SKIN, (64, 64, 3)).copy()
    after = before.copy()
    after[:, :20] = after[:, 44:] = (230, 130, 110)
    after[30:36, 24:40] = DARK
    region = np.zeros((64, 64), np.float32)
    region[20:60, 4:60] = 1
    return before, after, region


def test_hair_is_added_and_other_skin_is_not() -> None:
    before, after, region = face()
    result = over_skin(before, after, region, None)
    assert (
        np.abs(result[25:55, 5:19] - before[25:55, 5:19]).max() < 25
    )  # was 30 redder, 30 less green
    assert np.abs((result - before)[40:55, 22:42]).max() == 0
    assert np.abs(result[31:35, 26:38] - DARK).max() < 30
    assert (result[:20] == after[:20]).all()  # outside the region it is the drawing's


def test_hair_of_the_head_darkens_a_beard_and_never_lightens_it() -> None:
    before, after, region = face()
    plain = over_skin(before, after, region, None)[32, 30]
    black = over_skin(before, after, region, np.zeros(3, np.float32))[32, 30]
    blond = over_skin(before, after, region, np.full(3, 220, np.float32))[32, 30]
    assert black @ LUMA < plain @ LUMA - 10
    assert np.array_equal(blond, plain)


def test_a_beard_that_goes_is_taken_as_drawn() -> None:
    before, after, region = face()
    assert over_skin(after, before, region, None) is before


def test_skin_is_bare_where_a_beard_went_and_a_little_around_it() -> None:
    before, after, region = face()
    bare = bared(after, before, region)
    assert bare[32, 32] == 1 and bare.min() == 0
    assert bare[29, 30] > 0  # stubble beside the hair
    assert not bare[:18].any() and not bare[:, :2].any()  # outside the region
    # An edit that adds hair bares none, though it may light the cheeks.
    after[40:55, 22:42] += 5
    assert not bared(before, after, region).any()
