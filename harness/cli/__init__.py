"""The command line: one file per verb, found by name; every module here that has a ``command`` is a verb.

Modules of verbs import nothing heavy: help and shell completion load all of them and must answer at once. What a
verb needs is imported in its function (tests/cli/test_light.py counts).
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import signal
import sys
import tempfile
import traceback

import click

from harness import __version__
from harness.allocator import keep_freed_memory
from harness.cli._group import PlainGroup
from harness.errors import ConfigError, explained, nearest, unmasked, without_secrets
from harness.threads import wait_asleep

UNEXPECTED = 70
"""Exit code of a mistake of this program (EX_SOFTWARE of sysexits.h); expected failures have 1 to 3, Ctrl-C 130."""


class Verbs(PlainGroup):
    """A group that imports a verb's module only when the verb is asked for."""

    title = "Verbs"

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all verbs, from the names of the modules alone: none is imported."""
        names = (module.name for module in pkgutil.iter_modules(__path__))
        return sorted(name.replace("_", "-") for name in names if not name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one verb's module and return its command; None for an unknown name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"{__name__}.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, with the nearest verb in the error about an unknown one."""
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            ctx.fail(f"There is no verb '{args[0]}'.{nearest(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="echobench")
@click.pass_context
def cli(context: click.Context) -> None:
    """Train, measure and compare echocardiography video segmentation models on identical pipelines."""
    # Each rank would do all of it and write it to the same place; the library's training alone knows ranks.
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(
            f"echobench {context.invoked_subcommand} is not started with torchrun: start the same command several times, or "
            "with --workers, and each process takes work that is free (docs/scale.md)."
        )


def main(arguments: list[str] | None = None) -> None:
    """Entry point: every expected failure ends as one sentence on stderr and an exit code that is not 0."""
    keep_freed_memory()
    wait_asleep()
    try:
        code = cli.main(arguments, prog_name="echobench", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # Whoever read our output (head, less) has gone: no word, and none at exit about the same pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except (Exception, KeyboardInterrupt) as error:
        _fail(*told(error))
    else:
        sys.exit(code if isinstance(code, int) else 0)


def told(error: BaseException) -> tuple[str, int]:
    """The sentence and the exit code of whatever ended a verb; an unexpected error leaves its traceback in a file."""
    happened = unmasked(error)
    if isinstance(happened, KeyboardInterrupt | click.Abort):
        return "Stopped by Ctrl-C; what is finished is kept, the same command takes up the rest.", 130
    expected = explained(happened)
    if expected is not None:
        return without_secrets(str(expected)), expected.exit_code
    reason = without_secrets((str(error).splitlines() or [""])[0])
    return (
        f"A mistake of echobench itself ({type(error).__name__}: {reason}); its traceback is in {_traceback(error)}, "
        "please report it with that file.",
        UNEXPECTED,
    )


def _traceback(error: BaseException) -> str:
    """Write the traceback into a private file of the system's temporary folder; returns its path."""
    try:
        descriptor, path = tempfile.mkstemp(prefix="echobench-traceback-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as stream:
            stream.writelines(map(without_secrets, traceback.format_exception(error)))
    except OSError:
        traceback.print_exception(error)
        return "the lines above (no file could be written)"
    return path


def _fail(sentence: str, code: int) -> None:
    click.echo(f"echobench: {sentence}", err=True)
    sys.exit(code)
