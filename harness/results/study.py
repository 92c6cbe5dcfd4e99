"""Filling a result set with the runs of a study, from the results store or from an archive, and archiving it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import distribution_to_json, json_to_distribution
from optuna.trial import FrozenTrial, TrialState

from harness.errors import BenchError, decoding
from harness.results.design import Design
from harness.results.result_set import ResultSet, design_of
from harness.results.run_results import RunResults, damaged_run, read_run
from harness.store.formats.archive import ArchivedRun, StudyArchive, read_archive, read_design
from harness.store.runs import Run, RunStore

_ENDED = ("finished", "failed")


def study_results(
    design: Design, runs: Iterable[tuple[str, Run]], data: dict[str, Any], *, name: str, command: str = ""
) -> ResultSet:
    """Read the runs of a study from the results store; nothing is trained or measured.

    Args:
        design: the study; one arm per cell, under the variant's name.
        runs: (key of a cell, its run), unfinished runs included.
        data: the ``data`` of the runs' specs.
        name, command: of the report.
    """
    listed = list(runs)
    # A report that is made again has the marks of accepted runs in its design already: no mark stands twice.
    marks = dict.fromkeys([data.get("mark"), *sorted({run.accepted for _, run in listed if run.accepted})])
    return ResultSet(
        name=name,
        dataset=data["dataset"],
        mark="; ".join(mark for mark in marks if mark) or None,
        runs=tuple(read_run(run, label=design.names[cell]) for cell, run in listed),
        reference=design.names[design.cells[0].key] if design.cells else "",
        command=command,
        design=design,
    )


def archive_study(results: ResultSet, folder: Path) -> list[Path]:
    """Write the archive of a finished study; returns the paths of its files.

    Raises:
        BenchError: a run is neither finished nor failed.
    """
    # An archive is reported without a store: a run that is still trained would be missing for ever.
    for run in results.runs:
        if run.status not in _ENDED:
            raise BenchError(f"The run {run.name} is {run.status}; only finished studies are exported.")
    return _archive(results).write(folder)


def write_design(results: ResultSet, folder: Path) -> Path:
    """Keep the design beside a study's report, so that it can be made again from the store; returns the path."""
    return _archive(results).write_design(folder)


def _archive(results: ResultSet) -> StudyArchive:
    design = design_of(results)
    keys = {name: key for key, name in design.names.items()}
    return StudyArchive(
        name=results.name,
        command=results.command,
        dataset=results.dataset,
        mark=results.mark,
        definition=design.definition,
        cells=design.cells,
        runs=tuple(
            ArchivedRun(cell=keys[run.label], seed=run.seed, record=run.record, rows=run.rows, profile=run.profile)
            for run in results.runs
        ),
        trials=tuple(_trial_to_dict(trial) for trial in design.study.get_trials(deepcopy=False)),
    )


def stored_study(folder: Path, store: RunStore) -> ResultSet:
    """Read the study whose design lies in a report's folder afresh from the results store.

    Raises:
        BenchError: a run of it is no longer in the store.
    """
    stored = read_design(folder)
    design = Design(definition=stored.definition, cells=stored.cells, study=_study(stored))
    names = [run.record["name"] for run in stored.runs]
    opened, damaged = store.opened(names)
    there = {run.name: run for run in opened}
    runs = [(run.cell, there[name]) for run, name in zip(stored.runs, names, strict=True) if name in there]
    data = {"dataset": stored.dataset, "mark": stored.mark}
    results = study_results(design, runs, data, name=stored.name, command=stored.command)
    lost = [
        damaged_run(name, damaged[name], label=design.names[run.cell], seed=run.seed)
        for run, name in zip(stored.runs, names, strict=True)
        if name in damaged
    ]
    return replace(results, runs=tuple(sorted((*results.runs, *lost), key=lambda run: names.index(run.name))))


def archived_study(folder: Path) -> ResultSet:
    """Read what ``archive_study`` wrote; the stored study is one in memory.

    Raises:
        BenchError: a file is missing.
    """
    stored = read_archive(folder)
    design = Design(definition=stored.definition, cells=stored.cells, study=_study(stored))
    return ResultSet(
        name=stored.name,
        dataset=stored.dataset,
        mark=stored.mark,
        runs=tuple(_run(design.names[run.cell], run) for run in stored.runs),
        reference=design.names[stored.cells[0].key] if stored.cells else "",
        command=stored.command,
        design=design,
    )


def _run(label: str, run: ArchivedRun) -> RunResults:
    spec = run.record["spec"]
    return RunResults(
        label=label,
        model=spec["model"]["name"],
        size=spec["model"]["size"],
        seed=run.seed,
        first_frame=spec["protocol"].get("first_frame", "auto"),
        rows=run.rows,
        profile=run.profile,
        record=run.record,
        status=run.record["status"],
        reason=run.record.get("reason"),
    )


def _trial_to_dict(trial: FrozenTrial) -> dict[str, Any]:
    return {
        "state": trial.state.name,
        "value": trial.value if trial.state == TrialState.COMPLETE else None,
        "params": trial.params,
        "distributions": {name: distribution_to_json(kind) for name, kind in trial.distributions.items()},
        "user_attrs": {key: value for key, value in trial.user_attrs.items() if key != "worker"},
        "intermediate_values": trial.intermediate_values,
    }


def _study(stored: StudyArchive) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", study_name=stored.name)
    for trial in stored.trials:
        with decoding(
            f"The archive of the study {stored.name}", "holds a trial that is none", "export the study again"
        ):
            study.add_trial(
                optuna.create_trial(
                    state=TrialState[trial["state"]],
                    value=trial["value"],
                    params=trial["params"],
                    distributions={name: json_to_distribution(kind) for name, kind in trial["distributions"].items()},
                    user_attrs=trial["user_attrs"],
                    intermediate_values={int(step): value for step, value in trial["intermediate_values"].items()},
                )
            )
    return study
