"""Copying the small part of a suite's runs to a folder that can be committed and reported from again."""

from __future__ import annotations

from pathlib import Path

from harness.errors import BenchError
from harness.files import write_bytes
from harness.results.suite import SuiteResults

FILES = ("run.json", "cases.csv", "profile.csv")
"""What travels: identity, condition and rows. Checkpoints, logs and pictures of patients stay where they are."""


def export_runs(results: SuiteResults, out_dir: Path) -> list[Path]:
    """Copy ``FILES`` of every finished run below ``out_dir``, in the layout of a results store; returns the paths.

    Raises:
        BenchError: a run of the suite is not finished.
    """
    written = []
    for model in results.models:
        if not model.finished or model.folder is None:
            raise BenchError(
                f"The run {model.record.get('name')} is {model.status}; only finished suites are exported."
            )
        for name in FILES:
            source = model.folder / name
            if source.is_file():
                target = Path(out_dir) / model.record["name"] / name
                write_bytes(target, source.read_bytes())
                written.append(target)
    return written
