"""The verbs and options that scripts and papers depend on. Whoever changes one changes ``verbs.txt`` in the same commit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from harness.cli import cli

FROZEN = Path(__file__).with_name("verbs.txt")


def lines(command: click.Command, path: str) -> Iterator[str]:
    """``echobench bench: --allow-partial --clip ...``, one line per command; arguments stand in capitals, in their order."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from lines(inner, f"{path} {name}")
        return
    arguments = [
        str(one.make_metavar(click.Context(command))) for one in command.params if isinstance(one, click.Argument)
    ]
    options = [one.opts[0] for one in command.params if isinstance(one, click.Option)]
    yield f"{path}: {' '.join([*arguments, *sorted(options)])}".rstrip()


def test_the_command_line_is_the_one_that_was_agreed() -> None:
    assert list(lines(cli, "echobench")) == FROZEN.read_text(encoding="utf-8").splitlines()


def test_one_word_means_one_thing() -> None:
    """docs/glossary.md: no second spelling of a report, a suite's config or a study."""
    given_up = {"--name", "--suite-name", "--again", "--frames"}
    words = {word for line in FROZEN.read_text(encoding="utf-8").splitlines() for word in line.split()}
    assert not words & given_up
    assert {"--suite", "--report", "--runs", "--study-name"} <= words
