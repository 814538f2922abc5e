"""What stands before every request: who may ask, how much may be sent, what browsers are told."""

import asyncio
import hmac
from collections.abc import Collection
from time import monotonic

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
OPEN = "/api/health"  # asked by who looks whether the server lives, without a token
API = "/api/"


class Guard:
    """ASGI middleware. `token`: asked for on the API where not None. `hosts`: names it answers to.

    A page of another site can send requests to a server on this machine, though never read the
    answers; so those that a browser says come from elsewhere are refused, and so is a host name that
    is not ours, which another site's DNS may have pointed here.
    """

    def __init__(
        self, app: ASGIApp, *, limits: Limits, token: str | None, hosts: Collection[str]
    ) -> None:
        self.app = app
        self.limits = limits
        self.token = token
        self.hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on with a bounded body and our headers on the answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                fresh = scope["path"].startswith(API)
                headers["Cache-Control"] = "no-store" if fresh else "no-cache"
            await send(message)

        refused = self._refused(scope["path"], Headers(scope=scope))
        if refused is not None:
            answer = problem(*refused)
            await answer(scope, receive, headed)
            return
        await self.app(scope, self._bounded(receive), headed)

    def _refused(self, path: str, headers: Headers) -> tuple[int, str, dict[str, str]] | None:
        host = headers.get("host", "")
        if self.hosts and _name(host) not in self.hosts:
            return 421, "this server does not answer to that host name", {}
        origin = headers.get("origin")
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and path.startswith(API):
            return 403, "requests from other sites are refused", {}
        if origin is not None and origin.partition("://")[2] != host:
            return 403, "requests from other sites are refused", {}
        if self.token is not None and path.startswith(API) and path != OPEN:
            kind, _, given = headers.get("authorization", "").partition(" ")
            right = hmac.compare_digest(given.encode(), self.token.encode())
            if kind.lower() != "bearer" or not right:
                ask = {"WWW-Authenticate": "Bearer"}
                return 401, "this server asks for its token (Authorization: Bearer …)", ask
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self.limits.body_bytes:
            return 413, self._too_large, {"Connection": "close"}
        return None

    @property
    def _too_large(self) -> str:
        return f"the body is too large; {self.limits.body_bytes / 1e6:.0f} MB are the most"

    def _bounded(self, receive: Receive) -> Receive:
        """`receive` that refuses a body too large, or too slow to come."""
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


def _name(host: str) -> str:
    """Host without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.rpartition(":")[0] if ":" in host else host
