"""A model: a bundle's graphs under their names, with what belongs to its codes, checked together.

`Model` is long because it alone knows what the graphs of a bundle are called and what they compute.
"""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from facedial.arrays import Bytes, Doubles, Floats, load_arrays
from facedial.codes.attributes import ATTRIBUTES
from facedial.codes.code import Code
from facedial.compose.growth import FILE as BEARDS
from facedial.compose.growth import Beards
from facedial.compose.retouch import FILE as RETOUCH
from facedial.compose.retouch import RETOUCHED, Retouch
from facedial.compose.rims import FILE as BARE_EYES
from facedial.compose.rims import BareEyes
from facedial.compose.scalp import FILE as BALD_HEADS
from facedial.compose.scalp import BaldHeads
from facedial.compose.shave import FILE as SHAVE
from facedial.compose.shave import CleanFaces
from facedial.compose.smile import FILE as MOUTHS
from facedial.compose.smile import Mouths
from facedial.editing.directions import Directions
from facedial.editing.learn import Learned
from facedial.editing.masks import ATTRIBUTE_MASKS, AttributeMasks
from facedial.editing.table import EditTable
from facedial.errors import BadBundle, BadRequest, CodeSpaceMismatch
from facedial.faces.crop import FRAMES
from facedial.faces.sheet import as_bytes, shrunk
from facedial.priors.labels import LABEL_PRIOR, LabelPrior
from facedial.runtime.bundle import DEFAULT, Bundle, home

log = logging.getLogger(__name__)

FRAME = "head"  # of the attribute classifier's crops, and of most models
CLASSIFIER_SIDE = 128  # pixels along the side of the classifier's crops
DECODE_BATCH = 32  # faces decoded together: 10,000 in float32 would not fit into memory
PARSE_BATCH = 8  # crops parsed together: 27 MB of logits
DIRECTIONS, PRIOR = "directions.npz", "prior.npz"

# Graphs that a bundle without its own borrows from the package's.
SHARED = ("detail", "detector", "identity", "landmarks", "parser", "reader", "second_stage")
# Parts that were made for the codes of one autoencoder, and what they are called in messages. Their facts
# name that code space as `of`; the prior's file does.
DEPENDENT = {
    "sharp": "GAN decoder",
    "flow": "flow",
    "guide": "weak flow",
    "student": "distilled editor",
    "moves": "edit table",
    "prior": "Gaussian prior",
}


def holder_of(graph: str, bundle: Bundle) -> Bundle:
    """The bundle that holds a graph: this one, or the packaged one for what any model can use."""
    return bundle if graph not in SHARED or bundle.has(graph) else Bundle.open()


def upsampled(crops: Bytes) -> Bytes:
    """Crops [N, S, S, 3] smaller than the classifier's enlarged by whole factors; others as they are."""
    factor = CLASSIFIER_SIDE // crops.shape[1]
    return crops.repeat(factor, 1).repeat(factor, 2) if factor > 1 else crops


def resampled(crops: Bytes) -> Bytes:
    """Crops [N, S, S, 3] enlarged (`upsampled`) or shrunk by whole factors to the classifier's side."""
    return shrunk(upsampled(crops), CLASSIFIER_SIDE)


def _stated(bundle: Bundle) -> str:
    """The code space that a bundle states; raises `BadBundle` where a fact is missing that all need."""
    for fact in ("space", "side", "dimensions"):
        if fact not in bundle.facts:
            raise BadBundle(f"{bundle.path} states no {fact}; export the model again")
    return str(bundle.facts["space"])


def _parts_of_other_spaces(bundle: Bundle, space: str) -> dict[str, str]:
    """Part of a bundle -> the code space it was made for, where that is not `space`."""
    spaces = {part: str(bundle.part(part).get("of", space)) for part in DEPENDENT}
    if bundle.has_file(PRIOR):
        path = bundle.file(PRIOR)
        try:
            spaces["prior"] = str(load_arrays(path, "space")["space"])
        except (OSError, KeyError, ValueError) as error:
            raise BadBundle(f"cannot read a prior from {path}: {error}") from error
    return {part: of for part, of in spaces.items() if of != space}


@dataclass(frozen=True, eq=False)
class Model:
    """A bundle with its directions, edit table and attribute masks.

    Pixels are uint8 RGB [N, S, S, 3]; codes float32 [N, D]. Every part is checked once, in `open`,
    against the code space it was made for. `left_out`: parts of other code spaces, which are not
    used. `packaged`: the bundle that lends the graphs of `SHARED` which this one has not.
    """

    bundle: Bundle
    packaged: Bundle
    directions: Directions
    edit_table: EditTable
    masks: AttributeMasks
    left_out: frozenset[str] = frozenset()

    @staticmethod
    def open(
        path: str | Path | None = None, *, threads: int | None = None, strict: bool = True
    ) -> "Model":
        """The model of a bundle: a folder, an installed name, or the default (None).

        `threads`: of each session; None for those this process may use. Raises `BadBundle`,
        `UnknownName`, and `CodeSpaceMismatch` for a part that was made for other codes; where not
        `strict`, such a part is left out instead, so that it can be trained again.
        """
        return _opened(Bundle.open(path, threads=threads), strict)

    def with_learned(self, learned: Sequence[Learned]) -> "Model":
        """This model, sharing its sessions, with learned directions that edits may name."""
        directions = self.directions
        for one in learned:
            directions = directions.with_learned(one)
        return dataclasses.replace(self, directions=directions)

    def __getstate__(self) -> dict[str, Any]:
        """Fields alone: what is read from the bundle's files is read again where it is needed."""
        return {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}

    @property
    def name(self) -> str:
        """The bundle's name."""
        return self.bundle.name

    @property
    def path(self) -> Path:
        """The bundle's folder."""
        return self.bundle.path

    @cached_property
    def space(self) -> str:
        """Id of the code space: codes of other spaces are refused."""
        return str(self.bundle.facts["space"])

    @cached_property
    def side(self) -> int:
        """Pixels along a crop's side."""
        return int(self.bundle.facts["side"])

    @cached_property
    def dimensions(self) -> int:
        """Numbers in a code."""
        return int(self.bundle.facts["dimensions"])

    @cached_property
    def frame(self) -> str:
        """The frame of its crops (`faces.crop.FRAMES`)."""
        return str(self.bundle.facts.get("frame", FRAME))

    @property
    def needs_face(self) -> bool:
        """Whether a face has to be found before a photo can be encoded."""
        return FRAMES[self.frame].needs_face

    @property
    def needs_attributes(self) -> bool:
        """Whether pictures are encoded together with their attributes."""
        return "attributes" in self.bundle.session("autoencoder-encode").inputs

    def has(self, part: str) -> bool:
        """Whether the bundle holds that graph, for this model's codes."""
        return part not in self.left_out and self.bundle.has(part)

    @property
    def has_flow(self) -> bool:
        """Whether there is a flow."""
        return self.has("flow")

    @property
    def has_weak_flow(self) -> bool:
        """Whether there is a weak flow for autoguidance."""
        return self.has("guide")

    @property
    def has_distilled_editor(self) -> bool:
        """Whether there is a distilled editor beside the flow."""
        return self.has("student")

    @property
    def has_gan_decoder(self) -> bool:
        """Whether there is a GAN decoder beside the MSE decoder."""
        return self.has("sharp")

    @property
    def has_second_stage(self) -> bool:
        """Whether the detector has a second stage."""
        return self.holder("second_stage").has("second_stage")

    @property
    def has_parser(self) -> bool:
        """Whether there is a parser of heads."""
        return self.holder("parser").has("parser")

    @property
    def has_identity(self) -> bool:
        """Whether there is an identity network."""
        return self.holder("identity").has("identity")

    @property
    def has_detail(self) -> bool:
        """Whether there is a network that draws detail at 256 px."""
        return self.holder("detail").has("detail")

    def encode(self, crops: Bytes, attributes: Floats | None = None) -> Floats:
        """Crops uint8 [N, S, S, 3] -> codes float32 [N, D].

        `attributes` [N, 40] in 0..1, for models that need them; predicted where None.
        """
        if not self.needs_attributes:
            return self.bundle.run("autoencoder-encode", crops)
        own = self.predict_attributes(crops) if attributes is None else attributes
        return self.bundle.run("autoencoder-encode", crops, np.asarray(own, np.float32))

    def decode_mse(self, codes: Floats) -> Floats:
        """Codes [N, D] -> pictures float32 [N, S, S, 3], 0..255, not clipped: least squared error."""
        return self.bundle.run("autoencoder-decode", np.asarray(codes, np.float32))

    def decode(self, codes: Floats) -> Floats:
        """As `decode_mse`, by the GAN decoder where there is one: as sharp as photos."""
        if not self.has_gan_decoder:
            return self.decode_mse(codes)
        return self.bundle.run("sharp", np.asarray(codes, np.float32))

    def decode_bytes(self, codes: Sequence[Code], *, mse: bool = False) -> Bytes:
        """Codes -> pictures uint8 [N, S, S, 3]; raises `CodeSpaceMismatch` for another model's codes."""
        for code in codes:
            self.check(code)
        pictures = np.empty((len(codes), self.side, self.side, 3), np.uint8)
        for i in range(0, len(codes), DECODE_BATCH):
            batch = np.stack([code.values for code in codes[i : i + DECODE_BATCH]])
            drawn = self.decode_mse(batch) if mse else self.decode(batch)
            pictures[i : i + DECODE_BATCH] = as_bytes(drawn)
        return pictures

    def velocity(self, latents: Floats, time: Floats, condition: Floats) -> Floats:
        """The flow's velocity (`flow.Velocity`)."""
        return self.bundle.run("flow", latents, time, condition)

    def weak_velocity(self, latents: Floats, time: Floats, condition: Floats) -> Floats:
        """The weak flow's velocity (`flow.Velocity`)."""
        return self.bundle.run("guide", latents, time, condition)

    def distilled_edit(self, latents: Floats, conditions: Floats) -> Floats:
        """The distilled editor: latents, conditions (source, target) [N, 2 K] -> change of latents."""
        return self.bundle.run("student", latents, conditions)

    def to_latents(self, codes: Floats) -> Floats:
        """Codes [N, D] -> the flow's latents [N, 6, 32, 32]."""
        return self.bundle.run("flow-planes", codes)

    def to_codes(self, latents: Floats) -> Floats:
        """The flow's latents [N, 6, 32, 32] -> codes [N, D]; affine."""
        return self.bundle.run("flow-code", latents)

    def flow_attributes(self) -> tuple[str, ...]:
        """Attributes of the flow's conditions; raises `BadRequest` where there is no flow."""
        if not self.has_flow:
            raise BadRequest(
                f"the model {self.name} has no flow; use the gaussian or uniform prior, and the edit "
                "method direction"
            )
        return tuple(self.bundle.part("flow")["attributes"])

    def prior_file(self) -> Path:
        """The file of the prior in closed form; raises `BadRequest` where there is none for its codes."""
        if "prior" in self.left_out:
            raise BadRequest(
                f"the model {self.name} has no Gaussian prior of its own codes; fit one again, or use "
                "another prior"
            )
        return self.bundle.file(PRIOR)

    @cached_property
    def label_prior(self) -> LabelPrior | None:
        """Which attributes occur together in people, where the bundle says so."""
        if not self.bundle.has_file(LABEL_PRIOR):
            return None
        return LabelPrior.load(self.bundle.file(LABEL_PRIOR))

    @cached_property
    def beards(self) -> Beards | None:
        """Where hair grows on faces, by its bundle or the packaged one; None where neither says so."""
        path = self._lent(BEARDS)
        return None if path is None else Beards.load(path)

    @cached_property
    def bald_heads(self) -> BaldHeads | None:
        """Shape and light of bald heads, by its bundle or the packaged one; None without."""
        path = self._lent(BALD_HEADS)
        return None if path is None else BaldHeads.load(path)

    @cached_property
    def mouths(self) -> Mouths | None:
        """How mouths smile and open, by its bundle or the packaged one; None without."""
        path = self._lent(MOUTHS)
        return None if path is None else Mouths.load(path)

    @property
    def _edits_parsed(self) -> bool:
        return self.frame == FRAME and self.has_parser and self.has_distilled_editor

    @property
    def can_retouch(self) -> bool:
        """Whether photos can be retouched: crops are of the usual frame, parsed, and edited at once."""
        return self._edits_parsed and self._lent(RETOUCH) is not None

    @cached_property
    def retouch(self) -> Retouch | None:
        """What makes faces older, manlier or made up, by its bundle or the packaged one; None without."""
        path = self._lent(RETOUCH) if self.can_retouch else None
        return None if path is None else Retouch.load(path)

    @cached_property
    def clean_faces(self) -> CleanFaces | None:
        """Faces without beards, by its bundle or the packaged one; None without, or without a parser."""
        path = self._lent(SHAVE) if self._edits_parsed else None
        return None if path is None else CleanFaces.load(path)

    @cached_property
    def bare_eyes(self) -> BareEyes | None:
        """Eyes without glasses, by its bundle or the packaged one; None without, or without a parser."""
        path = self._lent(BARE_EYES) if self._edits_parsed else None
        return None if path is None else BareEyes.load(path)

    def locate_landmarks(self, patches: Bytes) -> Doubles:
        """Patches uint8 [N, 64, 64, 3] -> five landmarks each [N, 5, 2], (x, y) in patch pixels."""
        return self.holder("landmarks").run("landmarks", patches).astype(np.float64)

    def detect(self, pictures: Bytes) -> Floats:
        """Pictures uint8 [N, H, W, 3], sides multiples of 64 -> `faces.detector.DetectorCells`."""
        return self.holder("detector").run("detector", pictures)

    def face_odds(self, patches: Bytes) -> Floats:
        """Patches uint8 [N, 96, 96, 3] -> log-odds of a face [N] (`faces.second_stage`)."""
        return self.holder("second_stage").run("second_stage", patches)

    def predict_attributes(self, crops: Bytes) -> Floats:
        """Head crops uint8 [N, S, S, 3] -> probabilities of the 40 attributes [N, 40]."""
        return self.holder("reader").run("reader", upsampled(crops))

    def embed_identity(self, crops: Bytes) -> Floats:
        """Head crops uint8 [N, S, S, 3] -> unit embeddings [N, D]: high cosines mean one person."""
        return self.holder("identity").run("identity", resampled(crops))

    def parse(self, crops: Bytes) -> tuple[Floats, Floats]:
        """Crops uint8 [N, 256, 256, 3] of the frame `head` or `portrait` -> classes and hair matte.

        Logits of the classes (`faces.parse.CLASSES`) [N, 12, 256, 256], and the matte [N, 256, 256]
        in 0..1.
        """
        session = self.holder("parser").session("parser")
        batches = range(0, len(crops), PARSE_BATCH)
        found = [session.every(crops[i : i + PARSE_BATCH]) for i in batches]
        classes, hair = (
            np.concatenate([batch[name] for batch in found]) for name in ("classes", "hair")
        )
        return classes, hair

    def detail(self, composites: Bytes, regions: Floats, noise: Floats) -> Floats:
        """Composites with fine detail drawn inside a region, float32 [N, 256, 256, 3] in 0..255.

        `composites`: crops uint8 [N, 256, 256, 3] of the frame `head`, inside the region a picture of
        128 px enlarged by Pillow's bicubic interpolation. `regions` [N, 256, 256] in 0..1: where they
        are 0, the composite's pixels are returned. `noise`: standard normal [N, 8, 64, 64]; the same
        noise gives the same picture.
        """
        given = (np.asarray(one, np.float32) for one in (regions, noise))
        return self.holder("detail").run("detail", composites, *given)

    def classifier_auc(self) -> dict[str, float | None]:
        """AUC of the classifier for each attribute on validation people, as its bundle states it."""
        stated = self.holder("reader").part("reader")["attributes"]
        return {a.name: stated[a.name]["auc"] for a in ATTRIBUTES}

    def check(self, code: Code) -> None:
        """Raises `CodeSpaceMismatch` for another model's code, `BadRequest` for one of another size."""
        code.check(self.space, self.dimensions)

    def prepare(self, graphs: Sequence[str]) -> None:
        """Begin to open graphs in the background, in this order; those of parts left out are not."""
        for holder in (self.bundle, *([] if self.packaged is self.bundle else [self.packaged])):
            own = [g for g in graphs if self.holder(g) is holder and holder.has(g)]
            if own := [g for g in own if g not in self.left_out]:
                holder.prepare(own)

    def close(self) -> None:
        """Free the sessions; a later call opens them again."""
        self.bundle.close()
        self.packaged.close()

    def facts(self, part: str) -> Mapping[str, Any]:
        """What a part's recipe stated of it; empty where there is no such part."""
        return self.holder(part).part(part)

    def _lent(self, name: str) -> Path | None:
        """A file of this bundle, or of the packaged one where this has none; None where neither has."""
        for holder in (self.bundle, self.packaged):
            if holder.has_file(name):
                return holder.file(name)
        return None

    def holder(self, graph: str) -> Bundle:
        """The bundle that holds a graph: this one, or the packaged one for what any model can use."""
        own = graph not in SHARED or self.bundle.has(graph)
        return self.bundle if own else self.packaged


def _opened(bundle: Bundle, strict: bool) -> Model:
    """See `Model.open`."""
    space = _stated(bundle)
    directions = Directions.load(bundle.file(DIRECTIONS))
    if directions.space != space:
        raise CodeSpaceMismatch(
            f"the directions belong to {directions.space}, the model to {space}; fit them again "
            "with this model"
        )
    left_out = _parts_of_other_spaces(bundle, space)
    if strict and left_out:
        part, other = next(iter(left_out.items()))
        raise CodeSpaceMismatch(
            f"the {DEPENDENT[part]} in {bundle.name} was made for codes of {other}, its "
            f"autoencoder makes {space}; make the {DEPENDENT[part]} again for this bundle"
        )
    for part, other in left_out.items():
        log.info("%s: %s of %s left out", bundle.name, DEPENDENT[part], other)
    complete = all(bundle.has(graph) for graph in SHARED) or bundle.path == home() / DEFAULT
    packaged = bundle if complete else Bundle.open(threads=bundle.threads)
    table = {} if "moves" in left_out else bundle.part("moves")
    known = bundle.has_file(ATTRIBUTE_MASKS) and "moves" not in left_out
    masks = AttributeMasks.load(bundle.file(ATTRIBUTE_MASKS)) if known else AttributeMasks({})
    methods = EditTable.of(table)
    model = Model(bundle, packaged, directions, methods, masks, frozenset(left_out))
    if model.can_retouch and "moves" not in left_out:
        # Retouched is the photo; what the code becomes the distilled editor says.
        names = [name for name in RETOUCHED if name in directions.names]
        model = dataclasses.replace(model, edit_table=methods.with_flow(names))
    return model
