"""Documents name files that exist, and every page can be found from the others."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    links = LINK.findall(document.read_text())
    lost = [link for link in links if not (document.parent / link).exists()]
    assert not lost


def test_pages_link_to_pages_of_the_site_alone() -> None:
    """Elsewhere a link would work on a code host, but not in the built site."""
    out = {
        (str(page.relative_to(ROOT)), link)
        for page in DOCUMENTS
        if page.is_relative_to(ROOT / "docs")
        for link in LINK.findall(page.read_text())
        if not (page.parent / link).resolve().is_relative_to(ROOT / "docs")
        or (page.parent / link).is_dir()
    }
    assert not out


def test_every_page_is_in_the_navigation_or_listed_by_its_folder() -> None:
    settings = (ROOT / "mkdocs.yml").read_text()
    navigation = re.findall(r"[ :]([\w./-]+\.md)$", settings.partition("\nnav:")[2], re.M)
    assert len(navigation) == len(set(navigation))
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    lists = [page for page in navigation if page.endswith("/README.md")]
    listed = {
        f"{Path(page).parent}/{link}"
        for page in lists
        for link in LINK.findall((ROOT / "docs" / page).read_text())
    }
    assert set(navigation) <= pages
    assert pages == pages & ({*navigation} | listed)
    for folder in {str(Path(page).parent) for page in lists}:  # the list of each is whole
        assert {p for p in pages if p.startswith(f"{folder}/")} - listed == {f"{folder}/README.md"}


def test_decisions_are_listed_by_their_titles() -> None:
    for folder in ("decisions", "experiments"):
        text = (ROOT / "docs" / folder / "README.md").read_text()
        for title, name in re.findall(r"^\* \[(.*)\]\((.*)\)$", text, re.M):
            first = (ROOT / "docs" / folder / name).read_text().partition("\n")[0]
            assert first == f"# {title}"


def test_laws_name_tests_that_exist() -> None:
    known = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    named = set(re.findall(r"test_\w+\.py", (ROOT / "docs/laws.md").read_text()))
    assert named and named <= known
