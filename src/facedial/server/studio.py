"""What the API does, without the web: photos opened, faces drawn, directions learned, in memory only."""

import base64
import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from facedial import teaching
from facedial.closeup import CloseUp, surroundings
from facedial.codes.attributes import ATTRIBUTES, is_weak
from facedial.codes.code import Code
from facedial.codes.edit import Edit
from facedial.codes.learn import Learned
from facedial.editor import Editor, Portrait
from facedial.errors import BadRequest
from facedial.faces import sheet
from facedial.faces.mark import GENERATED
from facedial.faces.photo import Photo
from facedial.server.limits import Limits

OTHER_SIZES = 1  # of a close-up that are kept beside the newest


@dataclass(frozen=True, slots=True, eq=False)
class Open:
    """A photo open for editing: portraits, largest first, and close-ups as they were asked for."""

    photo: Photo
    portraits: tuple[Portrait, ...]
    close_ups: dict[tuple[int, int], CloseUp]

    def portrait(self, number: int) -> Portrait:
        """Face `number`, counted from 1; raises `BadRequest`."""
        if number > len(self.portraits):
            count = len(self.portraits)
            faces = "1 face" if count == 1 else f"{count} faces"
            raise BadRequest(f"the photo has {faces}, so there is no face {number}")
        return self.portraits[number - 1]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A picture's bytes, where it lies in the photo, and what was set besides what was asked."""

    data: bytes
    box: tuple[int, int, int, int]
    also_set: dict[str, float]


@dataclass(frozen=True, slots=True)
class Studio:
    """One model, used by many at once; keeps nothing between calls."""

    editor: Editor
    limits: Limits

    def warm(self) -> None:
        """Open the model's sessions: draw a new face and read it."""
        self.facts(self.open_new(0, 0, {}))

    def photo(self, data: bytes) -> Photo:
        """A photo as it was sent; where it was taken is no business of ours and is left out."""
        found = Photo.from_bytes(data, "the photo", max_pixels=self.limits.pixels)
        return dataclasses.replace(found, exif=None, xmp=None)

    def faces(self, data: bytes) -> dict[str, Any]:
        """A photo's faces, as `schemas.Faces` has them. Raises `BadPhoto`, `NoFaceFound`."""
        photo = self.photo(data)
        width, height = photo.size
        rows = [
            {
                "number": number,
                "box": [float(value) for value in face.box],
                "landmarks": [[float(value) for value in point] for point in face.landmarks],
                "score": face.score,
            }
            for number, face in enumerate(self.editor.faces(photo)[: self.limits.faces], 1)
        ]
        return {"width": width, "height": height, "faces": rows}

    def open(self, data: bytes) -> Open:
        """A photo's faces, encoded once. Raises `BadPhoto`, `NoFaceFound`."""
        photo = self.photo(data)
        faces = self.editor.faces(photo)[: self.limits.faces]
        return Open(photo, tuple(self.editor.read(photo, faces)), {})

    def open_new(self, number: int, seed: int, wanted: Mapping[str, float], **how: Any) -> Open:
        """A new face, open like a photo."""
        (code,) = self.editor.generate(1, first=number, seed=seed, wanted=wanted, **how)
        portrait = self.editor.portrait_of(code, f"face {number} of seed {seed}")
        return Open(portrait.photo, (portrait,), {})

    def facts(self, opened: Open) -> list[dict[str, Any]]:
        """What there is to know of each face, as `schemas.PortraitFace` has it."""
        rows = []
        for number, portrait in enumerate(opened.portraits, 1):
            box = None if portrait.face is None else [float(v) for v in portrait.face.box]
            rows.append(
                {
                    "number": number,
                    "box": box,
                    "close_up": list(surroundings(portrait)),
                    "attributes": self.editor.read_attributes(portrait),
                    "readings": self.editor.standing(portrait),
                }
            )
        return rows

    def render(
        self,
        opened: Open,
        edits: Sequence[tuple[int, Edit]],
        *,
        view: str,
        size: int,
        ending: str,
        how: tuple[str, str],
        learned: Sequence[Learned],
    ) -> Rendered:
        """One face seen close, or the whole photo, after edits of (face, edit).

        `how`: move and quality, as for `Editor.change`.
        """
        editor = self._with(learned)
        if view == "face":
            if len(edits) != 1:
                raise BadRequest(f"a face seen close takes one edit, found {len(edits)}")
            number, edit = edits[0]
            near = self._close_up(opened, number, size)
            change = editor.change(near.portrait, edit, *how)
            picture = near.render(editor, change)
            return Rendered(picture.encoded(ending, quality=85), near.box, dict(change.also))
        picture = opened.photo
        also: dict[str, float] = {}
        for number, edit in edits:
            portrait = opened.portrait(number)
            change = editor.change(portrait, edit, *how)
            also |= change.also
            picture = editor.paste(portrait, change, onto=picture)
        width, height = picture.size
        return Rendered(picture.encoded(ending), (0, 0, width, height), also)

    def generate(self, count: int, seed: int, wanted: Mapping[str, float], **how: Any) -> list[str]:
        """New faces as data URLs of PNGs."""
        codes = self.editor.generate(count, seed=seed, wanted=wanted, **how)
        return [
            _url(Photo(pixels, "face", mark=GENERATED).encoded(".png"), "png")
            for pixels in self.editor.decode(codes)
        ]

    def also_wanted(
        self, wanted: Mapping[str, float], prior: str | None, exactly: bool
    ) -> dict[str, float]:
        """What goes with what is wanted of new faces."""
        return {} if exactly else self.editor.also_wanted(wanted, self.editor.prior(prior))

    def morph(self, faces: Sequence[Portrait], steps: int, straight: bool) -> list[Any]:
        """Pictures of a walk from face to face; raises `BadRequest` for more than the limit."""
        count = (len(faces) - 1) * (steps - 1) + 1
        if count > self.limits.frames * 2:
            raise BadRequest(f"{count} pictures are too many; give fewer steps or faces")
        return list(self.editor.decode(self.editor.walk(faces, steps, straight=straight)))

    def moving(self, frames: Sequence[Any], ending: str, per_s: float) -> bytes:
        """Those pictures as a file that moves."""
        return sheet.moving(frames, ending, per_s=per_s)

    def stills(self, frames: Sequence[Any]) -> list[str]:
        """Those pictures as data URLs."""
        return [
            _url(Photo(frame, "face", mark=GENERATED).encoded(".jpg", quality=88), "jpeg")
            for frame in frames
        ]

    def codes(self, data: bytes) -> list[str]:
        """Codes of a photo's faces, largest first, in base64."""
        return [base64.b64encode(p.code.to_bytes()).decode() for p in self.open(data).portraits]

    def learn(
        self,
        name: str,
        having: Sequence[str],
        lacking: Sequence[str],
        balance: Sequence[str],
    ) -> Learned:
        """A direction from two sets of codes in base64; raises `BadRequest`."""
        teaching.check_wish(self.editor, name, balance)
        sets = [[self._decoded(text) for text in texts] for texts in (having, lacking)]
        return teaching.teach(self.editor, name, sets[0], sets[1], balance, plain=False, seed=0)

    def learned_from(self, data: bytes) -> Learned:
        """A direction from the file that `facedial learn` or `learned_file` wrote."""
        found = Learned.load(BytesIO(data))
        self._with([found])  # of this model, and under a name of its own
        return found

    def learned_file(self, learned: Learned) -> bytes:
        """The direction as a file."""
        stream = BytesIO()
        learned.save(stream)
        return stream.getvalue()

    def report(self, learned: Learned) -> dict[str, Any]:
        """The held-out report, and the same as text."""
        facts: dict[str, Any] = json.loads(learned.report.to_json())
        return {**facts, "text": teaching.described(learned)}

    def attributes(self) -> list[dict[str, Any]]:
        """The forty attributes, as `schemas.AttributeFacts` has them."""
        trust = self.editor.reliability()
        return [
            {
                "name": a.name,
                "label": a.label,
                "group": a.group,
                "auc": trust[a.name],
                "weak": is_weak(trust[a.name]),
            }
            for a in ATTRIBUTES
            if a.name in self.editor.directions.names
        ]

    def parsed(self, facts: Mapping[str, Any], learned: Sequence[Learned] = ()) -> Edit:
        """An edit whose names and amounts are all possible; raises `BadRequest`, `UnknownName`."""
        known = self._with(learned).directions.names
        return Edit.from_json(json.dumps(facts)).checked(known)

    def _decoded(self, text: str) -> Code:
        space, size = self.editor.bundle.space, int(self.editor.bundle.facts["dimensions"])
        try:
            data = base64.b64decode(text, validate=True)
        except ValueError as error:
            raise BadRequest(f"a code is base64 of {size} numbers: {error}") from error
        return Code.from_bytes(data, space, size)

    def _close_up(self, opened: Open, number: int, size: int) -> CloseUp:
        """Made once for each face and size: two threads may both make one, and agree."""
        key = (number, size)
        known = opened.close_ups.get(key)
        if known is None:
            known = CloseUp.of(self.editor, opened.portrait(number), size)
            for other in [k for k in list(opened.close_ups) if k[0] == number][:-OTHER_SIZES]:
                opened.close_ups.pop(other, None)
            opened.close_ups[key] = known
        return known

    def _with(self, learned: Sequence[Learned]) -> Editor:
        """The editor with learned directions among its own."""
        if not learned:
            return self.editor
        directions = self.editor.directions
        for one in learned:
            directions = directions.with_learned(one)
        return Editor(self.editor.bundle, directions, self.editor.detector)


def _url(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
