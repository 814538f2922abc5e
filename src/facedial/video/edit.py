"""An edit of a clip: for each person one change of the code, applied to the face of every frame.

A single step, of the person's mean code, does not do for a mouth that speaks: added to another
expression it draws two mouths over each other. So the step is computed for some frames, as different as
the clip has them, and predicted for the others by ridge regression on the code: one linear law for the
whole clip, which changes as smoothly as the codes do.
"""

import dataclasses
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from facedial import hair, identity, scores
from facedial.arrays import Bytes, Floats
from facedial.changes import Change, change, needs_attributes
from facedial.codes.attributes import ATTRIBUTES
from facedial.codes.code import Code
from facedial.composing import OPEN
from facedial.editing.request import Edit
from facedial.editing.table import BEST, FULL
from facedial.editor import Editor
from facedial.faces.crop import Crop, align, head_template
from facedial.faces.face import Face
from facedial.faces.geometry import scaling
from facedial.faces.overview import rough_yaw
from facedial.faces.photo import Photo
from facedial.portrait import Portrait
from facedial.video.clip import Frame
from facedial.video.steady import Steady, steady_codes
from facedial.video.tracks import Person, Track

GOOD = 12  # frames of a person from which attributes and colours are taken, at most
FRONTAL = 25.0  # degrees of yaw up to which a face is seen well
# Frames for which steps are computed, at most, and one of so many; fewer where every code is so near to
# one of them.
EXEMPLARS, ONE_OF, NEAR = 24, 8, 3.0
RIDGE = 0.1  # of the mean squared norm of the codes about their mean
ENCODED_AT_ONCE = 16  # crops
AT_ONCE = 2  # frames that are rendered at a time: what is no network runs on one core
FADE_S = 0.2  # seconds over which an edit comes and goes where a face is lost, not cut off


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """Steps of codes, linear in the code: `mean` + (code - `middle`) @ `exemplars`.T @ `weights`.

    `middle`, `mean` [D]; `exemplars`: codes about the middle [K, D]; `weights` [K, D].
    """

    middle: Floats
    mean: Floats
    exemplars: Floats
    weights: Floats

    @staticmethod
    def fitted(codes: Floats, steps: Floats) -> "Steps":
        """The ridge regression of steps [K, D] on their codes [K, D], in its dual form."""
        middle, mean = codes.mean(0), steps.mean(0)
        about = codes - middle
        gram = (about @ about.T).astype(np.float64)
        weight = RIDGE * max(float(np.trace(gram)) / len(gram), 1e-6)
        weights = np.linalg.solve(
            gram + weight * np.eye(len(gram)), (steps - mean).astype(np.float64)
        )
        return Steps(middle, mean, about, weights.astype(np.float32))

    def of(self, code: Floats) -> Floats:
        """The step [D] of a code [D]."""
        return np.asarray(
            self.mean + ((code - self.middle) @ self.exemplars.T) @ self.weights, np.float32
        )


@dataclass(frozen=True, slots=True, eq=False)
class PersonEdit:
    """An edit of one person: `change`, that of the mean code, and the steps of what is drawn.

    `steps`: None where nothing is drawn. `colours`: of hair and skin (`hair.colours`).
    `identity`: cosine kept in the clearest frame; None where it is not measured.
    """

    person: Person
    change: Change
    steps: Steps | None
    colours: Floats | None = None
    identity: float | None = None

    def in_frame(self, code: Code, share: float) -> Change:
        """The change of a frame's face of that code: a share 0..1 of the whole."""
        whole = self.change
        drawn = code
        if self.steps is not None:
            drawn = Code(code.values + np.float32(share) * self.steps.of(code.values), code.space)
        composed = whole.after.values - whole.pasted.values
        after = Code(drawn.values + np.float32(share) * composed, code.space)
        mouth = whole.mouth
        if mouth is not None:
            if OPEN not in {*whole.edit.targets, *whole.edit.shifts}:
                mouth = dataclasses.replace(mouth, opened=0.0)  # who smiles goes on speaking
            mouth = mouth.part(share)
        glasses = whole.glasses
        if glasses is not None:
            glasses = dataclasses.replace(glasses, share=share * glasses.share)
        shares = {name: share * amount for name, amount in whole.recolour.items()}
        beard, retouch, shave = (
            {name: share * amount for name, amount in one.items()}
            for one in (whole.beard, whole.retouch, whole.shave)
        )
        # Without detail at 256 px: in compressed frames it has a grid on teeth, and takes a fifth longer.
        return dataclasses.replace(
            whole,
            before=code,
            after=after,
            drawn=drawn,
            recolour=shares,
            beard=beard,
            retouch=retouch,
            shave=shave,
            glasses_off=None if whole.glasses_off is None else whole.glasses_off.part(share),
            bald=share * whole.bald,
            fringe=None if whole.fringe is None else whole.fringe.part(share),
            hat=None if whole.hat is None else whole.hat.part(share),
            mouth=mouth,
            glasses=glasses,
            fine=False,
        )


def of_person(
    editor: Editor,
    person: Person,
    edit: Edit,
    method: str = BEST,
    quality: str = FULL,
    told: Callable[[], None] | None = None,
) -> PersonEdit:
    """The edit of a person; raises as `Editor.change` and `identity.edited` do.

    The codes of the person's tracks must be set (`encode_faces`). The strength that keeps a
    `min_identity` is that of the person's clearest frame. `told` is called after each step that is
    computed.
    """
    model = editor.model
    good = np.stack([crop.pixels for crop in _good(person)])
    attributes = None
    if needs_attributes(model, edit, method):
        values = np.median(model.predict_attributes(good), axis=0)
        attributes = {a.name: float(v) for a, v in zip(ATTRIBUTES, values, strict=True)}
    codes = editor.encode(good)
    space = codes[0].space

    clearest = _portrait(Crop(good[-1], scaling(1, 1), 1.0), codes[-1])
    # For the whole clip: what is made of one frame's own pixels and drawn in the next would jump.
    unseen = editor.unseen(clearest, edit, method, quality)

    def made(edit: Edit, values: Floats) -> Change:
        code = Code(values, space)
        return change(model, code, edit, attributes, method=method, quality=quality, unseen=unseen)

    tried = identity.edited(
        model,
        clearest,
        edit,
        lambda asked: made(asked, clearest.code.values),
        lambda done: editor.paste(clearest, done),
    )
    kept = dataclasses.replace(edit, strength=tried.change.edit.strength)
    own = np.median([code.values for code in codes], axis=0).astype(np.float32)
    whole = made(kept, own)
    colours = None
    if whole.recolour:
        found = [
            hair.colours(model, _portrait(Crop(pixels, scaling(1, 1), 1.0), code))
            for pixels, code in zip(good, codes, strict=True)
        ]
        seen = np.isfinite(found).any(0)
        colours = np.where(seen, np.nanmedian(np.where(seen, found, 0), axis=0), np.nan)
    steps = None
    if whole.draws:
        some = own[None]
        if model.edit_table.plan(whole.edit, method).flow:
            some = _apart(np.concatenate([track.all_codes for track in person.tracks]))
        computed = []
        for values in some:
            computed.append(made(kept, values).pasted.values - values)
            if told is not None:
                told()
        steps = Steps.fitted(some, np.stack(computed))
    return PersonEdit(person, whole, steps, colours, tried.identity)


def encode_faces(
    editor: Editor,
    frames: Iterable[Frame],
    people: Sequence[Person],
    told: Callable[[], None] | None = None,
) -> None:
    """Set the codes of the tracks of people, steadied over time (`steady.steady_codes`).

    `told` is called after each frame.
    """
    codes: dict[int, list[Floats]] = {}
    crops: list[tuple[Track, Bytes]] = []

    def encode() -> None:
        pixels = [crop for _, crop in crops]
        found = editor.encode(np.stack(pixels)) if pixels else []
        for (track, _), code in zip(crops, found, strict=True):
            codes.setdefault(id(track), []).append(code.values)
        crops.clear()

    for number, frame in enumerate(frames):
        photo = Photo(frame.pixels, f"frame {number}")
        for track in _tracks(people, number):
            crop = align(photo, track.face(number), editor.model.frame, editor.model.side)
            crops.append((track, crop.pixels))
        if len(crops) >= ENCODED_AT_ONCE:
            encode()
        if told is not None:
            told()
    encode()
    for track in (track for one in people for track in one.tracks):
        track.codes = steady_codes(np.stack(codes[id(track)]))


def rendered(
    editor: Editor, frames: Iterable[Frame], edits: Sequence[PersonEdit], rate: Fraction
) -> Iterator[Frame]:
    """The frames of a clip with edits of its people, made in their order.

    Two frames are rendered at a time; what depends on the frame before is prepared in their order.
    """
    fade = max(1, round(FADE_S * rate))
    people = [one.person for one in edits]
    of_track = {id(track): one for one in edits for track in one.person.tracks}
    steady = {id(one): Steady(one.colours) for one in edits}
    space = editor.model.space
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting: deque[Future[Frame]] = deque()
        try:
            for number, frame in enumerate(frames):
                photo = Photo(frame.pixels, f"frame {number}")
                tracks = _tracks(people, number)
                faces = [track.face(number) for track in tracks]
                codes = [Code(track.code(number), space) for track in tracks]
                portraits = editor.reader.read(photo, faces, codes=codes)
                pairs, first = [], False
                for track, portrait in zip(tracks, portraits, strict=True):
                    one = of_track[id(track)]
                    made = one.in_frame(portrait.code, _share(track, number, fade))
                    first |= not steady[id(one)].has_begun
                    steady[id(one)].prepare(editor.model, portrait, made)
                    pairs.append((portrait, made))
                waiting.append(pool.submit(_pasted, editor, frame, photo, pairs))
                if first:
                    waiting[-1].result()
                    for track, portrait in zip(tracks, portraits, strict=True):
                        steady[id(of_track[id(track)])].keep(portrait)
                if len(waiting) > AT_ONCE:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _pasted(
    editor: Editor, frame: Frame, photo: Photo, pairs: Sequence[tuple[Portrait, Change]]
) -> Frame:
    """A frame with changes of its portraits."""
    for portrait, made in pairs:
        photo = editor.paste(portrait, made, onto=photo)
    return Frame(photo.pixels, frame.pts)


def _tracks(people: Sequence[Person], number: int) -> list[Track]:
    """The tracks of people that have a frame."""
    tracks = [track for one in people for track in one.tracks]
    return [one for one in tracks if one.start <= number < one.end]


def _share(track: Track, number: int, fade: int) -> float:
    """How much of an edit a frame shows: less near an end at which the face is lost, not cut off."""
    begun = 1.0 if track.begins_at_cut else (number - track.start + 1) / fade
    left = 1.0 if track.ends_at_cut else (track.end - number) / fade
    return min(1.0, begun, left)


def _good(person: Person) -> list[Crop]:
    """Crops of a person that are frontal and sharp, at most `GOOD`, the sharpest last."""
    rows = [
        (abs(rough_yaw(track.points[frame - track.start])) <= FRONTAL, crop)
        for track in person.tracks
        for frame, crop in track.samples.items()
    ]
    chosen = [crop for is_frontal, crop in rows if is_frontal] or [crop for _, crop in rows]
    sharpness = scores.sharpness(np.stack([crop.pixels for crop in chosen]))
    return [chosen[i] for i in np.argsort(sharpness, kind="stable")[-GOOD:]]


def _apart(codes: Floats) -> Floats:
    """Some of codes [N, D], each the farthest from those before it (Gonzalez 1985)."""
    most = min(EXEMPLARS, -(-len(codes) // ONE_OF))
    chosen = [int(np.argmin(np.linalg.norm(codes - codes.mean(0), axis=1)))]
    while len(chosen) < most:
        away = np.min([np.linalg.norm(codes - codes[i], axis=1) for i in chosen], axis=0)
        if away.max() < NEAR:
            break
        chosen.append(int(away.argmax()))
    return codes[chosen]


def _portrait(crop: Crop, code: Code) -> Portrait:
    """A crop as a photo of its own."""
    side = crop.pixels.shape[0]
    face = Face(np.array([0.0, 0.0, side, side]), head_template(side), 1.0)
    return Portrait(Photo(crop.pixels, "the clip"), face, crop, code)
