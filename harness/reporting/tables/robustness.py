"""Tables of a robustness report, in the renderer-independent form of ``harness.reporting.tables.table``."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from harness.perturbations.ladders import unmatched
from harness.reporting.measures import ALPHA
from harness.reporting.tables.augmentation import augmentation_table
from harness.reporting.tables.table import Cell, Column, Row, Table
from harness.results.sweep.comparisons import by_condition, overall
from harness.results.sweep.patients import DICE, Readout
from harness.results.sweep.readouts import (
    Arm,
    at,
    available_mean,
    clean,
    curve_area,
    drop,
    interval,
    mean_of,
    relative_drop,
    relative_performance,
)
from harness.results.sweep.results import SweepResults
from harness.statistics.bootstrap import Interval


def robustness_tables(results: SweepResults) -> Iterator[Table]:
    """The summary, what augmentation buys, the drops per perturbation, the paired comparisons, a table per quantity."""
    yield summary_table(results)
    augmented = augmentation_table(results)
    if augmented is not None:
        yield augmented
    yield drop_table(results)
    if len(results.arms) > 1:
        yield comparison_table(results)
    for readout in results.measured():
        yield severity_table(results, readout)


def summary_table(results: SweepResults) -> Table:
    """One row per model: clean and mean perturbed Dice, drop, rPC, worst perturbation, and the mean of the rest."""
    significant = {one.other for one in overall(results, DICE) if one.significant()}
    rest = [item for item in results.measured() if item is not DICE]
    columns = [
        _column(DICE, "clean", "clean Dice"),
        _column(DICE, "perturbed", "perturbed Dice"),
        Column(key="drop", header="Drop", unit="points", direction="down"),
        Column(key="rpc", header="rPC", unit="%", direction="up"),
        _column(DICE, "area", "Area under the Dice curve", csv_only=True),
        Column(key="relative_drop", header="Drop rel. to reference", unit="%", digits=0, csv_only=True),
        Column(key="worst", header="Worst perturbation", text=True),
    ]
    for item in rest:
        columns += [_column(item, f"{item.key}_clean", f"clean {item.header}", csv_only=True), _column(item)]
    columns += [Column(key="seen", header="Seen", text=True), Column(key="patients", header="n", digits=0)]
    rows = [_summary_row(results, arm, rest, dagger=arm.label in significant) for arm in results.arms]
    return Table(
        name="robustness",
        title=f"{results.name}: robustness on the test split of {results.dataset}",
        caption=_caption(results)
        + " rPC: mean perturbed over mean clean Dice. Failures: labelled frames with Dice < 0.5 or an empty mask. "
        f"† differs from {results.reference} in mean perturbed Dice: two-sided signed-rank test on patient means, "
        f"Holm-corrected over the other models ({max(len(results.arms) - 1, 0)}). Seen: perturbations used as training "
        "augmentation.",
        columns=tuple(columns),
        rows=tuple(rows),
        notes=_notes(results),
        mark=results.mark,
    )


def _summary_row(results: SweepResults, arm: Arm, rest: list[Readout], *, dagger: bool) -> Row:
    wide = arm.values(DICE)
    perturbed = mean_of(wide, results.perturbations, results.severities)
    lost = mean_drops(results, arm)
    cells = {
        "clean": cell(interval(clean(wide))),
        "perturbed": cell(interval(perturbed), dagger=dagger),
        "drop": cell(interval(drop(wide, perturbed, higher=True))),
        "rpc": cell(relative_performance(wide, perturbed)),
        "area": cell(interval(_mean_area(results, wide))),
        "relative_drop": Cell(value=relative_drop(lost.mean(), _reference_drop(results))),
        "worst": Cell(text=f"{_words(lost.idxmax())} (−{lost.max():.1f})" if lost.notna().any() else ""),
        "seen": Cell(text=seen_text(results, arm)),
        "patients": Cell(value=int(perturbed.notna().sum())),
    }
    for item in rest:
        own = arm.values(item)
        cells[f"{item.key}_clean"] = cell(interval(clean(own)))
        cells[item.key] = cell(interval(available_mean(own, results.perturbations, results.severities)))
    return Row(label=arm.label, cells=cells)


def _mean_area(results: SweepResults, wide: pd.DataFrame) -> pd.Series:
    """Mean over perturbations of the area under each patient's curve."""
    areas = [curve_area(wide, name, results.severities) for name in results.perturbations]
    return pd.concat(areas, axis=1).mean(axis=1, skipna=False)


def _reference_drop(results: SweepResults) -> float:
    return float(mean_drops(results, results.arm(results.reference)).mean())


def mean_drops(results: SweepResults, arm: Arm, readout: Readout = DICE) -> pd.Series:
    """Mean loss against the clean image per perturbation (index), over severities and patients; positive is worse."""
    wide = arm.values(readout)
    lost = {
        name: drop(wide, mean_of(wide, [name], results.severities), readout.higher).mean()
        for name in results.perturbations
    }
    return pd.Series(lost, dtype=float)


def severity_table(results: SweepResults, readout: Readout) -> Table:
    """Every model under every perturbation: one column per severity, their mean, and the area under the curve."""
    columns = [_column(readout, f"severity_{severity}", f"Severity {severity}") for severity in results.severities]
    columns += [
        _column(readout, "mean", "Mean"),
        _column(readout, "area", "Area"),
        Column(key="seen", header="Seen", text=True),
    ]
    rows = []
    for name in results.perturbations:
        rows += [_severity_row(results, readout, arm, name) for arm in results.arms]
    return Table(
        name=f"robustness_{readout.key}",
        title=f"{results.name}: {readout.header} [{readout.unit}] by perturbation and severity",
        caption=_caption(results)
        + " Area: under the curve from the clean image (severity 0) on, divided by its width; the same scale as the values. "
        "Patients for whom a value is undefined (an empty mask) are left out of that cell.",
        columns=tuple(columns),
        rows=tuple(rows),
        notes=_notes(results),
        mark=results.mark,
        compact=True,
    )


def _severity_row(results: SweepResults, readout: Readout, arm: Arm, name: str) -> Row:
    wide = arm.values(readout)
    cells = {f"severity_{level}": cell(interval(at(wide, name, level))) for level in results.severities}
    cells["mean"] = cell(interval(mean_of(wide, [name], results.severities)))
    cells["area"] = cell(interval(curve_area(wide, name, results.severities)))
    cells["seen"] = Cell(text="seen" if name in arm.seen else "unseen")
    return Row(label=arm.label, cells=cells, group=_words(name))


def drop_table(results: SweepResults) -> Table:
    """Loss of Dice per perturbation (rows) and model (columns), averaged over severities: the heat map's numbers."""
    columns = [Column(key=arm.label, header=arm.label, unit="points", direction="none") for arm in results.arms]
    rows = []
    for name in results.perturbations:
        cells = {}
        for arm in results.arms:
            wide = arm.values(DICE)
            cells[arm.label] = cell(interval(drop(wide, mean_of(wide, [name], results.severities), higher=True)))
        rows.append(Row(label=_words(name), cells=cells))
    return Table(
        name="robustness_drop",
        title=f"{results.name}: Dice lost against the clean image",
        caption=_caption(results) + " Positive is worse.",
        columns=tuple(columns),
        rows=tuple(rows),
        notes=_notes(results),
        stub="Perturbation",
        mark=results.mark,
        ranked=False,
    )


def comparison_table(results: SweepResults) -> Table:
    """Reference minus each other model at equal severity: difference in Dice points, interval, significance."""
    found = by_condition(results, DICE)
    others = [arm.label for arm in results.arms if arm.label != results.reference]
    columns = []
    for label in others:
        columns += [
            Column(key=label, header=f"vs {label}", unit="points"),
            Column(key=f"{label}_p", header=f"adjusted p vs {label}", digits=4, probability=True, csv_only=True),
        ]
    rows = []
    for (severity, name), part in found.groupby(["severity", "perturbation"], sort=True):
        cells: dict[str, Cell] = {}
        for one in part.to_dict("records"):
            label, p = str(one["other"]), float(one["p_adjusted"])
            cells[label] = Cell(value=one["shift"], low=one["low"], high=one["high"], dagger=p < ALPHA)
            cells[f"{label}_p"] = Cell(value=p)
        rows.append(Row(label=_words(str(name)), cells=cells, group=f"Severity {severity}"))
    family = len(others) * len(results.perturbations)
    return Table(
        name="robustness_comparisons",
        title=f"{results.name}: {results.reference} minus each other model, Dice",
        caption="Hodges–Lehmann difference of paired patient means with 95 % interval; positive favours "
        f"{results.reference}. † two-sided signed-rank test (Pratt), Holm-corrected within a severity ({family} tests), α = 0.05.",
        columns=tuple(columns),
        rows=tuple(rows),
        notes=_notes(results),
        stub="Perturbation",
        mark=results.mark,
        ranked=False,
        compact=True,
    )


def cell(found: Interval, *, dagger: bool = False) -> Cell:
    """A cell with an interval."""
    return Cell(value=found.point, low=found.low, high=found.high, dagger=dagger)


def seen_text(results: SweepResults, arm: Arm) -> str:
    """``none``, ``all``, or how many of the swept perturbations training showed to the model."""
    seen = arm.seen & set(results.perturbations)
    if not seen:
        return "none"
    return "all" if len(seen) == len(results.perturbations) else f"{len(seen)} of {len(results.perturbations)}"


def _words(name: object) -> str:
    return str(name).replace("_", " ")


def _column(readout: Readout, key: str | None = None, header: str | None = None, *, csv_only: bool = False) -> Column:
    return Column(
        key=key or readout.key,
        header=header or readout.header,
        unit=readout.unit,
        direction="up" if readout.higher else "down",
        digits=readout.digits,
        csv_only=csv_only,
    )


def _notes(results: SweepResults) -> tuple[str, ...]:
    """Which severities mean less distortion than the others', where any do, and what the results themselves note."""
    weaker = [_words(name) for name in unmatched(results.dataset) if name in results.perturbations]
    if not weaker:
        return results.notes
    return (f"Not matched by SSIM, spread over what is reachable: {', '.join(weaker)}.", *results.notes)


def _caption(results: SweepResults) -> str:
    low, high = results.severities[0], results.severities[-1]
    return (
        f"{len(results.perturbations)} perturbations at severities {low} to {high}, matched by mean SSIM across "
        "perturbations; every model sees the same images. Means over patients with 95 % BCa bootstrap interval."
    )
