"""The one pipeline: photo -> face -> crop -> code -> edit -> picture -> pasted back into the photo.

`Editor` is the facade, long only because all that can be asked for is named here; the work is done in
`portrait`, `changes`, `render`, `identity`, `detail`, `flow` and `priors`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from facedial import changes, detail, fringe, generation, glasses_off, hidden, identity, render
from facedial.arrays import Bytes, Floats
from facedial.changes import Change
from facedial.codes.code import Code
from facedial.editing.implied import implied_by
from facedial.editing.learn import Learned
from facedial.editing.request import Edit
from facedial.editing.table import BEST, FULL
from facedial.faces.choose import FaceChoice
from facedial.faces.face import Detector, Face
from facedial.faces.photo import Photo
from facedial.flow.inversion import condition_of
from facedial.identity import Edited
from facedial.model import Model
from facedial.portrait import Portrait, PortraitReader
from facedial.priors.base import Prior


@dataclass(frozen=True, slots=True)
class Editor:
    """A model, and a reader of portraits. Make once, pass around, close; it can be pickled."""

    model: Model
    reader: PortraitReader

    @staticmethod
    def open(
        path: str | Path | None = None,
        *,
        threads: int | None = None,
        strict: bool = True,
        detector: Detector | None = None,
    ) -> "Editor":
        """Editor of a bundle: a folder, an installed name, or the default (None); see `Model.open`.

        `detector`: the model's where None.
        """
        model = Model.open(path, threads=threads, strict=strict)
        return Editor(model, PortraitReader(model, detector))

    def with_learned(self, learned: Sequence[Learned]) -> "Editor":
        """This editor, sharing its sessions, with learned directions that edits may name."""
        model = self.model.with_learned(learned)
        return Editor(model, PortraitReader(model, self.reader.detector))

    def faces(self, photo: Photo) -> list[Face]:
        """Faces of a photo, largest first; raises `NoFaceFound`."""
        return self.reader.faces(photo)

    def read(self, photo: Photo, faces: Sequence[Face] | None = None) -> list[Portrait]:
        """Portraits of a photo's faces (all that are found, or those given), largest first."""
        return self.reader.read(photo, faces)

    def portraits(
        self,
        photo: Photo,
        face: FaceChoice | Sequence[FaceChoice] = 1,
        eyes: Sequence[float] | None = None,
    ) -> list[Portrait]:
        """Portraits of the face that is meant, of `"all"`, or of several, in the order given.

        `face`: a number from 1 on, largest first; `"largest"`, `"leftmost"`, `"rightmost"`; or a
        point `"X,Y"` in photo pixels, which means the smallest face whose box holds it; or a list of
        these, each another face.
        `eyes`: x, y, x, y of the left and right eye in the picture, in photo pixels, instead of
        looking for faces. Raises `BadRequest` for a face that is not there, `NoFaceFound`.
        """
        return self.reader.portraits(photo, face, eyes)

    def encode(self, crops: Bytes, attributes: Floats | None = None) -> list[Code]:
        """Crops uint8 [N, S, S, 3] on the model's frame -> codes; see `Model.encode`."""
        return self.reader.encode(crops, attributes)

    def decode(self, codes: Sequence[Code], *, mse: bool = False, size: int | None = None) -> Bytes:
        """Codes -> pictures uint8 [N, S, S, 3]; raises `CodeSpaceMismatch`.

        By the GAN decoder where the model has one, or (`mse`) with the least squared error. `size`:
        of the side S; beyond the model's own, which None stands for, with the detail that it needs.
        """
        return detail.decode(self.model, codes, mse=mse, size=size)

    def size(self, asked: int | None = None) -> int:
        """The side, in pixels, at which to decode codes: `asked`, or the largest where None.

        Raises `BadRequest` for one at which the model draws no faces.
        """
        return detail.size_of(self.model, asked)

    def predict_attributes(self, portrait: Portrait) -> dict[str, float]:
        """Probability of each attribute in a portrait; computed once."""
        return self.reader.predict_attributes(portrait)

    def current_values(self, portrait: Portrait) -> dict[str, float]:
        """Attribute -> value of a portrait on the scale of targets, as the method `best` measures it.

        The linear reading, or for attributes that the flow edits the classifier's probability.
        """
        found = self.model.directions.readings(portrait.code)
        by_flow = [name for name in found if self.model.edit_table.uses_flow(name)]
        if by_flow:
            own = self.predict_attributes(portrait)
            found |= {name: own[name] for name in by_flow}
        return found

    def check(self, edit: Edit, method: str = BEST, quality: str = FULL) -> None:
        """Raise `BadRequest` or `UnknownName` for an edit that no face could be given."""
        zero = Code(np.zeros(self.model.dimensions, np.float32), self.model.space)
        self.model.directions.step(zero, edit)
        beside = dataclasses.replace(edit, targets={}, shifts={}, keep=frozenset())
        changes.change(self.model, zero, beside, None, method=method, quality=quality)
        identity.check(self.model, edit)

    def prepare(self, edits: Sequence[Edit], method: str = BEST) -> None:
        """Begin to open in the background what these edits of photos need.

        Saves a process that edits one photo about half a second on two cores.
        """
        needed = [changes.graphs_of(self.model, edit, method) for edit in edits]
        self.model.prepare(tuple(dict.fromkeys(graph for one in needed for graph in one)))

    def change(
        self, portrait: Portrait, edit: Edit, method: str = BEST, quality: str = FULL
    ) -> Change:
        """What an edit does to a portrait's code; see `changes.change`."""
        own = None
        if changes.needs_attributes(self.model, edit, method):
            own = self.predict_attributes(portrait)
        unseen = self.unseen(portrait, edit, method, quality)
        anew = None
        if _is_best(method, quality):
            anew = hidden.hidden(self.model, portrait, edit, unseen)
        return changes.change(
            self.model,
            portrait.code,
            edit,
            own,
            method=method,
            quality=quality,
            cache=portrait.cache,
            unseen=unseen,
            hidden=anew,
        )

    def unseen(
        self, portrait: Portrait, edit: Edit, method: str = BEST, quality: str = FULL
    ) -> tuple[str, ...]:
        """Attributes that an edit draws since the photo does not show what they would be made of."""
        if edit.is_zero or not _is_best(method, quality):
            return ()
        return tuple(
            name for one in (glasses_off, fringe) for name in one.unseen(self.model, portrait, edit)
        )

    def readings(self, change: Change) -> dict[str, tuple[float, float]]:
        """Attribute that is changed -> its linear reading before and after; 0 without, 1 with it."""
        first = self.model.directions.readings(change.before)
        last = self.model.directions.readings(change.after)
        return {name: (first[name], last[name]) for name in change.names}

    def render(
        self,
        portrait: Portrait,
        edit: Edit | Mapping[str, float],
        *,
        onto: Photo | None = None,
        method: str = BEST,
        quality: str = FULL,
    ) -> Photo:
        """The photo with an edit, at full size; a mapping is attribute -> target.

        `onto`: the photo to paste into (that of the portrait by default); see `edited_all` for edits
        of several faces. A zero edit returns the same pixels, bit by bit.
        """
        asked = edit if isinstance(edit, Edit) else Edit(targets=dict(edit))
        return self.edited(portrait, asked, onto=onto, method=method, quality=quality).photo

    def edited(
        self,
        portrait: Portrait,
        edit: Edit,
        *,
        onto: Photo | None = None,
        method: str = BEST,
        quality: str = FULL,
        in_place: bool = False,
    ) -> Edited:
        """As `render`, with the change and the identity kept; see `identity.edited`.

        The strength is lowered where the edit has a `min_identity`. Raises `IdentityLost`.
        `in_place`: the result takes the memory of the photo that it is pasted into, which must not be
        used afterwards; a large photo is then not copied (not with a `min_identity`, which compares).
        """
        in_place &= edit.min_identity is None
        if in_place:
            identity.embedded_before(self.model, portrait)
        return identity.edited(
            self.model,
            portrait,
            edit,
            lambda asked: self.change(portrait, asked, method, quality),
            lambda change: render.paste(self.model, portrait, change, onto=onto, in_place=in_place),
        )

    def edited_all(
        self,
        edits: Sequence[tuple[Portrait, Edit]],
        *,
        method: str = BEST,
        quality: str = FULL,
        in_place: bool = False,
    ) -> list[Edited]:
        """Edits of several faces of one photo; the last one's photo shows all of them.

        Where heads are close, each edit sees the result of those before it, and keeps to its own
        regions there; see `identity.edited_in_turn` for what is refused. `in_place`: as for `edited`, of
        one face alone.
        """
        return identity.edited_in_turn(
            edits,
            lambda portrait, edit, onto: self.edited(
                portrait, edit, onto=onto, method=method, quality=quality, in_place=in_place
            ),
        )

    def paste(self, portrait: Portrait, change: Change, *, onto: Photo | None = None) -> Photo:
        """The photo with a change; see `render.paste`."""
        return render.paste(self.model, portrait, change, onto=onto)

    def prior(
        self,
        name: str | None = None,
        *,
        guidance: float | None = None,
        steps: int | None = None,
        max_attempts: int | None = None,
    ) -> Prior:
        """The prior of that name; None for the best one of this model. See `generation.prior_of`."""
        return generation.prior_of(
            self.model, name, guidance=guidance, steps=steps, max_attempts=max_attempts
        )

    def generate(
        self,
        count: int,
        *,
        seed: int,
        targets: Mapping[str, float] | None = None,
        prior: str | Prior | None = None,
        temperature: float | None = None,
        exactly: bool = False,
        first: int = 0,
    ) -> list[Code]:
        """New codes; face i depends on `seed` and i alone, and `first` is the first i.

        `targets`: attribute -> 0..1; what they imply is a target too (`editing.implied`), unless
        `exactly`. `prior`: one, or a name as for `Editor.prior`. `temperature`: None for the prior's
        usual one. Raises `UnknownName`, and `BadRequest`, also for fewer than one face.
        """
        source = self.prior(prior) if prior is None or isinstance(prior, str) else prior
        return generation.generate(
            source,
            count,
            seed=seed,
            targets=targets or {},
            temperature=temperature,
            exactly=exactly,
            first=first,
        )

    def implied(self, targets: Mapping[str, float], prior: Prior) -> dict[str, float]:
        """What targets of new faces imply, among the attributes of the prior (`editing.implied`)."""
        return implied_by(generation.spelt(targets), prior.names)

    def interpolate(
        self, portraits: Sequence[Portrait], steps: int, *, linear: bool = False
    ) -> list[Code]:
        """Codes from face to face, `steps` to the next, both ends included.

        By the flow, whose every step is a face of its own; linear where the model has none, or if
        `linear`. Raises `BadRequest` for fewer than two steps or no faces, `CodeSpaceMismatch`.
        """
        conditions = None
        if self.model.has_flow and not linear:
            names = self.model.flow_attributes()
            conditions = [condition_of(names, self.predict_attributes(one)) for one in portraits]
        codes = [portrait.code for portrait in portraits]
        return generation.interpolate_codes(self.model, codes, conditions, steps)

    def close(self) -> None:
        """Free the sessions."""
        self.model.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _is_best(method: str, quality: str) -> bool:
    """Whether an edit looks at what the photo shows before it is made."""
    return method == BEST and quality == FULL
