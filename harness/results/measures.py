"""What is measured: the one description of a quantity that tables, tests, figures and sentences ask.

A measure turns a run's case rows into one value per patient (and condition, where the rows were made under several): the
mean over the frames and phases of a view, then over the patient's views, so that a view with more frames weighs no more
than the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from harness.results.frames import at_ends
from harness.statistics.failures import FAILED_DICE, worst_ef_error
from harness.statistics.patients import averaged, distance_unit, ef_methods, select
from harness.store.formats.sweep import CLEAN, CONDITION

Direction = Literal["up", "down", "none"]
Averaging = Literal["mean", "absolute", "share below", "difference"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Which rows count: of one structure (None: rows of any), view or phase."""

    structure: str | None = None
    view: str | None = None
    phase: str | None = None


SHARES = (
    *("dice", "iou", "precision", "recall", "nsd_mm", "nsd_px", "dice_rowwise"),
    *("flip_rate", "flicker_predicted", "flicker_reference"),
)
"""Metrics between 0 and 1; of other percentages (the error of an area) there is no largest value."""

WHOLE = Selection()
"""All rows, whatever they are of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """One quantity.

    Attributes:
        name: of its column in tables and files.
        header, unit: for people; ``%`` shows a share times 100.
        direction: whether more (``up``) or less (``down``) is better.
        digits: shown after the decimal point.
        metrics: metrics of the case rows that it is made of; the name itself by default.
        averaging: ``mean`` over frames and views, ``absolute`` of the values without their sign; ``share below`` FAILED_DICE (an undefined value is left out);
            ``difference``: of two metrics of the whole patient, without its sign. Where the first is missing and the second
            is not, the model gave no answer: that counts as the worst one possible (``statistics.failures``).
        csv_only: left out where space is short.
        every: of every frame whose reference mask is true, not of ED and ES alone.
        signed: whether a value below zero exists (a loss may be a gain).

    >>> DICE.better(1.2), HD95.better(1.2)
    (1.2, -1.2)
    """

    name: str
    header: str
    unit: str
    direction: Direction
    digits: int = 2
    metrics: tuple[str, ...] = ()
    averaging: Averaging = "mean"
    csv_only: bool = False
    every: bool = False
    signed: bool = False

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest displayed value that a patient can have; infinite where there is none.

        >>> DICE.limits, HD95.limits
        ((0.0, 100.0), (0.0, inf))
        """
        if (self.metrics or (self.name,))[0] in SHARES:
            return 0.0, self.scale
        # What is better the smaller it is, is an error, a distance or a time.
        return (0.0 if self.direction == "down" and not self.signed else -math.inf), math.inf

    @property
    def higher(self) -> bool:
        """Whether more is better."""
        return self.direction == "up"

    @property
    def is_rate(self) -> bool:
        """Whether it is a share of failures, whose limits are exact ones."""
        return self.averaging == "share below"

    @property
    def scale(self) -> float:
        """From stored to displayed values."""
        return 100.0 if self.unit == "%" else 1.0

    @property
    def title(self) -> str:
        """Header and unit: ``HD95 [mm]``."""
        return f"{self.header} [{self.unit}]"

    @property
    def difference_unit(self) -> str:
        """Unit of a difference of two values: percent differ by points."""
        return "points" if self.unit == "%" else self.unit

    @property
    def points(self) -> str:
        """The same in a sentence, where it must say of what: ``Dice points``, ``EF points``, ``mm``."""
        if self.unit == "%":
            return f"{self.header} points"
        return "EF points" if self.averaging == "difference" else self.unit

    def better(self, difference: float) -> float:
        """A difference turned so that positive is better."""
        return difference if self.higher else -difference

    def by_patient(self, rows: pd.DataFrame, selection: Selection) -> pd.DataFrame:
        """Displayed values [patients, conditions] of one run's rows; columns (perturbation, severity).

        A patient whose value is undefined throughout is NaN; a quantity that the rows do not hold gives an empty table.
        """
        keys = [*CONDITION, "patient"] if "perturbation" in rows else ["patient"]
        if self.averaging == "difference":
            first, second = (averaged(select(rows, metric), keys) for metric in self.metrics)
            if first.empty:
                return pd.DataFrame(dtype=float)
            # Patients whom only the truth knows stay: no answer is an answer.
            first, second = first.align(second, join="outer")
            values = (first - second).abs()
            worst = worst_ef_error(second)
            # Only where the truth is known: a patient without any EF is no failure of a model.
            values = values.where(first.notna() | second.isna(), worst)
            # An EF of -200 is no worse than none: else a model would gain by giving no answer.
            values = values.where(~(values > worst), worst)
        else:
            metric = self.metrics[0] if self.metrics else self.name
            chosen = select(rows, metric, view=selection.view, phase=selection.phase)
            if selection.structure is not None:  # what belongs to the whole clip (flicker) has no structure
                chosen = chosen[chosen["structure"].isin([selection.structure, ""])]
            if self.averaging == "share below":
                below = np.where(chosen["value"].isna(), np.nan, chosen["value"] < FAILED_DICE)
                chosen = chosen.assign(value=below)
            elif self.averaging == "absolute":
                chosen = chosen.assign(value=chosen["value"].abs())
            values = averaged(chosen, keys) * self.scale
        if values.empty:
            return pd.DataFrame(dtype=float)
        if len(keys) > 1:
            return values.unstack(CONDITION)
        return values.to_frame().set_axis(pd.MultiIndex.from_tuples([(CLEAN, 0)], names=CONDITION), axis=1)


DICE = Measure(name="dice", header="Dice", unit="%", direction="up", digits=1)
IOU = Measure(name="iou", header="IoU", unit="%", direction="up", digits=1)
FAILURE = Measure(
    name="failure", header="Failures", unit="%", direction="down", digits=1, metrics=("dice",), averaging="share below"
)
HD95 = Measure(name="hd95_mm", header="HD95", unit="mm", direction="down")
HD95_PX = Measure(name="hd95_px", header="HD95", unit="px", direction="down")
FLIPS = Measure(name="flip_rate", header="Flicker", unit="%", direction="down")
EF_ERROR = Measure(
    name="ef_error",
    header="EF error",
    unit="points",
    direction="down",
    digits=1,
    averaging="difference",
)
"""Of the patients' table of a sweep, where the method was chosen when it was made; elsewhere ``ef_error`` names one."""
SWEPT = (DICE, FAILURE, EF_ERROR, HD95, HD95_PX, FLIPS)
"""The columns of a sweep's table of patients."""


def ef_error(method: str, *, name: str = "ef_mae", header: str = "EF MAE", against: str = "reference") -> Measure:
    """The absolute error of EF by one method, against the reference masks' EF or the ``stated`` one."""
    truth = "ef_stated" if against == "stated" else f"ef_{method}_reference"
    return Measure(
        name=name,
        header=header,
        unit="points",
        direction="down",
        digits=1,
        metrics=(f"ef_{method}_predicted", truth),
        averaging="difference",
    )


def distances(tables: Sequence[pd.DataFrame]) -> list[Measure]:
    """HD95 and ASD, HD for the CSV alone, and NSD where every table has it, in the unit that the tables of case rows share."""
    unit = distance_unit(list(tables))
    found = [
        Measure(
            name=f"{name.lower()}_{unit}",
            header=name,
            unit=unit,
            direction="down",
            csv_only=name == "HD",
        )
        for name in ("HD95", "ASD", "HD")
    ]
    nsd = f"nsd_{unit}"
    # Rows that were written before the surface Dice was measured cannot be scored again without their masks.
    if tables and all((table["metric"] == nsd).any() for table in tables):
        # Before HD, which stands in the CSV alone: printed columns come first.
        found.insert(2, Measure(name=nsd, header="NSD", unit="%", direction="up", digits=1))
    return found


def over_time(unit: str) -> tuple[Measure, ...]:
    """What is measured of whole sequences; ``unit`` is that of distances, ``mm`` or ``px``."""
    return (
        Measure(name="dice_every", header="Dice", unit="%", direction="up", digits=1, metrics=("dice",), every=True),
        Measure(name="hd95_every", header="HD95", unit=unit, direction="down", metrics=(f"hd95_{unit}",), every=True),
        Measure(name="asd_every", header="ASD", unit=unit, direction="down", metrics=(f"asd_{unit}",), every=True),
        Measure(
            name="nsd_every",
            header="NSD",
            unit="%",
            direction="up",
            metrics=(f"nsd_{unit}",),
            every=True,
            csv_only=True,
        ),
        Measure(name="flicker", header="Flicker", unit="%", direction="down", metrics=("flicker_predicted",)),
        Measure(
            name="flicker_reference", header="reference's", unit="%", direction="none", metrics=("flicker_reference",)
        ),
        Measure(name="area_error", header="Area curve error", unit="%", direction="down", digits=1),
        *(
            Measure(
                name=f"{phase}_timing_{unit_of_time}",
                header=f"{phase.upper()} found",
                unit=f"{unit_of_time} off",
                direction="down",
                digits=1 if unit_of_time == "frames" else 0,
                metrics=(f"{phase}_timing_error_{unit_of_time}",),
                averaging="absolute",
            )
            for phase in ("ed", "es")
            for unit_of_time in ("frames", "ms")
        ),
    )


def curve_ef_error(view: str) -> Measure:
    """The absolute error of the EF between the extremes of one view's area curve, against that of the reference's curve."""
    name = f"curve_ef_{view.lower()}"
    return Measure(
        name="curve_ef_mae",
        header="EF MAE of the curve",
        unit="points",
        direction="down",
        digits=1,
        metrics=(f"{name}_predicted", f"{name}_reference"),
        averaging="difference",
    )


def sweep_patients(rows: pd.DataFrame, structure: str = "lv") -> dict[str, pd.DataFrame]:
    """Values [patients, conditions] of every measure of ``SWEPT`` that a sweep's rows hold, by name."""
    rows = at_ends(rows)
    methods = ef_methods(rows)
    made = {measure.name: measure for measure in SWEPT}
    if methods:
        made[EF_ERROR.name] = ef_error(methods[0], name=EF_ERROR.name)
    else:
        # A column of NaN would be stored with every sweep of data without both phases.
        made.pop(EF_ERROR.name)
    values = {name: measure.by_patient(rows, Selection(structure=structure)) for name, measure in made.items()}
    return {name: table for name, table in values.items() if table.size}
