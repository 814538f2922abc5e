"""The web application, assembled: routes, middleware, and what they share."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware import Middleware

from facedial import __version__
from facedial.editor import Editor
from facedial.server import problems
from facedial.server.access import Access
from facedial.server.guard import GuardMiddleware, HeadMiddleware, RootPathMiddleware
from facedial.server.limits import Limits
from facedial.server.metrics import Metrics, MetricsMiddleware
from facedial.server.routes import about, generation, learning, looks, morph, page, photos
from facedial.server.state import AppState

log = logging.getLogger(__name__)
GROUPS = (about, photos, looks, generation, morph, learning)


def create(
    editor: Editor, *, limits: Limits | None = None, access: Access | None = None
) -> FastAPI:
    """The application of one editor, which it does not close."""
    limits, access = limits or Limits(), access or Access()
    metrics = Metrics()
    state = AppState(editor, limits, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # The first edit should not wait for the sessions to open, nor the page for the first edit.
        warming = asyncio.create_task(_warm_up(state))
        yield
        state.executor.shutdown()
        await asyncio.gather(warming, return_exceptions=True)

    app = FastAPI(
        title="facedial",
        version=__version__,
        summary="Photos of faces in, 1,024 numbers, changed and new faces out.",
        openapi_url="/api/openapi.json",
        servers=[{"url": access.root_path}] if access.root_path else None,
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # a redirect would name this server's own address, not the proxy's
        lifespan=lifespan,
        middleware=[
            Middleware(HeadMiddleware),
            Middleware(RootPathMiddleware, root_path=access.root_path),
            Middleware(MetricsMiddleware, metrics=metrics),
            Middleware(GuardMiddleware, limits=limits, access=access),
        ],
    )
    problems.install(app)
    for group in GROUPS:
        app.include_router(group.router(state), prefix="/api")
    app.include_router(page.router())
    return app


async def _warm_up(state: AppState) -> None:
    try:
        await state.warm_up()
    except Exception:
        log.exception("the model cannot generate a face; every request for one will fail")
        raise
