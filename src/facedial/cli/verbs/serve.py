"""`facedial serve`: the page and the API."""

import secrets

import click

from facedial.cli import options, streams

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=8080,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port; 0 takes a free one.",
)
@click.option(
    "--token",
    envvar="FACEDIAL_TOKEN",
    show_envvar=True,
    help="What the API asks for; made anew where --host is not this machine alone and none is given.",
)
@options.MODEL
@options.THREADS
def command(
    host: str, port: int, token: str | None, model: str | None, threads: int | None
) -> None:
    """Serve the page and the API; nothing is written to disk and nothing leaves this machine."""
    from facedial.editor import Editor
    from facedial.server import run

    alone = host in LOOPBACK
    if token is None and not alone:
        token = secrets.token_urlsafe(24)
    with Editor.open(model, threads=threads) as editor:
        run.serve(editor, host, port, token=token, alone=alone, say=streams.say)
