"""One server process: its socket, its first line, its end."""

import socket
from collections.abc import Callable

import uvicorn

from facedial.editor import Editor
from facedial.errors import FacedialError
from facedial.server import app as web

KEPT_OPEN_S = 30


def serve(
    editor: Editor,
    host: str,
    port: int,
    *,
    token: str | None,
    alone: bool,
    say: Callable[[str], None],
) -> None:
    """Serve until interrupted; says the page's address once it listens.

    `alone`: only this machine can reach it, so that other host names are refused. Raises
    `FacedialError` where the address cannot be had.
    """
    app = web.create(editor, token=token, hosts=web.LOOPBACK if alone else ())
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,  # who asked for what is nobody's business
        timeout_keep_alive=KEPT_OPEN_S,
        server_header=False,
    )
    listener = _listener(host, port)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listener.getsockname()[1]}/"
    server = uvicorn.Server(config)
    say(f"{address}#token={token}" if token else address)
    try:
        server.run(sockets=[listener])
    finally:
        listener.close()


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
            f"cannot listen on {host}:{port} ({error.strerror}); give another --host or --port"
        ) from error
    return listener
