"""How much of a person an edit keeps: what is measured, and the strength at which enough is kept."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from facedial import identity
from facedial.closeup import CloseUp
from facedial.editing.request import Edit
from facedial.editing.table import DIRECTION, FAST
from facedial.editor import Editor
from facedial.errors import BadRequest, IdentityLost
from facedial.faces.photo import Photo
from facedial.portrait import Portrait

SMILE = Edit({"Smiling": 0.0}, strength=1.5)
QUICK = {"method": DIRECTION, "quality": FAST}


@pytest.fixture(scope="module")
def measured(with_identity: Path) -> Iterator[Editor]:
    with Editor.open(with_identity) as opened:
        yield opened


@pytest.fixture
def portrait(measured: Editor, astronaut: Path) -> Portrait:
    return measured.read(Photo.open(astronaut))[0]


def test_an_edit_of_nothing_keeps_everything_and_a_larger_one_less(
    measured: Editor, portrait: Portrait
) -> None:
    kept = [
        measured.edited(portrait, dataclasses.replace(SMILE, strength=s), **QUICK).identity
        for s in (0.0, 0.3, 3.0)
    ]
    assert kept[0] == pytest.approx(1, abs=1e-5)
    assert kept[0] > kept[1] > kept[2] > -1


def test_a_wall_in_place_of_the_face_keeps_less_than_the_face_itself(
    measured: Editor, portrait: Portrait
) -> None:
    photo = portrait.photo
    wall = photo.with_pixels(np.full_like(photo.pixels, 128))
    same, other = (identity.identity_kept(measured.model, portrait, one) for one in (photo, wall))
    assert same == pytest.approx(1, abs=1e-5) and other is not None and other < 0.95


def test_identity_is_computed_when_it_is_asked_for_and_by_no_slider_step(
    measured: Editor, portrait: Portrait
) -> None:
    key = ("identity", portrait.crop.to_photo.tobytes())
    made = measured.edited(portrait, SMILE, **QUICK)
    near = CloseUp.of(measured.model, portrait)
    near.render(measured.model, measured.change(near.portrait, SMILE, **QUICK))
    assert portrait.cache.peek(key) is None
    assert made.identity is not None and portrait.cache.peek(key) is not None


def test_the_strength_is_lowered_until_enough_is_kept_and_no_further(
    measured: Editor, portrait: Portrait
) -> None:
    def at(share: float) -> float:
        edit = dataclasses.replace(SMILE, strength=share * SMILE.strength)
        found = measured.edited(portrait, edit, **QUICK).identity
        assert found is not None
        return found

    least = (at(0.1) + at(1)) / 2
    made = measured.edited(portrait, dataclasses.replace(SMILE, min_identity=least), **QUICK)
    share = made.change.edit.strength / SMILE.strength
    step = (1 - identity.SMALLEST) / 2**identity.HALVINGS
    assert made.identity is not None and made.identity >= least
    assert identity.SMALLEST < share < 1 and at(share + step) < least
    assert made.identity == pytest.approx(at(share), abs=1e-5)
    rendered = measured.render(portrait, dataclasses.replace(SMILE, min_identity=least), **QUICK)
    assert np.array_equal(rendered.pixels, made.photo.pixels)


def test_what_is_kept_anyway_is_not_weakened(measured: Editor, portrait: Portrait) -> None:
    whole = measured.edited(portrait, SMILE, **QUICK)
    made = measured.edited(portrait, dataclasses.replace(SMILE, min_identity=0), **QUICK)
    assert made.change.edit.strength == SMILE.strength
    assert np.array_equal(made.photo.pixels, whole.photo.pixels)
    nothing = measured.edited(portrait, Edit(min_identity=1))
    assert nothing.photo is portrait.photo


def test_an_edit_whose_tenth_is_too_much_is_refused(measured: Editor, portrait: Portrait) -> None:
    with pytest.raises(IdentityLost, match=r"^astronaut.*: even a tenth .* and 1 was asked for"):
        measured.edited(portrait, dataclasses.replace(SMILE, min_identity=1), **QUICK)


def test_models_of_other_crops_or_without_the_network_say_so(
    measured: Editor, portrait: Portrait, with_identity: Path, tmp_path: Path
) -> None:
    asked = Edit({"Smiling": 1}, min_identity=0.5)
    facts = json.loads((with_identity / "bundle.json").read_text())
    other = tmp_path / "other"
    other.mkdir()
    (other / "bundle.json").write_text(json.dumps(facts | {"frame": "portrait"}))
    for path in with_identity.iterdir():
        if path.name != "bundle.json":
            (other / path.name).symlink_to(path)
    with Editor.open(other) as editor:
        assert editor.model.has_identity and not identity.is_measured(editor.model)
        assert identity.identity_kept(editor.model, portrait, portrait.photo) is None
        with pytest.raises(BadRequest, match="other has no identity network for its crops"):
            editor.check(asked)
        editor.check(dataclasses.replace(asked, min_identity=None))
    measured.check(asked)
    # The packaged bundle lends the network to models without their own.
    with Editor.open("cvae") as editor:
        assert editor.model.has_identity is editor.model.packaged.has("identity")
