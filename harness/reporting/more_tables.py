"""Every table beside the main one: per part of the data, EF, cost, pairwise comparisons, ranking, published figures."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from harness.reporting.main_table import cost_cells, method_name
from harness.reporting.measures import (
    ALPHA,
    arm_ef_pairs,
    arm_values,
    comparisons,
    ef_method,
    has_stated_ef,
    suite_measures,
    value_cell,
)
from harness.reporting.profile import median_summary
from harness.reporting.results import STRUCTURE_NAMES, SuiteResults
from harness.reporting.table import Cell, Column, Row, Table
from harness.statistics.agreement import Agreement, agreement
from harness.statistics.bootstrap import Interval

_EF_COLUMNS = (
    Column(key="mae", header="MAE", unit="points", direction="down"),
    Column(key="rmse", header="RMSE", unit="points", direction="down"),
    Column(key="r", header="r", direction="up", digits=3),
    Column(key="r_squared", header="R²", direction="up", digits=3),
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
    """Agreement of EF per arm; with several seeds each patient's prediction is the mean over the seeds."""
    method = ef_method(results)
    found: dict[str, Agreement] = {}
    for label, pairs in (ef_tables(results, method, against) if method else {}).items():
        found[label] = agreement(pairs["predicted"], pairs["truth"])
    return found


def ef_tables(results: SuiteResults, method: str, against: str) -> dict[str, pd.DataFrame]:
    """Predicted and true EF per patient and arm, averaged over seeds; arms without any pair are left out."""
    found = {}
    for arm in results.arms:
        tables = arm_ef_pairs(arm, method, against)
        pairs = pd.concat(tables).groupby(level="patient").mean() if tables else pd.DataFrame()
        if len(pairs):
            found[arm.label] = pairs
    return found


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
        caption="Bias is prediction minus truth, limits of agreement are bias ± 1.96 SD (ddof = 1), intervals are 95 % BCa "
        "bootstrap over patients; predictions below 0 or above 90 are counted as implausible and kept.",
        columns=_EF_COLUMNS,
        rows=tuple(rows),
        mark=results.mark,
    )


def _ef_cells(found: Agreement) -> dict[str, Cell]:
    names = ("mae", "rmse", "r", "r_squared", "bias", "sd", "lower_limit", "upper_limit")
    cells = {name: _interval_cell(getattr(found, name)) for name in names}
    return {**cells, "implausible": Cell(value=found.implausible), "patients": Cell(value=found.n)}


def _interval_cell(interval: Interval) -> Cell:
    return Cell(value=interval.point, low=interval.low, high=interval.high)


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
                "patients": Cell(value=one.n),
            }
            rows.append(Row(label=one.other, cells=cells, group=measure.column.title))
    if not rows:
        return None
    return Table(
        name="comparisons",
        title=f"{results.name}: {results.reference} minus each baseline",
        caption="Hodges–Lehmann paired difference with 95 % interval; two-sided Wilcoxon signed-rank test (Pratt), Holm-corrected "
        f"within each metric, † p < {ALPHA:g}; rank-biserial correlation (positive favours {results.reference}); probability that "
        "the model with the worse mean is in truth the better one; verdict against a practical margin of 0.5 Dice points.",
        columns=(
            Column(key="shift", header="Difference", digits=2),
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


def published_table(path: Path, source: str, frame: pd.DataFrame) -> Table:
    """Published figures in a block of their own, as printed; never ranked and never tested."""
    text = ["method", "setting", "metric", "venue", "dataset", "kind", "unit"]
    stub = next((name for name in text if name in frame), str(frame.columns[0]))
    columns = tuple(Column(key=str(c), header=str(c).replace("_", " "), text=True) for c in frame.columns if c != stub)
    rows = [
        Row(label=str(row[stub]), cells={c.key: Cell(text=str(row[c.key])) for c in columns})
        for _, row in frame.iterrows()
    ]
    return Table(
        name=f"published_{path.stem}",
        title=f"Published figures, not measured here: {path.stem.replace('_', ' ')}",
        caption=f"As printed. Source: {source}.",
        columns=columns,
        rows=tuple(rows),
        stub=stub.capitalize(),
        ranked=False,
    )


def read_published(path: Path) -> Table:
    """Read one file of ``configs/published``: comment lines are the source, every cell stays as printed."""
    lines = path.read_text(encoding="utf-8").splitlines()
    source = " ".join(line.lstrip("# ").strip() for line in lines if line.startswith("#")).rstrip(".")
    frame = pd.read_csv(path, comment="#", dtype=str, keep_default_na=False, index_col=False)
    return published_table(path, source, frame)
