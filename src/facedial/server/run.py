"""One server process: its socket, the lines it prints first, its end."""

import ipaddress
import socket
from collections.abc import Callable
from urllib.parse import quote

import uvicorn

from facedial.editor import Editor
from facedial.errors import FacedialError
from facedial.server import app as web
from facedial.server.access import Access

KEEP_ALIVE_S = 30


def serve(
    editor: Editor,
    host: str,
    port: int,
    *,
    access: Access,
    say: Callable[[str], None],
    warn: Callable[[str], None],
) -> None:
    """Serve until interrupted; says the page's address once the socket listens.

    `warn` is told where others than the person at this machine can use the server. Raises
    `FacedialError` where the address cannot be had.
    """
    app = web.create(editor, access=access)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,  # addresses of clients are not recorded
        timeout_keep_alive=KEEP_ALIVE_S,
        server_header=False,
    )
    listener = _listener(host, port)
    server = uvicorn.Server(config)
    say(address(host, listener.getsockname()[1], access.token))
    for sentence in warnings(host, access):
        warn(sentence)
    try:
        server.run(sockets=[listener])
    finally:
        listener.close()


def address(host: str, port: int, token: str | None) -> str:
    """The page's address as a browser on this machine can open it.

    >>> address("0.0.0.0", 8080, "a+b")
    'http://127.0.0.1:8080/#token=a%2Bb'
    """
    if _is_wildcard(host):
        host = "::1" if ":" in host else "127.0.0.1"
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/" + (f"#token={quote(token, safe='')}" if token else "")


def warnings(host: str, access: Access) -> list[str]:
    """What to tell the person who starts a server that others can reach."""
    found = []
    if not access.loopback:
        where = "at every address of this machine" if _is_wildcard(host) else f"at {host}"
        found.append(
            f"other machines can reach this server {where}, with the token and over plain HTTP; "
            "put a proxy with TLS in front of it where others share the network"
        )
    elif access.allowed_hosts and access.token is None:
        found.append(
            f"whoever reaches {access.allowed_hosts[0]} can use this server, as no token is asked for"
        )
    return found


def _is_wildcard(host: str) -> bool:
    """Whether a socket bound to that address listens on every address of the machine."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named: asyncio sends small answers at once (TCP_NODELAY) only on sockets that say
    # TCP, and a browser would wait 40 ms for the rest of each answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise FacedialError(
            f"cannot listen on {host}:{port} ({error.strerror}); give another host or port"
        ) from error
    return listener
