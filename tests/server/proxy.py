"""A reverse proxy that serves another server under a path, for the tests."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@contextmanager
def proxied(address: str, path: str, *, strip: bool, keep_host: bool) -> Iterator[str]:
    """Address of a proxy that serves the server at `address` under `path`, without a last slash.

    `strip`: whether it removes the path, as nginx does for a `proxy_pass` that ends in a slash.
    `keep_host`: whether it passes the browser's `Host` on, or names the server it connects to, which is
    nginx's default.
    """
    behind = urlsplit(address).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _forward(self) -> None:
            if not self.path.startswith(f"{path}/"):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {**self.headers, "Host": self.headers["Host"] if keep_host else behind}
            connection = http.client.HTTPConnection(behind, timeout=120)
            target = self.path.removeprefix(path) if strip else self.path
            connection.request(self.command, target, body, headers)
            answer = connection.getresponse()
            data = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                    self.send_header(name, value)
            connection.close()
            with suppress(ConnectionError):  # of a browser that is closed
                self.end_headers()
                self.wfile.write(data)

        do_GET = do_HEAD = do_POST = do_DELETE = _forward

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{path}"
    finally:
        server.shutdown()
        thread.join(20)
        server.server_close()
