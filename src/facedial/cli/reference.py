"""The reference pages of all verbs, made from their help: `python -m facedial.cli.reference FOLDER`.

`verbs.md` lists them (`index.md` is the page of the verb `index`).
"""

import sys
from pathlib import Path

import click

from facedial import folder
from facedial.cli.entry import VERBS, facedial


def pages() -> dict[str, str]:
    """File name -> text of each verb's page, and of the list of them."""
    made = {}
    listed = ["# Command line", "", "`facedial VERB`:", "", "| verb | does |", "|---|---|"]
    for name in folder.names(VERBS):
        command: click.Command = folder.load(VERBS, name, "verb").command
        # As the command line makes it: a command keeps the names of its help option once it was asked.
        context = click.Context(
            command,
            parent=click.Context(facedial, info_name="facedial", **facedial.context_settings),
            info_name=name,
            max_content_width=96,
            terminal_width=96,
        )
        made[f"{name}.md"] = f"# facedial {name}\n\n```\n{command.get_help(context)}\n```\n"
        listed.append(f"| [`{name}`]({name}.md) | {command.get_short_help_str(limit=200)} |")
    made["verbs.md"] = "\n".join(listed) + "\n"
    return made


@click.command
@click.argument("target", metavar="FOLDER", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--check", is_flag=True, help="Write nothing; fail when they differ from what is there."
)
def main(target: Path, check: bool) -> None:
    """Write the pages into FOLDER, in place of those that are there."""
    made = pages()
    if check:
        there = {p.name: p.read_text(encoding="utf-8") for p in target.glob("*.md")}
        if there != made:
            changed = sorted(n for n in there.keys() | made.keys() if there.get(n) != made.get(n))
            sys.exit(f"{', '.join(changed)} differ; run: python -m facedial.cli.reference {target}")
        return
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("*.md"):
        old.unlink()
    for name, text in made.items():
        (target / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
