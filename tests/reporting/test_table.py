"""The table's description: precision, ties, marks."""

from __future__ import annotations

import math

import pytest

from harness.reporting.tables.table import Cell, Column, Row, Table

DICE = Column(key="dice", header="Dice", unit="%", direction="up", digits=1)
HD = Column(key="hd", header="HD95", unit="mm", direction="down", digits=2)


def build(*values: tuple[float, float], groups: tuple[str, ...] = ()) -> Table:
    rows = tuple(
        Row(
            label=f"m{i}",
            cells={"dice": Cell(value=dice), "hd": Cell(value=hd)},
            group=groups[i] if groups else "",
        )
        for i, (dice, hd) in enumerate(values)
    )
    return Table(name="t", title="T", caption="C", columns=(DICE, HD), rows=rows)


def test_ties_are_judged_at_the_displayed_precision() -> None:
    marks = build((93.44, 3.0), (93.36, 3.1), (92.0, 3.2)).marks()
    assert marks[0, "dice"] == marks[1, "dice"] == "best"
    assert marks[2, "dice"] == "second"


def test_the_direction_decides_what_is_best() -> None:
    marks = build((90, 3.0), (91, 4.0)).marks()
    assert marks[1, "dice"] == "best"
    assert marks[0, "hd"] == "best"


def test_missing_values_take_no_mark_and_a_single_value_is_not_best() -> None:
    assert build((90, math.nan), (math.nan, math.nan)).marks() == {}


def test_equal_columns_are_not_marked() -> None:
    assert build((90, 3), (90, 3)).marks() == {}


def test_groups_are_ranked_apart() -> None:
    marks = build((90, 1), (80, 2), (99, 3), (98, 4), groups=("a", "a", "b", "b")).marks()
    assert marks[0, "dice"] == "best"
    assert marks[3, "dice"] == "second"


@pytest.mark.parametrize(("value", "shown"), [(93.45678, "93.5"), (math.nan, "--"), (math.inf, "--"), (-0.01, "0.0")])
def test_values_show_at_the_precision_of_their_column(value: float, shown: str) -> None:
    assert DICE.show(value) == shown
