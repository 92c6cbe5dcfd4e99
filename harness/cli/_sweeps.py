"""Which finished runs a robustness command is about: options that its verbs share, and how they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli._complete import Named, configs
from harness.cli._options import FIRST_FRAME, REPORTS, RUNS, SIZE, STRUCTURES, Decorators, F, _apply
from harness.errors import ConfigError, unknown

if TYPE_CHECKING:
    from harness.store.runs import Run, RunStore

AUGMENTED = "robust"  # harness.experiments.augment.WORD, which costs seconds to import; a test compares the two
_SUITE_KEYS = ("suite", "dataset", "root", "views", "clip", "size", "structures", "first_frame")


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """Finished runs, each once, and the name that their report has unless the user says otherwise."""

    runs: list[Run]
    name: str


def run_choice(function: F) -> F:
    """--report --runs, the options that make a suite's default name, --results-dir --reports-dir."""
    options: Decorators = [
        click.option("--report", "reports", type=REPORTS, help="All finished runs of these reports."),
        click.option("--runs", type=RUNS, help="Names of finished runs, as `echobench runs` lists them."),
        click.option(
            "--suite",
            type=Named(configs("suites")),
            default="small",
            show_default=True,
            help="With --dataset: the suite config that was run.",
        ),
        click.option("--size", type=SIZE, help="With --dataset: the size that was run."),
        click.option("--structures", type=STRUCTURES, help="With --dataset: the structures that were run."),
        click.option("--first-frame", type=FIRST_FRAME, help="With --dataset: the first-frame protocol that was run."),
        click.option(
            "--augment",
            type=click.Choice([AUGMENTED]),
            help="With --dataset: the augmented runs beside the plain ones.",
        ),
        click.option("--results-dir", type=click.Path(path_type=Path), default=Path("results/runs"), show_default=True),
        click.option("--reports-dir", type=click.Path(path_type=Path), default=Path("reports"), show_default=True),
    ]
    return _apply(function, options)


def chosen_runs(
    *,
    reports: Sequence[str] | None,
    runs: Sequence[str] | None,
    dataset: str | None,
    augment: str | None,
    results_dir: Path,
    reports_dir: Path,
    **choices: Any,
) -> Chosen:
    """The finished runs of the named reports, then those named one by one; without names, of the dataset's own report.

    Raises:
        BenchError: no such report or run. ConfigError: nothing was asked for, or a named run is not finished.
    """
    from harness.experiments import SuiteOptions, suite_name
    from harness.store.runs import RunStore

    store = RunStore(results_dir)
    if reports or runs:
        found = [run for name in reports or () for run in suite_runs(name, store, reports_dir)]
        found += [_finished(store.get(name)) for name in runs or ()]
        return _chosen(found, reports[0] if reports and len(reports) == 1 and not runs else "")
    if dataset is None:
        raise ConfigError("There is no finished run to sweep; name some with --dataset, --report or --runs.")
    keys: dict[str, Any] = {key: choices.get(key) for key in _SUITE_KEYS if choices.get(key) is not None}
    options = SuiteOptions(**{**keys, "dataset": dataset})
    plain = suite_name(options)
    if augment is None:
        return _chosen(suite_runs(plain, store, reports_dir), plain)
    augmented = suite_runs(suite_name(options, augmented=True), store, reports_dir)
    # A plain model without its augmented twin would stand in the comparison with nothing to compare it to.
    models = {run.spec.model["name"] for run in augmented}
    beside = [run for run in suite_runs(plain, store, reports_dir) if run.spec.model["name"] in models]
    return _chosen([*beside, *augmented], f"{plain}-augmentation")


def suite_runs(name: str, store: RunStore, reports_dir: Path) -> list[Run]:
    """The finished runs of a report, by its ``suite.json`` or, where it is one of robustness alone, that list.

    Raises:
        BenchError: no such report, or a run of it is not in the store.
    """
    from harness.reporting.manifest import ROBUSTNESS_FOLDER, list_reports
    from harness.store.formats.manifest import find_manifest

    folder = reports_dir / name
    manifest = find_manifest(folder, "suite") or find_manifest(folder / ROBUSTNESS_FOLDER, "robustness")
    if manifest is not None:
        opened, damaged = store.opened(manifest.runs)
        for run, sentence in damaged.items():
            click.echo(f"{run} is left out, it is damaged: {sentence}", err=True)
        # Of masks that were made elsewhere there is no model to sweep.
        return [run for run in opened if run.status == "finished" and not run.spec.external]
    raise unknown("report", name, list_reports(reports_dir, "suite", "robustness"), str(reports_dir))


def _chosen(runs: list[Run], name: str) -> Chosen:
    if not runs:
        raise ConfigError("There is no finished run to sweep; name some with --dataset, --report or --runs.")
    # Two reports may hold the same run, and a run swept by two processes at once would wait for itself.
    unique = list({run.name: run for run in runs}.values())
    return Chosen(runs=unique, name=name or f"{unique[0].spec.data['dataset']}-robustness")


def _finished(run: Run) -> Run:
    if run.status != "finished":
        raise ConfigError(f"The run {run.name} is {run.status}; only finished runs can be swept.")
    if run.spec.external:
        raise ConfigError(f"The run {run.name} holds scores of masks made elsewhere; there is no model to sweep.")
    return run
