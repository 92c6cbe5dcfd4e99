"""Finished runs on other data, another split or by other metrics: what ``echobench evaluate`` does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.experiments.transfer import EvaluateOptions, Evaluation, evaluate_on
from harness.reporting.tables.table import Table
from harness.reporting.transfer_report import Measured, write_transfer
from harness.results.result_set import shared_structure
from harness.store.runs import Run


@dataclass(frozen=True, kw_only=True, slots=True)
class Transferred:
    """Rows of every run on the data asked for, and the tables made from them and from the runs' own rows."""

    evaluations: list[Evaluation]
    tables: list[Table]
    written: list[Path]


def run_evaluate(
    runs: Sequence[Run], options: EvaluateOptions, folder: Path, progress: bool = True, command: str = ""
) -> Transferred:
    """Measure finished runs and write a report: trained on × tested on, the losses with tests, and every metric.

    Rows that lie in a run's folder already are not measured again. On other data the runs' own test rows stand beside them.

    Args:
        runs: finished, of any datasets.
        options: the data and the metrics.
        folder: of the report.
        progress: show how far it is.
        command: what the report says it was made with.

    Raises:
        ConfigError: data that do not fit a run, nothing is written for it; or runs that share no structure. DataError: see ``evaluate_on``.
    """
    # First, because it refuses: nothing is measured for a table that cannot be made.
    shared_structure(runs)
    evaluations = [evaluate_on(run, options, progress) for run in runs]
    measured = [Measured(run=item.run, what=item.what, rows=item.rows) for item in evaluations]
    tables, written = write_transfer(measured, folder, command)
    return Transferred(evaluations=evaluations, tables=tables, written=written)
