"""The list of runs behind a report, kept beside it so that ``echobench report`` can make it again."""

from __future__ import annotations

from pathlib import Path

from harness.errors import BenchError, unknown
from harness.files import read_json, write_json
from harness.reporting.sections import fingerprint
from harness.results.suite import SuiteResults
from harness.store.runs import RunStore

FILE = "suite.json"


def write_manifest(results: SuiteResults, out_dir: Path) -> Path:
    """Write names of runs, dataset, reference and command as ``suite.json``; returns the path."""
    content = {
        "name": results.name,
        "dataset": results.dataset,
        "reference": results.reference,
        "command": results.command,
        "runs": [run.record.get("name", "") for run in results.models],
        "sections": fingerprint(out_dir, results.dataset),
    }
    path = Path(out_dir) / FILE
    write_json(path, content)
    return path


def report_is_of(results: SuiteResults, out_dir: Path) -> bool:
    """Whether the finished report in a folder was made from these runs and the sections that lie there now."""
    path = Path(out_dir) / FILE
    if not (path.is_file() and (path.parent / "index.html").is_file()):
        return False
    content, runs = read_json(path), [run.record.get("name", "") for run in results.models]
    same = content.get("sections", "") == fingerprint(out_dir, results.dataset)
    return bool(content["runs"] == runs and same)


def read_suite(name: str, reports_dir: Path, results_dir: Path) -> SuiteResults:
    """Read the suite whose report lies in ``reports_dir/name`` afresh from the results store.

    Raises:
        BenchError: no such report, or a run of it is no longer in the store.
    """
    path = Path(reports_dir) / name / FILE
    if not path.is_file():
        raise unknown("report", name, list_suites(reports_dir), str(reports_dir))
    content = read_json(path)
    store = RunStore(results_dir)
    return SuiteResults.from_runs(
        [store.get(run) for run in content["runs"]],
        name=content["name"],
        dataset=content["dataset"],
        reference=content["reference"],
        command=content["command"],
    )


def list_suites(reports_dir: Path) -> list[str]:
    """Names of the reports below a folder."""
    return sorted(path.parent.name for path in Path(reports_dir).glob(f"*/{FILE}"))


def only_suite(reports_dir: Path) -> str:
    """The name of the only report below a folder.

    Raises:
        BenchError: there is none, or more than one.
    """
    names = list_suites(reports_dir)
    if not names:
        raise BenchError(f"There is no report in {reports_dir} yet; `make bench` makes one.")
    if len(names) > 1:
        raise BenchError(f"{reports_dir} holds several reports ({', '.join(names)}); name one of them.")
    return names[0]
