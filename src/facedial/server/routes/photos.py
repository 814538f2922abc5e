"""Photos: find faces, open, render after edits, close; presets."""

import json

from fastapi import APIRouter, Request, Response

from facedial.server import schemas
from facedial.server.routes._common import (
    MEDIA_TYPES,
    PHOTO_BODY,
    Id,
    box_header,
    errors,
    pictures,
)
from facedial.server.services import photos
from facedial.server.state import AppState
from facedial.server.uploads import uploaded


def router(state: AppState) -> APIRouter:
    """The routes of this group."""
    api = APIRouter(tags=["photos"])
    editor, limits = state.editor, state.limits

    @api.post("/faces", openapi_extra=PHOTO_BODY, responses=errors(408, 413, 415, 422, 503))
    async def faces(request: Request) -> schemas.Faces:
        """Find the faces of a photo; the photo is not kept."""
        data = await uploaded(request)
        found = await state.run(request, photos.find_faces, editor, limits, data)
        return schemas.Faces.model_validate(found)

    @api.post(
        "/portraits",
        status_code=201,
        openapi_extra=PHOTO_BODY,
        responses=errors(408, 413, 415, 422, 503),
    )
    async def open_photo(request: Request) -> schemas.PhotoOpened:
        """Open a photo for editing: its faces are found and encoded once, and kept for a while."""
        data = await uploaded(request)
        opened = await state.run(request, photos.open_photo, editor, limits, data)
        return await state.keep(request, opened)

    @api.delete("/portraits/{key}", status_code=204, responses=errors(422))
    async def close_photo(key: Id) -> Response:
        """Close a photo: it is removed from memory."""
        state.photos.delete(key)
        return Response(status_code=204)

    @api.post(
        "/portraits/{key}/render",
        response_class=Response,
        responses={**pictures("jpg", "png", "webp"), **errors(404, 409, 422, 503)},
    )
    async def render(key: Id, body: schemas.RenderBody, request: Request) -> Response:
        """The photo, or one of its faces at the size of a screen, after edits.

        The header Facedial-Box is the picture's box in the photo (x0, y0, x1, y1);
        Facedial-Implied, in JSON, the implied attributes that were set besides those asked for; and
        Facedial-Identity, of whole photos, face -> cosine between the face before and after (1: the
        same picture).
        """
        opened = state.photos.get(key)
        extended = state.editor_with(body.directions)
        edits = [(one.face, photos.parse_edit(extended, one.facts())) for one in body.edits]
        ending, method = f".{body.format}", (body.method, body.quality)
        if body.view == "face":
            picture = await state.run(
                request,
                photos.render_close_up,
                extended,
                opened,
                edits,
                size=body.size,
                ending=ending,
                method=method,
            )
        else:
            picture = await state.run(
                request, photos.render_photo, extended, opened, edits, ending=ending, method=method
            )
        headers = box_header(picture.box) | {
            "Facedial-Implied": json.dumps(picture.implied),
            "Facedial-Identity": json.dumps(picture.identity),
        }
        return Response(picture.data, media_type=MEDIA_TYPES[body.format], headers=headers)

    @api.post("/presets", responses=errors(422))
    async def preset(body: schemas.EditBody) -> schemas.EditBody:
        """Check a preset, and spell its names as the model does; `facedial edit --preset` reads it."""
        edit = photos.parse_edit(editor, body.model_dump())
        return schemas.EditBody.model_validate_json(edit.to_json())

    return api
