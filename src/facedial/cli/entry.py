"""The group of verbs, loaded lazily, and exit codes."""

import logging
import os
import sys

import click

from facedial import folder
from facedial.cli import streams
from facedial.errors import FacedialError

VERBS = "facedial.cli.verbs"


class Verbs(click.Group):
    """Verbs found in the folder; a verb's module is imported when it is run or its help is shown."""

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
@click.version_option(package_name="facedial", prog_name="facedial")
@click.option("--debug", is_flag=True, help="Show tracebacks and log messages.")
@click.pass_context
def facedial(ctx: click.Context, debug: bool) -> None:
    """Encode faces in photos as 1,024 numbers, edit, morph and generate faces. Offline, on the CPU."""
    streams.show_log(logging.INFO if debug else logging.WARNING)


def main(argv: list[str] | None = None) -> None:
    """Run the command line; exits 0 done, 1 some inputs failed, 2 wrong usage, 130 interrupted."""
    arguments, debug = _debugging(sys.argv[1:] if argv is None else argv)
    try:
        streams.accept_any_text()
        code = facedial.main(
            args=arguments or ["--help"], prog_name="facedial", standalone_mode=False
        )
    except (click.Abort, KeyboardInterrupt):
        streams.warn("interrupted")
        sys.exit(130)
    except BrokenPipeError:
        # The reader left; what Python flushes at its end must find somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except click.ClickException as error:
        streams.warn(_usage(error))
        sys.exit(error.exit_code)
    except Exception as error:
        if debug:
            raise
        streams.warn(streams.sentence(error))
        sys.exit(_exit_code(error))
    sys.exit(code if isinstance(code, int) else 0)


def _debugging(arguments: list[str]) -> tuple[list[str], bool]:
    """Arguments with `--debug` in front wherever it stood: people add it at the end."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    if "--debug" not in arguments[:end]:
        return arguments, False
    others = [word for word in arguments[:end] if word != "--debug"]
    return ["--debug", *others, *arguments[end:]], True


def _usage(error: click.ClickException) -> str:
    """Click's message in one line; of wrong usage with the help that explains it."""
    message = " ".join(error.format_message().split()).rstrip(".")
    if not isinstance(error, click.UsageError):
        return message
    return f"{message}; see {error.ctx.command_path if error.ctx else 'facedial'} --help"


def _exit_code(error: Exception) -> int:
    if isinstance(error, FacedialError):
        return error.exit_code
    return 2 if isinstance(error, ImportError) else 1
