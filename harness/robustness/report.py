"""Everything that leaves the house for one sweep: tables, figures and the list of runs, in one folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.files import write_json
from harness.reporting.report import write_table
from harness.reporting.style import save
from harness.robustness.figures import drop_heat_map, severity_curves
from harness.robustness.results import SweepResults
from harness.robustness.tables import robustness_tables
from harness.runs import Run

FOLDER = "robustness"
"""Below a report's folder."""
MANIFEST = "robustness.json"


def write_robustness_report(results: SweepResults, runs: Sequence[Run], folder: Path, command: str = "") -> list[Path]:
    """Write ``*.{md,csv,tex}``, ``figures/*.{pdf,png}`` and ``robustness.json``; returns the paths, the summary first."""
    written = [path for table in robustness_tables(results) for path in write_table(table, folder)]
    for readout in results.measured():
        written += save(severity_curves(results, readout), folder / "figures", f"severity_{readout.key}")
    written += save(drop_heat_map(results), folder / "figures", "drop_heat_map")
    content = {
        "name": results.name,
        "dataset": results.dataset,
        "reference": results.reference,
        "command": command,
        "runs": [run.name for run in runs],
    }
    write_json(folder / MANIFEST, content)
    return [*written, folder / MANIFEST]
