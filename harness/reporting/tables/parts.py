"""Every table beside the main one: per part of the data, EF, cost, pairwise comparisons, ranking, published figures."""

from __future__ import annotations

import math

import pandas as pd

from harness.reporting.measures import (
    ALPHA,
    arm_ef_pairs,
    arm_values,
    comparisons,
    ef_method,
    has_stated_ef,
    overlap_measures,
    suite_measures,
    value_cell,
)
from harness.reporting.tables.main import cost_cells, interval_words, method_name
from harness.reporting.tables.table import Cell, Column, Row, Table
from harness.results.profile import median_summary
from harness.results.suite import STRUCTURE_NAMES, SuiteResults
from harness.statistics.agreement import Agreement, agreement
from harness.statistics.bootstrap import Interval

_EF_COLUMNS = (
    Column(key="mae", header="MAE", unit="points", direction="down"),
    Column(key="rmse", header="RMSE", unit="points", direction="down"),
    Column(key="r", header="r", direction="up", digits=3),
    Column(key="pearson_r_squared", header="r²", direction="up", digits=3),
    Column(key="bias", header="Bias", unit="points"),
    Column(key="sd", header="SD", unit="points", direction="down"),
    Column(key="lower_limit", header="Lower limit", unit="points"),
    Column(key="upper_limit", header="Upper limit", unit="points"),
    Column(key="implausible", header="Implausible", digits=0),
    Column(key="patients", header="n", digits=0),
)


def part_tables(results: SuiteResults) -> list[Table]:
    """One table per structure with every measure per view and phase; none where a structure has only one part."""
    tables = [_part_table(results, structure) for structure in results.structures]
    single = len(tables) == 1
    return [table for table in tables if len(table.groups) > 1 or not single]


def _part_table(results: SuiteResults, structure: str) -> Table:
    measures = [measure for measure in suite_measures(results) if not measure.csv_only]
    rows = []
    for group, (view, phase) in _parts(results).items():
        for arm in results.arms:
            values = [arm_values(arm, m, structure=structure, view=view, phase=phase) for m in measures]
            cells = {m.metric: value_cell(table) for m, table in zip(measures, values, strict=True)}
            cells["patients"] = Cell(value=max((len(table.dropna()) for table in values), default=0) or math.nan)
            rows.append(Row(label=arm.label, cells=cells, group=group))
    return Table(
        name=f"parts_{structure}",
        title=f"{results.name}: {STRUCTURE_NAMES.get(structure, structure)} per view and phase",
        caption="Mean over patients; best bold, second underlined within each part. Intervals: see the CSV of this table.",
        columns=(*(measure.column for measure in measures), Column(key="patients", header="n", digits=0)),
        rows=tuple(rows),
        mark=results.mark,
        compact=True,
    )


def _parts(results: SuiteResults) -> dict[str, tuple[str | None, str | None]]:
    tables = [table[table["frame"] >= 0] for arm in results.arms for table in arm.tables]
    views = sorted({str(view) for table in tables for view in table["view"].unique()} - {""})
    phases = [phase for phase in ("ED", "ES") if any((table["phase"] == phase).any() for table in tables)]
    parts: dict[str, tuple[str | None, str | None]] = {"all views and phases": (None, None)}
    parts |= {view: (view, None) for view in views if len(views) > 1}
    return parts | {phase: (None, phase) for phase in phases if len(phases) > 1}


def ef_agreements(results: SuiteResults, against: str = "reference") -> dict[str, Agreement]:
    """Agreement of EF per arm; with several seeds the mean over the seeds' statistics, never that of a mean prediction."""
    method = ef_method(results)
    found: dict[str, Agreement] = {}
    for label, tables in (ef_tables(results, method, against) if method else {}).items():
        predicted = pd.concat([table["predicted"] for table in tables], axis=1)
        truth = pd.concat([table["truth"] for table in tables], axis=1).mean(axis=1)
        found[label] = agreement(predicted.to_numpy(), truth.to_numpy())
    return found


def ef_tables(results: SuiteResults, method: str, against: str) -> dict[str, list[pd.DataFrame]]:
    """Predicted and true EF per patient, one table per seed, by arm; arms without any pair are left out."""
    found = {arm.label: arm_ef_pairs(arm, method, against) for arm in results.arms}
    return {label: tables for label, tables in found.items() if any(len(table) for table in tables)}


def ef_table(results: SuiteResults) -> Table | None:
    """Agreement of ejection fraction with the reference masks' and the stated EF; None where no EF was predicted."""
    method = ef_method(results)
    if method is None:
        return None
    groups = {"against the reference masks": "reference"}
    groups |= {"against the stated EF": "stated"} if has_stated_ef(results) else {}
    rows = [
        Row(label=label, cells=_ef_cells(found), group=group)
        for group, against in groups.items()
        for label, found in ef_agreements(results, against).items()
    ]
    return Table(
        name="lvef",
        title=f"{results.name}: left-ventricular ejection fraction by {method_name(method)}",
        caption="Bias is prediction minus truth, limits of agreement are bias ± 1.96 SD (ddof = 1), r is Pearson's; intervals "
        f"are {interval_words(results)}; predictions below 0 or above 90 are counted as implausible and kept.",
        columns=_EF_COLUMNS,
        rows=tuple(rows),
        mark=results.mark,
    )


def _ef_cells(found: Agreement) -> dict[str, Cell]:
    names = [column.key for column in _EF_COLUMNS if hasattr(getattr(found, column.key, None), "point")]
    cells = {name: interval_cell(getattr(found, name), found.seed_sd.get(name, math.nan)) for name in names}
    return {**cells, "implausible": Cell(value=found.implausible), "patients": Cell(value=found.n)}


def interval_cell(interval: Interval, seed_sd: float = math.nan) -> Cell:
    """A cell of an estimate with its interval and the spread over seeds."""
    return Cell(value=interval.point, low=interval.low, high=interval.high, seed_sd=seed_sd)


def _comparison_caption(results: SuiteResults) -> str:
    arms = sum(1 for arm in results.arms if arm.finished and arm.label != results.reference)
    seeded = max((len(arm.finished) for arm in results.arms), default=0) > 1
    return (
        "Paired differences over patients: Hodges–Lehmann estimate with the 95 % interval of the exact signed-rank distribution, "
        f"and mean with {interval_words(results)}"
        + (" (± spread of the difference between single runs)" if seeded else "")
        + "; two-sided Wilcoxon signed-rank test (Pratt)"
        + (" on each patient's mean over seeds, which takes the seeds as given" if seeded else "")
        + f", Holm-corrected over the {arms} baselines of each metric, † p < {ALPHA:g}; rank-biserial correlation (positive "
        f"favours {results.reference}); probability that the model with the worse mean is in truth the better one; verdict: the "
        + ("mean's" if seeded else "Hodges–Lehmann")
        + f" interval against a practical margin of ±{_margin():g} Dice points."
    )


def _margin() -> float:
    return overlap_measures()[0].margin


def cost_table(results: SuiteResults) -> Table | None:
    """Complexity and latency in the streaming condition; None where nothing was profiled."""
    rows: list[Row] = []
    conditions: dict[str, None] = {}
    for arm in results.arms:
        cost = median_summary(run.profile for run in arm.finished)
        if math.isnan(cost.fps) and math.isnan(cost.parameters):
            continue
        cells = cost_cells(arm)
        cells |= {
            "latency_ms": Cell(value=cost.latency_ms),
            "latency_p5_ms": Cell(value=cost.latency_p5_ms),
            "latency_p95_ms": Cell(value=cost.latency_p95_ms),
            "gmacs_torch": Cell(value=cost.gmacs_torch),
        }
        rows.append(Row(label=arm.label, cells=cells))
        conditions[cost.condition] = None
    if not rows:
        return None
    return Table(
        name="cost",
        title=f"{results.name}: complexity and latency",
        caption="Streaming, steady state, per frame; FPS = frames / median latency. One multiply-add counts once. "
        f"Condition: {'; '.join(conditions)}.",
        columns=(
            Column(key="parameters_m", header="Param.", unit="M", direction="down", digits=2),
            Column(key="gmacs", header="GMACs", unit="fvcore", direction="down", digits=2),
            Column(key="gmacs_torch", header="GMACs", unit="torch", direction="down", digits=2),
            Column(key="fps", header="FPS", direction="up"),
            Column(key="latency_ms", header="Median", unit="ms", direction="down", digits=2),
            Column(key="latency_p5_ms", header="5 %", unit="ms", digits=2),
            Column(key="latency_p95_ms", header="95 %", unit="ms", direction="down", digits=2),
            Column(key="memory_mb", header="Memory", unit="MB", direction="down", digits=0),
        ),
        rows=tuple(rows),
    )


def comparison_table(results: SuiteResults) -> Table | None:
    """The reference against every baseline: differences, tests, effect sizes and verdicts; None without a pair."""
    structure = results.structures[0] if results.structures else "lv"
    rows = []
    for measure in suite_measures(results):
        for one in comparisons(results, measure, structure=structure) if not measure.csv_only else []:
            cells = {
                "shift": Cell(value=one.shift, low=one.low, high=one.high, dagger=one.significant(ALPHA)),
                "p": Cell(value=one.p),
                "p_adjusted": Cell(value=one.p_adjusted),
                "rank_biserial": Cell(value=one.rank_biserial),
                "false_claim": Cell(value=one.false_claim),
                "verdict": Cell(text=one.verdict if measure.margin else ""),
                "mean": Cell(value=one.mean_difference, low=one.mean_low, high=one.mean_high, seed_sd=one.seed_sd),
                "patients": Cell(value=one.n),
            }
            rows.append(Row(label=one.other, cells=cells, group=measure.column.title))
    if not rows:
        return None
    return Table(
        name="comparisons",
        title=f"{results.name}: {results.reference} minus each baseline",
        caption=_comparison_caption(results),
        columns=(
            Column(key="shift", header="Hodges–Lehmann", digits=2),
            Column(key="mean", header="Mean difference", digits=2),
            Column(key="p", probability=True, header="p", digits=4),
            Column(key="p_adjusted", probability=True, header="p (Holm)", digits=4),
            Column(key="rank_biserial", header="Rank-biserial", digits=2),
            Column(key="false_claim", probability=True, header="P(false claim)", digits=4),
            Column(key="verdict", header="Verdict", text=True),
            Column(key="patients", header="n", digits=0),
        ),
        rows=tuple(rows),
        mark=results.mark,
        stub="Baseline",
        ranked=False,
    )
