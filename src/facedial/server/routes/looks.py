"""Looks of open faces: the list, previews made in the background, and regions of edits."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from facedial.server import schemas
from facedial.server.routes._common import MEDIA_TYPES, Id, box_header, errors, pictures
from facedial.server.services import looks, photos
from facedial.server.state import AppState

FaceNumber = Annotated[int, Query(ge=1, description="number of the face, the largest is 1")]


def router(state: AppState) -> APIRouter:
    """The routes of this group."""
    api = APIRouter(tags=["photos"])
    editor = state.editor

    @api.get("/portraits/{key}/looks", responses=errors(404, 422, 503))
    async def listed(key: Id, request: Request, face: FaceNumber = 1) -> list[schemas.Look]:
        """The most wanted edits of a face; `unavailable` says why it cannot be given one."""
        found = await state.run(request, looks.listed, editor, state.photos.get(key), face)
        return [schemas.Look.model_validate(one) for one in found]

    @api.get(
        "/portraits/{key}/looks/{name}",
        response_class=Response,
        responses={**pictures("jpg"), **errors(404, 422, 503)},
    )
    async def preview(key: Id, name: Id, request: Request, face: FaceNumber = 1) -> Response:
        """A small preview of a face with a look, 128 pixels along its longer side.

        It is made once, when the server has nothing else to do.
        """
        opened = state.photos.get(key)
        data = opened.previews.get((face, name))
        if data is None:
            data = await state.run_in_background(request, looks.preview, editor, opened, face, name)
        return Response(data, media_type=MEDIA_TYPES["jpg"])

    @api.post(
        "/portraits/{key}/region",
        response_class=Response,
        responses={**pictures("png"), **errors(404, 409, 422, 503)},
    )
    async def region(key: Id, body: schemas.RegionBody, request: Request) -> Response:
        """The region that an edit may alter, as the alpha of a PNG of one colour.

        It covers what `render` shows of the face at that size; the header Facedial-Box is its box in
        the photo (x0, y0, x1, y1).
        """
        opened = state.photos.get(key)
        extended = state.editor_with(body.directions)
        edits = [(one.face, photos.parse_edit(extended, one.facts())) for one in body.edits]
        method = (body.method, body.quality)
        picture = await state.run(
            request, looks.region, extended, opened, edits, size=body.size, method=method
        )
        return Response(
            picture.data, media_type=MEDIA_TYPES["png"], headers=box_header(picture.box)
        )

    return api
