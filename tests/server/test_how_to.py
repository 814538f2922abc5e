"""The examples of the how-to page on serving run as they are printed, against a server of few steps."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from .conftest import Serving

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "serve.md").read_text(encoding="utf-8")


def test_calls_by_curl_and_from_python(
    serving: Serving, astronaut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Image.open(astronaut) as image:
        image.crop((90, 20, 346, 276)).save("me.jpg")
    (console,) = [b for b in re.findall(r"```console\n(.*?)```", PAGE, re.S) if "curl" in b]
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    with serving() as client:
        place = f"127.0.0.1:{client.base_url.port}"
        exec(program.replace("localhost:8080", place), {})  # noqa: S102 - a page of ours
        assert {f"smile-{amount}.jpg" for amount in (0.0, 0.5, 1.0)} <= {
            path.name for path in tmp_path.iterdir()
        }
        bash = shutil.which("bash")
        if not bash or not shutil.which("curl"):
            pytest.skip("there is no curl here")
        script = re.sub(r"^\$ ", "", console, flags=re.M).replace("localhost:8080", place)
        # Of a reader that stops early (`head -c`), curl's complaint is no fault of the example.
        done = subprocess.run(
            [bash, "-euc", script.replace("curl -s", "curl -sf")],
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert '{"' in done.stdout
        with Image.open("smile.png") as shown:
            assert shown.size == (256, 256)
