"""What a report is made from: the rows, profile and record of every run of a suite, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from harness.errors import ConfigError, unknown
from harness.store.runs import ROW_COLUMNS, Run

STRUCTURE_NAMES = {"lv": "LV endocardium", "myo": "LV myocardium", "la": "left atrium"}


@dataclass(frozen=True, kw_only=True)
class ModelResults:
    """One run of one model.

    Attributes:
        label: name in tables ("U-Net"); runs that share it are seeds of one arm.
        model: registry name; ``size`` and ``seed`` as in the run's spec.
        first_frame: ``auto``, ``gt`` or ``auto_unet``.
        rows: per-case rows with the columns ``ROW_COLUMNS``; empty when the run did not finish.
        profile: one row per measured condition, or None.
        record: the run's record (``run.json``): environment, code version, timings, spec.
        status: ``finished``, ``failed``, ``interrupted`` ...; ``reason`` says why where it is not finished.
        folder: where logs and pictures lie, or None.
    """

    label: str
    model: str
    size: str = "small"
    seed: int = 0
    first_frame: str = "auto"
    rows: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(ROW_COLUMNS)))
    profile: pd.DataFrame | None = None
    record: dict[str, Any] = field(default_factory=dict)
    status: str = "finished"
    reason: str | None = None
    folder: Path | None = None

    @property
    def finished(self) -> bool:
        """Whether there are rows to count."""
        return self.status == "finished" and not self.rows.empty


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A model in a table: one or several seeds of one configuration."""

    label: str
    runs: tuple[ModelResults, ...]
    cache: dict[Any, pd.DataFrame] = field(default_factory=dict, compare=False, repr=False)
    """Tables computed from these runs, by what they hold; they are shared and never changed in place."""

    @property
    def finished(self) -> tuple[ModelResults, ...]:
        """The seeds that have rows."""
        return tuple(run for run in self.runs if run.finished)

    @cached_property
    def tables(self) -> list[pd.DataFrame]:
        """Rows of every finished seed, test split only."""
        return [run.rows[run.rows["split"] == "test"] for run in self.finished]

    @property
    def first_frame(self) -> str:
        """First-frame protocol of the arm."""
        return self.runs[0].first_frame

    @property
    def reason(self) -> str:
        """Why seeds are missing, in one line; empty when none is."""
        missing = [run for run in self.runs if not run.finished]
        return "; ".join(f"seed {run.seed} {run.status}" + (f": {run.reason}" if run.reason else "") for run in missing)


@dataclass(frozen=True, kw_only=True)
class SuiteResults:
    """Everything one report shows.

    Attributes:
        name: the suite's name, part of the output path.
        dataset: label of the dataset ("CAMUS").
        mark: the dataset's mark ("partial: ...") or None; shown with every table and figure.
        models: the runs, in the order of the table.
        reference: label of the proposed model, which the others are tested against.
        command: the command that makes these results, shown under "how to reproduce".
    """

    name: str
    dataset: str
    mark: str | None = None
    models: tuple[ModelResults, ...] = ()
    reference: str = "GDKVM"
    command: str = ""

    @classmethod
    def from_runs(
        cls,
        runs: Iterable[Run],
        *,
        name: str,
        dataset: str | None = None,
        reference: str = "GDKVM",
        command: str = "",
        distinct: bool = False,
    ) -> SuiteResults:
        """Read a suite from the results store; unfinished runs come along without rows, with their status and reason.

        ``reference`` is a label or a registry name. With ``distinct`` every run is an arm of its own (two recipes or seeds of
        one model), and runs that would share a label are called by their run's name.

        Raises:
            ConfigError: there is no run, or the runs come from different datasets.
        """
        opened = list(runs)
        if not opened:
            raise ConfigError(f"The suite {name} has no runs to report; run it first (`make bench`).")
        names = {run.spec.data["dataset"] for run in opened}
        if len(names) > 1:
            raise ConfigError(
                f"The suite {name} mixes the datasets {', '.join(sorted(names))}; report them one by one."
            )
        marks = sorted({str(run.spec.data["mark"]) for run in opened if run.spec.data.get("mark")})
        label = dataset or names.pop()
        read = [read_run(run) for run in opened]
        models = _by_name(read) if distinct else _distinct(read)
        return cls(
            name=name,
            dataset=label,
            mark="; ".join(marks) or None,
            models=tuple(models),
            reference=_reference(models, reference),
            command=command,
        )

    @cached_property
    def arms(self) -> list[Arm]:
        """The runs grouped by label, in the order of first appearance."""
        labels = dict.fromkeys(run.label for run in self.models)
        return [Arm(label=label, runs=tuple(run for run in self.models if run.label == label)) for label in labels]

    @property
    def protocols(self) -> list[str]:
        """First-frame protocols that occur, sorted."""
        return sorted({run.first_frame for run in self.models})

    @property
    def structures(self) -> list[str]:
        """Structures that were scored, the LV first."""
        found = {s for arm in self.arms for table in arm.tables for s in table["structure"].unique() if s}
        known = [s for s in STRUCTURE_NAMES if s in found]
        return known + sorted(found - set(known))

    def arm(self, label: str) -> Arm:
        """The arm with this label (whatever its case), else the only one with this registry name.

        Raises:
            ConfigError: there is none, or more than one.
        """
        name = label.lower()
        fits = [arm for arm in self.arms if arm.label.lower() == name]
        fits = fits or [arm for arm in self.arms if arm.runs[0].model.lower() == name]
        if len(fits) == 1:
            return fits[0]
        if fits:
            raise ConfigError(f"'{label}' may mean {' or '.join(arm.label for arm in fits)}; use one of these labels.")
        raise unknown("model", label, [arm.label for arm in self.arms], f"the suite {self.name}")


def read_run(run: Run) -> ModelResults:
    """Read one run; rows and profile only when it is finished."""
    spec = run.spec
    finished = run.status == "finished"
    profile = run.path / "profile.csv"
    return ModelResults(
        label=spec.model.get("label") or spec.model["name"],
        model=spec.model["name"],
        size=spec.model["size"],
        seed=spec.seed,
        first_frame=spec.protocol.get("first_frame", "auto"),
        rows=run.rows() if finished else pd.DataFrame(columns=list(ROW_COLUMNS)),
        profile=pd.read_csv(profile) if finished and profile.is_file() else None,
        record=run.record,
        status=run.status,
        reason=run.record.get("reason"),
        folder=run.path,
    )


def _distinct(models: list[ModelResults]) -> list[ModelResults]:
    """Add size and protocol to labels that would otherwise mean different things, and refuse a seed given twice."""
    for detail in ("size", "first_frame"):
        meanings: dict[str, set[str]] = {}
        for run in models:
            meanings.setdefault(run.label, set()).add(getattr(run, detail))
        models = [
            _relabel(run, f"{run.label} ({getattr(run, detail)})") if len(meanings[run.label]) > 1 else run
            for run in models
        ]
    seen: set[tuple[str, int]] = set()
    for run in models:
        if (run.label, run.seed) in seen:
            raise ConfigError(f"Two runs are called {run.label} with seed {run.seed}; report one recipe at a time.")
        seen.add((run.label, run.seed))
    return models


def _by_name(models: list[ModelResults]) -> list[ModelResults]:
    """Call runs by their name where labels do not tell them apart."""
    if len({run.label for run in models}) == len(models):
        return models
    return [_relabel(run, str(run.record.get("name", run.label))) for run in models]


def _reference(models: list[ModelResults], wanted: str) -> str:
    """The label of the wanted model (label or registry name, whatever its case); as given when nothing fits."""
    for run in models:
        if wanted.lower() in (run.label.lower(), run.model.lower()):
            return run.label
    return wanted


def _relabel(run: ModelResults, label: str) -> ModelResults:
    return ModelResults(**{**run.__dict__, "label": label})
