"""Copying the small part of results to a folder that can be committed and reported from again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.errors import BenchError
from harness.files import write_bytes, write_json
from harness.results.result_set import ResultSet
from harness.results.run_results import RunResults
from harness.results.study import archive_study
from harness.store.formats.cases import CASES
from harness.store.formats.profile import PROFILE
from harness.store.formats.record import FILE as RECORD
from harness.store.formats.sweep import PATIENTS
from harness.store.formats.table import PACKED

DIGITS = 7
"""Significant digits of exported case rows: more than any table prints, at half the bytes of full precision."""
_NAMED = 3  # how many of the runs that stand in the way an error lists


def export(results: ResultSet, folder: Path, *, mixed: bool = False) -> list[Path]:
    """Copy what a report needs below ``folder``; returns the paths.

    A suite's runs travel with record, rows (compressed) and profile, swept runs with record and table of patients, both in the
    layout of a results store; a study becomes an archive of four files. Checkpoints, logs and pictures of patients stay.

    Args:
        results: finished runs.
        folder: a results store of its own, one per report.
        mixed: take runs with uncommitted changes or of several commits; every page then names them.

    Raises:
        BenchError: a run is not finished, or the runs are not of one clean commit.
    """
    if not mixed:
        check_commit(results)
    if results.design is not None:
        return archive_study(results, folder)
    for run in results.runs:
        if not run.finished or run.folder is None:
            raise BenchError(f"The run {run.name} is {run.status}; only finished runs are exported.")
    return [path for run in results.runs for path in _copy(run, Path(folder) / run.name)]


def check_commit(results: ResultSet) -> None:
    """See to it that all runs come from one commit without uncommitted changes.

    Raises:
        BenchError: they do not, or their commit is not known; says which, and what may be done.
    """
    codes = {run.name: _code(run.record) for run in results.runs if run.finished}
    dirty = [name for name, (_, changed) in codes.items() if changed]
    unknown = [name for name, (commit, _) in codes.items() if commit is None]
    commits = sorted({commit[:10] for commit, _ in codes.values() if commit is not None})
    advice = "make them again from one clean commit (--retrain), or export them all the same with --mixed"
    if dirty:
        raise BenchError(f"Of {results.name}, {_listed(dirty)} ran with uncommitted changes; {advice}.")
    if unknown:
        raise BenchError(f"Of {results.name}, {_listed(unknown)} ran outside of a git checkout; {advice}.")
    if len(commits) > 1:
        raise BenchError(
            f"The runs of {results.name} come from {len(commits)} commits ({', '.join(commits)}); {advice}."
        )


def _code(record: dict[str, Any]) -> tuple[str | None, bool]:
    code = record.get("code") or {}
    return code.get("commit"), bool(code.get("dirty"))


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _copy(run: RunResults, target: Path) -> list[Path]:
    write_json(target / RECORD, run.record)
    if run.swept is not None:
        PATIENTS.write(run.swept, target / PATIENTS.file)
        return [target / PATIENTS.file, target / RECORD]
    written = [target / RECORD]
    if CASES.stored(run.folder or target) is not None:
        # Every frame of whole sequences has its rows: plain text of a suite would be tens of megabytes.
        written.append(target / (CASES.file + PACKED))
        CASES.write(run.rows, written[-1], DIGITS)
        (target / CASES.file).unlink(missing_ok=True)
    profile = PROFILE.stored(run.folder or target)
    if profile is not None:
        written.append(target / PROFILE.file)
        write_bytes(written[-1], profile.read_bytes())
    return written
