"""What the OpenAPI document says of several routes: errors, pictures, and bodies that are files."""

from typing import Annotated, Any

from fastapi import Path

from facedial.server import problems, schemas
from facedial.server.uploads import FIELD, FORM

Id = Annotated[str, Path(max_length=64)]
MEDIA_TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif"}
BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
ERRORS = {
    401: "The token is missing or wrong.",
    403: "The request comes from another site.",
    404: "There is nothing under this id; it has expired or never was.",
    408: "The body came too slowly.",
    409: "The code or direction belongs to another model.",
    413: "The body is too large.",
    415: "The body is not a picture that can be read.",
    422: "The request is invalid; the detail says what to change.",
    503: "The server is busy; try again after Retry-After seconds.",
}


def _file_body(media_type: str, description: str) -> dict[str, Any]:
    """`openapi_extra` of a route whose body is a file, or a form with that file."""
    form = {"type": "object", "required": [FIELD], "properties": {FIELD: BINARY["schema"]}}
    content = {media_type: BINARY, FORM: {"schema": form}}
    return {"requestBody": {"required": True, "description": description, "content": content}}


PHOTO_BODY = _file_body("image/*", "A photo's file (JPEG, PNG, WebP, …), or a form with it.")
DIRECTION_BODY = _file_body(
    "application/octet-stream", "A direction's .npz file, or a form with it."
)


def errors(*codes: int) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route: 401, 403 and those statuses, each with a problem."""
    answer = {"content": {problems.MEDIA_TYPE: {"schema": schemas.Problem.model_json_schema()}}}
    return {code: {"description": ERRORS[code], **answer} for code in (401, 403, *codes)}


def box_header(box: tuple[int, int, int, int]) -> dict[str, str]:
    """The header that states a picture's box in the photo."""
    return {"Facedial-Box": ",".join(map(str, box))}


def pictures(*kinds: str) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route that answers with a picture of one of those kinds."""
    return {
        200: {
            "description": "The picture, with the mark of an edited or generated one.",
            "content": {MEDIA_TYPES[kind]: BINARY for kind in kinds},
        }
    }
