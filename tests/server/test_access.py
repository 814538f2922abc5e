"""Who may use a server: tokens, host names, origins, and the addresses it prints."""

import http.client
import subprocess

import httpx
import pytest

from facedial.cli.entry import main
from facedial.errors import BadRequest
from facedial.server import run
from facedial.server.access import Access, is_loopback

from .conftest import Serving, started
from .test_api import problem


@pytest.mark.parametrize("token", ["", " ", "\t\n", "two words", "näh", "a\r\nX: b", "=", '"'])
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    with pytest.raises(BadRequest, match="the token is"):
        Access(token=token)


@pytest.mark.parametrize("token", ["", "  "])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_serve_refuses_an_empty_token_in_one_sentence(
    capsys: pytest.CaptureFixture[str], host: str, token: str
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["serve", "--port", "0", "--host", host, "--token", token])
    said, wrong = capsys.readouterr()
    assert left.value.code == 2
    assert wrong.startswith("facedial: the token is empty")
    assert len(wrong.splitlines()) == 1
    assert said == ""


def test_a_server_that_others_reach_has_a_token() -> None:
    with pytest.raises(BadRequest, match="needs a token"):
        Access(loopback=False)
    Access(loopback=False, token="a")


WRONG = ["", "Bearer", "Bearer ", "Bearer  ", "Bearer let-me", "Bearer let-me-in-", "let-me-in"]
WRONG += ["Basic let-me-in", "Bearer LET-ME-IN", "Bearer let-me-in let-me-in", "Bearer \xe9"]


def test_a_token_is_asked_for_but_not_for_health(serving: Serving) -> None:
    with serving(access=Access(token="let-me-in")) as client:
        assert client.get("health").status_code == 200
        problem(client.get("version"), 401, "token")
        # Not by httpx, which refuses to send some of them.
        connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port or 0)
        for given in WRONG:
            connection.request("GET", "/api/version", headers={"Authorization": given})
            answer = connection.getresponse()
            assert (answer.status, answer.getheader("WWW-Authenticate")) == (401, "Bearer"), given
            answer.read()
        connection.close()
        for path in ("generate", "portraits", "openapi.json", "metrics", "nothing"):
            problem(client.post(path), 401)
        for scheme in ("Bearer", "bearer"):
            right = {"Authorization": f"{scheme} let-me-in"}
            assert client.get("version", headers=right).status_code == 200


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("127.0.0.1", True),
        ("127.0.0.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.7", False),
        ("example.org", False),
    ],
)
def test_only_loopback_addresses_are_this_machine_alone(host: str, alone: bool) -> None:
    assert is_loopback(host) == alone


def test_hosts_and_origins_that_are_answered() -> None:
    alone = Access()
    for host in ("localhost", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080", "[::1]"):
        assert alone.allows_host(host)
    for host in ("faces.example.org", "", "localhost.example.org", "127.0.0.1.example.org"):
        assert not alone.allows_host(host)
    assert alone.allows_origin("http://localhost:8080", "localhost:8080")
    assert not alone.allows_origin("http://localhost:3000", "localhost:8080")
    behind = Access(allowed_hosts=("Faces.example.org",))
    assert behind.allows_host("faces.example.org:8443")
    assert behind.allows_host("127.0.0.1:8080")
    assert not behind.allows_host("example.org")
    for host in ("faces.example.org", "127.0.0.1:8080"):  # passed on by the proxy, or replaced
        assert behind.allows_origin("https://faces.example.org", host)
        assert not behind.allows_origin("https://example.org", host)
        assert not behind.allows_origin("null", host)
    everywhere = Access(loopback=False, token="a")
    assert everywhere.allows_host("anything.example.org")
    named = Access(loopback=False, token="a", allowed_hosts=("faces.example.org",))
    assert not named.allows_host("anything.example.org")


@pytest.mark.parametrize(
    "name", ["", "https://example.org", "example.org/faces", "a b", "a:80", "*"]
)
def test_what_is_no_host_name_is_refused(name: str) -> None:
    with pytest.raises(BadRequest, match="no host name"):
        Access(allowed_hosts=(name,))


@pytest.mark.parametrize(
    "path", ["faces", "//elsewhere.example", "/a b", "https://x/y", "/a?b", "/é"]
)
def test_what_is_no_root_path_is_refused(path: str) -> None:
    with pytest.raises(BadRequest, match="no path"):
        Access(root_path=path)


def test_root_paths_lose_their_last_slash() -> None:
    assert [Access(root_path=path).root_path for path in ("", "/", "/a", "/a/b/")] == [
        "",
        "",
        "/a",
        "/a/b",
    ]


def test_other_sites_and_other_names_are_refused(client: httpx.Client, address: str) -> None:
    problem(client.get("version", headers={"Origin": "http://elsewhere.example"}), 403)
    problem(client.get("version", headers={"Origin": "null"}), 403)
    problem(client.get("version", headers={"Sec-Fetch-Site": "cross-site"}), 403)
    problem(client.get("version", headers={"Host": "elsewhere.example"}), 421)
    assert client.get("version", headers={"Origin": address}).status_code == 200


def test_head_is_get_without_the_body(client: httpx.Client, address: str) -> None:
    urls = [f"{address}/{name}" for name in ("", "main.js", "icon.svg")]
    urls += [
        f"{address}/api/{name}" for name in ("health", "version", "attributes", "openapi.json")
    ]
    for url in urls:
        got, head = client.get(url), client.head(url)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-type", "content-length", "content-security-policy"):
            assert head.headers[name] == got.headers[name]
    assert client.head("metrics").status_code == 200
    assert client.head(f"{address}/nothing").status_code == 404
    assert client.head("directions/gone").status_code == 404
    head = client.head("generate")
    assert (head.status_code, head.headers["allow"]) == (405, "POST")


def test_another_address_gets_a_token_a_warning_and_an_address_to_open() -> None:
    with started("--host", "0.0.0.0", stderr=subprocess.STDOUT) as (first, process):
        address, _, token = first.partition("#token=")
        assert address.startswith("http://127.0.0.1:")
        assert len(token) >= 24
        assert process.stdout is not None
        warning = process.stdout.readline()
        assert warning.startswith("facedial: other machines can reach this server")
        assert httpx.get(address).status_code == 200
        assert httpx.get(f"{address}api/version").status_code == 401
        headers = {"Authorization": f"Bearer {token}", "Host": "any.example.org"}
        assert httpx.get(f"{address}api/version", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "http://127.0.0.1:80/"),
        ("localhost", "http://localhost:80/"),
        ("::", "http://[::1]:80/"),
        ("::1", "http://[::1]:80/"),
        ("10.0.0.7", "http://10.0.0.7:80/"),
    ],
)
def test_printed_addresses_can_be_opened(host: str, shown: str) -> None:
    assert run.address(host, 80, None) == shown


def test_warnings_name_who_can_use_the_server() -> None:
    assert run.warnings("127.0.0.1", Access()) == []
    assert run.warnings("127.0.0.1", Access(allowed_hosts=("a.example",), token="t")) == []
    (open_proxy,) = run.warnings("127.0.0.1", Access(allowed_hosts=("a.example",)))
    assert "a.example" in open_proxy
    assert "no token" in open_proxy
    (other,) = run.warnings("10.0.0.7", Access(loopback=False, token="t"))
    assert "at 10.0.0.7" in other
