"""Finished runs on other data, another split or by other metrics: what ``echobench evaluate`` does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.evaluation.metrics import DEFAULT_METRICS
from harness.experiments.transfer import EvaluateOptions, Evaluation, evaluate_on
from harness.reporting.tables.stored import write_table
from harness.reporting.tables.table import Table
from harness.reporting.tables.transfer import transfer_tables
from harness.results.result_set import shared_structure
from harness.results.transfer import Rows, tested_arms
from harness.store.runs import Run


@dataclass(frozen=True, kw_only=True, slots=True)
class Transferred:
    """Rows of every run on the data asked for, and the tables made from them and from the runs' own rows."""

    evaluations: list[Evaluation]
    tables: list[Table]
    written: list[Path]


def run_evaluate(runs: Sequence[Run], options: EvaluateOptions, folder: Path, progress: bool = True) -> Transferred:
    """Measure finished runs and write tables: trained on × tested on, the losses with tests, and every metric.

    Rows that lie in a run's folder already are not measured again. On other data the runs' own test rows stand beside them.

    Args:
        runs: finished, of any datasets.
        options: the data and the metrics.
        folder: of the tables.
        progress: show how far it is.

    Raises:
        ConfigError: data that do not fit a run, nothing is written for it; or runs that share no structure. DataError: see ``evaluate_on``.
    """
    # First, because it refuses: nothing is measured for a table that cannot be made.
    structure = shared_structure(runs)
    evaluations = [evaluate_on(run, options, progress) for run in runs]
    rows: list[Rows] = [] if options.dataset is None else [(run, None, run.rows()) for run in runs]
    # The home rows once: as the run has them, not measured a second time.
    rows += [(e.run, e.what, e.rows) for e in evaluations if options.dataset is None or not _same(e)]
    tables = transfer_tables(tested_arms(rows), structure=structure)
    return Transferred(
        evaluations=evaluations,
        tables=tables,
        written=[path for table in tables for path in write_table(table, folder)],
    )


def _same(evaluation: Evaluation) -> bool:
    """Whether these are the patients that the run was tested on: its own rows are those."""
    what = evaluation.what
    return evaluation.home and what.split == "test" and not what.all_frames and what.metrics == DEFAULT_METRICS
