"""The commands of the documentation's pages, as they are printed there."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
# Pages whose examples are for use: the tutorial, the how-tos, and two that show commands too.
PAGES = (
    "tutorial.md",
    "index.md",
    "fd-format.md",
    "faces.md",
    *sorted(f"how-to/{path.name}" for path in (DOCS / "how-to").glob("*.md")),
)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.M | re.S)


@dataclass(frozen=True)
class Command:
    """One `$` line: its words without comment, the file its output goes into, and what it prints."""

    page: str
    text: str
    words: tuple[str, ...]
    into: str | None
    printed: tuple[str, ...]

    @property
    def verb(self) -> str | None:
        """The verb, if it is a plain call of facedial."""
        return self.words[1] if self.words[0] == "facedial" else None


def blocks(page: str, language: str) -> list[str]:
    """Texts of a page's fenced blocks of that language."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return [block for kind, block in BLOCK.findall(text) if kind == language]


def commands(page: str) -> Iterator[Command]:
    """Every command of a page's console blocks; those joined by `&&` are each one."""
    for block in blocks(page, "console"):
        for part in re.split(r"^\$ ", block.replace("\\\n", " "), flags=re.M)[1:]:
            line, *printed = part.splitlines()
            yield from _split(page, line, tuple(printed))


def _split(page: str, line: str, printed: tuple[str, ...]) -> Iterator[Command]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&>|")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, "&&"]:
        if word != "&&":
            words.append(word)
            continue
        into = None
        if len(words) > 2 and words[-2] == ">":
            *words, _, into = words
        yield Command(page, line, tuple(words), into, printed)
        words = []
