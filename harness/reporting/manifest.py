"""Reports by name: what each was made from, so that ``echobench report`` and ``export`` can read it afresh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from harness.errors import BenchError, unknown
from harness.files import sha256_file
from harness.reporting.sections import fingerprint
from harness.reporting.tables.stored import SUFFIXES
from harness.results.condition import condition_of, finished_runs
from harness.results.groups import GROUPS, read_groups
from harness.results.passing import passing_results
from harness.results.result_set import ResultSet
from harness.results.run_results import RunResults
from harness.results.study import archived_study, stored_study, write_design
from harness.results.suite import suite_results
from harness.results.sweep import sweep_results
from harness.statistics.margins import Criteria
from harness.store.formats.archive import is_archive
from harness.store.formats.cases import CASES
from harness.store.formats.manifest import KINDS, Kind, Manifest, find_manifest
from harness.store.formats.profile import PROFILE
from harness.store.formats.record import FILE as RECORD
from harness.store.formats.sweep import PATIENTS
from harness.store.runs import RunStore

ROBUSTNESS_FOLDER = "robustness"
"""Where the report of a sweep lies below a report's folder."""
ROW_FORMATS = (CASES, PROFILE, PATIENTS)
"""Files of a run that tables are made from."""
_HEADINGS = {"suite": "", "robustness": "Robustness", "study": "Ablation study: {name}"}


def kind_of(results: ResultSet) -> Kind:
    """Which kind of report results make."""
    return "study" if results.design is not None else "robustness" if results.perturbations else "suite"


def write_manifest(
    results: ResultSet, folder: Path, tables: tuple[str, ...] = (), captions: Mapping[str, str] | None = None
) -> Path:
    """Write what a report is made from, its design too where it is a study's; returns the manifest's path."""
    kind = kind_of(results)
    if results.design is not None and any(run.folder is not None for run in results.runs):
        write_design(results, folder)  # an archive has it already
    return Manifest(
        kind=kind,
        name=results.name,
        title=_HEADINGS[kind].format(name=results.name)
        if results.window is None
        else f"Faults passing in {results.window} frames",
        dataset=results.dataset,
        mark=results.mark,
        reference=results.reference,
        command=results.command,
        runs=(*(run.name for run in results.runs), *results.left_out),
        accepted={run.name: _acceptance(run) for run in results.runs if run.accepted},
        tables=tables,
        captions=dict(captions or {}),
        sections=fingerprint(folder, results.dataset) if kind == "suite" else "",
        condition=results.condition,
        criteria=results.criteria.record(),
        hashes=_hashes(results, Path(folder), tables),
    ).write(folder)


def _hashes(results: ResultSet, folder: Path, tables: tuple[str, ...]) -> dict[str, str]:
    made_from = {
        f"{run.name}/{path.name}": path
        for run in results.runs
        if run.folder is not None
        for path in (form.stored(run.folder) for form in ROW_FORMATS)
        if path is not None
    }
    # By suffix: a sweep's table `robustness` must not take the manifest robustness.json, which holds this very hash.
    paths = [folder / f"{table}{suffix}" for table in tables for suffix in SUFFIXES]
    made = {path.name: path for path in paths if path.is_file()}
    return {name: sha256_file(path) for name, path in {**made_from, **made}.items()}


def _acceptance(run: RunResults) -> dict[str, str]:
    return {"mark": str(run.accepted), "code": str(run.spec["code"])}


def report_is_of(results: ResultSet, out_dir: Path) -> bool:
    """Whether the finished report in a folder was made from these runs and the sections that lie there now."""
    manifest = find_manifest(out_dir, "suite")
    if manifest is None or not manifest.tables:
        return False
    runs = tuple(run.name for run in results.runs)
    same = manifest.runs == runs and Criteria.read(manifest.criteria) == results.criteria
    return same and manifest.sections == fingerprint(out_dir, results.dataset)


def read_suite(name: str, reports_dir: Path, results_dir: Path) -> ResultSet:
    """Read the suite whose report lies in ``reports_dir/name`` afresh from the results store.

    Raises:
        BenchError: no such report, or a run of it is no longer in the store.
    """
    manifest = find_manifest(Path(reports_dir) / name, "suite")
    if manifest is None:
        raise unknown("report", name, list_reports(reports_dir, "suite"), str(reports_dir))
    store = RunStore(results_dir)
    # A bench that was killed early has not begun all of its runs.
    begun = [run for run in manifest.runs if manifest.tables or (store.root / run / RECORD).is_file()]
    runs, damaged = store.opened(begun)
    for run in runs:
        if run.name in manifest.accepted:
            run.accept(**manifest.accepted[run.name])
    results = suite_results(
        runs,
        name=manifest.name,
        dataset=manifest.dataset,
        reference=manifest.reference,
        command=manifest.command,
        criteria=Criteria.read(manifest.criteria),
        damaged=damaged,
    )
    # In the order of the report, so that a run which is mended stands again where it stood.
    order = {run: index for index, run in enumerate(manifest.runs)}
    ordered = sorted(results.runs, key=lambda run: order.get(run.name, len(order)))
    return with_groups(Path(reports_dir) / name, replace(results, runs=tuple(ordered)))


def _without(results: ResultSet, damaged: Mapping[str, str]) -> ResultSet:
    """Results of a sweep, and a note on every run that is left out of it; the manifest keeps its name."""
    notes = [f"Left out is the run {name}, which is damaged: {reason}" for name, reason in damaged.items()]
    return replace(results, notes=(*results.notes, *notes), left_out=tuple(damaged))


def with_groups(folder: Path, results: ResultSet) -> ResultSet:
    """The same with what the file ``groups.csv`` in a report's folder says of the patients, where there is one."""
    path = Path(folder) / GROUPS
    return replace(results, groups=read_groups(path)) if path.is_file() else results


def read_condition(name: str, reports_dir: Path, results_dir: Path) -> ResultSet:
    """Every finished run of the condition of this name in the results store: no report needs to be there.

    Raises:
        BenchError: there is neither a report nor a condition of this name, or several conditions share it.
    """
    finished = [run for run in RunStore(results_dir).all() if run.status == "finished"]
    conditions = {run.name: condition_of(run.spec) for run in finished}
    chosen = [run for run in finished if conditions[run.name].name == name]
    if not chosen:
        known = sorted({*list_reports(reports_dir), *(condition.name for condition in conditions.values())})
        raise unknown("report", name, known, f"{reports_dir} and {results_dir}")
    if len({conditions[run.name].key for run in chosen}) > 1:
        raise BenchError(
            f"The runs of {name} in {results_dir} were made with different data; report them with `bench`."
        )
    return suite_results(finished_runs(finished, conditions[chosen[0].name]), name=name)


def read_results(name: str, reports_dir: Path, results_dir: Path) -> dict[Path, ResultSet]:
    """Everything that is reported under a name, by folder, sections first: a sweep, a study, a suite.

    Without a report of that name: the finished runs of the condition of that name.

    Raises:
        BenchError: no such report or condition, or a run is no longer in the store.
    """
    folder, store = Path(reports_dir) / name, RunStore(results_dir)
    results: dict[Path, ResultSet] = {}
    if manifest := find_manifest(folder / ROBUSTNESS_FOLDER, "robustness"):
        runs, damaged = store.opened(manifest.runs)
        swept = sweep_results(
            runs,
            name=manifest.name,
            reference=manifest.reference,
            command=manifest.command,
            criteria=Criteria.read(manifest.criteria),
        )
        results[folder / ROBUSTNESS_FOLDER] = _without(swept, damaged)
    for passing in sorted(folder.glob("passing-*")):
        if manifest := find_manifest(passing, "robustness"):
            runs, damaged = store.opened(manifest.runs)
            swept = passing_results(
                runs,
                int(passing.name.rpartition("-")[2]),
                name=manifest.name,
                reference=manifest.reference,
                command=manifest.command,
            )
            results[passing] = _without(swept, damaged)
    if manifest := find_manifest(folder, "study"):
        results[folder] = archived_study(results_dir) if is_archive(results_dir) else stored_study(folder, store)
    elif find_manifest(folder, "suite"):
        results[folder] = read_suite(name, reports_dir, results_dir)
    return results or {folder: read_condition(name, reports_dir, results_dir)}


def list_reports(reports_dir: Path, *kinds: Kind) -> list[str]:
    """Names of the reports below a folder, of these kinds (default: all)."""
    folders = sorted(path for path in Path(reports_dir).glob("*") if path.is_dir())
    return [
        folder.name
        for folder in folders
        # By the files alone: one damaged manifest must not keep the others from being listed.
        if any((folder / f"{kind}.json").is_file() for kind in kinds or KINDS)
        or ((not kinds or "robustness" in kinds) and (folder / ROBUSTNESS_FOLDER / "robustness.json").is_file())
    ]


def only_suite(reports_dir: Path) -> str:
    """The name of the only suite's report below a folder.

    Raises:
        BenchError: there is none, or more than one.
    """
    names = list_reports(reports_dir, "suite")
    if not names:
        raise BenchError(f"There is no report in {reports_dir} yet; `echobench bench` makes one.")
    if len(names) > 1:
        raise BenchError(f"{reports_dir} holds several reports ({', '.join(names)}); name one of them.")
    return names[0]
