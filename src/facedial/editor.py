"""The one pipeline: photo -> face -> crop -> code -> edit -> picture -> pasted back into the photo."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from facedial.codes.attributes import ATTRIBUTES, NAMES, WITHIN, find
from facedial.codes.code import Code, Floats
from facedial.codes.directions import Directions
from facedial.codes.edit import Edit
from facedial.codes.flow import BLURRY, STEPS, TRIES, FlowMove, FlowPrior, Memory, Velocity, as_read
from facedial.codes.labelled import load_prior
from facedial.codes.learn import Learned
from facedial.codes.moves import BEST, FAST, FINEST, FLOW, QUALITIES, Manner, Manners
from facedial.codes.people import PEOPLE, People
from facedial.codes.places import PLACES, Places, union
from facedial.codes.prior import RAW, Prior, UniformPrior, spread
from facedial.codes.walk import FlowWalk, walk
from facedial.codes.wishes import companions, completed
from facedial.errors import BadRequest, CodeSpaceMismatch
from facedial.faces.crop import FRAMES, Crop, align, head_template
from facedial.faces.face import Detector, Face
from facedial.faces.find import face_from_eyes
from facedial.faces.find import find as find_faces
from facedial.faces.mark import EDITED, GENERATED
from facedial.faces.paste import (
    Lost,
    aimed,
    behind,
    changed_places,
    enlarged,
    face_oval,
    lost_detail,
    paste_change,
    soft_mask,
    texture,
    uncovered,
)
from facedial.faces.photo import Photo
from facedial.faces.sheet import as_bytes
from facedial.files import read_text
from facedial.runtime.bundle import READ_SIDE, Bundle

Pixels = NDArray[np.uint8]
FRAME = "head"  # of what the reader takes, and of most models
WHOLE = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # crop pixels are the photo's
DRAWN_AT_ONCE = 32  # pictures of 10,000 faces in floats would not fit into memory


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """A photo opened for editing: encoded once, rendered often.

    `face` is None for models whose crops are cut without looking for one. `memory`: what was worked
    out for this face, by the flow and the reader; it goes when the portrait goes.
    """

    photo: Photo
    face: Face | None
    crop: Crop
    code: Code
    memory: Memory = field(default_factory=Memory)


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What an edit does to a face: its codes before and after.

    `edit`: all that was set, with what goes with what was asked; `also`: attribute -> target of the
    latter alone. `fresh`: as for `codes.moves.Manner`. `where` float32 [32, 32]: what the change of the
    picture is multiplied by, all 1 where None.
    """

    before: Code
    after: Code
    edit: Edit
    also: Mapping[str, float]
    fresh: float = 0.0
    where: Floats | None = None

    @property
    def reshapes(self) -> bool:
        """Whether the person's outline may move; of a learned direction nobody knows."""
        return not {*self.edit.targets, *self.edit.shifts} <= WITHIN


@dataclass(slots=True)
class Editor:
    """Bundle, directions and detector, put together. Make once, pass around, close."""

    bundle: Bundle
    directions: Directions
    detector: Detector | None = None
    manners: Manners = field(init=False)
    places: Places = field(init=False)
    _mask: Floats = field(init=False)
    _oval: Floats | None = field(init=False)

    def __post_init__(self) -> None:
        """Refuse directions of another model."""
        if self.directions.space != self.bundle.space:
            raise CodeSpaceMismatch(
                f"the directions belong to {self.directions.space}, the model to "
                f"{self.bundle.space}; learn them again with this model"
            )
        self.manners = Manners.of(self.bundle.facts["parts"].get("moves", {}))
        known = PLACES in self.bundle.facts["files"]
        self.places = Places.load(self.bundle.file(PLACES)) if known else Places({})
        side = self.bundle.side
        self._mask = soft_mask(side)
        self._oval = face_oval(side) if self.bundle.frame == FRAME else None

    @staticmethod
    def open(path: str | Path | None = None, *, threads: int | None = None) -> "Editor":
        """Editor of a bundle: a folder, an installed name, or the default (None)."""
        bundle = Bundle.open(path, threads=threads)
        return Editor(bundle, Directions.load(bundle.file("directions.npz")))

    def faces(self, photo: Photo) -> list[Face]:
        """Faces of a photo, largest first; raises `NoFaceFound`."""
        if self.detector is None:
            from facedial.faces.dlib_detector import DlibDetector

            self.detector = DlibDetector()
        return find_faces(photo, self.detector, self.bundle.locate)

    def read(self, photo: Photo, faces: Sequence[Face] | None = None) -> list[Portrait]:
        """Portraits of a photo's faces (all that are found, or those given), largest first.

        One portrait for a model whose frame needs no face: its crop is a set part of the picture.
        """
        if not FRAMES[self.bundle.frame].needs_face:
            crop = align(photo, None, self.bundle.frame, self.bundle.side)
            own = self._head(photo, faces) if self.bundle.wants_attributes else None
            return [Portrait(photo, None, crop, self.encode(crop.pixels[None], own)[0])]
        found = self.faces(photo) if faces is None else list(faces)
        if not found:
            return []
        crops = [align(photo, face, self.bundle.frame, self.bundle.side) for face in found]
        codes = self.encode(np.stack([crop.pixels for crop in crops]))
        return [
            Portrait(photo, face, crop, code)
            for face, crop, code in zip(found, crops, codes, strict=True)
        ]

    def portrait_of_crop(self, pixels: Pixels) -> Portrait:
        """A crop [S, S, 3] on the model's frame as a photo of nothing but that crop, encoded."""
        (code,) = self.encode(pixels[None])
        return Portrait(Photo(pixels), None, Crop(pixels, WHOLE, 1.0), code)

    def portrait_of(self, code: Code, name: str = "face") -> Portrait:
        """A code's own drawing as a portrait, so that new faces are edited like photos.

        The code stays what it is; it is not encoded from the drawing again.
        """
        (pixels,) = self.decode([code])
        photo = Photo(pixels, name, mark=GENERATED)
        face = None
        if FRAMES[self.bundle.frame].needs_face:
            side = float(self.bundle.side)
            face = Face(np.array([0.0, 0.0, side, side]), head_template(self.bundle.side), 1.0)
        return Portrait(photo, face, Crop(photo.pixels, WHOLE, 1.0), code)

    def _head(self, photo: Photo, faces: Sequence[Face] | None = None) -> Floats:
        """Attributes [1, 40] of the largest face, as the reader finds them in its head crop."""
        found = self.faces(photo) if faces is None else faces
        return self.bundle.read(align(photo, found[0], FRAME, READ_SIDE).pixels[None])

    def portraits(
        self, photo: Photo, face: int | str = "1", eyes: str | Sequence[float] | None = None
    ) -> list[Portrait]:
        """Portraits of one face or all: `face` is `all` or a number, largest first.

        `eyes`: x, y, x, y of both eyes in photo pixels, as numbers or as a text with commas, instead
        of looking for faces. Raises `BadRequest` for a number beyond the faces found.
        """
        face = str(face)
        if eyes is not None:
            parts = eyes.split(",") if isinstance(eyes, str) else eyes
            try:
                points = np.array([float(part) for part in parts]).reshape(2, 2)
            except ValueError as error:
                raise BadRequest(f"--eyes wants four numbers X,Y,X,Y, got {eyes!r}") from error
            return self.read(photo, [face_from_eyes(photo, points)])
        if face != "all" and not face.isdecimal():
            raise BadRequest(f"--face wants a number or 'all', got {face!r}")
        if not FRAMES[self.bundle.frame].needs_face:
            return self.read(photo)
        found = self.faces(photo)
        if face == "all":
            return self.read(photo, found)
        number = int(face)
        if not 1 <= number <= len(found):
            faces = "1 face" if len(found) == 1 else f"{len(found)} faces"
            raise BadRequest(f"{photo.name} has {faces}, so there is no face {number}")
        return self.read(photo, [found[number - 1]])

    def add_directions(self, paths: Sequence[Path]) -> None:
        """Take learned directions in: their names can be used like attributes."""
        for path in paths:
            self.directions = self.directions.with_learned(Learned.load(path))

    def parse(
        self,
        targets: Sequence[str],
        shifts: Sequence[str],
        keep: Sequence[str],
        strength: float,
        preset: Path | None = None,
        exactly: bool = False,
    ) -> Edit:
        """An edit from `NAME=amount` texts and a preset; the texts win over the preset.

        Raises `UnknownName` and `BadRequest`, also for what no face's edit could reach.
        """
        known = self.directions.names
        edit = Edit.parse(targets, shifts, keep, strength=strength, exactly=exactly, known=known)
        if preset is not None:
            base = _preset(preset)
            named = {*edit.targets, *edit.shifts, *edit.keep}
            edit = Edit(
                targets={**_without(base.targets, named), **edit.targets},
                shifts={**_without(base.shifts, named), **edit.shifts},
                keep=(base.keep - named) | edit.keep,
                strength=base.strength * strength,
                exactly=base.exactly or exactly,
            )
        self.check(edit)
        return edit

    def check(self, edit: Edit) -> None:
        """Raise `BadRequest` for an edit that no face could be given, before any is looked for."""
        size = self.directions.unit.shape[1]
        self.directions.steps(Code(np.zeros(size, np.float32), self.bundle.space), edit)

    def encode(self, crops: Pixels, attributes: Floats | None = None) -> list[Code]:
        """Crops uint8 [N, S, S, 3] on the model's frame -> codes; `attributes` as for `Bundle.encode`."""
        found = self.bundle.encode(crops, attributes)
        return [Code(values, self.bundle.space) for values in found]

    def decode(self, codes: Sequence[Code], *, faithful: bool = False) -> Pixels:
        """Codes -> pictures uint8 [N, S, S, 3]; raises `CodeSpaceMismatch` for another model's codes.

        Sharp, where the model can; or `faithful`, nearest to what was encoded in squared error.
        """
        for code in codes:
            self._own(code)
        side = self.bundle.side
        pictures = np.empty((len(codes), side, side, 3), np.uint8)
        for i in range(0, len(codes), DRAWN_AT_ONCE):
            some = np.stack([code.values for code in codes[i : i + DRAWN_AT_ONCE]])
            drawn = self.bundle.decode(some) if faithful else self.bundle.draw(some)
            pictures[i : i + DRAWN_AT_ONCE] = as_bytes(drawn)
        return pictures

    def move(self, code: Code, edit: Edit) -> Code:
        """The code after an edit along the directions.

        A person may read beyond the scale (a broad smile 1.8). So a target of 1 or more never
        takes away, and one of 0 or less never adds: what is there already stays. Targets bring along
        what they exclude and imply (`codes.wishes`), unless the edit is to be made `exactly`.
        """
        self._own(code)
        now = self.directions.readings(code)
        edit = completed(edit, now)
        targets = {n: t for n, t in edit.targets.items() if not _beyond(now[n], t)}
        step = self.directions.steps(code, dataclasses.replace(edit, targets=targets))
        return Code(code.values + step, code.space)

    def change(
        self, portrait: Portrait, edit: Edit, move: str = BEST, quality: str = FINEST
    ) -> Change:
        """What the edit does to a face: what is pasted is the difference of both codes' drawings.

        `move`: `direction`, `flow` where the bundle has one, or `best`: for each attribute what was
        measured best for this model (`codes.moves`). `quality` of the flow's moves: `best`, by the
        flow itself, unless its student was measured better and `move` is `best`, or `fast`, by the
        student where the bundle has one. Targets bring along what they
        exclude and imply (`codes.wishes`). Raises `BadRequest`.
        """
        self._own(portrait.code)
        if quality not in QUALITIES:
            raise BadRequest(f"no quality named {quality!r}; known: {', '.join(QUALITIES)}")
        parts = self.manners.parts(edit, move)
        if move == FLOW or parts.flowing:
            self._flow_names()  # told before anything is worked out
        code, asked = portrait.code, {*edit.targets, *edit.shifts}
        if edit.is_zero:
            return Change(code, code, edit, {})
        full = edit
        step = np.zeros_like(code.values)
        if not parts.along.is_zero:
            along = completed(parts.along, self.directions.readings(code), asked)
            full = _with(full, along)
            step += self.move(code, along).values - code.values
        masks: list[Floats | None] = [] if parts.along.is_zero else [None]
        if parts.flowing:
            own = self.read_attributes(portrait)
            for name, (part, manner) in parts.flowing.items():
                full = _with(full, completed(part, own, asked))
                mask = self.places.mask(name, manner.place)
                made = self.manners.quality(name, move, quality)
                mover = self.flow_move(manner, made, portrait.memory, mask)
                moved = mover.step(code.values, own, part, asked)
                step += self.directions.keeping(moved, edit.keep)
                masks.append(mask)
        also = {name: t for name, t in full.targets.items() if name not in edit.targets}
        after = Code(code.values + step, code.space) if step.any() else code
        return Change(code, after, full, also, parts.fresh, union(masks))

    def flow_move(
        self,
        manner: Manner,
        quality: str = FINEST,
        memory: Memory | None = None,
        mask: Floats | None = None,
    ) -> FlowMove:
        """The flow as it moves faces, under a mask [32, 32]; raises where the bundle has none."""
        fast = quality == FAST and self.bundle.has_student
        return FlowMove(
            names=self._flow_names(),
            velocity=self.bundle.velocity,
            planes=self.bundle.planes_of,
            code=self.bundle.code_of,
            turning=manner.turning,
            guidance=manner.guidance,
            gain=manner.gain,
            mask=mask,
            memory=Memory() if memory is None else memory,
            student=self.bundle.changed if fast else None,
            guessing=manner.quality == FINEST,
        )

    def readings(self, change: Change) -> dict[str, tuple[float, float]]:
        """Attribute of the change -> its linear reading before and after.

        0 is the mean of people without, 1 that of people with it; readings may lie beyond both.
        """
        first = self.directions.readings(change.before)
        last = self.directions.readings(change.after)
        edit = change.edit
        return {name: (first[name], last[name]) for name in (*edit.targets, *edit.shifts)}

    def render(
        self,
        portrait: Portrait,
        edit: Edit | Mapping[str, float],
        *,
        onto: Photo | None = None,
        move: str = BEST,
        quality: str = FINEST,
    ) -> Photo:
        """The photo with the edit's *change* pasted in at full size.

        A mapping is what `--set` means: attribute -> target. `onto` is the photo to paste into (that
        of the portrait by default), so that several faces of one photo can be edited in turn. `move`,
        `quality` as for `change`. A zero edit returns the same pixels, bit by bit; anything else is
        marked as edited (`faces.mark`).
        """
        wanted = edit if isinstance(edit, Edit) else Edit(targets=dict(edit))
        photo = portrait.photo if onto is None else onto
        if wanted.is_zero:
            return photo
        return self.paste(portrait, self.change(portrait, wanted, move, quality), onto=photo)

    def paste(
        self,
        portrait: Portrait,
        change: Change,
        *,
        onto: Photo | None = None,
        before: Floats | None = None,
        detail: Floats | None = None,
    ) -> Photo:
        """The photo with the difference of a change's two drawings pasted in (see `change`).

        What the photo shows finer than its crop stays as far as the fine detail of both drawings agrees.
        `before` [S, S, 3], `detail` [H, W, 3]: what `bundle.draw` draws of the code before, and
        `fine_detail` of the photo, where they are known.
        """
        photo = portrait.photo if onto is None else onto
        if np.array_equal(change.after.values, change.before.values):
            return photo
        if before is None:
            both = np.stack([change.after.values, change.before.values])
            after, before = self.bundle.draw(both)
        else:
            (after,) = self.bundle.draw(change.after.values[None])
        # Beyond black and white the picture cannot follow, and the photo should not either.
        after = np.clip(after, 0, 255)
        before = np.clip(before, 0, 255)
        difference = after - before
        lost = lost_detail(before, after)
        grain: float | Floats = self._grain(portrait)
        if change.fresh:
            share = change.fresh * changed_places(difference)[..., None]
            difference += share * (after - portrait.crop.pixels - difference)
        if change.where is not None:
            where = enlarged(change.where, len(difference))
            difference *= where[..., None]
            lost = lost * where
        if self._oval is not None:
            person = self._person(portrait)
            if person is not None and change.reshapes:
                # Two drawings are compared, so that what hardly changes uncovers nothing.
                first = self._drawn_person(portrait, change.before, before)
                then = self._people(after)
                gone = uncovered(first, then)
                wall = self._behind(portrait, person) - portrait.crop.pixels
                difference += gone[..., None] * (wall - difference)
                lost, grain = np.maximum(lost, gone), grain * (1 - gone)
                person = np.maximum(np.maximum(person, then), gone)
            meant = aimed(difference, self._oval, person)
            difference *= meant[..., None]
            lost = lost * meant
        changed = paste_change(
            photo,
            portrait.crop,
            difference,
            self._mask,
            lost=Lost(lost, grain, detail),
            source=portrait.photo,
        )
        return changed if changed is photo else dataclasses.replace(changed, mark=EDITED)

    def _grain(self, portrait: Portrait) -> float:
        """How fine a skin the photo shows, in levels beyond its crop."""
        photo, crop = portrait.photo, portrait.crop
        # A close-up shares the portrait's memory, and shows it at another size.
        (found,) = portrait.memory.get(
            ("texture", crop.to_photo.tobytes()),
            lambda: np.array([texture(photo, crop)], np.float32),
        )
        return float(found)

    def _person(self, portrait: Portrait) -> Floats | None:
        """How much of each place of a portrait's crop is person [S, S]; None where nothing can tell."""
        if not self.bundle.has_matte:
            return None
        return portrait.memory.get("person", lambda: self._people(portrait.crop.pixels))

    def _drawn_person(self, portrait: Portrait, code: Code, drawn: Floats) -> Floats:
        """As `_person`, of what is drawn of the code before a change."""
        key = ("person", code.values.tobytes())
        return portrait.memory.get(key, lambda: self._people(drawn))

    def _behind(self, portrait: Portrait, person: Floats) -> Floats:
        """What may be behind a person in a portrait's crop [S, S, 3]."""
        return portrait.memory.get("behind", lambda: behind(portrait.crop.pixels, person))

    def _people(self, picture: Floats | Pixels) -> Floats:
        """How much of each place of a picture [S, S, 3], 0..255, is person, [S, S]."""
        (found,) = self.bundle.person(as_bytes(picture[None].astype(np.float32)))
        return enlarged(found, self.bundle.side)

    def read_attributes(self, portrait: Portrait) -> dict[str, float]:
        """Probability of each attribute in a portrait; read once."""

        def read() -> Floats:
            if self.bundle.frame != FRAME:
                return self._head(portrait.photo)
            return self.bundle.read(portrait.crop.pixels[None])

        (values,) = portrait.memory.get("attributes", read)
        return {a.name: float(v) for a, v in zip(ATTRIBUTES, values, strict=True)}

    def standing(self, portrait: Portrait) -> dict[str, float]:
        """Attribute -> where a portrait stands on the scale of an edit's targets, as `best` moves it.

        The linear reading; for what the flow moves, the probability by which it goes.
        """
        found = self.directions.readings(portrait.code)
        flowing = {name for name in found if self.manners.flows(name)}
        if flowing:
            own = self.read_attributes(portrait)
            found |= {name: own[name] for name in flowing}
        return found

    def reliability(self) -> dict[str, float | None]:
        """AUC of each attribute's reading on validation people, as the bundle states it."""
        stated = self.bundle.part("reader")["attributes"]
        return {a.name: stated[a.name]["auc"] for a in ATTRIBUTES}

    def prior(
        self,
        name: str | None = None,
        *,
        guidance: float | None = None,
        steps: int | None = None,
        tries: int | None = None,
    ) -> Prior:
        """The prior of that name; None for the best one of this model.

        `learned` (the flow, where the bundle has one; `guidance`, `steps`, `tries` are its), `gaussian`
        (closed form; the baseline), `uniform` (the first source's). Raises `BadRequest`.
        """
        if name is None:
            name = "learned" if self.bundle.has_flow else "gaussian"
        if name == "learned":
            return self._flow(guidance, steps, tries)
        if (guidance, steps, tries) != (None, None, None):
            raise BadRequest(
                f"guidance, steps and tries belong to the learned prior, not to {name!r}"
            )
        if name == "uniform":
            raw = RAW in self.bundle.facts["files"]
            white = UniformPrior.whitening(self.bundle.file(RAW)) if raw else None
            size = int(self.bundle.facts["dimensions"])
            return UniformPrior(self.bundle.space, size, white=white)
        if name == "gaussian":
            return load_prior(self.bundle.file("prior.npz"))
        raise BadRequest(f"no prior named {name!r}; known: learned, gaussian, uniform")

    def _flow(self, guidance: float | None, steps: int | None, tries: int | None) -> FlowPrior:
        drawn = PEOPLE in self.bundle.facts["files"]
        return FlowPrior(
            space=self.bundle.space,
            names=self._flow_names(),
            velocity=self.bundle.velocity,
            code=self.bundle.code_of,
            guidance=guidance,
            steps=STEPS if steps is None else steps,
            people=People.load(self.bundle.file(PEOPLE)) if drawn else None,
            guide=self._guide(),
            tries=TRIES if tries is None else tries,
            blurred=self._blurred,
        )

    def _blurred(self, codes: Floats) -> Floats:
        """Probability that what is drawn of each code [N, D] looks blurred, [N]."""
        found: Floats = self.bundle.read(as_bytes(self.bundle.draw(codes)))
        return found[:, NAMES.index(BLURRY)]

    def _guide(self) -> Velocity | None:
        """The bundle's guide; None where there is none, or one of other codes."""
        if not self.bundle.has_guide:
            return None
        of = self.bundle.facts["parts"]["guide"]["of"]
        return self.bundle.lesser if of == self.bundle.space else None

    def _flow_names(self) -> tuple[str, ...]:
        """Attributes of the bundle's flow; raises where there is none, or one of other codes."""
        if not self.bundle.has_flow:
            raise BadRequest(
                f"the model {self.bundle.name} has no flow; use the gaussian or uniform prior, and "
                "move along directions"
            )
        facts = self.bundle.facts["parts"]["flow"]
        if facts["of"] != self.bundle.space:
            raise CodeSpaceMismatch(
                f"the flow in {self.bundle.name} draws codes of {facts['of']}, its autoencoder makes "
                f"{self.bundle.space}; train the flow again with --init of this bundle"
            )
        return tuple(facts["attributes"])

    def generate(
        self,
        count: int,
        *,
        seed: int,
        wanted: Mapping[str, float] | None = None,
        prior: str | Prior | None = None,
        temperature: float | None = None,
        exactly: bool = False,
        first: int = 0,
    ) -> list[Code]:
        """New codes; face i depends on `seed` and i alone, and `first` is the first i.

        `wanted`: attribute -> 0..1; what it excludes and implies is wanted with it (`codes.wishes`),
        unless `exactly`. `prior`: one, or a name as for `Editor.prior`. `temperature`: None
        for the prior's usual one.
        """
        source = self.prior(prior) if prior is None or isinstance(prior, str) else prior
        asked = _spelt(wanted or {})
        if temperature is None:
            temperature = source.usual_temperature
        if not exactly:
            asked |= self.also_wanted(asked, source)
        values = source.sample(spread(seed, count, first), asked, temperature)
        return [Code(row, source.space) for row in values]

    def also_wanted(self, wanted: Mapping[str, float], prior: Prior) -> dict[str, float]:
        """What goes with what is wanted of new faces, of what the prior knows (`codes.wishes`)."""
        return companions(_spelt(wanted), prior.names)

    def walk(
        self, portraits: Sequence[Portrait], steps: int, *, straight: bool = False
    ) -> list[Code]:
        """Codes of a walk from face to face, `steps` to the next, both ends among them.

        By the flow, whose every step is a face of its own; along straight lines, which fade one face
        over the other, where the bundle has none, or if `straight`. Raises `BadRequest` for fewer than
        two steps or no faces, `CodeSpaceMismatch` for faces of another model.
        """
        if not portraits:
            raise BadRequest("a walk leads through faces, and none were given")
        for portrait in portraits:
            self._own(portrait.code)
        codes = [portrait.code for portrait in portraits]
        if straight or not self.bundle.has_flow:
            return walk(codes, steps)
        names = self._flow_names()
        wishes = np.stack([as_read(names, self.read_attributes(one)) for one in portraits])
        values = np.stack([code.values for code in codes])
        bundle = self.bundle
        leg = FlowWalk(values, wishes, bundle.velocity, bundle.planes_of, bundle.code_of)
        return walk(codes, steps, leg)

    def close(self) -> None:
        """Free the sessions."""
        self.bundle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _own(self, code: Code) -> None:
        if code.space != self.bundle.space:
            raise CodeSpaceMismatch(
                f"the code belongs to {code.space}, the model to {self.bundle.space}; "
                "encode the photo again with this model"
            )
        if len(code.values) != self.directions.unit.shape[1]:
            raise BadRequest(
                f"a code of {self.bundle.space} has {self.directions.unit.shape[1]} numbers, "
                f"found {len(code.values)}; encode the photo again"
            )


def _spelt(wanted: Mapping[str, float]) -> dict[str, float]:
    """What is wanted under CelebA's names; raises `BadRequest` for one wanted twice."""
    asked = {find(name).name: value for name, value in wanted.items()}
    if len(asked) < len(wanted):
        raise BadRequest("an attribute is wanted twice in two spellings; give one amount")
    return asked


def _with(edit: Edit, part: Edit) -> Edit:
    """The edit with what a part of it brought along."""
    return dataclasses.replace(edit, targets={**edit.targets, **part.targets}, exactly=True)


def _preset(path: Path) -> Edit:
    text = read_text(path, "preset")
    try:
        return Edit.from_json(text)
    except BadRequest as error:
        raise BadRequest(f"the preset {path} is no edit: {error}") from error


def _beyond(now: float, target: float) -> bool:
    """Whether a reading has more than a target of 1 or more asks for, or less than one of 0 or less."""
    return (target >= 1 and now > target) or (target <= 0 and now < target)


def _without(amounts: Mapping[str, float], others: Collection[str]) -> dict[str, float]:
    return {name: amount for name, amount in amounts.items() if name not in others}
