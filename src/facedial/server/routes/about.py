"""What the server is: health, version, metrics, attributes."""

from fastapi import APIRouter, Response

from facedial import __version__
from facedial.codes.attributes import ATTRIBUTES, is_weak
from facedial.composing import recolours_hair
from facedial.editing.table import BEST, DIRECTION, METHODS
from facedial.server import schemas
from facedial.server.metrics import MEDIA_TYPE
from facedial.server.routes._common import errors
from facedial.server.state import AppState


def router(state: AppState) -> APIRouter:
    """The routes of this group."""
    api = APIRouter(tags=["about"])
    editor = state.editor

    @api.get("/health")
    async def health() -> schemas.Health:
        """Whether the server answers; needs no token."""
        return schemas.Health()

    @api.get("/version", responses=errors())
    async def version() -> schemas.Version:
        """Version, model, and limits."""
        methods = list(METHODS) if editor.model.has_flow else [BEST, DIRECTION]
        return schemas.Version(
            version=__version__,
            model=editor.model.name,
            space=editor.model.space,
            side=editor.model.side,
            prior=editor.prior().name,
            methods=methods,
            hair_colour=recolours_hair(editor.model),
            lens_darkness=recolours_hair(editor.model),
            body_bytes=state.limits.body_bytes,
        )

    @api.get("/metrics", responses=errors(), response_class=Response)
    async def metrics() -> Response:
        """Metrics in Prometheus' text format."""
        state.photos.expire()
        state.metrics.open_photos.set(len(state.photos))
        state.metrics.pending_jobs.set(state.executor.pending)
        return Response(state.metrics.text(), media_type=MEDIA_TYPE)

    @api.get("/attributes", responses=errors())
    async def attributes() -> list[schemas.AttributeFacts]:
        """The attributes that edits may name, with the AUC of their classifier."""
        auc = editor.model.classifier_auc()
        return [
            schemas.AttributeFacts(
                name=one.name,
                label=one.label,
                group=one.group,
                auc=auc[one.name],
                weak=is_weak(auc[one.name]),
            )
            for one in ATTRIBUTES
            if one.name in editor.model.directions.names
        ]

    return api
