"""Groups whose help shows the whole first sentence of every command."""

from __future__ import annotations

import click


class PlainGroup(click.Group):
    """A group of commands; click alone cuts their sentences at the width of the terminal."""

    title = "Commands"

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write every command with its first sentence."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, command.get_short_help_str(limit=1000)) for name, command in commands if command is not None]
        with formatter.section(self.title):
            formatter.write_dl(rows)
