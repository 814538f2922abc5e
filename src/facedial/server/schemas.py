"""What the API takes and gives, as OpenAPI tells it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Amount = Annotated[float, Field(allow_inf_nan=False)]
Amounts = dict[Annotated[str, Field(max_length=80)], Amount]
Name = Annotated[str, Field(max_length=80)]
Key = Annotated[str, Field(max_length=64)]
Encoded = Annotated[str, Field(max_length=20_000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str


class EditBody(_Body):
    """An edit: what `facedial edit` takes as --set, --add, --keep, --strength and --exactly."""

    set: Amounts = Field({}, description="attribute -> reading to arrive at, -0.5..1.5")
    add: Amounts = Field({}, description="attribute -> change in standard deviations, -5..5")
    keep: list[Name] = Field([], max_length=100)
    strength: Amount = 1.0
    exactly: bool = False


class FaceEdit(EditBody):
    """An edit of one face of a photo, the largest is 1."""

    face: Annotated[int, Field(ge=1)] = 1


class RenderBody(_Body):
    """What to draw: one face seen close, or the whole photo at its own size."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"edits": [{"face": 1, "set": {"Smiling": 1}}]}]},
    )

    edits: list[FaceEdit] = Field([], max_length=64)
    view: Literal["face", "photo"] = "face"
    size: Annotated[int, Field(ge=64, le=1024)] = 512
    format: Literal["jpg", "png", "webp"] = "jpg"
    move: Name = "best"
    quality: Name = "best"
    directions: list[Key] = Field([], max_length=32)


class FaceFound(BaseModel):
    """A face in photo pixels: box x0, y0, x1, y1; landmarks (x, y) of eyes, nose, mouth's corners."""

    number: int
    box: list[float]
    landmarks: list[list[float]]
    score: float


class Faces(BaseModel):
    """Faces of a photo, the largest first."""

    width: int
    height: int
    faces: list[FaceFound]


class PortraitFace(BaseModel):
    """A face that was opened: what the reader finds in it, and where sliders begin.

    `close_up`: the part of the photo that `render` draws, x0, y0, x1, y1 in photo pixels. `attributes`:
    probabilities. `readings`: linear readings, on the scale of an edit's `set`.
    """

    number: int
    box: list[float] | None
    close_up: list[int]
    attributes: dict[str, float]
    readings: dict[str, float]


class Opened(BaseModel):
    """A photo that is open for editing, under an id that only who opened it knows."""

    id: str
    width: int
    height: int
    faces: list[PortraitFace]


class Wish(_Body):
    """Which new faces are wanted."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"count": 4, "seed": 7, "wanted": {"Smiling": 1}}]},
    )

    seed: Annotated[int, Field(ge=0, le=2**53)] = 0
    wanted: Amounts = {}
    exactly: bool = False
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    prior: Name | None = None


class GenerateBody(Wish):
    """New faces: face i depends on the seed and i alone."""

    count: Annotated[int, Field(ge=1, le=64)] = 12


class NewPortraitBody(Wish):
    """One of those faces, to be opened like a photo: `number` counts from 0."""

    number: Annotated[int, Field(ge=0, le=9999)] = 0


class NewFace(BaseModel):
    """A new face: a PNG as a data URL, marked as generated."""

    number: int
    picture: str


class Generated(BaseModel):
    """New faces, and what was wanted besides, since it goes with what was asked."""

    seed: int
    also_set: dict[str, float]
    faces: list[NewFace]


class Place(_Body):
    """A face of an opened photo."""

    portrait: Key
    face: Annotated[int, Field(ge=1)] = 1


class MorphBody(_Body):
    """A walk from face to face; `straight`: one fades over the other, also where there is a flow."""

    through: list[Place] = Field(min_length=2, max_length=8)
    steps: Annotated[int, Field(ge=2, le=64)] = 24
    per_second: Annotated[float, Field(ge=1, le=60)] = 12.0
    format: Literal["webp", "gif", "frames"] = "webp"
    straight: bool = False


class Frames(BaseModel):
    """The walk's pictures, JPEGs as data URLs."""

    frames: list[str]


class Coded(BaseModel):
    """Codes of a photo's faces: base64 of float32, little-endian; `space` names the model."""

    space: str
    dimensions: int
    codes: list[str]


class LearnBody(_Body):
    """Two sets of codes, as `/api/codes` gave them, and what must not differ between them."""

    name: Name
    having: list[Encoded] = Field(max_length=500, alias="with")
    lacking: list[Encoded] = Field(max_length=500, alias="without")
    balance: list[Name] = Field([], max_length=40)


class Direction(BaseModel):
    """A learned direction that is kept: give its id to `render`; its name is then an attribute."""

    id: str
    name: str
    report: dict[str, Any]


class AttributeFacts(BaseModel):
    """An attribute: `label` and `group` for people; `auc` of its reading on unseen people."""

    name: str
    label: str
    group: str
    auc: float | None
    weak: bool


class Version(BaseModel):
    """What runs here."""

    version: str
    model: str
    space: str
    side: int
    prior: str
    moves: list[str]
    body_bytes: int


class Health(BaseModel):
    """`ok` while the server answers."""

    status: Literal["ok"] = "ok"
