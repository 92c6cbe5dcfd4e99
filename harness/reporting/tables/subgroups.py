"""Does the reference's lead depend on who the patients are? Differences per subgroup with the test of their interaction."""

from __future__ import annotations

from harness.reporting.tables.table import Cell, Column, Row, Source, Table
from harness.results.measures import DICE
from harness.results.result_set import ResultSet
from harness.results.subgroups import Interaction, interactions


def _column(key: str, header: str, digits: int = 2, *, probability: bool = False, text: bool = False) -> Column:
    source = Source("cases", DICE.name, f"subgroup {key}")
    return Column(key=key, header=header, digits=digits, probability=probability, text=text, source=source)


def subgroup_table(results: ResultSet) -> Table | None:
    """One block per grouping, one row per baseline and group; None where nothing is known that patients differ in."""
    found = interactions(results)
    if not found:
        return None
    return Table(
        name="subgroups",
        title=f"{results.heading}: {results.reference} minus each baseline in Dice, by subgroup",
        caption="Paired difference of means over the patients of a group (of means over trainings), trainings taken as given; intervals "
        "are Student's, corrected over the groups of a grouping. p (interaction): that the groups share one difference "
        "(Alexander–Govern; of two views Student's paired test), and corrected over this table (Benjamini–Hochberg). A "
        "difference that is shown in one group alone is no evidence that groups differ. Few patients: below 10 there is no interval.",
        columns=(
            _column("difference", "Mean difference"),
            _column("p", "p (interaction)", 4, probability=True),
            _column("p_adjusted", "p (corrected)", 4, probability=True),
            _column("patients", "n", 0),
            _column("few", "Warning", text=True),
        ),
        rows=tuple(row for one in found for row in _rows(one)),
        mark=results.mark,
        stub="Baseline, group",
        ranked=False,
        scope=results.name,
    )


def _rows(one: Interaction) -> list[Row]:
    return [
        Row(
            label=f"{one.other}, {group.name}",
            group=one.grouping,
            cells={
                "difference": Cell(value=group.difference, low=group.low, high=group.high),
                "p": Cell(value=one.effect.p),
                "p_adjusted": Cell(value=one.p_adjusted),
                "patients": Cell(value=group.n),
                "few": Cell(text="few patients" if group.small else ""),
            },
        )
        for group in one.effect.groups
    ]
