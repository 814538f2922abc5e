"""New faces, and opening one like a photo."""

from typing import Any

from fastapi import APIRouter, Request

from facedial.server import schemas
from facedial.server.routes._common import errors
from facedial.server.services import generation
from facedial.server.state import AppState


def router(state: AppState) -> APIRouter:
    """The routes of this group."""
    api = APIRouter(tags=["new faces"])
    editor = state.editor

    @api.post("/generate", responses=errors(422, 503))
    async def generate(body: schemas.GenerateBody, request: Request) -> schemas.Generated:
        """Generate faces; the same seed and attributes give the same faces."""
        also = generation.implied(editor, body.targets, body.prior, body.exactly)
        drawn = await state.run(request, generation.generate, editor, body.count, **_sampling(body))
        faces = [schemas.NewFace(number=i, picture=url) for i, url in enumerate(drawn)]
        return schemas.Generated(seed=body.seed, implied=also, faces=faces)

    @api.post("/portraits/new", status_code=201, responses=errors(422, 503))
    async def open_new(body: schemas.NewPortraitBody, request: Request) -> schemas.PhotoOpened:
        """Open a new face for editing like a photo: the one that `generate` gives that number."""
        opened = await state.run(
            request, generation.open_generated, editor, body.number, **_sampling(body)
        )
        return await state.keep(request, opened)

    return api


def _sampling(body: schemas.Sampling) -> dict[str, Any]:
    """Arguments of `Editor.generate`."""
    return {
        "seed": body.seed,
        "targets": body.targets,
        "exactly": body.exactly,
        "temperature": body.temperature,
        "prior": body.prior,
    }
