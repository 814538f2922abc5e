"""The web application: routes that parse, call the studio, and answer."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi import Path as InPath
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from facedial import __version__
from facedial.codes.learn import Learned
from facedial.codes.moves import BEST, DIRECTION, MOVES
from facedial.editor import Editor
from facedial.server import problems, schemas
from facedial.server.counts import MEDIA, Counted, Counts
from facedial.server.guard import Guard
from facedial.server.limits import Limits
from facedial.server.shelf import Shelf
from facedial.server.studio import Open, Studio
from facedial.server.work import Work

T = TypeVar("T")
log = logging.getLogger(__name__)
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
# Types of the page's files: what the system has in its table for .js is not always a script.
PAGE = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
PICTURES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif"}
# Bodies that are files, not JSON.
PHOTO: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The photo's file, as it is: JPEG, PNG, WebP, …",
        "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}
FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A direction's .npz file.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
Id = Annotated[str, InPath(max_length=64)]


def _errors(*codes: int) -> dict[int | str, dict[str, Any]]:
    answer = {"content": {problems.MEDIA: {"schema": schemas.Problem.model_json_schema()}}}
    texts = {
        401: "The token is missing or wrong.",
        403: "The request comes from another site.",
        404: "What was kept under this id is gone.",
        408: "The body came too slowly.",
        409: "It belongs to another model.",
        413: "The body is too large.",
        415: "The body is no picture that can be read.",
        422: "The request makes no sense; the detail says what to change.",
        503: "The server is busy: come back after Retry-After seconds.",
    }
    return {code: {"description": texts[code], **answer} for code in (401, 403, *codes)}


def _pictures(*kinds: str) -> dict[int | str, dict[str, Any]]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {
        200: {
            "description": "The picture, marked as edited or generated.",
            "content": {PICTURES[kind]: binary for kind in kinds},
        }
    }


class _Desk:
    """What routes share: the studio, what is open, and whose turn it is."""

    def __init__(self, editor: Editor, limits: Limits, counts: Counts) -> None:
        self.studio = Studio(editor, limits)
        self.limits = limits
        self.counts = counts
        self.work = Work(limits.at_once, limits.waiting)
        self.photos: Shelf[Open] = Shelf(
            "photo",
            "open the photo again",
            count=limits.open_photos,
            weight=limits.open_pixels,
            idle_s=limits.idle_s,
        )
        self.directions: Shelf[Learned] = Shelf(
            "direction",
            "send its file again",
            count=limits.directions,
            weight=0.0,
            idle_s=limits.idle_s,
        )

    async def do(
        self, request: Request, function: Callable[..., T], *given: Any, **named: Any
    ) -> T:
        """Run it in its turn, unless who asked went away."""
        return await self.work.run(partial(function, *given, **named), request.is_disconnected)

    async def keep(self, request: Request, opened: Open) -> schemas.Opened:
        """Keep a photo open, and say what is in it."""
        faces = await self.do(request, self.studio.facts, opened)
        width, height = opened.photo.size
        key = self.photos.put(opened, width * height)
        return schemas.Opened.model_validate(
            {"id": key, "width": width, "height": height, "faces": faces}
        )

    def learned(self, keys: Sequence[str]) -> list[Learned]:
        """Directions kept under those ids."""
        return [self.directions.get(key) for key in keys]


def create(
    editor: Editor,
    *,
    limits: Limits | None = None,
    token: str | None = None,
    hosts: Collection[str] = LOOPBACK,
) -> FastAPI:
    """The application of one editor, which it does not close.

    `token`: asked for on the API where not None. `hosts`: host names it answers to; empty for any.
    """
    limits = limits or Limits()
    counts = Counts()
    desk = _Desk(editor, limits, counts)

    @asynccontextmanager
    async def living(_: FastAPI) -> AsyncIterator[None]:
        # The first edit must not be the one that opens the sessions, and the page need not wait for them.
        warming = asyncio.create_task(_warm(desk))
        yield
        desk.work.close()
        await asyncio.gather(warming, return_exceptions=True)

    app = FastAPI(
        title="facedial",
        version=__version__,
        summary="Photos of faces in, 1,024 numbers, changed and new faces out.",
        openapi_url="/api/openapi.json",
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        lifespan=living,
        middleware=[
            Middleware(Counted, counts=counts),
            Middleware(Guard, limits=limits, token=token, hosts=hosts),
        ],
    )
    problems.install(app)
    app.include_router(_routes(desk), prefix="/api")
    _page(app)
    return app


def _page(app: FastAPI) -> None:
    """The page's own files and no others: a mount at the root would answer for the API too."""
    files = {path.name: path for path in static().iterdir() if path.suffix in PAGE}

    @app.get("/", include_in_schema=False)
    @app.get("/{name}", include_in_schema=False)
    async def page(name: str = "index.html") -> FileResponse:
        if name not in files:
            raise HTTPException(404, "there is no such page")
        return FileResponse(files[name], media_type=PAGE[files[name].suffix])


def static() -> Path:
    """The folder of the page's files."""
    return Path(str(resources.files("facedial"))) / "server" / "static"


async def _warm(desk: _Desk) -> None:
    try:
        await desk.work.run(desk.studio.warm, _never)
    except Exception:
        log.exception("the model cannot draw a face; no request will get one")
        raise


async def _never() -> bool:
    return False


def _routes(desk: _Desk) -> APIRouter:
    api = APIRouter()
    for add in (_about, _photos, _new_faces, _learning):
        add(api, desk)
    return api


def _about(api: APIRouter, desk: _Desk) -> None:
    studio = desk.studio
    editor = studio.editor

    @api.get("/health", tags=["about"])
    async def health() -> schemas.Health:
        """Whether the server lives; asked without a token."""
        return schemas.Health()

    @api.get("/version", tags=["about"], responses=_errors())
    async def version() -> schemas.Version:
        """Which version and model run here, and what they take."""
        moves = list(MOVES) if editor.bundle.has_flow else [BEST, DIRECTION]
        return schemas.Version(
            version=__version__,
            model=editor.bundle.name,
            space=editor.bundle.space,
            side=editor.bundle.side,
            prior=editor.prior().name,
            moves=moves,
            body_bytes=desk.limits.body_bytes,
        )

    @api.get("/metrics", tags=["about"], responses=_errors(), response_class=Response)
    async def metrics() -> Response:
        """Numbers for Prometheus."""
        desk.photos.sweep()
        desk.counts.open.set(len(desk.photos))
        desk.counts.waiting.set(desk.work.given)
        return Response(desk.counts.text(), media_type=MEDIA)

    @api.get("/attributes", tags=["about"], responses=_errors())
    async def attributes() -> list[schemas.AttributeFacts]:
        """The attributes that edits may name, and how far their readings can be trusted."""
        return [schemas.AttributeFacts.model_validate(row) for row in studio.attributes()]


def _photos(api: APIRouter, desk: _Desk) -> None:
    studio = desk.studio

    @api.post(
        "/faces", tags=["photos"], openapi_extra=PHOTO, responses=_errors(408, 413, 415, 422, 503)
    )
    async def faces(request: Request) -> schemas.Faces:
        """Faces of a photo, which is not kept."""
        data = await request.body()
        return schemas.Faces.model_validate(await desk.do(request, studio.faces, data))

    @api.post(
        "/portraits",
        tags=["photos"],
        status_code=201,
        openapi_extra=PHOTO,
        responses=_errors(408, 413, 415, 422, 503),
    )
    async def open_photo(request: Request) -> schemas.Opened:
        """Open a photo for editing: faces found and encoded once, kept under an id for a while."""
        data = await request.body()
        return await desk.keep(request, await desk.do(request, studio.open, data))

    @api.delete("/portraits/{key}", tags=["photos"], status_code=204, responses=_errors(422))
    async def close_photo(key: Id) -> Response:
        """Forget an open photo at once."""
        desk.photos.drop(key)
        return Response(status_code=204)

    @api.post(
        "/portraits/{key}/render",
        tags=["photos"],
        response_class=Response,
        responses={**_pictures("jpg", "png", "webp"), **_errors(404, 409, 422, 503)},
    )
    async def render(key: Id, body: schemas.RenderBody, request: Request) -> Response:
        """The photo, or one face seen close, after edits.

        The header Facedial-Box says where the picture lies in the photo (x0, y0, x1, y1), and
        Facedial-Also-Set, in JSON, what was set besides since it goes with what was asked.
        """
        opened = desk.photos.get(key)
        learned = desk.learned(body.directions)
        edits = [
            (one.face, studio.parsed(one.model_dump(exclude={"face"}), learned))
            for one in body.edits
        ]
        found = await desk.do(
            request,
            studio.render,
            opened,
            edits,
            view=body.view,
            size=body.size,
            ending=f".{body.format}",
            how=(body.move, body.quality),
            learned=learned,
        )
        headers = {
            "Facedial-Box": ",".join(map(str, found.box)),
            "Facedial-Also-Set": json.dumps(found.also_set),
        }
        return Response(found.data, media_type=PICTURES[body.format], headers=headers)

    @api.post("/morph", tags=["photos"], responses=_errors(404, 409, 422, 503), response_model=None)
    async def morph(body: schemas.MorphBody, request: Request) -> Response | schemas.Frames:
        """A walk from face to face: a moving picture, or its frames."""
        walked = [desk.photos.get(one.portrait).portrait(one.face) for one in body.through]
        frames = await desk.do(request, studio.morph, walked, body.steps, body.straight)
        if body.format == "frames":
            return schemas.Frames(frames=await desk.do(request, studio.stills, frames))
        data = await desk.do(request, studio.moving, frames, f".{body.format}", body.per_second)
        return Response(data, media_type=PICTURES[body.format])

    @api.post("/presets", tags=["photos"], responses=_errors(422))
    async def preset(body: schemas.EditBody) -> schemas.EditBody:
        """A preset, checked and in the spelling of the model: what `facedial edit --preset` reads."""
        return schemas.EditBody.model_validate_json(studio.parsed(body.model_dump()).to_json())


def _new_faces(api: APIRouter, desk: _Desk) -> None:
    studio = desk.studio

    def how(body: schemas.Wish) -> dict[str, Any]:
        return {
            "seed": body.seed,
            "wanted": body.wanted,
            "exactly": body.exactly,
            "temperature": body.temperature,
            "prior": body.prior,
        }

    @api.post("/generate", tags=["new faces"], responses=_errors(422, 503))
    async def generate(body: schemas.GenerateBody, request: Request) -> schemas.Generated:
        """New faces; the same seed and wishes give the same faces."""
        also = studio.also_wanted(body.wanted, body.prior, body.exactly)
        drawn = await desk.do(request, studio.generate, body.count, **how(body))
        faces = [schemas.NewFace(number=i, picture=url) for i, url in enumerate(drawn)]
        return schemas.Generated(seed=body.seed, also_set=also, faces=faces)

    @api.post("/portraits/new", tags=["new faces"], status_code=201, responses=_errors(422, 503))
    async def open_new(body: schemas.NewPortraitBody, request: Request) -> schemas.Opened:
        """Open a new face for editing, like a photo: the one that `generate` numbers so."""
        opened = await desk.do(request, studio.open_new, body.number, **how(body))
        return await desk.keep(request, opened)


def _learning(api: APIRouter, desk: _Desk) -> None:
    studio = desk.studio

    def kept(learned: Learned) -> schemas.Direction:
        key = desk.directions.put(learned)
        return schemas.Direction(id=key, name=learned.name, report=studio.report(learned))

    @api.post(
        "/codes", tags=["learning"], openapi_extra=PHOTO, responses=_errors(408, 413, 415, 422, 503)
    )
    async def codes(request: Request) -> schemas.Coded:
        """Codes of a photo's faces, largest first; the photo is not kept."""
        data = await request.body()
        found = await desk.do(request, studio.codes, data)
        bundle = studio.editor.bundle
        size = int(bundle.facts["dimensions"])
        return schemas.Coded(space=bundle.space, dimensions=size, codes=found)

    @api.post("/learn", tags=["learning"], status_code=201, responses=_errors(422, 503))
    async def learn(body: schemas.LearnBody, request: Request) -> schemas.Direction:
        """Learn a direction from two sets of codes, with a held-out report of what it is worth."""
        given = (body.name, body.having, body.lacking, body.balance)
        return kept(await desk.do(request, studio.learn, *given))

    @api.post(
        "/directions",
        tags=["learning"],
        status_code=201,
        openapi_extra=FILE,
        responses=_errors(408, 409, 413, 422, 503),
    )
    async def put_direction(request: Request) -> schemas.Direction:
        """Keep a direction from its file for a while, so that `render` can use it."""
        data = await request.body()
        return kept(await desk.do(request, studio.learned_from, data))

    @api.get(
        "/directions/{key}",
        tags=["learning"],
        response_class=Response,
        responses={
            200: {
                "description": "The direction's file, as `facedial learn` writes it.",
                "content": {
                    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
                },
            },
            **_errors(404, 422),
        },
    )
    async def get_direction(key: Id) -> Response:
        """A kept direction as a file."""
        data = studio.learned_file(desk.directions.get(key))
        return Response(data, media_type="application/octet-stream")
