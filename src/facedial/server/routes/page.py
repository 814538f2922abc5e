"""The page's own files."""

from importlib import resources
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException

# The system's table of types may have none for .js, or one that is not a script's.
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def static() -> Path:
    """The folder of the page's files."""
    return Path(str(resources.files("facedial"))) / "server" / "static"


def router() -> APIRouter:
    """Routes of the page's files and no others: a mount at the root would answer for the API too."""
    files = {path.name: path for path in static().iterdir() if path.suffix in MEDIA_TYPES}
    page = APIRouter(include_in_schema=False)

    @page.get("/")
    @page.get("/{name}")
    async def file(name: str = "index.html") -> FileResponse:
        if name not in files:
            raise HTTPException(404, "there is no such page")
        return FileResponse(files[name], media_type=MEDIA_TYPES[files[name].suffix])

    return page
