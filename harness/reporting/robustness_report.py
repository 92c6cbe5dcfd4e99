"""Everything that leaves the house for one sweep: tables, figures and the list of runs, in one folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from harness.files import write_json
from harness.reporting.figures.robustness import drop_heat_map, severity_curves
from harness.reporting.figures.style import save
from harness.reporting.report import write_table
from harness.reporting.tables.robustness import robustness_tables
from harness.results.sweep.results import SweepResults
from harness.store.runs import Run

FOLDER = "robustness"
"""Below a report's folder."""
MANIFEST = "robustness.json"


def write_robustness_report(results: SweepResults, runs: Sequence[Run], folder: Path, command: str = "") -> list[Path]:
    """Write ``*.{md,csv,tex}``, ``figures/*.{pdf,png}`` and ``robustness.json``; returns the paths, the summary first.

    The manifest says which runs were reported, by which command, and what the page of a suite needs to take the folder
    up as a section: title, mark, order of the tables, captions of the figures.
    """
    tables = list(robustness_tables(results))
    written = [path for table in tables for path in write_table(table, folder)]
    captions = {}
    for name, text, figure in _figures(results):
        written += save(figure, folder / "figures", name)
        captions[name] = text
    content = {
        "name": results.name,
        "title": "Robustness",
        "dataset": results.dataset,
        "mark": results.mark,
        "reference": results.reference,
        "command": command,
        "runs": [run.name for run in runs],
        "tables": [table.name for table in tables],
        "captions": captions,
    }
    write_json(folder / MANIFEST, content)
    return [*written, folder / MANIFEST]


def _figures(results: SweepResults) -> Iterator[tuple[str, str, Figure]]:
    """(file stem, caption, figure), the heat map first."""
    seen = any(arm.seen for arm in results.arms)
    dots = " Dots mark perturbations that the model saw in training." if seen else ""
    dashes = " Dashed: the model saw the perturbation in training." if seen else ""
    heat = f"Dice lost against the clean image, mean over severities, the hardest perturbation on top.{dots}"
    yield "drop_heat_map", heat, drop_heat_map(results)
    for readout in results.measured():
        text = f"{readout.header} by severity (0: clean) with 95 % band over patients.{dashes}"
        yield f"severity_{readout.key}", text, severity_curves(results, readout)
