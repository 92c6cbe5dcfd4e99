"""One description of a table, rendered elsewhere to LaTeX, Markdown, CSV and the terminal."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from harness.results.measures import Direction, Measure
from harness.statistics.bootstrap import Interval

MISSING = "--"
Mark = Literal["best", "second", ""]


def decimals(value: float, digits: int) -> str:
    """A number at a fixed precision; a rounded zero never carries a minus."""
    shown = f"{value:.{digits}f}"
    # "-0.00" reads as a small loss where there is none.
    return shown.lstrip("-") if float(shown) == 0 else shown


_MOST_DIGITS = 20
"""As many as a stored table may ask for."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the values of a column stand, and what is done with them: a test recomputes each from the stored rows.

    ``format`` is a file's format (``cases``, ``profile``, ``patients``, ``record``, ``archive``, ``published``), ``column``
    its column (for cases: a metric), ``reduction`` the way from there to a cell.
    """

    format: str
    column: str
    reduction: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column: ``key`` (CSV header), ``header`` with ``unit`` for people, ``digits`` shown after the decimal point.

    ``direction`` says whether more (``up``) or less (``down``) is better and decides arrows, best and second.
    ``probability`` columns show values below their last digit as ``<0.001``. ``text`` columns hold words. ``csv_only`` columns are left out where space is short.
    ``timed`` columns hold measured times, whose interval is their spread: a mark needs a spread that meets no other's.
    """

    key: str
    header: str
    unit: str = ""
    direction: Direction = "none"
    digits: int = 1
    text: bool = False
    csv_only: bool = False
    probability: bool = False
    timed: bool = False
    source: Source | None = None

    @property
    def title(self) -> str:
        """Header and unit, without an arrow: ``HD95 [mm]``."""
        return f"{self.header} [{self.unit}]" if self.unit else self.header

    def show(self, value: float) -> str:
        """The value at the displayed precision, ``--`` when there is none. A rounded zero never carries a minus."""
        if not math.isfinite(value):
            return MISSING
        # A p of 0.000 would claim certainty; the smallest digit bounds it.
        if self.probability and value < 10**-self.digits:
            return f"<{10**-self.digits:.{self.digits}f}"
        return decimals(value, self.digits)

    def at_digits_of(self, cell: Cell) -> Column:
        """The column at the digits that this cell needs: beside a dagger neither value nor limit may look like zero.

        >>> column = Column(key="difference", header="Mean difference", digits=2)
        >>> column.at_digits_of(Cell(value=0.31, low=0.0041, high=0.62, dagger=True)).show(0.0041)
        '0.004'
        """
        digits = digits_of(cell, self.digits)
        return self if digits == self.digits else replace(self, digits=digits)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """A value with its interval (NaN: none), or a text; ``dagger`` marks significance, ``seed_sd`` spread over seeds.

    ``unranked`` values are shown and take no part in best and second: times that were measured beside other work.
    """

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    seed_sd: float = math.nan
    text: str = ""
    dagger: bool = False
    unranked: bool = False

    @classmethod
    def of(cls, interval: Interval, *, seed_sd: float = math.nan, dagger: bool = False) -> Cell:
        """The cell of an estimate with its interval and the spread over seeds."""
        return cls(value=interval.point, low=interval.low, high=interval.high, seed_sd=seed_sd, dagger=dagger)

    @property
    def has_interval(self) -> bool:
        """Whether both limits are known."""
        return math.isfinite(self.low) and math.isfinite(self.high)


def digits_of(cell: Cell, digits: int) -> int:
    """The fewest digits, ``digits`` at least, at which beside a dagger neither the value nor a limit looks like zero.

    >>> digits_of(Cell(value=0.31, low=0.0041, high=0.62, dagger=True), 2)
    3
    """
    if not cell.dagger or not cell.has_interval or cell.low <= 0 <= cell.high:
        return digits
    # "0.31† [0.00, 0.62]" would say that the interval reaches zero, and the dagger that it does not.
    smallest = min(abs(value) for value in (cell.value, cell.low, cell.high) if value)
    return next((more for more in range(digits, _MOST_DIGITS) if float(f"{smallest:.{more}f}")), _MOST_DIGITS)


def on_scale(cell: Cell, measure: Measure) -> Cell:
    """The cell with its limits cut to what a mean can be: 0..100 of a share, 0 and more of an error, a distance or a time.

    >>> from harness.results.measures import DICE, HD95
    >>> wide = Cell(value=60.9, low=-70.1, high=191.9)
    >>> on_scale(wide, DICE).low, on_scale(wide, DICE).high, on_scale(wide, HD95).low, on_scale(wide, HD95).high
    (0.0, 100.0, 0.0, 191.9)
    """
    least, most = measure.limits
    # Two trainings reach 12.7 standard errors, far outside of what a share can be; NaN (no interval) stays NaN.
    low, high = (limit if math.isnan(limit) else min(max(limit, least), most) for limit in (cell.low, cell.high))
    return replace(cell, low=low, high=high)


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A labelled row; ``cells`` by column key, an absent key is a missing value. ``group`` starts a block of rows."""

    label: str
    cells: dict[str, Cell] = field(default_factory=dict)
    group: str = ""

    def cell(self, key: str) -> Cell:
        """The cell of a column, empty when there is none."""
        return self.cells.get(key, Cell())


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A whole table.

    Attributes:
        name: file stem.
        scope: the report that it belongs to; with the name it makes the LaTeX label, unique where reports meet in a paper.
        title: one line.
        caption: what a reader must know: test, alpha, n, correction, unit of analysis, first-frame protocol.
        columns, rows: in order.
        notes: one sentence each, below the table (failed runs, conditions).
        mark: the dataset's mark ("partial: ...") or None.
        stub: header of the label column.
        ranked: whether best and second are marked (within each group of rows).
        compact: whether LaTeX leaves intervals out (Markdown and CSV have them).
        published: whether the figures are others', as printed: never ranked, tested or mixed with measured ones.
    """

    name: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    mark: str | None = None
    stub: str = "Model"
    ranked: bool = True
    compact: bool = False
    published: bool = False
    scope: str = ""

    def column(self, key: str) -> Column:
        """The column with this key; KeyError when there is none."""
        return {column.key: column for column in self.columns}[key]

    @property
    def shown(self) -> tuple[Column, ...]:
        """Columns for people: those that are not for the CSV alone."""
        return tuple(column for column in self.columns if not column.csv_only)

    @property
    def groups(self) -> list[str]:
        """Names of the blocks of rows, in order."""
        return list(dict.fromkeys(row.group for row in self.rows))

    def marks(self) -> dict[tuple[int, str], Mark]:
        """Best and second per column and group, by row number and column key; ties at the displayed precision share a mark.

        A column is marked only where it has a direction and at least two values of a group differ; a timing only where its
        spread meets no other's.
        """
        found: dict[tuple[int, str], Mark] = {}
        if not self.ranked:
            return found
        for group in self.groups:
            # Within a block: ED and ES, or two perturbations, are not ranked against each other.
            members = [index for index, row in enumerate(self.rows) if row.group == group]
            for column in self.columns:
                found.update(self._marks_of(column, members))
        return found

    def _marks_of(self, column: Column, members: list[int]) -> dict[tuple[int, str], Mark]:
        if column.direction == "none" or column.text:
            return {}
        members = [index for index in members if not self.rows[index].cell(column.key).unranked]
        shown = {index: column.show(self.rows[index].cell(column.key).value) for index in members}
        numbers = {index: float(text) for index, text in shown.items() if text != MISSING}
        # By what is printed: two values that look the same must not be told apart by digits that nobody sees.
        order = sorted(set(numbers.values()), reverse=column.direction == "up")
        if len(order) < 2:
            return {}
        names: dict[float, Mark] = {order[0]: "best", order[1]: "second"}
        marked = {index: names[value] for index, value in numbers.items() if value in names}
        if column.timed:
            cells = {index: self.rows[index].cell(column.key) for index in numbers}
            marked = {index: mark for index, mark in marked.items() if _stands_apart(index, cells)}
        return {(index, column.key): mark for index, mark in marked.items()}


def _stands_apart(index: int, cells: dict[int, Cell]) -> bool:
    """Whether a timing's spread is known and meets no other's: what differs by less is the noise of one machine."""
    chosen = cells[index]
    others = [cell for other, cell in cells.items() if other != index]
    return chosen.has_interval and all(
        cell.has_interval and (cell.high < chosen.low or cell.low > chosen.high) for cell in others
    )


def measure_column(
    measure: Measure,
    key: str | None = None,
    header: str | None = None,
    *,
    csv_only: bool = False,
    source: Source | None = None,
) -> Column:
    """The column of a measure: its unit, direction and precision."""
    return Column(
        key=key or measure.name,
        header=header or measure.header,
        unit=measure.unit,
        direction=measure.direction,
        digits=measure.digits,
        csv_only=csv_only or measure.csv_only,
        source=source or Source("cases", (measure.metrics or (measure.name,))[0], "patient mean"),
    )
