"""Copying the small part of results to a folder that can be committed and reported from again."""

from __future__ import annotations

from pathlib import Path

from harness.errors import BenchError
from harness.files import write_bytes, write_json
from harness.results.result_set import ResultSet
from harness.results.study import archive_study
from harness.store.formats.cases import CASES
from harness.store.formats.profile import PROFILE
from harness.store.formats.record import FILE as RECORD
from harness.store.formats.sweep import PATIENTS

TRAVELLING = (RECORD, CASES.file, PROFILE.file)
"""Identity, condition and rows. Checkpoints, logs and pictures of patients stay where they are."""


def export(results: ResultSet, folder: Path) -> list[Path]:
    """Copy what a report needs below ``folder``; returns the paths.

    A suite's runs travel with record, rows and profile, swept runs with record and table of patients, both in the layout of a
    results store; a study becomes an archive of four files.

    Raises:
        BenchError: a run is not finished.
    """
    if results.design is not None:
        return archive_study(results, folder)
    for run in results.runs:
        if not run.finished or run.folder is None:
            raise BenchError(f"The run {run.name} is {run.status}; only finished runs are exported.")
    written: list[Path] = []
    for run in results.runs:
        target = Path(folder) / run.name
        if run.swept is not None:
            PATIENTS.write(run.swept, target / PATIENTS.file)
            write_json(target / RECORD, run.record)
            written += [target / PATIENTS.file, target / RECORD]
            continue
        for name in TRAVELLING:
            source = (run.folder or target) / name
            if source.is_file():
                write_bytes(target / name, source.read_bytes())
                written.append(target / name)
    return written
