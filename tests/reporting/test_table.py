"""The table's description: precision, ties, marks."""

from __future__ import annotations

import dataclasses
import math

import pytest

from harness.reporting.page.page import _cell
from harness.reporting.render.latex import to_latex
from harness.reporting.render.terminal import terminal_cell
from harness.reporting.render.text import to_markdown
from harness.reporting.tables.table import Cell, Column, Row, Table, decimals

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


def test_only_the_value_next_to_the_best_is_second() -> None:
    marks = build((91.0, 4.0), (94.0, 1.0), (93.0, 2.0), (92.0, 3.0)).marks()
    assert marks == {(1, "dice"): "best", (1, "hd"): "best", (2, "dice"): "second", (2, "hd"): "second"}


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


@pytest.mark.parametrize(("value", "shown"), [(0.0004, "<0.001"), (0.001, "0.001"), (0.0, "<0.001"), (0.5, "0.500")])
def test_a_probability_below_its_last_digit_is_shown_as_less(value: float, shown: str) -> None:
    assert Column(key="p", header="p", digits=3, probability=True).show(value) == shown


def test_a_rounded_zero_carries_no_minus_and_other_values_keep_theirs() -> None:
    assert (DICE.show(-0.04), DICE.show(-0.06), decimals(-2.0, 0)) == ("0.0", "-0.1", "-2")


@pytest.mark.parametrize(
    ("cell", "digits"),
    [
        (Cell(value=0.31, low=0.0041, high=0.62, dagger=True), 3),
        (Cell(value=-0.31, low=-0.62, high=-0.00021, dagger=True), 4),
        (Cell(value=0.003, low=0.0012, high=0.0048, dagger=True), 3),
        (Cell(value=0.31, low=0.011, high=0.62, dagger=True), 2),
        # Without a dagger, beside an exact limit of zero, or without an interval the column's own digits are enough.
        (Cell(value=0.31, low=0.0041, high=0.62), 2),
        (Cell(value=0.31, low=0.0, high=0.62, dagger=True), 2),
        (Cell(value=0.001, dagger=True), 2),
        (Cell(value=1e-30, low=1e-31, high=1.0, dagger=True), 20),
    ],
)
def test_no_limit_beside_a_dagger_looks_like_zero(cell: Cell, digits: int) -> None:
    column = dataclasses.replace(HD, digits=2)
    assert column.at_digits_of(cell).digits == digits


def test_every_rendering_shows_a_limit_that_is_not_zero_beside_a_dagger() -> None:
    cell = Cell(value=0.31, low=0.0041, high=0.62, seed_sd=0.1, dagger=True)
    column = Column(key="difference", header="Mean difference", digits=2)
    row = Row(label="m", cells={"difference": cell})
    table = Table(name="t", title="T", caption="C", columns=(column,), rows=(row,))
    page = str(_cell(column, row, ""))
    for text in (to_markdown(table), to_latex(table), terminal_cell(column, cell, "").plain, page):
        assert "0.004" in text
        assert "[0.00," not in text.replace("{[}", "[")
    assert "table-format=1.3" in to_latex(table)


def test_the_title_has_the_unit_in_brackets_or_none() -> None:
    assert (DICE.title, Column(key="n", header="n").title) == ("Dice [%]", "n")


@pytest.mark.parametrize(
    ("cell", "has"),
    [
        (Cell(value=1.0, low=0.0, high=2.0), True),
        (Cell(value=1.0, low=0.0), False),
        (Cell(value=1.0, high=2.0), False),
        (Cell(value=1.0), False),
    ],
)
def test_an_interval_needs_both_limits(cell: Cell, has: bool) -> None:
    assert cell.has_interval is has


def test_a_table_that_is_not_ranked_and_columns_without_direction_or_of_text_carry_no_mark() -> None:
    assert dataclasses.replace(build((90, 1), (91, 2)), ranked=False).marks() == {}
    words = Column(key="dice", header="Verdict", direction="up", text=True)
    plain = Column(key="hd", header="n")
    assert dataclasses.replace(build((90, 1), (91, 2)), columns=(words, plain)).marks() == {}


def test_columns_for_the_csv_alone_are_not_shown_but_can_be_asked_for() -> None:
    hidden = dataclasses.replace(HD, csv_only=True)
    table = dataclasses.replace(build((90, 1)), columns=(DICE, hidden))
    assert table.shown == (DICE,)
    assert table.column("hd") is hidden
    with pytest.raises(KeyError):
        table.column("asd")


def test_a_row_without_a_cell_has_a_missing_value_and_groups_keep_their_order() -> None:
    table = build((90, 1), (80, 2), (70, 3), groups=("b", "a", "b"))
    assert table.groups == ["b", "a"]
    assert math.isnan(table.rows[0].cell("asd").value)
    assert table.rows[0].cell("hd").value == 1


def test_a_time_is_marked_only_where_its_spread_meets_no_other() -> None:
    timed = Column(key="fps", header="FPS", direction="up", timed=True)

    def marks(*spreads: tuple[float, float, float]) -> list[str]:
        cells = [Cell(value=value, low=low, high=high) for value, low, high in spreads]
        rows = tuple(Row(label=f"m{i}", cells={"fps": cell}) for i, cell in enumerate(cells))
        table = Table(name="t", title="T", caption="C", columns=(timed,), rows=rows)
        return [table.marks().get((index, "fps"), "") for index in range(len(rows))]

    assert marks((100, 90, 110), (80, 75, 85), (50, 40, 60)) == ["best", "second", ""]
    assert marks((100, 90, 110), (92, 85, 99), (50, 40, 60)) == ["", "", ""]
    assert marks((100, 90, 110), (80, 75, 85), (78, 70, 80)) == ["best", "", ""]
    assert marks((100, math.nan, math.nan), (80, math.nan, math.nan)) == ["", ""]
