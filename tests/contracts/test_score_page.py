"""docs/score.md: the commands of the page exist with these options, and its table of refusals is what happens."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from harness.cli import cli

PAGES = ("evaluate.md", "nnunet.md", "add-a-metric.md")
DOCS = Path(__file__).resolve().parents[2] / "docs"


def commands() -> list[str]:
    """Every echobench command in a block of shell on these pages, comments cut off."""
    found = []
    for page in PAGES:
        for block in re.findall(r"```sh\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), flags=re.DOTALL):
            lines = (part.strip() for line in block.splitlines() for part in line.partition("#")[0].split(";"))
            found += [line for line in lines if line.startswith("echobench ")]
    return found


@pytest.mark.parametrize("line", commands())
def test_a_command_of_the_page_is_one_that_the_command_line_takes(line: str) -> None:
    words = [word for word in shlex.split(line)[1:] if word != "..."]
    command: click.Command = cli
    context = click.Context(cli)
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, line
        command, words = found, words[1:]
        context = click.Context(command, parent=context)
    command.parse_args(context, words)  # raises for an unknown option or a missing argument


def test_the_pages_have_commands() -> None:
    assert len(commands()) >= 10
