"""`facedial models`: which models are installed, and whether they are intact."""

from pathlib import Path

import click

from facedial.cli import options, streams


@click.command()
@click.argument("action", default="list", metavar="[list|check|card]")
@click.argument("model", required=False)
@options.AS_JSON
def command(action: str, model: str | None, as_json: bool) -> None:
    """List installed models; `check` verifies hashes and reference outputs; `card` prints the card."""
    from facedial.errors import BadBundle
    from facedial.runtime import bundle

    if action not in ("list", "check", "card"):
        raise click.UsageError(f"no action named {action!r}; known: list, check, card")
    rows = []
    names = [model] if model else bundle.installed()
    if not names:
        raise BadBundle("no model is installed; reinstall facedial")
    for name in names:
        with bundle.Bundle.open(name) as opened:
            if action == "card":
                streams.say_text((Path(opened.path) / "CARD.md").read_text(encoding="utf-8"))
                continue
            row = {
                "name": opened.name,
                "space": opened.facts.get("space"),
                "mb": opened.megabytes(),
            }
            row |= {key: opened.facts.get(key) for key in ("licence", "made")}
            if action == "check":
                row["differences"] = opened.prove()
            rows.append(row)
    if as_json:
        streams.say_json(rows)
    elif action != "card":
        for row in rows:
            state = "  hashes and golden outputs agree" if action == "check" else ""
            streams.say(
                f"{row['name']}  {row['space']}  {row['mb']:.1f} MB  {row['licence']}{state}"
            )
