"""Masks made elsewhere become runs, and their report: what ``echobench score`` does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from harness.clip import structure_names
from harness.data import PreparedCache
from harness.errors import ConfigError
from harness.evaluation.mask_files import MaskFolder
from harness.evaluation.metrics import DEFAULT_METRICS, metric_functions
from harness.evaluation.scoring import AS_GIVEN, Scoring
from harness.experiments import SuiteOptions, plan_suite
from harness.experiments.external import external_spec, score_run
from harness.experiments.sweep.clips import prepared_of
from harness.registry import load_plugins
from harness.reporting import write_report
from harness.reporting.growing import begin_report
from harness.reporting.manifest import list_reports, with_groups
from harness.results.condition import Condition, belongs, condition_of
from harness.results.result_set import ResultSet
from harness.results.suite import suite_results
from harness.statistics.margins import Criteria
from harness.store.formats.manifest import find_manifest
from harness.store.runs import Run, RunSpec, RunStore


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Where scores go: the report, its condition, the references, and a spec of that condition."""

    report: str
    named: bool
    reference: str
    condition: Condition
    cache: PreparedCache
    like: RunSpec
    criteria: Criteria


@dataclass(frozen=True, kw_only=True, slots=True)
class Scored:
    """Runs of masks made elsewhere, and the report that they stand in; ``left_out`` as ``bench`` has it."""

    runs: list[Run]
    report: Path
    results: ResultSet
    written: list[Path]
    left_out: tuple[str, ...] = ()


def run_score(
    folders: Mapping[int, Path],
    label: str,
    options: SuiteOptions,
    *,
    names: Path | None = None,
    scoring: Scoring = AS_GIVEN,
    metrics: tuple[str, ...] = DEFAULT_METRICS,
    cost: pd.DataFrame | None = None,
    results: Path,
    reports: Path,
    command: str = "",
    progress: bool = True,
) -> Scored:
    """Score folders of masks, one per training, and write the report of the condition with them in it.

    Args:
        folders: seed → folder of masks.
        label: what tables call the method.
        options: as given to ``bench``: they say which data, protocol and report. With the name of a report that is there
            nothing else is needed.
        names: a map of file names, see ``MaskFolder``.
        scoring, metrics: how masks are taken and measured.
        cost: see ``read_cost``.
        results, reports, command, progress: see ``run_bench``.

    Raises:
        DataError: masks that cannot be scored; nothing is stored. ConfigError: an unknown option, or a label of a model of ours.
    """
    store = RunStore(results)
    target = _target(options, store, reports, progress)
    cases = [case.name for case in target.cache.split("test").cases]
    load_plugins()
    metric_functions(metrics)  # refused before any mask is read
    opened = {seed: MaskFolder(folder, cases, names) for seed, folder in folders.items()}
    specs = {seed: external_spec(label, seed, masks, target.like, scoring, metrics) for seed, masks in opened.items()}
    _refuse_label(label, store, target.condition)
    runs = [
        score_run(
            store, specs[seed], masks, target.cache, scoring=scoring, metrics=metrics, cost=cost, progress=progress
        )
        for seed, masks in opened.items()
    ]
    before = find_manifest(reports / target.report, "suite")
    # The report is made by all the commands that filled it.
    lines = [*(before.command.splitlines() if before else []), command]
    shared: dict[str, Any] = {
        "reference": target.reference,
        "command": "\n".join(dict.fromkeys(line for line in lines if line)),
        "criteria": target.criteria,
    }
    begun = begin_report(
        reports, target.report, list(specs.values()), store, named=target.named, condition=target.condition, **shared
    )
    collected = suite_results(begun.runs(runs), name=begun.name, **shared)
    folder = reports / begun.name
    collected = with_groups(folder, collected)
    written = write_report(collected, folder)
    return Scored(runs=runs, report=folder, results=collected, written=written, left_out=begun.left_out)


def _target(options: SuiteOptions, store: RunStore, reports: Path, progress: bool) -> Target:
    manifest = find_manifest(reports / options.name, "suite") if options.name else None
    if manifest is not None and options.dataset is None:
        specs = [run.spec for name in manifest.runs if (run := store.find(name)) is not None]
        if not specs:
            raise ConfigError(f"No run of the report {options.name} is in {store.root}; bench again, or name the data.")
        _refuse_other_protocol(options, specs[0], manifest.name)
        condition = condition_of(*specs)
        if condition.folds:
            raise ConfigError(
                f"The report {manifest.name} is a cross-validation over {condition.folds} folds; masks are scored against one "
                "fold: name the data with --dataset and --root, and the fold with --fold."
            )
        cache = prepared_of(specs[0], options.data_root)
        reference = manifest.reference or "GDKVM"
        # Named by its condition it goes on growing with it; a name of the user's own holds what it was given.
        named = manifest.name != condition.name
        return Target(
            report=manifest.name, named=named, reference=reference, condition=condition, cache=cache, like=specs[0],
            criteria=Criteria.read(manifest.criteria),
        )  # fmt: skip
    if options.name and options.dataset is None:
        raise ConfigError(
            f"There is no report {options.name} in {reports} (there are: {', '.join(list_reports(reports, 'suite')) or 'none'}); "
            "name one of these, or the data with --dataset."
        )
    plan = plan_suite(options, progress)
    same = [
        run.spec for run in store.all() if condition_of(run.spec).key == plan.condition.key and not run.spec.external
    ]
    # Models whose arguments were set by hand are of another name of the same condition.
    fits = not same or any(belongs(spec, plan.condition) for spec in same)
    condition = plan.condition if fits else condition_of(*same)
    return Target(
        report=options.name or condition.name, named=bool(options.name), reference=plan.reference,
        condition=condition, cache=plan.cache, like=plan.specs[0], criteria=plan.criteria,
    )  # fmt: skip


def _refuse_other_protocol(options: SuiteOptions, spec: RunSpec, report: str) -> None:
    """Raise ``ConfigError`` where the user asks for another protocol than the report has: one of the two would be ignored."""
    for name, asked in (("first_frame", options.first_frame), ("structures", options.structures)):
        has = spec.protocol[name]
        same = asked is None or asked == has or structure_names(asked.replace(",", "+")) == structure_names(has)
        if not same:
            option = name.replace("_", "-")
            raise ConfigError(
                f"The report {report} has --{option} {has}, and --{option} {asked} was asked for; leave it out, or name the data with "
                "--dataset to have a report of that protocol."
            )


def _refuse_label(label: str, store: RunStore, condition: Condition) -> None:
    """Two rows of one label would be taken for trainings of one model."""
    for run in store.all():
        spec = run.spec
        if not spec.external and spec.model["label"].lower() == label.lower() and belongs(spec, condition):
            raise ConfigError(
                f"{label} is the label of a model that was trained here ({run.name}); choose another --label."
            )
