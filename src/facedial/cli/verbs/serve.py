"""`facedial serve`: the page and the API."""

import secrets

import click

from facedial.cli import options, streams


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
    help="Bearer token of the API; made at random where other machines reach --host and none is given.",
)
@click.option(
    "--allow-host",
    "allowed_hosts",
    metavar="NAME",
    multiple=True,
    help="Host name under which a reverse proxy serves the page; may be given several times.",
)
@click.option(
    "--root-path",
    metavar="PATH",
    default="",
    help="Path under which a reverse proxy serves the page, such as /faces.",
)
@options.MODEL
@options.THREADS
def command(
    host: str,
    port: int,
    token: str | None,
    allowed_hosts: tuple[str, ...],
    root_path: str,
    model: str | None,
    threads: int | None,
) -> None:
    """Serve the page and the API; nothing is written to disk and nothing leaves this machine."""
    from facedial.editor import Editor
    from facedial.server import run
    from facedial.server.access import Access, is_loopback

    loopback = is_loopback(host)
    if token is None and not loopback:
        token = secrets.token_urlsafe(24)
    access = Access(
        token=token, loopback=loopback, allowed_hosts=allowed_hosts, root_path=root_path
    )
    with Editor.open(model, threads=threads) as editor:
        run.serve(editor, host, port, access=access, say=streams.say, warn=streams.warn)
