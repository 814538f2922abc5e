"""The group of verbs, loaded lazily, and the one place where errors become sentences."""

import logging
import os
import sys

import click

from facedial import __version__, folder
from facedial.errors import FacedialError

VERBS = "facedial.cli.verbs"
EXTRAS = {
    "pillow_heif": "facedial[heic]",
    "imageio_ffmpeg": "facedial[video]",
    "fastapi": "facedial[serve]",
    "uvicorn": "facedial[serve]",
    "prometheus_client": "facedial[serve]",
    "starlette": "facedial[serve]",
}
CORE = {"numpy", "PIL", "onnxruntime", "dlib", "rich"}


class Verbs(click.Group):
    """Verbs found in the folder; a verb's module is imported when it is called or its help is asked."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all verbs, sorted."""
        return folder.names(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's command, or None when there is no such verb."""
        if cmd_name not in folder.names(VERBS):
            return None
        command: click.Command = folder.load(VERBS, cmd_name, "verb").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with the nearest verb suggested."""
        known = folder.names(VERBS)
        if args and not args[0].startswith("-") and args[0] not in known:
            raise click.UsageError(folder.nearest(args[0], known, "verb"), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List verbs with their one-line summaries; the verbs are light to import."""
        rows = []
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            rows.append((name, command.get_short_help_str(100) if command else ""))
        with formatter.section("Verbs"):
            formatter.write_dl(rows)


@click.group(
    cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120}
)
@click.version_option(__version__, prog_name="facedial")
@click.option("--debug", is_flag=True, help="Show tracebacks and log messages.")
@click.pass_context
def facedial(ctx: click.Context, debug: bool) -> None:
    """Photos of faces in, 1,024 numbers, changed and new faces out. Offline, on your computer."""
    logging.basicConfig(
        level=logging.INFO if debug else logging.WARNING, format="%(name)s: %(message)s"
    )


def main(argv: list[str] | None = None) -> None:
    """Run the command line; exits 0 done, 1 some inputs failed, 2 wrong usage, 130 interrupted."""
    arguments, debug = _debugging(sys.argv[1:] if argv is None else argv)
    try:
        code = facedial.main(
            args=arguments or ["--help"], prog_name="facedial", standalone_mode=False
        )
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted")
        sys.exit(130)
    except BrokenPipeError:
        # The reader left; what Python flushes at its end must find somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except click.ClickException as error:
        _say(_usage(error))
        sys.exit(error.exit_code)
    except Exception as error:
        if debug:
            raise
        _say(_sentence(error))
        sys.exit(_exit_code(error))
    sys.exit(code if isinstance(code, int) else 0)


def _debugging(arguments: list[str]) -> tuple[list[str], bool]:
    """Arguments with `--debug` in front wherever it stood: people add it at the end."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    if "--debug" not in arguments[:end]:
        return arguments, False
    others = [word for word in arguments[:end] if word != "--debug"]
    return ["--debug", *others, *arguments[end:]], True


def _say(sentence: str) -> None:
    click.echo(f"facedial: {sentence}", err=True)


def _usage(error: click.ClickException) -> str:
    """Click's message in one line, with the help that explains it."""
    message = " ".join(error.format_message().split()).rstrip(".")
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    return f"{message}; see {ctx.command_path if ctx else 'facedial'} --help"


def _sentence(error: Exception) -> str:
    """What happened and what to do, in one line."""
    if isinstance(error, FacedialError):
        return str(error)
    if isinstance(error, ImportError):
        package = (error.name or str(error)).partition(".")[0]
        source = "facedial" if package in CORE else EXTRAS.get(package, "facedial[train]")
        return f"this needs {package}, which is not installed; run: pip install '{source}'"
    if isinstance(error, OSError):
        parts = [error.strerror or str(error) or type(error).__name__, error.filename]
        return ": ".join(str(part) for part in parts if part is not None)
    if isinstance(error, MemoryError):
        return "out of memory; give fewer or smaller pictures at once"
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return f"this is a fault of facedial ({what}); --debug shows where, please report it"


def _exit_code(error: Exception) -> int:
    if isinstance(error, FacedialError):
        return error.exit_code
    return 2 if isinstance(error, ImportError) else 1
