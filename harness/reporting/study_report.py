"""Everything a study leaves behind, written to one folder and shown on the terminal."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console

from harness.files import write_text
from harness.reporting.figures.study import all_figures
from harness.reporting.figures.style import save
from harness.reporting.render.terminal import print_table
from harness.reporting.report import write_table
from harness.reporting.tables.study import all_tables
from harness.results.study.results import StudyResults


def write_study(results: StudyResults, out_dir: Path) -> list[Path]:
    """Write all tables (``*.{md,csv,tex}``), ``figures/*.{pdf,png}``, ``all_trials.csv`` and ``study.json``.

    ``study.json`` is what a suite's report of the same dataset finds the study by.

    Returns:
        The paths written.
    """
    tables = all_tables(results)
    written = [path for table in tables for path in write_table(table, out_dir)]
    captions = {}
    for name, figure, caption in all_figures(results):
        written += save(figure, out_dir / "figures", name)
        captions[name] = caption
    write_text(out_dir / "all_trials.csv", results.trials().to_csv(index=False))
    content = {
        "title": f"Ablation study: {results.suite.name}",
        "study": results.definition.name,
        "command": results.command,
        "dataset": results.suite.dataset,
        "mark": results.suite.mark,
        "tables": [table.name for table in tables],
        "captions": captions,
        "runs": [run.record.get("name") for run in results.suite.models],
    }
    write_text(out_dir / "study.json", json.dumps(content, indent=2) + "\n")  # not sorted: figures in their order
    return [*written, out_dir / "all_trials.csv", out_dir / "study.json"]


def print_study(results: StudyResults, console: Console | None = None) -> None:
    """Show the main table, the effects on Dice and the importances."""
    console = console or Console()
    for table in all_tables(results):
        if table.name in ("ablation", "trials", "effects_dice", "importance"):
            print_table(table, console)
