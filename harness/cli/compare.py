"""echobench compare: one question answered in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from harness.cli._complete import Named, words
from harness.cli._options import REPORT

if TYPE_CHECKING:
    from harness.api.comparing import Compared


@click.command()
@click.argument("first")
@click.argument("second")
@click.option("--report", type=REPORT, help="Report whose models are compared (default: the only one there is).")
@click.option(
    "--structure", type=Named(words("lv", "myo", "la")), help="lv, myo or la (default: the first one scored)."
)
@click.option("--format", "kind", type=click.Choice(["text", "md", "json"]), default="text", show_default=True)
@click.option("--results-dir", default="results/runs", show_default=True, help="Where runs are kept.")
@click.option("--reports-dir", default="reports", show_default=True, help="Where reports are kept.")
def command(
    first: str, second: str, report: str | None, structure: str | None, kind: str, results_dir: str, reports_dir: str
) -> None:
    """Which of two models is better, by how much, how sure, at which cost, and does it matter?

    FIRST and SECOND are models of a report (labels as in its table) or names of two runs. Example: echobench compare GDKVM XMem
    """
    import harness

    found = harness.compare(first, second, report=report, structure=structure, results=results_dir, reports=reports_dir)
    click.echo({"text": lambda: str(found), "md": lambda: _markdown(found), "json": lambda: _json(found)}[kind]())


def _markdown(compared: Compared) -> str:
    from harness.reporting.render.text import escape_markdown

    head = f"### {escape_markdown(f'{compared.first} against {compared.second}')}\n"
    mark = [f"**{escape_markdown(compared.mark)}**\n"] if compared.mark else []
    return "\n".join([head, *mark, *(f"- {escape_markdown(line)}" for line in compared.sentences)])


def _json(compared: Compared) -> str:
    content = {"dataset": compared.dataset, "mark": compared.mark, "sentences": compared.sentences, **compared.figures}
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
