"""The main job as a function: train, measure and compare models."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from typing_extensions import Unpack

from harness.api.transferring import run_evaluate
from harness.data import PreparedCache
from harness.errors import BenchError
from harness.evaluation.metrics import metric_functions
from harness.evaluation.prediction import Predict
from harness.experiments import SuiteOptions
from harness.experiments.bench import Work, run_suite
from harness.experiments.execute import Keep
from harness.experiments.folds import plan_folds
from harness.experiments.kept_pictures import keep_pictures
from harness.experiments.plan import SuitePlan
from harness.experiments.transfer import EvaluateOptions, keep_masks
from harness.registry import load_plugins
from harness.reporting import write_report
from harness.reporting.growing import begin_report
from harness.reporting.manifest import report_is_of, with_groups
from harness.results.condition import condition_of
from harness.results.groups import keep_groups, patient_groups
from harness.results.result_set import ResultSet
from harness.results.suite import suite_results
from harness.store.runs import Run, RunStore
from harness.terminal import console as new_console

METRICS_FOLDER = "metrics"
"""Folder, in a report's, of the metrics that a bench was asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Benched:
    """What a bench has left behind.

    Attributes:
        runs: the suite's runs in their order, finished or failed.
        failed: names of those that failed; ``run.record["reason"]`` says why.
        report: folder of tables, figures and page.
        results: what the report was made from: these runs and every other finished one of their condition.
        written: files written now; empty where the report was up to date.
        left_out: runs that the report had and that were made by other code.
    """

    runs: list[Run]
    failed: list[str]
    report: Path
    results: ResultSet
    written: list[Path] = field(default_factory=list)
    left_out: tuple[str, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """The main table as figures, one row per model.

        Raises:
            BenchError: the report has no table.
        """
        path = self.report / "table.csv"
        if not path.is_file():
            raise BenchError(f"There is no {path}; no run was finished.")
        return pd.read_csv(path)


def bench(
    models: Sequence[str] | None = None,
    *,
    dataset: str | None = None,
    root: str | Path | None = None,
    recipe: str | None = None,
    seeds: Sequence[int] | None = None,
    settings: Mapping[str, Any] | None = None,
    report: str | None = None,
    results: str | Path = "results/runs",
    reports: str | Path = "reports",
    data: str | Path = "data",
    profile: bool = True,
    retrain: bool = False,
    accept_code: bool = False,
    metrics: Sequence[str] = (),
    progress: bool = True,
    **choices: Any,
) -> Benched:
    """Train, measure and compare models on identical data, recipe and protocol, as ``echobench bench`` does.

    Finished runs are not repeated and interrupted ones resume; the outcome is the same however often it is called.

    Args:
        models: names of model configs or paths of your own (docs/add-a-model.md); None for the suite's.
        dataset: a dataset's config; None for the suite's (the phantom).
        root: folder of the dataset.
        recipe: a training recipe; None for the dataset's.
        seeds: one run per model and seed.
        settings: config values by dotted keys, such as ``{"recipe.iterations": 100}``.
        report: name of the report; None for one made from the options.
        results, reports, data: folders of runs, of reports, and of phantoms and prepared caches.
        profile: also measure latency, memory and multiply-adds.
        retrain: train again what is finished; the finished runs stay as they are.
        accept_code: take finished runs of other code; tables then carry that mark.
        metrics: measured as well on the scored frames, names or files of your own (docs/add-a-metric.md): a section of the report.
        progress: tell which run is at work and how far it is.
        choices: further options of ``SuiteOptions``: suite, views, clip, size, structures, first_frame, ...

    Raises:
        ConfigError, DataError: something is wrong with what was asked for; nothing was trained.
        KeyboardInterrupt: Ctrl-C; what is finished is kept.

    Examples:
        >>> import harness
        >>> tiny = {"generate.patients": (3, 1, 2), "generate.pixel_mm": 1.6}
        >>> made = harness.bench(["unet"], recipe="smoke", settings=tiny, profile=False, progress=False)
        >>> made.runs[0].status, made.failed, len(made.table)
        ('finished', [], 1)
    """
    options = SuiteOptions(
        models=None if models is None else tuple(models),
        dataset=dataset,
        root=None if root is None else str(root),
        recipe=recipe,
        seeds=None if seeds is None else tuple(seeds),
        name=report,
        overrides=tuple(f"{key}={value!r}" for key, value in (settings or {}).items()),
        data_root=Path(data),
        **choices,
    )
    return run_bench(
        options,
        results=results,
        reports=reports,
        profile=profile,
        retrain=retrain,
        accept_code=accept_code,
        metrics=tuple(metrics),
        progress=progress,
    )


def run_bench(
    options: SuiteOptions,
    *,
    results: str | Path,
    reports: str | Path,
    command: str = "",
    profile: bool = True,
    progress: bool = True,
    masks: bool = False,
    metrics: tuple[str, ...] = (),
    **work: Unpack[Work],
) -> Benched:
    """``bench`` with its options as one object; ``command`` is what the report says it was made with.

    ``masks`` keeps what the runs predict (``echobench evaluate --from-masks``); ``metrics`` are measured when all is trained and
    stand in a section of the report; ``work`` is handed to ``run_suite``.
    """
    load_plugins()
    metric_functions(metrics)  # a metric that is not there is refused before hours of training
    plans = plan_folds(options, progress)
    if not profile:
        plans = [dataclasses.replace(plan, profile=None) for plan in plans]
    plan, specs = plans[0], [spec for each in plans for spec in each.specs]
    # Begun before the first training: a bench that is killed leaves a report that `echobench report` can make.
    begun = begin_report(
        Path(reports),
        options.name or condition_of(*specs).name,
        specs,
        RunStore(results),
        named=bool(options.name),
        reference=plan.reference,
        command=command,
        criteria=plan.criteria,
    )
    console = None if progress else new_console(quiet=True)
    ends, outcomes = time.monotonic() + 60 * (work.get("minutes") or math.inf), []
    for number, each in enumerate(plans, 1):
        if len(plans) > 1 and progress:
            new_console(errors=True).print(f"Fold {number} of {len(plans)}")
        left = None if math.isinf(ends) else max(0.0, (ends - time.monotonic()) / 60)
        timed: Work = {**work, "minutes": left}
        outcomes.append(
            run_suite(each, Path(results), keep=keeping(masks), console=console, progress=progress, **timed)
        )
    made, failed = [run for one in outcomes for run in one.runs], [name for one in outcomes for name in one.failed]
    runs, folder = begun.runs(made), Path(reports) / begun.name
    collected = suite_results(runs, name=begun.name, reference=plan.reference, command=command, criteria=plan.criteria)
    keep_groups(patient_groups(_described(plans)), folder)
    collected = with_groups(folder, collected)
    finished = [run for run in made if run.status == "finished"]
    if metrics and finished:
        asked = EvaluateOptions(data={}, metrics=metrics, data_root=options.data_root)
        run_evaluate(finished, asked, folder / METRICS_FOLDER, progress, command)
    due = any(one.executed or one.measured for one in outcomes) or not report_is_of(collected, folder)
    written = write_report(collected, folder) if due else []
    return Benched(
        runs=made,
        failed=failed,
        report=folder,
        results=collected,
        written=written,
        left_out=begun.left_out,
    )


def _described(plans: Sequence[SuitePlan]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """What the data say of every clip that is tested."""
    for plan in plans:
        for record in plan.cache.records:
            if record.case.split == "test":
                yield record.case.patient, record.subgroups


def keeping(masks: bool) -> Keep:
    """What of a run is kept beside its rows: pictures, and with ``masks`` also what it predicts."""
    return _keep_both if masks else keep_pictures


def _keep_both(run: Run, predict: Predict, cache: PreparedCache) -> None:
    keep_pictures(run, predict, cache)
    keep_masks(run, predict, cache)
