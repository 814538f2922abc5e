"""Who may use a server: its token, its host names, and the path it is served under."""

import ipaddress
import re
from dataclasses import dataclass

from facedial.errors import BadRequest

TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # what a bearer token may consist of (RFC 6750, 2.1)
HOST_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
ROOT_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*")


def is_loopback(host: str) -> bool:
    """Whether a socket bound to that address is reachable from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Settings of who may use a server; raises `BadRequest` for a combination that would be unsafe.

    `token`: what API requests must carry as `Authorization: Bearer`; None asks for none, which only
    `loopback` allows. `loopback`: whether the socket is reachable from this machine alone.
    `allowed_hosts`: host names of a reverse proxy, answered to besides those of this machine; with none,
    a socket that others reach answers to any name. `root_path`: the path under which a proxy serves the
    page, such as `/faces`.
    """

    token: str | None = None
    loopback: bool = True
    allowed_hosts: tuple[str, ...] = ()
    root_path: str = ""

    def __post_init__(self) -> None:
        if self.token is not None and not TOKEN.fullmatch(self.token):
            found = "empty" if not self.token.strip() else "not usable in a header"
            raise BadRequest(
                f"the token is {found}; give letters, digits or any of ._~+/- without spaces"
            )
        if self.token is None and not self.loopback:
            raise BadRequest("a server that other machines can reach needs a token; give one")
        names = tuple(name.lower() for name in self.allowed_hosts)
        for name in names:
            if not HOST_NAME.fullmatch(name):
                raise BadRequest(
                    f"{name!r} is no host name; give it without scheme, port and path, "
                    "as in faces.example.org"
                )
        path = self.root_path.rstrip("/")
        if not ROOT_PATH.fullmatch(path):
            raise BadRequest(f"{self.root_path!r} is no path; it begins with a slash, as in /faces")
        object.__setattr__(self, "allowed_hosts", names)
        object.__setattr__(self, "root_path", path)

    def allows_host(self, host: str) -> bool:
        """Whether a request may name that host, given as in its `Host` header."""
        if not self.loopback and not self.allowed_hosts:
            return True
        name = host_name(host)
        return name in self.allowed_hosts or is_loopback(name.strip("[]"))

    def allows_origin(self, origin: str, host: str) -> bool:
        """Whether a browser's `Origin` is the page of this server, reached as `host`.

        A proxy may pass its own `Host` on, or replace it by the address it connects to; the page's
        origin then names an allowed host.
        """
        name = origin.partition("://")[2].lower()
        return name == host.lower() or host_name(name) in self.allowed_hosts


def host_name(host: str) -> str:
    """Host name of `HOST` or `HOST:PORT`, in lower case.

    >>> host_name("Faces.example.org:8443"), host_name("[::1]:80")
    ('faces.example.org', '[::1]')
    """
    host = host.lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.rpartition(":")[0] if ":" in host else host
