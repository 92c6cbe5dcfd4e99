"""echobench compare: one question answered in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli._complete import Named, words
from harness.cli._options import REPORT
from harness.errors import ConfigError

if TYPE_CHECKING:
    from harness.results.pair import PairReport
    from harness.results.result_set import ResultSet


@click.command()
@click.argument("first")
@click.argument("second")
@click.option("--suite", type=REPORT, help="Report whose models are compared (default: the only one there is).")
@click.option(
    "--structure", type=Named(words("lv", "myo", "la")), help="lv, myo or la (default: the first one scored)."
)
@click.option("--format", "kind", type=click.Choice(["text", "md", "json"]), default="text", show_default=True)
@click.option("--results-dir", default="results/runs", show_default=True, help="Where runs are kept.")
@click.option("--reports-dir", default="reports", show_default=True, help="Where reports are kept.")
def command(
    first: str, second: str, suite: str | None, structure: str | None, kind: str, results_dir: str, reports_dir: str
) -> None:
    """Which of two models is better, by how much, how sure, at which cost, and does it matter?

    FIRST and SECOND are models of a suite (labels as in its table) or names of two runs. Example: echobench compare GDKVM XMem
    """
    from harness.results.pair import compare_arms

    results, labels = _chosen(first, second, suite, Path(reports_dir), Path(results_dir))
    pair = compare_arms(results, labels[0], labels[1], structure)
    click.echo({"text": _text, "md": _markdown, "json": _json}[kind](results, pair))


def _text(results: ResultSet, pair: PairReport) -> str:
    from harness.reporting.page.sentences import pair_sentences

    return "\n".join([*([f"[{results.mark}]"] if results.mark else []), *pair_sentences(pair)])


def _markdown(results: ResultSet, pair: PairReport) -> str:
    from harness.reporting.page.sentences import pair_sentences
    from harness.reporting.render.text import escape_markdown

    head = f"### {escape_markdown(f'{pair.first.label} against {pair.second.label}')}\n"
    mark = [f"**{escape_markdown(results.mark)}**\n"] if results.mark else []
    return "\n".join([head, *mark, *(f"- {escape_markdown(line)}" for line in pair_sentences(pair))])


def _json(results: ResultSet, pair: PairReport) -> str:
    from harness.reporting.page.sentences import pair_sentences

    content = {"dataset": results.dataset, "mark": results.mark, "sentences": pair_sentences(pair), **pair.record()}
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)


def _chosen(
    first: str, second: str, suite: str | None, reports_dir: Path, results_dir: Path
) -> tuple[ResultSet, list[str]]:
    """The results that hold both models, and their labels in it.

    Raises:
        ConfigError: a run and a model are mixed, one run is given twice, or the runs are of different datasets.
    """
    from harness.reporting.manifest import only_suite, read_suite
    from harness.results.suite import suite_results
    from harness.store.runs import RunStore

    runs = ["/" in name for name in (first, second)]
    if all(runs):
        if first.strip("/") == second.strip("/"):
            raise ConfigError(f"Both names mean the run {first}; give two different runs.")
        store = RunStore(results_dir)
        opened = [store.get(name.strip("/")) for name in (first, second)]
        datasets = [run.spec.data["dataset"] for run in opened]
        if datasets[0] != datasets[1]:
            raise ConfigError(
                f"The runs were measured on different data, {' and '.join(datasets)}; only runs on the same cases can be compared."
            )
        results = suite_results(opened, name="comparison", distinct=True)
        return results, [run.label for run in results.runs]
    if any(runs):
        raise ConfigError("Give two models of a suite or two runs of the store, not one of each.")
    return read_suite(suite or only_suite(reports_dir), reports_dir, results_dir), [first, second]
