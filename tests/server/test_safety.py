"""What a server refuses, how much it takes on, and what it leaves behind."""

import base64
import contextlib
import json
import os
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from facedial.cli.entry import main
from facedial.server import run
from facedial.server.limits import Limits
from facedial.server.routes.page import static

from .conftest import Serving, quickly_started
from .test_api import opened, problem


def test_every_answer_tells_browsers_what_they_may_do(client: httpx.Client, address: str) -> None:
    for answer in (client.get("version"), httpx.get(f"{address}/"), client.get("nothing")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in answer.headers
        assert "set-cookie" not in answer.headers
        assert "server" not in answer.headers
    assert client.get("version").headers["cache-control"] == "no-store"


def test_only_the_pages_own_files_are_served(address: str) -> None:
    for path in static().iterdir():
        assert httpx.get(f"{address}/{path.name}").content == path.read_bytes()
    for path in ("../app.py", "%2e%2e/app.py", "static/index.html", "app.py", "%2Fetc%2Fpasswd"):
        assert httpx.get(f"{address}/{path}").status_code == 404


def test_the_page_is_small_and_asks_for_nothing_from_elsewhere() -> None:
    texts = {path.name: path.read_text() for path in static().iterdir()}
    assert sum(len(text.encode()) for text in texts.values()) < 100_000
    for name, text in texts.items():
        assert "https://" not in text, name
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", ""), name
    assert " style=" not in texts["index.html"]
    assert " on" not in texts["index.html"].replace(" on ", " ").replace(" one", " ")


def test_bodies_too_large_are_refused_before_and_while_they_come(serving: Serving) -> None:
    with serving(Limits(body_bytes=1000)) as client:
        problem(client.post("portraits", content=b"x" * 1001), 413, "too large")
        pieces = (b"x" * 100 for _ in range(20))  # sent in chunks, so that no length is told
        problem(client.post("portraits", content=pieces), 413, "too large")
        problem(client.post("generate", content=b" " * 2000), 413)
        assert client.get("version").status_code == 200


def test_a_body_that_does_not_come_is_given_up(serving: Serving) -> None:
    with serving(Limits(upload_s=0.3)) as client:
        where = urlsplit(str(client.base_url))
        with socket.create_connection((where.hostname, where.port)) as slow:
            slow.sendall(
                b"POST /api/portraits HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\nab"
            )
            slow.settimeout(10)
            assert b" 408 " in slow.recv(200)
        assert client.get("version").status_code == 200


def test_what_is_no_http_is_answered_and_survived(client: httpx.Client, address: str) -> None:
    where = urlsplit(address)
    for bytes_ in (b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/9.9\r\n\r\n", b"\r\n\r\n\0" * 9):
        with socket.create_connection((where.hostname, where.port)) as rude:
            rude.sendall(bytes_)
            rude.settimeout(0.5)
            with contextlib.suppress(TimeoutError, ConnectionError):
                rude.recv(100)
    assert client.get("health").status_code == 200


def test_too_much_work_is_told_to_come_back(serving: Serving, photo: bytes) -> None:
    with serving(Limits(max_workers=1, max_queued=1)) as client:
        url = f"{client.base_url}generate"
        with ThreadPoolExecutor(12) as threads:
            answers = list(
                threads.map(lambda _: httpx.post(url, json={"count": 12}, timeout=300), range(12))
            )
        codes = [answer.status_code for answer in answers]
        assert set(codes) == {200, 503}
        for answer in answers:
            if answer.status_code == 503:
                assert answer.headers["retry-after"] == "1"
                problem(answer, 503, "busy")
        assert client.post("generate", json={"count": 1}).status_code == 200


def test_the_least_recently_used_photo_is_closed_for_another(
    serving: Serving, photo: bytes
) -> None:
    with serving(Limits(open_photos=2)) as client:
        keys = [opened(client, photo)["id"] for _ in range(3)]
        assert len(set(keys)) == 3
        assert min(len(key) for key in keys) >= 24
        body = {"edits": [{}]}
        codes = [client.post(f"portraits/{key}/render", json=body).status_code for key in keys]
        assert codes == [404, 200, 200]


def test_a_photo_expires(serving: Serving, photo: bytes) -> None:
    with serving(Limits(ttl_s=0.2)) as client:
        key = opened(client, photo)["id"]
        time.sleep(0.3)
        body = {"edits": [{}]}
        problem(client.post(f"portraits/{key}/render", json=body), 404, "open the photo again")


def test_many_at_once_get_what_one_alone_gets(client: httpx.Client, photo: bytes) -> None:
    key = opened(client, photo)["id"]
    url = f"{client.base_url}portraits/{key}/render"
    bodies = [{"edits": [{"set": {"Blond_Hair": i / 10}}], "format": "png"} for i in range(8)]
    alone = [httpx.post(url, json=body, timeout=60).content for body in bodies]
    assert len(set(alone)) == 8
    with ThreadPoolExecutor(8) as threads:
        together = list(
            threads.map(lambda body: httpx.post(url, json=body, timeout=60).content, bodies)
        )
    assert together == alone


def test_nothing_is_written_and_nothing_is_said_of_photos(tmp_path: Path, photo: bytes) -> None:
    home = tmp_path / "home"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(home)}
    with quickly_started(cwd=home, env=environment, stderr=subprocess.STDOUT) as (first, process):
        with httpx.Client(base_url=f"{first}api/", timeout=60) as client:
            opened(client, photo)
            client.post("portraits", content=b"no photo")
            client.post("generate", json={"count": 1})
        assert list(home.rglob("*")) == []
        process.terminate()
        assert process.wait(20) in (0, -15)
        assert process.stdout is not None
        assert process.stdout.read() == ""


def test_a_taken_port_is_a_sentence(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    port = str(urlsplit(address).port)
    with pytest.raises(SystemExit) as left:
        main(["serve", "--port", port])
    assert left.value.code == 1
    err = capsys.readouterr().err
    assert err.startswith(f"facedial: cannot listen on 127.0.0.1:{port}")
    assert len(err.splitlines()) == 1


def test_codes_are_small_and_exact(client: httpx.Client, photo: bytes) -> None:
    answer = client.post("codes", content=photo)
    code = base64.b64decode(json.loads(answer.text)["codes"][0])
    assert len(code) == 4 * answer.json()["dimensions"]


def test_answers_are_sent_at_once() -> None:
    """asyncio switches Nagle's waiting off only for sockets that name their protocol."""
    with run._listener("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_a_killed_server_starts_again_where_it_was() -> None:
    with quickly_started() as (first, process):
        port = str(urlsplit(first).port)
        with httpx.Client(base_url=f"{first}api/", timeout=60) as client:
            assert client.post("generate", json={"count": 1}).status_code == 200
            process.kill()
            process.wait(20)
    with quickly_started(port) as (again, _):
        assert again == first
        assert httpx.get(f"{again}api/health").status_code == 200
