"""What the routes of one application share."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import ParamSpec, TypeVar

from fastapi import Request

from facedial.editing.learn import Learned
from facedial.editor import Editor
from facedial.server import schemas
from facedial.server.executor import BoundedExecutor
from facedial.server.limits import Limits
from facedial.server.metrics import Metrics
from facedial.server.services import generation, photos
from facedial.server.services.learning import EditorCache
from facedial.server.services.photos import OpenPhoto
from facedial.server.ttl_store import TTLStore

P = ParamSpec("P")
T = TypeVar("T")


class AppState:
    """The editor, the photos and directions kept between requests, and the executor."""

    def __init__(self, editor: Editor, limits: Limits, metrics: Metrics) -> None:
        self.editor = editor
        self.limits = limits
        self.metrics = metrics
        self.executor = BoundedExecutor(limits.max_workers, limits.max_queued)
        self.photos: TTLStore[OpenPhoto] = TTLStore(
            "photo",
            "open the photo again",
            max_items=limits.open_photos,
            max_weight=limits.open_pixels,
            ttl_s=limits.ttl_s,
        )
        self.directions: TTLStore[Learned] = TTLStore(
            "direction",
            "send its file again",
            max_items=limits.directions,
            max_weight=0.0,
            ttl_s=limits.ttl_s,
        )
        self._editors = EditorCache(editor)

    async def run(
        self, request: Request, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The function's result, computed in a thread unless the client has disconnected."""
        return await self.executor.run(partial(function, *args, **kwargs), request.is_disconnected)

    async def run_in_background(
        self, request: Request, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """As `run`, when there is nothing else to do."""
        return await self.executor.run_in_background(
            partial(function, *args, **kwargs), request.is_disconnected
        )

    async def keep(self, request: Request, opened: OpenPhoto) -> schemas.PhotoOpened:
        """Keep a photo open under a new id, and describe its faces."""
        faces = await self.run(request, photos.describe, self.editor, opened)
        width, height = opened.photo.size
        key = self.photos.put(opened, width * height)
        return schemas.PhotoOpened.model_validate(
            {"id": key, "width": width, "height": height, "faces": faces}
        )

    def editor_with(self, keys: Sequence[str]) -> Editor:
        """The editor with the directions kept under those ids; 404 where one has expired."""
        return self._editors.extended([self.directions.get(key) for key in keys])

    async def warm_up(self) -> None:
        """Open the model's sessions: generate a face and predict its attributes."""
        await self.executor.run(self._first_face, _connected)

    def _first_face(self) -> None:
        photos.describe(self.editor, generation.open_generated(self.editor, 0, 0, {}))


async def _connected() -> bool:
    return False
