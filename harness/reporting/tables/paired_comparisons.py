"""The reference against every baseline in every measure: one estimand, its interval, test, probabilities and verdict."""

from __future__ import annotations

import math

from harness.reporting.tables.family_words import family_sentence, is_tested
from harness.reporting.tables.table import Cell, Column, Row, Source, Table
from harness.results.comparisons import Comparison, all_comparisons, tested_measures
from harness.results.result_set import ResultSet


def _column(
    key: str, header: str, digits: int = 2, *, probability: bool = False, text: bool = False, csv_only: bool = False
) -> Column:
    source = Source("cases", "the row's group", key)
    return Column(
        key=key, header=header, digits=digits, probability=probability, text=text, csv_only=csv_only, source=source
    )


_MODELS = (
    _column("p", "p", 4, probability=True),
    _column("p_adjusted", "p (corrected)", 4, probability=True),
    _column("p_better", "P(better)", 3, probability=True),
    _column("p_equivalent", "P(equivalent)", 3, probability=True),
    _column("p_worse", "P(worse)", 3, probability=True),
)
"""What is said of models, and left out where only trainings were compared."""
_BESIDE = (
    _column("detectable", "Detectable"),
    _column("sign_flip_p", "p (these trainings)", 4, probability=True),
    _column("worst_decile", "Worst decile"),
    _column("median", "Median", csv_only=True),
    _column("shift", "Hodges–Lehmann", csv_only=True),
    _column("margin", "Margin", csv_only=True),
    _column("level", "Level", 4, csv_only=True),
    _column("non_inferior", "Non-inferior", text=True, csv_only=True),
    _column("verdict", "Verdict", text=True),
    _column("trainings", "Trainings", text=True),
    _column("patients", "n", 0),
)


def comparison_table(results: ResultSet) -> Table | None:
    """The reference against every baseline, a row for every dagger of the report; None without a pair."""
    found = all_comparisons(results)
    titles = {measure.name: measure.title for measure in tested_measures(results)}
    rows = [Row(label=other, cells=_cells(one), group=titles[name]) for (name, other), one in found.items()]
    if not rows:
        return None
    # Without any comparison of models the columns of tests would be empty and suggest that they failed.
    models = any(is_tested(one) for one in found.values())
    return Table(
        name="comparisons",
        title=f"{results.heading}: {results.reference} minus each baseline",
        caption=comparison_caption(results, list(found.values())),
        columns=(_column("difference", "Mean difference"), *(_MODELS if models else ()), *_BESIDE),
        rows=tuple(rows),
        notes=margin_notes(results),
        mark=results.mark,
        stub="Baseline",
        ranked=False,
        scope=results.name,
    )


def _cells(one: Comparison) -> dict[str, Cell]:
    return {
        "difference": Cell(
            value=one.difference, low=one.low, high=one.high, seed_sd=math.hypot(*one.spread), dagger=one.shown
        ),
        "p": Cell(value=one.p),
        "p_adjusted": Cell(value=one.p_adjusted),
        "p_better": Cell(value=one.p_better),
        # Within a margin of zero lies nothing: without a stated margin there is no equivalence.
        "p_equivalent": Cell(value=one.p_equivalent if one.margin else math.nan),
        "p_worse": Cell(value=one.p_worse),
        "detectable": Cell(value=one.detectable),
        "sign_flip_p": Cell(value=one.flip.p),
        "worst_decile": Cell(value=one.worst_decile),
        "median": Cell(value=one.median),
        "shift": Cell(value=one.shift),
        "margin": Cell(value=one.margin or math.nan),
        "level": Cell(value=one.level),
        "non_inferior": Cell(text=("yes" if one.non_inferior else "no") if one.scope == "models" else ""),
        "verdict": Cell(text=one.verdict),
        "trainings": Cell(text=" v ".join(map(str, one.trainings))),
        "patients": Cell(value=one.n),
    }


def margin_notes(results: ResultSet) -> tuple[str, ...]:
    """Where the smallest differences that matter come from, one sentence per source."""
    named: dict[str, list[str]] = {}
    for measure in tested_measures(results):
        if measure.name in results.criteria.margins:
            # By source: several measures often share one, and the sentence is said once.
            named.setdefault(results.criteria.margins[measure.name].source, []).append(measure.header)
    return tuple(f"Margin of {', '.join(headers)}: {source}." for source, headers in named.items())


def comparison_caption(results: ResultSet, comparisons: list[Comparison]) -> str:
    """What is compared, how the intervals are corrected, and what the other columns are."""
    margin = results.criteria.margin
    margins = [f"{m.header} {margin(m.name):g} {m.difference_unit}" for m in tested_measures(results) if margin(m.name)]
    beside = (
        "Detectable: smallest true difference that this design shows in 80 % of repetitions"
        + _detectable_of(comparisons)
        + ". p (these trainings): exact sign-flip test over patients (Monte Carlo above 20 pairs), trainings as given. Worst decile: difference of the means of the worst tenth of patients."
    )
    return " ".join(
        [
            f"Paired difference of means over patients (of means over trainings). Primary endpoint: {_endpoint(results)}.",
            family_sentence(comparisons, probabilities=True),
            *([f"Smallest differences that matter: {', '.join(margins)}."] if margins else []),
            beside,
        ]
    )


def _detectable_of(comparisons: list[Comparison]) -> str:
    """What the detectable difference leaves out where trainings were compared: their spread is not known."""
    few = [one.scope == "trainings" for one in comparisons]
    if all(few):
        return ", were trainings not to vary at all"
    return " (where trainings were compared: were trainings not to vary at all)" if any(few) else ""


def _endpoint(results: ResultSet) -> str:
    """The primary endpoint as tables call it."""
    headers = {measure.name: measure.header for measure in tested_measures(results)}
    return headers.get(results.criteria.endpoint, f"{results.criteria.endpoint}, which these rows do not hold")
