"""The page in a real browser: by mouse, by keyboard alone, behind a proxy, and offline."""

import base64
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, Playwright, Route, expect, sync_playwright

import facedial as library
from facedial.faces.mark import EDITED
from facedial.server.access import Access

from .conftest import Serving
from .proxy import proxied

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium here (apt-get install chromium); the page was not tested"
)


PATIENCE_MS = 90_000  # twelve new faces take seconds, beside other tests more
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as made:
        yield made


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    yield made
    made.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page, open and ready; a request to anywhere else, or an error in a script, fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 850}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    wrong: list[str] = []

    def asked(url: str) -> None:
        if not url.startswith((address, "blob:", "data:")):
            wrong.append(f"asked {url}")

    page.on("request", lambda request: asked(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{address}/")
    page.wait_for_selector("html[data-ready]")
    yield page
    context.close()
    assert wrong == []


def choose_photo(page: Page, photo: Path) -> None:
    page.set_input_files("#file", photo)
    page.wait_for_selector("#panel:not([hidden])")


def slide(page: Page, name: str, presses: int, key: str = "ArrowRight") -> None:
    slider = page.locator(f"#slider-{name}")
    if not slider.is_visible():
        slider.locator("xpath=ancestor::details/summary").click()
    slider.focus()
    for _ in range(presses):
        slider.press(key)


def shown(page: Page) -> np.ndarray:
    """Pixels of the canvas."""
    url = page.evaluate("document.getElementById('canvas').toDataURL()")
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def changed(page: Page, before: np.ndarray) -> None:
    """Wait until the canvas shows something else."""
    for _ in range(PATIENCE_MS // 50):
        if np.abs(shown(page) - before).max() > 8:
            return
        page.wait_for_timeout(50)
    raise AssertionError("the canvas has not changed")


def unchanged(page: Page, before: np.ndarray) -> None:
    for _ in range(PATIENCE_MS // 50):
        if np.array_equal(shown(page), before):
            return
        page.wait_for_timeout(50)
    raise AssertionError("the canvas does not show what it showed")


def settled(page: Page) -> np.ndarray:
    """The canvas once it stays the same: the full rendering has replaced the previews."""
    last = shown(page)
    for _ in range(30):
        page.wait_for_timeout(900)
        now = shown(page)
        if np.array_equal(now, last):
            return now
        last = now
    raise AssertionError("the canvas keeps changing")


@pytest.mark.usefixtures("few_steps")
def test_a_photo_is_changed_compared_and_saved(page: Page, astronaut: Path, tmp_path: Path) -> None:
    choose_photo(page, astronaut)
    expect(page.locator("#status")).to_contain_text("One face found")
    start = shown(page)
    slide(page, "Smiling", 8, "ArrowLeft")
    changed(page, start)
    after = settled(page)
    assert page.locator(".slider.changed").count() == 1
    # Left of the border the canvas shows the photo before the edits.
    page.locator("#compare").fill("100")
    unchanged(page, start)
    page.locator("#compare").fill("0")
    page.click("#undo")
    for _ in range(7):
        page.click("#undo")
    unchanged(page, start)
    assert page.locator("#undo").is_disabled()
    for _ in range(8):
        page.click("#redo")
    changed(page, start)
    # After the last step the whole photo takes the close-up's place.
    assert np.abs(settled(page) - after).mean() < 3
    with page.expect_download() as coming:
        page.click("#save")
    path = tmp_path / "saved.png"
    coming.value.save_as(path)
    assert coming.value.suggested_filename == "astronaut-edited.png"
    saved = library.Photo.open(path)
    assert (saved.size, saved.mark) == ((512, 512), EDITED)
    value = float(page.locator("#slider-Smiling").input_value())
    with library.Editor.open() as editor:
        (portrait,) = editor.read(library.Photo.open(astronaut))
        own = editor.render(portrait, {"Smiling": round(value * 1000) / 1000})
    assert np.array_equal(saved.pixels, own.pixels)


def test_an_edit_is_prefetched_when_the_pointer_is_over_its_slider(
    page: Page, astronaut: Path
) -> None:
    choose_photo(page, astronaut)
    start = shown(page)
    with page.expect_request("**/render") as asked:
        page.locator("#slider-Smiling").hover()
    (edit,) = asked.value.post_data_json["edits"]
    assert edit["set"] in ({"Smiling": 0}, {"Smiling": 1})
    page.wait_for_timeout(500)
    unchanged(page, start)  # no slider has moved
    assert page.locator(".slider.changed").count() == 0


def test_the_page_shows_that_it_renders(page: Page, astronaut: Path) -> None:
    choose_photo(page, astronaut)
    waiting: list[Route] = []
    page.route("**/render", lambda route: waiting.append(route))
    slide(page, "Smiling", 2, "ArrowLeft")
    expect(page.locator("#frame")).to_have_class("frame working")
    expect(page.locator("#frame")).to_have_attribute("aria-busy", "true")
    for route in waiting:
        route.continue_()
    page.unroute("**/render")
    expect(page.locator("#frame")).to_have_attribute("aria-busy", "false")
    expect(page.locator("#frame")).to_have_class("frame")


def test_the_identity_that_a_face_keeps_is_shown_of_the_whole_photo_alone(
    page: Page, two_faces: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "two.png"
    path.write_bytes(two_faces)
    views: list[str] = []

    def measured(route: Route) -> None:
        views.append(route.request.post_data_json["view"])
        answer = route.fetch()
        kept = {"2": 0.834} if views[-1] == "photo" else {}
        route.fulfill(
            response=answer, headers={**answer.headers, "facedial-identity": json.dumps(kept)}
        )

    page.route("**/render", measured)
    choose_photo(page, path)
    page.get_by_role("button", name="Face 2").click()
    expect(page.locator("#identity")).to_have_text("")
    slide(page, "Narrow_Eyes", 3)
    expect(page.locator("#identity")).to_have_text("Identity kept: 0.83")
    assert views[-1] == "photo"
    page.get_by_role("button", name="Face 1").click()
    expect(page.locator("#identity")).to_have_text("")
    page.get_by_role("button", name="Face 2").click()
    expect(page.locator("#identity")).to_have_text("Identity kept: 0.83")
    page.click("#reset")
    expect(page.locator("#identity")).to_have_text("")


def test_double_click_puts_back_protect_holds_and_implied_attributes_are_named(
    page: Page, astronaut: Path
) -> None:
    choose_photo(page, astronaut)
    start = shown(page)
    own = page.locator("#slider-Mustache").input_value()
    slide(page, "Mustache", 12)
    changed(page, start)
    expect(page.locator("#status")).to_contain_text("Implied attributes also set")
    page.check("#exactly")
    expect(page.locator("#status")).to_have_text("")
    page.locator("#slider-Mustache").dblclick()
    unchanged(page, start)
    assert float(page.locator("#slider-Mustache").input_value()) == pytest.approx(float(own))
    hold = page.get_by_role("button", name="Protect Smiling")
    hold.click()
    assert hold.get_attribute("aria-pressed") == "true"
    slide(page, "Smiling", 1, "ArrowLeft")  # moving a slider no longer keeps its value
    assert hold.get_attribute("aria-pressed") == "false"


def test_looks_are_previewed_taken_weakened_and_put_back(page: Page, astronaut: Path) -> None:
    choose_photo(page, astronaut)
    start = shown(page)
    looks = page.locator("#looks")
    expect(looks.locator("button:last-child img[src]")).to_be_visible()  # the last preview
    assert looks.locator("img:not([src])").count() == 0
    assert looks.get_by_role("button", name="Smile", exact=True).count() == 0  # she smiles already
    one = looks.get_by_role("button", name="No smile")
    own = float(page.locator("#slider-Smiling").input_value())
    one.click()
    changed(page, start)
    assert one.get_attribute("aria-pressed") == "true"
    assert float(page.locator("#slider-Smiling").input_value()) == 0
    page.get_by_label("Strength: No smile").fill("0.5")
    half = float(page.locator("#slider-Smiling").input_value())
    assert half == pytest.approx(own / 2, abs=0.01)
    looks.get_by_role("button", name="Closed mouth").click()  # beside the other one
    assert page.locator(".slider.changed").count() == 2
    page.get_by_role("button", name="Put back Mouth Slightly Open").click()
    assert one.get_attribute("aria-pressed") == "true"
    one.click()
    unchanged(page, start)
    assert page.locator("#look-strength-box").is_hidden()
    # One stop of the Tab key; arrows move within the row.
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.innerText") == "Closed mouth"
    assert looks.locator("button[tabindex='0']").count() == 1
    page.keyboard.press("Enter")
    changed(page, start)


def test_hair_colour_is_one_control(page: Page, astronaut: Path, tmp_path: Path) -> None:
    choose_photo(page, astronaut)
    start = shown(page)
    hair = page.get_by_role("group", name="Hair colour")
    assert page.locator("#slider-Black_Hair").count() == 0
    black = hair.get_by_role("button", name="Black hair")
    black.click()
    changed(page, start)
    assert black.get_attribute("aria-pressed") == "true"
    expect(page.locator("#hair-value")).to_have_text("Black hair, 1.00")
    hair.get_by_role("button", name="Grey hair").click()
    assert black.get_attribute("aria-pressed") == "false"
    page.get_by_label("Strength of the hair colour").fill("0.5")
    expect(page.locator("#hair-value")).to_have_text("Grey hair, 0.50")
    hair.get_by_role("button", name="Protect hair colour").click()
    unchanged(page, start)
    with page.expect_download() as coming:
        page.click("#preset-save")
    coming.value.save_as(tmp_path / "preset.json")
    edit = library.Edit.from_json((tmp_path / "preset.json").read_text())
    assert edit.keep == {"Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair"}
    well = page.get_by_label("Any hair colour")
    if well.count():
        well.fill("#7a3318")
        changed(page, start)
        expect(page.locator("#hair-value")).to_have_text("Red hair, 1.00")
        well.fill("#204080")
        expect(page.locator("#hair-value")).to_have_text("#204080, 1.00")
        hair.get_by_role("button", name="Put back hair colour").click()
        unchanged(page, start)


def test_lenses_darken_where_there_are_glasses(page: Page, astronaut: Path, tmp_path: Path) -> None:
    choose_photo(page, astronaut)
    start = shown(page)
    lenses, value = page.locator("#lenses"), page.locator("#lenses-value")
    expect(lenses).to_be_disabled()
    looks = page.get_by_role("toolbar", name="Looks")
    clear, dark = (looks.get_by_role("button", name=n) for n in ("Clear glasses", "Sunglasses"))
    clear.click()
    changed(page, start)
    expect(lenses).to_be_enabled()
    assert clear.get_attribute("aria-pressed") == "true"
    dark.click()
    expect(value).to_have_text("1.00")
    assert [one.get_attribute("aria-pressed") for one in (clear, dark)] == ["false", "true"]
    page.locator("#sliders details[data-group=worn] summary").click()
    lenses.fill("0.25")
    expect(value).to_have_text("0.25")
    with page.expect_download() as coming:
        page.click("#preset-save")
    coming.value.save_as(tmp_path / "preset.json")
    edit = library.Edit.from_json((tmp_path / "preset.json").read_text())
    assert edit.lens_darkness == 0.25 and edit.targets == {"Eyeglasses": 1}
    clear.click()  # taken already: put back
    unchanged(page, start)
    expect(lenses).to_be_disabled()


def test_the_region_that_an_edit_may_change_is_shown(page: Page, astronaut: Path) -> None:
    choose_photo(page, astronaut)
    start = shown(page)
    toggle = page.get_by_role("button", name="Region")
    toggle.click()
    expect(page.locator("#status")).to_contain_text("where it may change the photo")
    slide(page, "Smiling", 6, "ArrowLeft")
    expect(page.locator("#canvas")).to_have_attribute(
        "aria-label", "The photo, edited, with the region that may change"
    )
    over = settled(page)
    toggle.click()
    expect(page.locator("#canvas")).to_have_attribute("aria-label", "The photo, edited")
    assert np.abs(shown(page) - over).max() > 60
    assert np.abs(shown(page) - start).max() > 8


def test_faces_are_outlined_and_each_is_changed_alone(
    page: Page, two_faces: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "two.png"
    path.write_bytes(two_faces)
    choose_photo(page, path)
    expect(page.locator("#status")).to_contain_text("2 faces found")
    start = shown(page)
    page.get_by_role("button", name="Face 2").click()
    slide(page, "Smiling", 8, "ArrowLeft")
    changed(page, start)
    half = start.shape[1] * 500 // 900
    assert np.array_equal(shown(page)[:, :half], start[:, :half])
    page.get_by_role("button", name="Face 1").click()
    assert page.locator(".slider.changed").count() == 0
    first = page.get_by_role("button", name="Face 1", exact=True)
    expect(first).to_be_visible()
    expect(page.get_by_role("button", name="Face 2, edited")).to_be_visible()
    slide(page, "Narrow_Eyes", 3)
    expect(page.get_by_role("button", name="Face 1, edited")).to_be_visible()
    with page.expect_download() as coming:
        page.click("#save")
    coming.value.save_as(tmp_path / "saved.png")
    saved, own = (library.Photo.open(one).pixels for one in (tmp_path / "saved.png", path))
    assert not np.array_equal(saved[:, :450], own[:, :450])
    assert not np.array_equal(saved[:, 600:], own[:, 600:])
    page.get_by_role("button", name="Face 2").click()
    assert page.locator(".slider.changed").count() == 1  # what was set for it is kept
    page.click("#zoom")
    assert shown(page).shape != start.shape
    page.click("#zoom")
    page.click("#reset")  # of every face, not only of the one shown
    unchanged(page, start)


def test_presets_go_out_and_come_in(page: Page, astronaut: Path, tmp_path: Path) -> None:
    choose_photo(page, astronaut)
    slide(page, "Big_Lips", 6, "ArrowLeft")
    with page.expect_download() as coming:
        page.click("#preset-save")
    path = tmp_path / "preset.json"
    coming.value.save_as(path)
    edit = library.Edit.from_json(path.read_text())
    assert edit.targets.keys() == {"Big_Lips"}
    page.click("#reset")
    assert page.locator(".slider.changed").count() == 0
    page.set_input_files("#preset-file", path)
    expect(page.locator("#status")).to_contain_text("Preset loaded")
    value = float(page.locator("#slider-Big_Lips").input_value())
    assert value == pytest.approx(edit.targets["Big_Lips"])
    (tmp_path / "bad.json").write_text(json.dumps({"set": {"Smilin": 1}}))
    page.set_input_files("#preset-file", tmp_path / "bad.json")
    expect(page.locator("#alert")).to_contain_text("did you mean Smiling")


def test_new_faces_are_generated_opened_and_linked(page: Page, address: str) -> None:
    page.click("#tab-generate")
    expect(page.locator("#faces button")).to_have_count(12)
    page.select_option("#targets-Gray_Hair", "1")
    page.fill("#seed", "11")
    page.select_option("#count", "6")
    page.click("#generate-form button[type=submit]")
    expect(page.locator("#status")).to_contain_text("Implied attributes also set")
    expect(page.locator("#faces button")).to_have_count(6)
    page.locator("#faces button").nth(2).click()
    page.wait_for_selector("#panel:not([hidden])")
    with page.expect_response(lambda r: '"view":"photo"' in (r.request.post_data or "")):
        slide(page, "Smiling", 10)
    page.wait_for_timeout(600)  # until the whole picture is painted in place of the preview
    page.click("#link")
    link = page.evaluate("location.href")
    first = shown(page)
    page.goto("about:blank")
    with page.expect_response(lambda r: '"view":"photo"' in (r.request.post_data or "")):
        page.goto(link)
    page.wait_for_selector("#panel:not([hidden])")
    unchanged(page, first)


def test_the_newest_request_wins_even_if_an_older_one_is_answered_last(page: Page) -> None:
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    page.route("**/api/generate", hold_the_first)
    page.click("#tab-generate")
    page.select_option("#count", "6")
    page.click("#generate-form button[type=submit]")
    expect(page.locator("#faces button")).to_have_count(6)
    page.select_option("#count", "12")
    page.click("#tab-morph")
    held[0].fulfill(json={"faces": [], "implied": {}})
    page.wait_for_timeout(500)
    page.click("#tab-generate")
    expect(page.locator("#faces button")).to_have_count(6)
    expect(page.locator("body")).not_to_have_class("busy")


def test_two_faces_are_morphed(page: Page, astronaut: Path) -> None:
    page.click("#tab-morph")
    page.locator(".slot input").nth(0).set_input_files(astronaut)
    page.locator(".slot").nth(0).locator("img").wait_for(state="visible")
    page.locator(".slot").nth(1).get_by_role("button", name="A new face").click()
    page.wait_for_selector("#morph-result:not([hidden])")
    middle = page.get_attribute("#morph-picture", "src")
    page.locator("#morph-position").fill("0")
    assert page.get_attribute("#morph-picture", "src") != middle
    with page.expect_download() as coming:
        page.click("#morph-save")
    assert coming.value.suggested_filename == "morph.webp"


def test_a_slider_is_learned_from_two_sets_of_photos(
    page: Page, address: str, astronaut: Path, tmp_path: Path
) -> None:
    with Image.open(astronaut) as image:
        for i in range(4):
            plain = image.rotate(i, resample=Image.Resampling.BICUBIC)
            plain.save(tmp_path / f"without-{i}.png")
            plain.point(lambda value: min(255, int(value * 1.4))).save(tmp_path / f"with-{i}.png")
    (tmp_path / "no-photo.png").write_bytes(b"nothing")
    page.click("#tab-learn")
    for key in ("with", "without"):
        files = [*sorted(tmp_path.glob(f"{key}-*.png")), tmp_path / "no-photo.png"]
        page.locator(f"#set-{key} input").set_input_files(files)
        expect(page.locator(f"#set-{key} .count")).to_have_text("4 faces")
        expect(page.locator(f"#set-{key}")).to_contain_text("no-photo.png")
    page.fill("#learn-name", "brighter")
    page.click("#learn-submit")
    expect(page.locator("#learned")).to_contain_text("brighter: held-out AUC")
    page.click("#tab-edit")
    choose_photo(page, astronaut)
    start = shown(page)
    slide(page, "brighter", 10)
    changed(page, start)


@pytest.mark.parametrize("case", ["no face", "no picture", "too large"])
def test_what_cannot_be_opened_is_said_in_a_sentence(page: Page, tmp_path: Path, case: str) -> None:
    path = tmp_path / "photo.png"
    if case == "no face":
        Image.new("RGB", (300, 300), "teal").save(path)
    elif case == "no picture":
        path.write_bytes(b"hello")
    else:
        path.write_bytes(b"\x89PNG" + bytes(31_000_000))
    page.set_input_files("#file", path)
    words = {"no face": "no face found", "no picture": "not a picture", "too large": "30 MB"}[case]
    expect(page.locator("#alert")).to_contain_text(words)
    assert page.locator("#drop").is_visible()


def test_the_keyboard_alone_suffices(page: Page) -> None:
    focused = "document.activeElement.id"

    def tab_to(name: str) -> None:
        for _ in range(80):
            page.keyboard.press("Tab")
            if page.evaluate(focused) == name:
                return
        raise AssertionError(f"Tab does not lead to {name}")

    tab_to("tab-edit")
    tab_to("sample")
    page.keyboard.press("Enter")
    page.wait_for_selector("#panel:not([hidden])")
    start = shown(page)
    tab_to("slider-Smiling")
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    changed(page, start)
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+Shift+z")
    page.keyboard.press("Delete")
    unchanged(page, start)
    tab_to("tab-edit")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) == "tab-generate"
    expect(page.locator("#faces button")).to_have_count(12)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(
    browser: Browser, address: str, astronaut: Path, scheme: Any
) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": 390, "height": 800})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{address}/")
    page.wait_for_selector("html[data-ready]")
    for tab in ("edit", "generate", "morph", "learn"):
        page.click(f"#tab-{tab}")
        if tab == "edit":
            choose_photo(page, astronaut)
            page.locator("#looks button").first.click()
        if tab == "generate":
            page.wait_for_selector("#faces img")
        found = Axe().run(page).response["violations"]
        bad = [
            (one["id"], one["nodes"][0]["html"])
            for one in found
            if one["impact"] in ("serious", "critical")
        ]
        assert bad == [], tab
    context.close()


def test_the_page_works_behind_a_proxy_under_a_path(
    browser: Browser, serving: Serving, astronaut: Path
) -> None:
    access = Access(allowed_hosts=("faces.localhost",), root_path="/tools/faces", token="let-me-in")
    context = browser.new_context(viewport={"width": 1280, "height": 850})
    wrong: list[str] = []
    with (
        serving(access=access) as direct,
        proxied(str(direct.base_url), access.root_path, strip=True, keep_host=True) as address,
    ):
        # Browsers resolve names below localhost to this machine themselves.
        address = address.replace("127.0.0.1", "faces.localhost")
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("response", lambda got: got.ok or wrong.append(f"{got.status} {got.url}"))
        page.goto(f"{address}/#token=let-me-in")
        page.wait_for_selector("html[data-ready]")
        expect(page.locator("#privacy")).to_contain_text("sent to faces.localhost")
        assert page.url == f"{address}/"  # without the token
        choose_photo(page, astronaut)
        start = shown(page)
        slide(page, "Smiling", 8, "ArrowLeft")
        changed(page, start)
        settled(page)
        assert wrong == []
        context.close()


def test_a_page_left_open_for_long_says_so(page: Page, astronaut: Path, address: str) -> None:
    choose_photo(page, astronaut)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    slide(page, "Smiling", 1, "ArrowLeft")
    page.wait_for_timeout(300)
    key = next(url for url in requests if url.endswith("/render")).split("/")[-2]
    assert httpx.delete(f"{address}/api/portraits/{key}").status_code == 204
    slide(page, "Smiling", 3, "ArrowLeft")
    expect(page.locator("#alert")).to_contain_text("open it again")
    assert page.locator("#drop").is_visible()
