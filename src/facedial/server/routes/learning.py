"""Codes of photos, and directions learned from them."""

from fastapi import APIRouter, Request, Response

from facedial.editing.learn import Learned
from facedial.server import schemas
from facedial.server.routes._common import BINARY, DIRECTION_BODY, PHOTO_BODY, Id, errors
from facedial.server.services import learning, photos
from facedial.server.state import AppState
from facedial.server.uploads import uploaded

FILE_TYPE = "application/octet-stream"


def router(state: AppState) -> APIRouter:
    """The routes of this group."""
    api = APIRouter(tags=["learning"])
    editor, limits = state.editor, state.limits

    def keep(learned: Learned) -> schemas.Direction:
        key = state.directions.put(learned)
        return schemas.Direction(id=key, name=learned.name, report=learning.report(learned))

    @api.post("/codes", openapi_extra=PHOTO_BODY, responses=errors(408, 413, 415, 422, 503))
    async def codes(request: Request) -> schemas.Codes:
        """Codes of a photo's faces, largest first; the photo is not kept."""
        data = await uploaded(request)
        found = await state.run(request, photos.encode_faces, editor, limits, data)
        model = editor.model
        return schemas.Codes(space=model.space, dimensions=model.dimensions, codes=found)

    @api.post("/learn", status_code=201, responses=errors(422, 503))
    async def learn(body: schemas.LearnBody, request: Request) -> schemas.Direction:
        """Learn a direction from two sets of codes; the report states its held-out AUC."""
        given = (body.name, body.positives, body.negatives, body.balance)
        return keep(await state.run(request, learning.learn, editor, *given))

    @api.post(
        "/directions",
        status_code=201,
        openapi_extra=DIRECTION_BODY,
        responses=errors(408, 409, 413, 422, 503),
    )
    async def load_direction(request: Request) -> schemas.Direction:
        """Load a learned direction from its file, and keep it for a while."""
        data = await uploaded(request)
        return keep(await state.run(request, learning.load_direction, editor, data))

    @api.get(
        "/directions/{key}",
        response_class=Response,
        responses={
            200: {
                "description": "The direction's file, as `facedial learn` writes it.",
                "content": {FILE_TYPE: BINARY},
            },
            **errors(404, 422),
        },
    )
    async def get_direction(key: Id) -> Response:
        """A learned direction as a file."""
        data = learning.save_direction(state.directions.get(key))
        return Response(data, media_type=FILE_TYPE)

    return api
