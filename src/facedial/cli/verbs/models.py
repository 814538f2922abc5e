"""`facedial models`: what is installed, and whether it is whole."""

from pathlib import Path

import click

from facedial.cli.batch import AS_JSON


@click.command()
@click.argument("action", default="list", metavar="[list|check|card]")
@click.argument("model", required=False)
@AS_JSON
def command(action: str, model: str | None, as_json: bool) -> None:
    """List installed models; `check` verifies hashes and golden numbers; `card` prints a card."""
    import json

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
                click.echo((Path(opened.path) / "CARD.md").read_text())
                continue
            row = {"name": opened.name, "space": opened.space, "mb": opened.megabytes()}
            row |= {key: opened.facts.get(key) for key in ("licence", "made")}
            if action == "check":
                row["differences"] = opened.prove()
            rows.append(row)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    elif action != "card":
        for row in rows:
            state = "  whole, golden numbers agree" if action == "check" else ""
            click.echo(
                f"{row['name']}  {row['space']}  {row['mb']:.1f} MB  {row['licence']}{state}"
            )
