"""echobench compare: one question answered in words."""

from __future__ import annotations

from pathlib import Path

import click

from harness.errors import ConfigError
from harness.reporting.manifest import only_suite, read_suite
from harness.reporting.results import SuiteResults
from harness.reporting.sentences import compare_arms, pair_sentences
from harness.runs import RunStore


@click.command()
@click.argument("first")
@click.argument("second")
@click.option("--suite", help="Report whose models are compared (default: the only one there is).")
@click.option("--structure", help="lv, myo or la (default: the first one scored).")
@click.option("--results-dir", default="results/runs", show_default=True, help="Where runs are kept.")
@click.option("--reports-dir", default="reports", show_default=True, help="Where reports are kept.")
def command(
    first: str, second: str, suite: str | None, structure: str | None, results_dir: str, reports_dir: str
) -> None:
    """Which of two models is better, by how much, how sure, at which cost, and does it matter?

    FIRST and SECOND are models of a suite (labels as in its table) or names of two runs. Example: echobench compare GDKVM XMem
    """
    results = _suite(first, second, suite, Path(reports_dir), Path(results_dir))
    labels = [run.label for run in results.models] if _are_runs(first, second) else [first, second]
    if labels[0].lower() == labels[1].lower():
        raise ConfigError(f"Both names mean {labels[0]}; give two different models.")
    if results.mark:
        click.echo(f"[{results.mark}]")
    for line in pair_sentences(compare_arms(results, labels[0], labels[1], structure)):
        click.echo(line)


def _are_runs(first: str, second: str) -> bool:
    return "/" in first and "/" in second


def _suite(first: str, second: str, suite: str | None, reports_dir: Path, results_dir: Path) -> SuiteResults:
    if _are_runs(first, second):
        store = RunStore(results_dir)
        runs = [store.get(first), store.get(second)]
        if first == second:
            raise ConfigError(f"Both names mean the run {first}; give two different runs.")
        return SuiteResults.from_runs(runs, name="comparison", distinct=True)
    return read_suite(suite or only_suite(reports_dir), reports_dir, results_dir)
