"""Which of two models is better: in words, and as figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import ConfigError
from harness.reporting.manifest import only_suite, read_suite
from harness.reporting.page.sentences import pair_sentences
from harness.results.pair import compare_arms
from harness.results.result_set import ResultSet
from harness.results.suite import suite_results
from harness.store.runs import Run, RunStore


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """Two models or runs side by side; printed, it is the sentences.

    Attributes:
        first, second: labels, as a table has them.
        dataset, mark: what both were measured on, and what is wanting in it (None where nothing is).
        sentences: which is better, by how much, how sure, at which cost, and whether it matters.
        figures: the same as plain values (structure, seeds, one comparison per measure, costs); what is not known is None.
    """

    first: str
    second: str
    dataset: str
    mark: str | None
    sentences: tuple[str, ...]
    figures: dict[str, Any]

    def __str__(self) -> str:
        return "\n".join([*([f"[{self.mark}]"] if self.mark else []), *self.sentences])


def compare(
    first: Run | str,
    second: Run | str,
    *,
    report: str | None = None,
    structure: str | None = None,
    results: str | Path = "results/runs",
    reports: str | Path = "reports",
) -> Compared:
    """Compare two models of a report, or two runs, on the patients that both were scored on.

    Args:
        first, second: two runs (or names of runs, ``dataset/...``), or two models as the report's table names them.
        report: the report that the models are taken from; None for the only one there is.
        structure: ``lv``, ``myo`` or ``la``; None for the first one scored.
        results, reports: folders of runs and reports.

    Raises:
        ConfigError: a run and a model are mixed, one is given twice, or they were measured on different data.
        BenchError: an unknown run or report, or nothing that both were scored on.

    Examples:
        >>> import harness
        >>> tiny = {"generate.patients": (3, 1, 2), "generate.pixel_mm": 1.6}
        >>> options = dict(recipe="smoke", settings=tiny, profile=False, progress=False)
        >>> one_seed, other_seed = harness.bench(["unet"], seeds=[0, 1], **options).runs
        >>> answer = harness.compare(one_seed, other_seed)
        >>> answer.dataset, len(answer.sentences) > 0
        ('phantom', True)
    """
    suite, labels = _chosen(first, second, report, Path(reports), Path(results))
    pair = compare_arms(suite, labels[0], labels[1], structure)
    return Compared(
        first=pair.first.label,
        second=pair.second.label,
        dataset=suite.dataset,
        mark=suite.mark,
        sentences=tuple(pair_sentences(pair)),
        figures=pair.record(),
    )


def _chosen(
    first: Run | str, second: Run | str, report: str | None, reports: Path, results: Path
) -> tuple[ResultSet, list[str]]:
    """The results that hold both, and their labels in it."""
    # Names of runs are `dataset/folder`; no label of a model has a slash.
    runs = [isinstance(item, Run) or "/" in item for item in (first, second)]
    if all(runs):
        return _two_runs(first, second, RunStore(results))
    if any(runs) or isinstance(first, Run) or isinstance(second, Run):
        raise ConfigError("Give two models of a report or two runs of the store, not one of each.")
    return read_suite(report or only_suite(reports), reports, results), [first, second]


def _two_runs(first: Run | str, second: Run | str, store: RunStore) -> tuple[ResultSet, list[str]]:
    opened = [store.get(item.strip("/")) if isinstance(item, str) else item for item in (first, second)]
    if opened[0].name == opened[1].name:
        raise ConfigError(f"Both names mean the run {opened[0].name}; give two different runs.")
    datasets = [run.spec.data["dataset"] for run in opened]
    # Patients of two datasets are never the same people, so nothing could be paired.
    if datasets[0] != datasets[1]:
        raise ConfigError(
            f"The runs were measured on different data, {' and '.join(datasets)}; only runs on the same cases can be compared."
        )
    results = suite_results(opened, name="comparison", distinct=True)
    return results, [run.label for run in results.runs]
