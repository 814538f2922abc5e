"""What the page looks like: every tab with a real photo and new faces, light and dark, desktop and phone.

`python benchmarks/page.py [-o FOLDER] [--sheet FILE]` starts `facedial serve` on this machine,
opens it in a chromium, and writes a picture of each tab, `axe.json`: what an accessibility checker
finds wrong in each, and, if asked, all pictures on one sheet.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

SCREENS = {"desktop": (1280, 850), "phone": (390, 844)}
SCHEMES = ("light", "dark")
SHOWN, GAP = 480, 8  # pixels of a picture's width on a sheet, and between two
TIMEOUT_MS = 120_000
SET_SIZE = 8  # faces with and without glasses, to learn a direction from


def photos(folder: Path) -> dict[str, list[Path]]:
    """The public-domain portrait, and new faces with glasses and without, as files."""
    from PIL import Image
    from skimage import data

    from facedial import Editor, Photo
    from facedial.errors import NoFaceFound

    astronaut = folder / "astronaut.png"
    Image.fromarray(data.astronaut()).save(astronaut)
    found = {"photo": [astronaut]}
    with Editor.open() as editor:
        for name, label in (("with", 1.0), ("without", 0.0)):
            codes = editor.generate(2 * SET_SIZE, seed=5, targets={"Eyeglasses": label})
            found[name] = []
            for i, pixels in enumerate(editor.decode(codes)):
                path = folder / f"{name}-{i}.png"
                Image.fromarray(pixels).resize((384, 384)).save(path)
                # The page leaves out photos without a detected face, as of some dark glasses.
                with suppress(NoFaceFound):
                    editor.faces(Photo.open(path))
                    found[name].append(path)
            found[name] = found[name][:SET_SIZE]
    return found


@contextmanager
def served() -> Iterator[str]:
    """Address of a server of its own."""
    command = [sys.executable, "-m", "facedial", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def edit(page: Page, files: dict[str, list[Path]]) -> None:
    """The photo, smiling less and with black hair, half of it before the edit."""
    page.set_input_files("#file", files["photo"][0])
    page.wait_for_selector("#panel:not([hidden])")
    page.wait_for_selector("#looks button:last-child img[src]")  # the last preview
    for _ in range(12):
        page.locator("#slider-Smiling").press("ArrowLeft")
    page.locator("#looks").get_by_role("button", name="Black hair").click()
    page.locator("#compare").fill("50")


def generate(page: Page, files: dict[str, list[Path]]) -> None:
    """Twelve new faces that smile."""
    page.click("#tab-generate")
    page.select_option("#targets-Smiling", "1")
    page.click("#generate-form button[type=submit]")
    expect(page.locator("#faces img")).to_have_count(12)


def morph(page: Page, files: dict[str, list[Path]]) -> None:
    """A morph from the photo to a new face."""
    page.click("#tab-morph")
    for number, path in enumerate((files["photo"][0], files["without"][0])):
        page.locator("#slots input[type=file]").nth(number).set_input_files(path)
    page.wait_for_selector("#morph-result:not([hidden])")
    page.locator("#morph-position").fill("12")


def learn(page: Page, files: dict[str, list[Path]]) -> None:
    """A slider learned from new faces, and its report."""
    page.click("#tab-learn")
    for key in ("with", "without"):
        page.locator(f"#set-{key} input[type=file]").set_input_files(files[key])
        expect(page.locator(f"#set-{key} .count")).to_contain_text(str(SET_SIZE))
    page.fill("#learn-name", "glasses")
    page.click("#learn-submit")
    page.wait_for_selector("#learned .report")


expect.set_options(timeout=TIMEOUT_MS)
TABS = {"edit": edit, "generate": generate, "morph": morph, "learn": learn}


def shown(
    browser: Browser, address: str, files: dict[str, list[Path]], out: Path
) -> dict[str, Any]:
    """Every tab on every screen into `out`; what axe finds in each."""
    found: dict[str, Any] = {}
    for screen, (width, height) in SCREENS.items():
        for scheme in SCHEMES:
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            page = context.new_page()
            page.set_default_timeout(TIMEOUT_MS)
            page.goto(address)
            page.wait_for_selector("html[data-ready]")
            for tab, fill in TABS.items():
                fill(page, files)
                page.wait_for_load_state("networkidle")
                page.wait_for_timeout(1000)
                name = f"{tab}-{screen}-{scheme}"
                page.screenshot(path=out / f"{name}.png")
                violations = Axe().run(page).response["violations"]
                found[name] = [
                    {"rule": one["id"], "impact": one["impact"], "places": len(one["nodes"])}
                    for one in violations
                ]
                print(name, found[name] or "nothing found")
            context.close()
    return found


def sheet(folder: Path, path: Path) -> None:
    """The pictures of a folder, smaller: a row for each screen and scheme."""
    from PIL import Image, ImageOps

    rows = []
    for screen, (width, height) in SCREENS.items():
        size = (SHOWN, SHOWN * height // width) if width > height else ((SHOWN - GAP) // 2, SHOWN)
        for scheme in SCHEMES:
            row = Image.new("RGB", ((size[0] + GAP) * len(TABS), size[1] + GAP), "grey")
            for number, tab in enumerate(TABS):
                with Image.open(folder / f"{tab}-{screen}-{scheme}.png") as shot:
                    fitted = ImageOps.pad(shot.convert("RGB"), size, color="grey")
                    row.paste(fitted, (number * (size[0] + GAP), 0))
            rows.append(row)
    wide, high = rows[:2], rows[2:]
    whole = Image.new("RGB", (wide[0].width, sum(r.height for r in wide) + high[0].height), "grey")
    top = 0
    for row in wide:
        whole.paste(row, (0, top))
        top += row.height
    for number, row in enumerate(high):
        whole.paste(row, (number * row.width, top))
    whole.save(path, quality=82)


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", type=Path, default=Path("page"))
    parser.add_argument("--sheet", type=Path, help="all pictures on one, .png or .webp")
    given = parser.parse_args()
    out: Path = given.o
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("no chromium here; install it to see the page")
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder, served() as address, sync_playwright() as playwright:
        files = photos(Path(folder))
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        found = shown(browser, address, files, out)
        browser.close()
    (out / "axe.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if given.sheet:
        sheet(out, given.sheet)


if __name__ == "__main__":
    main()
