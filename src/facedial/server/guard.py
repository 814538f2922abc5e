"""Middleware around every request: the root path, host names, origins, the token, limits of the body."""

import asyncio
import hmac
from time import monotonic

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facedial.server.access import Access
from facedial.server.limits import Limits
from facedial.server.problems import problem

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
HEALTH = "/api/health"  # health checks of containers have no token
API = "/api/"


class HeadMiddleware:
    """ASGI middleware that answers HEAD as GET without the body.

    The routes declare GET alone: HEAD beside it would be a second operation of the OpenAPI document.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass HEAD on as GET, and anything else as it is."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_headers(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        # A copy: the server looks at its own scope to know that no body follows.
        await self.app({**scope, "method": "GET"}, receive, send_headers)


class RootPathMiddleware:
    """ASGI middleware that removes the path under which a proxy serves the page.

    A request may carry it or not, as a proxy removes it or passes it on: what follows sees one path.
    """

    def __init__(self, app: ASGIApp, *, root_path: str) -> None:
        self.app = app
        self.root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on without the root path; redirect the bare root path to its folder."""
        root = self.root_path
        if root and scope["type"] == "http":
            if scope["path"] == root:
                # The page's own addresses are relative, and without the slash would miss the root path.
                await RedirectResponse(f"{root}/", 308)(scope, receive, send)
                return
            if scope["path"].startswith(f"{root}/"):
                scope = {**scope, "path": scope["path"].removeprefix(root)}
        await self.app(scope, receive, send)


class GuardMiddleware:
    """ASGI middleware that refuses requests, and adds security headers to every answer.

    A page of another site can send requests to a server on this machine, though never read the
    answers: so requests whose `Origin` or `Sec-Fetch-Site` names another site are refused, and so are
    host names that are not ours, which another site's DNS may point here (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, *, limits: Limits, access: Access) -> None:
        self.app = app
        self.limits = limits
        self.access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on with a bounded body and the headers on the answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                of_api = scope["path"].startswith(API)
                headers["Cache-Control"] = "no-store" if of_api else "no-cache"
            await send(message)

        refusal = self._refusal(scope["path"], Headers(scope=scope))
        if refusal is not None:
            answer = problem(*refusal)
            await answer(scope, receive, send_with_headers)
            return
        await self.app(scope, self._bounded(receive), send_with_headers)

    def _refusal(self, path: str, headers: Headers) -> tuple[int, str, dict[str, str]] | None:
        """Status, detail and headers of the refusal; None where the request may pass."""
        host = headers.get("host", "")
        if not self.access.allows_host(host):
            return 421, "this server does not answer to that host name; allow it at its start", {}
        origin = headers.get("origin")
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and path.startswith(API):
            return 403, "requests from other sites are refused", {}
        if origin is not None and not self.access.allows_origin(origin, host):
            return 403, "requests from other sites are refused", {}
        if path.startswith(API) and path != HEALTH and not self._has_token(headers):
            challenge = {"WWW-Authenticate": "Bearer"}
            return 401, "this server asks for its token (Authorization: Bearer …)", challenge
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self.limits.body_bytes:
            return 413, self._too_large, {"Connection": "close"}
        return None

    def _has_token(self, headers: Headers) -> bool:
        """Whether the request carries the token, compared in a time that does not depend on it."""
        if self.access.token is None:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        same = hmac.compare_digest(given.encode(), self.access.token.encode())
        return same and scheme.lower() == "bearer"

    @property
    def _too_large(self) -> str:
        return f"the body is too large; {self.limits.body_bytes / 1e6:.0f} MB are the most"

    def _bounded(self, receive: Receive) -> Receive:
        """`receive` that raises 413 for a body too large and 408 for one that arrives too slowly."""
        total, ended, until = 0, False, monotonic() + self.limits.upload_s

        async def bounded() -> Message:
            nonlocal total, ended
            if ended:
                return await receive()
            try:
                async with asyncio.timeout(max(0.0, until - monotonic())):
                    message = await receive()
            except TimeoutError as error:
                raise HTTPException(
                    408, "the body came too slowly", {"Connection": "close"}
                ) from error
            if message["type"] == "http.request":
                total += len(message.get("body", b""))
                ended = not message.get("more_body", False)
                if total > self.limits.body_bytes:
                    raise HTTPException(413, self._too_large, {"Connection": "close"})
            else:
                ended = True
            return message

        return bounded
