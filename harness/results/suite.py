"""Filling a result set with the runs of a suite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from harness.errors import ConfigError
from harness.results.condition import condition_of
from harness.results.folds import fold_count, pooled_mark
from harness.results.labels import each_training_once, run_labels
from harness.results.result_set import ResultSet
from harness.results.run_results import RunResults, damaged_run, read_run
from harness.statistics.margins import Criteria
from harness.store.runs import Run


def suite_results(
    runs: Iterable[Run],
    *,
    name: str,
    dataset: str | None = None,
    reference: str = "GDKVM",
    command: str = "",
    distinct: bool = False,
    criteria: Criteria | None = None,
    damaged: Mapping[str, str] | None = None,
) -> ResultSet:
    """Read a suite from the results store; unfinished runs come along without rows, with their status and reason.

    ``reference`` is a label or a registry name. Runs that differ in the seed alone are one arm; arms of one model are told
    apart by what differs. ``criteria`` are the suite's own; ``damaged`` are runs whose record cannot be read, and why. With ``distinct`` every run is an arm of its own, called by its name where labels are the same.

    Raises:
        ConfigError: there is no run, or the runs come from different datasets, or two of an arm are one training made again.
    """
    given = list(runs)
    # Of a set of runs a name says only that it belongs: nothing is said of one that comes twice.
    opened = list({run.name: run for run in given}.values()) if distinct else each_training_once(given)[0]
    if not opened:
        raise ConfigError(f"The suite {name} has no runs to report; run it first (`echobench bench`).")
    names = {run.spec.data["dataset"] for run in opened}
    if len(names) > 1:
        raise ConfigError(f"The suite {name} mixes the datasets {', '.join(sorted(names))}; report them one by one.")
    folds = fold_count(run.spec.data for run in opened)
    marks = sorted({str(run.spec.data["mark"]) for run in opened if run.spec.data.get("mark")})
    marks = pooled_mark(marks, folds) if folds else marks
    marks += sorted({run.accepted for run in opened if run.accepted})
    labels = run_labels(opened)
    if distinct and len(set(labels)) < len(opened):
        labels = [run.name for run in opened]
    read = [read_run(run, label=label) for run, label in zip(opened, labels, strict=True)]
    read += [_damaged(run, reason, read) for run, reason in (damaged or {}).items()]
    condition = condition_of(*(run.spec for run in opened))
    trained = [run.spec for run in opened if not run.spec.external] or [run.spec for run in opened]
    shared = len({condition_of(spec, pooled=folds > 0).key for spec in trained}) == 1
    differences = [*([f"cross-validation over {folds} folds"] if folds else []), *condition.differences]
    return ResultSet(
        name=name,
        condition=condition.key if shared else "",
        difference=f", {', '.join(differences)}" if shared and differences else "",
        dataset=dataset or names.pop(),
        mark="; ".join(marks) or None,
        runs=tuple(read),
        reference=reference_label(read, reference),
        command=command,
        criteria=criteria or Criteria(),
    )


def _damaged(name: str, reason: str, read: Sequence[RunResults]) -> RunResults:
    """In the row of the other seeds of its model, where there is exactly one such row; else in one of its own."""
    bare = damaged_run(name, reason)
    labels = {run.label for run in read if (run.model, run.size) == (bare.model, bare.size)}
    return replace(bare, label=labels.pop() if len(labels) == 1 else bare.label)


def reference_label(runs: Sequence[RunResults], wanted: str) -> str:
    """The label of the wanted model (label or registry name, whatever its case), plain before augmented; else as given."""
    for run in sorted(runs, key=lambda run: bool(run.seen)):
        if wanted.lower() in (run.label.lower(), run.model.lower()):
            return run.label
    return wanted
