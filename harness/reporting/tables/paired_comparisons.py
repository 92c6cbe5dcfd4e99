"""The reference against every baseline: differences, tests, effect sizes and verdicts."""

from __future__ import annotations

from harness.reporting.tables.table import Cell, Column, Row, Source, Table
from harness.reporting.tables.words import interval_words
from harness.results.comparisons import ALPHA, Comparison, comparisons
from harness.results.measures import DICE, Measure
from harness.results.result_set import ResultSet


def _column(key: str, header: str, digits: int = 2, *, probability: bool = False, text: bool = False) -> Column:
    source = Source("cases", "the row's group", key)
    return Column(key=key, header=header, digits=digits, probability=probability, text=text, source=source)


_COLUMNS = (
    _column("shift", "Hodges–Lehmann"),
    _column("mean", "Mean difference"),
    _column("p", "p", 4, probability=True),
    _column("p_adjusted", "p (Holm)", 4, probability=True),
    _column("rank_biserial", "Rank-biserial"),
    _column("false_claim", "P(false claim)", 4, probability=True),
    _column("verdict", "Verdict", text=True),
    _column("patients", "n", 0),
)


def comparison_table(results: ResultSet) -> Table | None:
    """The reference against every baseline; None without a pair."""
    rows = [
        Row(label=one.other, cells=_cells(measure, one), group=measure.title)
        for measure in results.measures
        if not measure.csv_only
        for one in comparisons(results, measure)
    ]
    if not rows:
        return None
    return Table(
        name="comparisons",
        title=f"{results.heading}: {results.reference} minus each baseline",
        caption=_caption(results),
        columns=_COLUMNS,
        rows=tuple(rows),
        mark=results.mark,
        stub="Baseline",
        ranked=False,
        scope=results.name,
    )


def _cells(measure: Measure, one: Comparison) -> dict[str, Cell]:
    return {
        "shift": Cell(value=one.shift, low=one.low, high=one.high, dagger=one.significant(ALPHA)),
        "mean": Cell(value=one.mean_difference, low=one.mean_low, high=one.mean_high, seed_sd=one.seed_sd),
        "p": Cell(value=one.p),
        "p_adjusted": Cell(value=one.p_adjusted),
        "rank_biserial": Cell(value=one.rank_biserial),
        "false_claim": Cell(value=one.false_claim),
        "verdict": Cell(text=one.verdict if measure.margin else ""),
        "patients": Cell(value=one.n),
    }


def _caption(results: ResultSet) -> str:
    arms, seeded = len(results.others), results.seeds > 1
    family = f"Holm-corrected over the {arms} baselines of each metric" if arms > 1 else "one baseline, no correction"
    return (
        "Paired differences over patients: Hodges–Lehmann estimate with the 95 % interval of the exact signed-rank distribution, "
        f"and mean with {interval_words(results)}"
        + (" (± spread of the difference between single runs)" if seeded else "")
        + "; two-sided Wilcoxon signed-rank test (Pratt)"
        + (" on each patient's mean over seeds, which takes the seeds as given" if seeded else "")
        + f", {family}, † p < {ALPHA:g}; rank-biserial correlation (positive "
        f"favours {results.reference}); probability that the model with the worse mean is in truth the better one; verdict: the "
        + ("mean's" if seeded else "Hodges–Lehmann")
        + f" interval against a practical margin of ±{DICE.margin:g} Dice points."
    )
