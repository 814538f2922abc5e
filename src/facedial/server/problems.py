"""Errors as problem details (RFC 9457), whose `detail` is one sentence for a person."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from facedial.errors import (
    BadPhoto,
    BadRequest,
    CodeSpaceMismatch,
    FacedialError,
    IdentityLost,
    NoFaceFound,
)

MEDIA_TYPE = "application/problem+json"
STATUS: dict[type[FacedialError], int] = {
    BadRequest: 422,
    NoFaceFound: 422,
    IdentityLost: 422,
    BadPhoto: 415,
    CodeSpaceMismatch: 409,
}


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """A problem of that status; `detail` is one sentence for a person."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    return JSONResponse(body, status, headers, media_type=MEDIA_TYPE)


def status_of(error: FacedialError) -> int:
    """HTTP status of an error of the library."""
    return next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)


def install(app: FastAPI) -> None:
    """Answer every error as a problem."""

    @app.exception_handler(FacedialError)
    async def _ours(_: Request, error: FacedialError) -> JSONResponse:
        return problem(status_of(error), str(error))

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return problem(422, _sentence(error))

    @app.exception_handler(ClientDisconnect)
    async def _gone(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=499)  # nobody reads it; nginx's number, for the metrics

    @app.exception_handler(Exception)
    async def _unforeseen(_: Request, error: Exception) -> JSONResponse:
        return problem(
            500, f"this is a fault of facedial ({type(error).__name__}); please report it"
        )


def _sentence(error: RequestValidationError) -> str:
    """Place and text of the first error; what was sent is not repeated."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part != "body")
    more = len(error.errors()) - 1
    rest = f" (and {more} more)" if more else ""
    return f"{place or 'the body'}: {first['msg']}{rest}"
