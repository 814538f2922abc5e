"""Morphs between faces of open photos."""

from fastapi import APIRouter, Request, Response

from facedial.server import schemas
from facedial.server.routes._common import MEDIA_TYPES, errors
from facedial.server.services import generation
from facedial.server.state import AppState


def router(state: AppState) -> APIRouter:
    """The routes of this group."""
    api = APIRouter(tags=["photos"])
    editor, limits = state.editor, state.limits

    @api.post("/morph", responses=errors(404, 409, 422, 503), response_model=None)
    async def morph(body: schemas.MorphBody, request: Request) -> Response | schemas.Frames:
        """A morph through faces: an animation, or its frames."""
        faces = [state.photos.get(one.portrait).portrait(one.face) for one in body.through]
        frames = await state.run(
            request, generation.interpolate, editor, limits, faces, body.steps, body.linear
        )
        if body.format == "frames":
            return schemas.Frames(frames=await state.run(request, generation.frame_urls, frames))
        data = await state.run(
            request, generation.animation, frames, f".{body.format}", body.per_second
        )
        return Response(data, media_type=MEDIA_TYPES[body.format])

    return api
