"""Bodies of requests and answers, with the descriptions that the OpenAPI document gives."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Amount = Annotated[float, Field(allow_inf_nan=False)]
Amounts = dict[Annotated[str, Field(max_length=80)], Amount]
Name = Annotated[str, Field(max_length=80)]
Key = Annotated[str, Field(max_length=64)]
Base64 = Annotated[str, Field(max_length=20_000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """An error as problem details (RFC 9457): `detail` is one sentence for a person."""

    type: str
    title: str
    status: int
    detail: str


class EditBody(_Body):
    """An edit of a face; the fields are the options of `facedial edit`."""

    set: Amounts = Field(
        {}, description="attribute -> target value, -0.5..1.5 (0 without the attribute, 1 with it)"
    )
    add: Amounts = Field({}, description="attribute -> shift in standard deviations, -5..5")
    keep: list[Name] = Field([], max_length=100, description="attributes whose values stay")
    strength: Amount = Field(1.0, description="factor on the whole edit, 0..3")
    exactly: bool = Field(False, description="do not set implied attributes")
    hair_colour: Annotated[str, Field(max_length=16)] | None = Field(
        None, description="colour of the hair, #rrggbb; none leaves it as it is"
    )
    hair_amount: Amount = Field(1.0, description="share of the way to `hair_colour`, 0..1.5")
    lens_darkness: Amount | None = Field(
        None,
        description="of lenses, 0 clear..1 dark; none: clear in new glasses, own ones unchanged",
    )
    min_identity: Amount | None = Field(
        None,
        description="least cosine, 0..1, between the face before and after: the strength is lowered "
        "until it is kept",
    )


class FaceEdit(EditBody):
    """An edit of one face of a photo."""

    face: Annotated[int, Field(ge=1)] = Field(1, description="number of the face, the largest is 1")

    def facts(self) -> dict[str, Any]:
        """The edit alone."""
        return self.model_dump(exclude={"face"})


class RenderBody(_Body):
    """What to render: one face at `size` pixels, or the whole photo at its own size."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"edits": [{"face": 1, "set": {"Smiling": 1}}]}]},
    )

    edits: list[FaceEdit] = Field(
        [],
        max_length=64,
        description="one edit for `view` face; for `view` photo those of any of its faces, each once, "
        "made in this order",
    )
    view: Literal["face", "photo"] = "face"
    size: Annotated[int, Field(ge=64, le=1024)] = Field(
        512, description="longer side of a face's picture, in pixels"
    )
    format: Literal["jpg", "png", "webp"] = "jpg"
    method: Name = Field("best", description="edit method, one of `methods` of /api/version")
    quality: Name = Field("best", description="`best`, or `fast` for a preview in milliseconds")
    directions: list[Key] = Field(
        [], max_length=32, description="ids of learned directions that the edits name"
    )


class RegionBody(_Body):
    """Whose region to show: that of the one edit."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"edits": [{"face": 1, "set": {"Smiling": 1}}]}]},
    )

    edits: list[FaceEdit] = Field(max_length=64, description="one edit")
    size: Annotated[int, Field(ge=64, le=1024)] = Field(
        512, description="longer side of the face's picture, in pixels"
    )
    method: Name = Field("best", description="edit method, one of `methods` of /api/version")
    quality: Name = Field("fast", description="`best`, or `fast` for a preview in milliseconds")
    directions: list[Key] = Field(
        [], max_length=32, description="ids of learned directions that the edits name"
    )


class Look(BaseModel):
    """A look: an edit that many want, for `render`.

    `label` is for display; `is_hair_colour`: whether it is a colour of hair and nothing else.
    `unavailable`: why this face cannot be given it; none where it can.
    """

    name: str
    label: str
    is_hair_colour: bool
    edit: EditBody
    unavailable: str | None


class FaceFound(BaseModel):
    """A face, in photo pixels.

    `box`: x0, y0, x1, y1. `landmarks`: (x, y) of the left and right eye in the picture, the nose, and
    the left and right corner of the mouth.
    """

    number: int
    box: list[float]
    landmarks: list[list[float]]
    score: float


class Faces(BaseModel):
    """Faces of a photo, largest first."""

    width: int
    height: int
    faces: list[FaceFound]


class PortraitFace(BaseModel):
    """A face of an open photo.

    `close_up`: the part of the photo that `render` shows of it, x0, y0, x1, y1 in photo pixels.
    `attributes`: probabilities by the attribute classifier. `current_values`: where the face is on the
    scale of an edit's `set`, so where a slider starts.
    """

    number: int
    box: list[float] | None
    close_up: list[int]
    attributes: dict[str, float]
    current_values: dict[str, float]


class PhotoOpened(BaseModel):
    """A photo open for editing; its id is random, and told to the client that opened it."""

    id: str
    width: int
    height: int
    faces: list[PortraitFace]


class Sampling(_Body):
    """How new faces are drawn."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"count": 4, "seed": 7, "targets": {"Smiling": 1}}]},
    )

    seed: Annotated[int, Field(ge=0, le=2**53)] = 0
    targets: Amounts = Field({}, description="attribute -> 1 with it, 0 without it")
    exactly: bool = Field(False, description="do not set implied attributes")
    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(
        None, description="standard deviation of the noise; less gives more typical faces"
    )
    prior: Name | None = Field(None, description="`learned`, `gaussian` or `uniform`")


class GenerateBody(Sampling):
    """New faces: face i depends on the seed and i alone."""

    count: Annotated[int, Field(ge=1, le=64)] = 12


class NewPortraitBody(Sampling):
    """One new face, to be opened like a photo."""

    number: Annotated[int, Field(ge=0, le=9999)] = Field(
        0, description="number of the face of its seed, counted from 0"
    )


class NewFace(BaseModel):
    """A new face: a PNG as a data URL, with the mark of a generated picture."""

    number: int
    picture: str


class Generated(BaseModel):
    """New faces; `implied`: attributes that the targets imply."""

    seed: int
    implied: dict[str, float]
    faces: list[NewFace]


class FaceOfPhoto(_Body):
    """A face of an open photo: the photo's id and the number of the face."""

    portrait: Key
    face: Annotated[int, Field(ge=1)] = 1


class MorphBody(_Body):
    """A morph through faces, by latent interpolation."""

    through: list[FaceOfPhoto] = Field(min_length=2, max_length=8)
    steps: Annotated[int, Field(ge=2, le=64)] = Field(
        24, description="frames from one face to the next, both included"
    )
    per_second: Annotated[float, Field(ge=1, le=60)] = 12.0
    format: Literal["webp", "gif", "frames"] = "webp"
    linear: bool = Field(False, description="interpolate codes linearly, also where a flow is")


class Frames(BaseModel):
    """Frames of a morph, JPEGs as data URLs."""

    frames: list[str]


class Codes(BaseModel):
    """Codes of a photo's faces: base64 of little-endian float32; `space` is their code space's id."""

    space: str
    dimensions: int
    codes: list[str]


class LearnBody(_Body):
    """Two sets of codes, as /api/codes gives them, of faces with and without something."""

    name: Name
    positives: list[Base64] = Field(max_length=500, alias="with")
    negatives: list[Base64] = Field(max_length=500, alias="without")
    balance: list[Name] = Field(
        [], max_length=40, description="attributes whose difference between the sets is removed"
    )


class Direction(BaseModel):
    """A learned direction that is kept: `render` takes its id, and edits then its name."""

    id: str
    name: str
    report: dict[str, Any]


class AttributeFacts(BaseModel):
    """An attribute; `label` and `group` are for display, `auc` is the classifier's on unseen people.

    `weak`: whether that AUC is so low that edits of the attribute do little.
    """

    name: str
    label: str
    group: str
    auc: float | None
    weak: bool


class Version(BaseModel):
    """The version, and the model that is loaded.

    `space`: id of its code space. `side`: pixels of a side of its pictures. `hair_colour` and
    `lens_darkness`: whether edits may name one. `body_bytes`: size of a request's body at most.
    """

    version: str
    model: str
    space: str
    side: int
    prior: str
    methods: list[str]
    hair_colour: bool
    lens_darkness: bool
    body_bytes: int


class Health(BaseModel):
    """`ok` while the server answers."""

    status: Literal["ok"] = "ok"
