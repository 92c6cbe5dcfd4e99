"""One run's results as tables and sentences read them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from harness.errors import BenchError, explained
from harness.results.frames import at_ends, every_frame
from harness.results.measures import Measure, Selection
from harness.store.formats.cases import CASES
from harness.store.formats.profile import PROFILE
from harness.store.formats.sweep import CONDITION
from harness.store.runs import Run

_NAME = re.compile(r"(?:.*/)?(?P<model>[^/]+)-(?P<size>[^-/]+)-s(?P<seed>\d+)-[0-9a-f]+")
"""How a store calls a run (``RunSpec.folder``)."""


_WORDS = ("patient", "view", "phase", "structure", "metric")
"""Columns of case rows that a measure selects and groups by."""


@dataclass(frozen=True, kw_only=True)
class RunResults:
    """One run: what it measured, and where it comes from.

    Attributes:
        label: name in tables ("U-Net"); runs that share it are seeds of one arm.
        model: registry name; ``size`` and ``seed`` as in the run's spec.
        first_frame: ``auto``, ``gt`` or ``auto_unet``.
        rows: case rows; empty when the run did not finish.
        swept: table of a sweep's patients (``PATIENTS``), None where the rows are all there is.
        profile: one row per measured condition, or None.
        record: the run's record (``run.json``): environment, code version, timings, spec.
        status: ``finished``, ``failed``, ``interrupted`` ...; ``reason`` says why where it is not finished.
        folder: where logs and pictures lie, or None.
        seen: perturbations that its training used as augmentation.
        plain: label of the arm whose training differs in that augmentation alone, empty where there is none.
        accepted: mark of a run of other code that stands for one of today's (``--accept-code``), else None.
    """

    label: str
    model: str
    size: str = "small"
    seed: int = 0
    first_frame: str = "auto"
    rows: pd.DataFrame = field(default_factory=CASES.empty)
    swept: pd.DataFrame | None = None
    profile: pd.DataFrame | None = None
    record: dict[str, Any] = field(default_factory=dict)
    status: str = "finished"
    reason: str | None = None
    folder: Path | None = None
    seen: frozenset[str] = frozenset()
    plain: str = ""
    accepted: str | None = None

    @property
    def name(self) -> str:
        """Path below the store's root."""
        return str(self.record.get("name", ""))

    @property
    def spec(self) -> dict[str, Any]:
        """The recorded spec; empty where none was recorded."""
        spec: dict[str, Any] = self.record.get("spec") or {}
        return spec

    @property
    def finished(self) -> bool:
        """Whether there is something to count."""
        # A sweep may travel without the case rows that it was made beside.
        return self.status == "finished" and (not self.rows.empty or self.swept is not None)

    @cached_property
    def every(self) -> pd.DataFrame:
        """The case rows of the test split, those of all frames among them."""
        return self.rows[self.rows["split"] == "test"]

    @cached_property
    def test(self) -> pd.DataFrame:
        """The case rows of the test split that headline figures are of: ED and ES, whole clips, patients."""
        return at_ends(self.every)

    @cached_property
    def _coded(self) -> dict[bool, dict[str, pd.DataFrame]]:
        """Headline rows, and those of all frames, by metric; words are categories, which are compared and grouped ten times as fast."""
        return {}

    def rows_of(self, *metrics: str, every: bool = False) -> pd.DataFrame:
        """Headline rows (or those of all frames) of some metrics, words as categories: a few thousand of many, asked for often."""
        if every not in self._coded:
            rows = every_frame(self.every) if every else self.test
            coded = rows.astype(dict.fromkeys(_WORDS, "category"))
            self._coded[every] = {str(name): part for name, part in coded.groupby("metric", sort=False, observed=True)}
        tables = self._coded[every]
        parts = [tables[metric] for metric in metrics if metric in tables]
        return pd.concat(parts) if parts else self.rows.iloc[:0]

    def by_patient(self, measure: Measure, selection: Selection) -> pd.DataFrame:
        """Displayed values [patients, conditions]; empty where the measure does not occur."""
        if self.swept is None:
            return measure.by_patient(
                self.rows_of(*(measure.metrics or (measure.name,)), every=measure.every), selection
            )
        return self.swept.set_index(["patient", *CONDITION])[measure.name].unstack(CONDITION)


def read_run(run: Run, **changes: Any) -> RunResults:
    """Read one run of the store; rows and profile only when it is finished. ``changes`` replace fields."""
    spec = run.spec
    finished = run.status == "finished"
    rows, profile = CASES.stored(run.path), PROFILE.stored(run.path)
    status, reason = str(run.status), run.record.get("reason")
    cases, costs = CASES.empty(), None
    try:
        cases = CASES.read(rows) if finished and rows is not None else cases
        costs = PROFILE.read(profile) if finished and profile is not None else None
    # One damaged run is told in the table and never keeps the others from being reported.
    except (BenchError, OSError) as error:
        cases, costs, status, reason = CASES.empty(), None, "damaged", str(explained(error) or error)
    read = RunResults(
        label=spec.model.get("label") or spec.model["name"],
        model=spec.model["name"],
        size=spec.model["size"],
        seed=spec.seed,
        first_frame=spec.protocol.get("first_frame", "auto"),
        rows=cases,
        profile=costs,
        record=run.record,
        status=status,
        reason=reason,
        folder=run.path,
        accepted=run.accepted,
    )
    return replace(read, **changes)


def damaged_run(name: str, reason: str, **fields: Any) -> RunResults:
    """A run whose record cannot be read, as far as its name tells: a row that says so, where the report would have stopped.

    >>> damaged_run("phantom/unet-small-s1-0123456789", "cut").seed
    1
    """
    told = _NAME.fullmatch(name)
    facts = {"model": told["model"], "size": told["size"], "seed": int(told["seed"])} if told else {"model": name}
    chosen: dict[str, Any] = {"label": facts["model"], **facts, "record": {"name": name}, **fields}
    return RunResults(status="damaged", reason=reason, **chosen)
