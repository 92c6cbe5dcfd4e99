"""Agreement of the ejection fraction with the reference masks' and the stated one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from harness.reporting.tables.table import Cell, Column, Row, Source, Table
from harness.reporting.tables.words import agreement_words, method_name
from harness.results.comparisons import not_learned
from harness.results.ejection import axis_rule, ef_agreements, ef_method, ef_unanswered, has_stated_ef, owners_ef
from harness.results.result_set import ResultSet
from harness.statistics.agreement import Agreement

_COLUMNS = (
    Column(key="mae", header="MAE of answered", unit="points", direction="down"),
    Column(key="rmse", header="RMSE", unit="points", direction="down"),
    Column(key="r", header="r", direction="up", digits=3),
    Column(key="pearson_r_squared", header="r²", direction="up", digits=3),
    Column(key="bias", header="Bias", unit="points"),
    Column(key="sd", header="SD", unit="points", direction="down"),
    Column(key="lower_limit", header="Lower limit", unit="points"),
    Column(key="upper_limit", header="Upper limit", unit="points"),
    Column(key="implausible", header="Implausible", digits=0),
    Column(key="unanswered", header="No EF", digits=0),
    Column(key="patients", header="n", digits=0),
)


def ef_table(results: ResultSet) -> Table | None:
    """Agreement of ejection fraction with the reference masks' and the stated EF; None where no EF was predicted."""
    method = ef_method(results)
    if method is None:
        return None
    groups = {"against the reference masks": ("reference", method)}
    groups |= {"against the stated EF": ("stated", method)} if has_stated_ef(results) else {}
    if has_stated_ef(results) and (owners := owners_ef(results)):
        groups["with one disc height, against the stated EF"] = ("stated", owners)
    rows = [row for group, (against, by) in groups.items() for row in _rows(results, group, against, by)]
    return Table(
        name="lvef",
        title=f"{results.heading}: left-ventricular ejection fraction by {method_name(method)}",
        caption=f"ED and ES are the stated frames (oracle phases), {axis_rule(results)}. Against the reference masks: their EF by the "
        f"same method. {_stated_words(groups, results.dataset)}Bias is prediction minus truth, limits of agreement are bias ± 1.96 SD (ddof = 1), r is Pearson's; intervals "
        f"are {agreement_words(results)}; predictions below 0 or above 90 are counted as implausible and kept; patients without a predicted EF are left out of these figures and counted (No EF; n: the "
        "others), and a model that leaves any out is not ranked; the EF MAE of the main table counts them with the largest error possible.",
        columns=tuple(
            replace(column, source=Source("cases", f"ef_{method}_predicted", f"EF {column.key}")) for column in _COLUMNS
        ),
        rows=tuple(rows),
        mark=results.mark,
        scope=results.name,
    )


def _rows(results: ResultSet, group: str, against: str, method: str) -> list[Row]:
    """A row per finished arm; one that answered for nobody stays, with its count alone."""
    agreements, failed = ef_agreements(results, against, method), not_learned(results)
    rows = []
    for arm in results.finished:
        unanswered, asked = ef_unanswered(arm, method, against)
        if not asked:
            continue
        agreement = agreements.get(arm.label)
        cells = _cells(agreement) if agreement else {"patients": Cell(value=0)}
        cells["unanswered"] = Cell(value=unanswered)
        # The error over patients whom a model could answer is not that of a model which answered for all.
        if unanswered or arm.label in failed:
            cells = {key: replace(cell, unranked=True) for key, cell in cells.items()}
        rows.append(Row(label=arm.label, cells=cells, group=group))
    return rows


def _stated_words(groups: Mapping[str, object], dataset: str) -> str:
    """Which rows may be held against published figures."""
    if "against the stated EF" not in groups:
        return ""
    words = "Against the stated EF: the figure that the data set states, which published errors refer to. "
    if dataset.startswith("camus"):
        words += "CAMUS states EF made with one disc height for both phases, which lowers it by about nine points"
        words += ": the last rows compute it alike. " if len(groups) > 2 else ". "
    return words


def _cells(agreement: Agreement) -> dict[str, Cell]:
    names = [column.key for column in _COLUMNS if hasattr(getattr(agreement, column.key, None), "point")]
    spread = agreement.seed_sd
    cells = {name: Cell.of(getattr(agreement, name), seed_sd=spread.get(name, math.nan)) for name in names}
    return {**cells, "implausible": Cell(value=agreement.implausible), "patients": Cell(value=agreement.n)}
