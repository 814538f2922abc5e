"""The page and the API behind a reverse proxy, under another name and a path of it."""

from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from facedial.server.access import Access

from .conftest import Serving
from .proxy import proxied
from .test_api import opened, problem

NAME = "faces.example.org"
ACCESS = Access(allowed_hosts=(NAME,), root_path="/tools/faces", token="let-me-in")
TOKEN = {"Authorization": "Bearer let-me-in"}


@pytest.mark.parametrize(("strip", "keep_host"), [(True, False), (False, True)])
def test_page_and_api_work_through_a_proxy(
    serving: Serving, photo: bytes, strip: bool, keep_host: bool
) -> None:
    # As a browser sends them from the page: the proxy's name, over TLS that ends at the proxy.
    own = {"Host": NAME, "Origin": f"https://{NAME}", "Sec-Fetch-Site": "same-origin"}
    with (
        serving(access=ACCESS) as direct,
        proxied(
            str(direct.base_url), ACCESS.root_path, strip=strip, keep_host=keep_host
        ) as address,
        httpx.Client(base_url=f"{address}/api/", headers={**own, **TOKEN}, timeout=60) as client,
    ):
        page = client.get(f"{address}/")
        assert "<title>facedial</title>" in page.text
        for name in ("style.css", "main.js", "icon.svg"):
            assert client.get(urljoin(f"{address}/", name)).status_code == 200
        assert client.get("version").json()["body_bytes"] > 0
        facts = opened(client, photo)
        body = {"edits": [{"set": {"Blond_Hair": 0}}], "quality": "fast"}
        assert client.post(f"portraits/{facts['id']}/render", json=body).status_code == 200
        assert client.delete(f"portraits/{facts['id']}").status_code == 204
        document = client.get("openapi.json").json()
        assert document["servers"] == [{"url": ACCESS.root_path}]
        for other in ("https://elsewhere.example", "http://localhost:3000", "null"):
            problem(client.get("version", headers={"Origin": other}), 403)
        problem(client.get("version", headers={"Authorization": "Bearer x"}), 401)


def test_no_spelling_of_the_path_goes_around_the_token(serving: Serving) -> None:
    root = ACCESS.root_path
    with serving(access=ACCESS) as client:
        at = urlsplit(str(client.base_url))
        base = f"{at.scheme}://{at.netloc}"
        for path in ("/api/version", f"{root}/api/version"):
            problem(client.get(base + path), 401)
            assert client.get(base + path, headers=TOKEN).status_code == 200
        odd = [f"{root}{root}/api/version", f"{root}x/api/version", f"{root}//api/version"]
        odd += [
            "//api/version",
            f"{root}/api",
            "/api",
            f"{root}/api//version",
            f"{root}/%61pi/version",
        ]
        for path in odd:
            answer = client.get(base + path)
            assert answer.status_code in (401, 404), path
            assert "space" not in answer.text
        moved = client.get(base + root)
        assert (moved.status_code, moved.headers["location"]) == (308, f"{root}/")


def test_a_name_that_was_not_allowed_is_refused(serving: Serving) -> None:
    with serving(access=Access(allowed_hosts=(NAME,))) as client:
        assert client.get("version", headers={"Host": NAME}).status_code == 200
        problem(client.get("version", headers={"Host": f"other.{NAME}"}), 421, "host name")
