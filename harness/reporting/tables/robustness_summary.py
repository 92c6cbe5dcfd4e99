"""One row per model of a sweep: clean and perturbed Dice, what is lost, the worst perturbation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pandas as pd

from harness.reporting.tables.family_words import family_sentence
from harness.reporting.tables.sweep_words import judged, sweep_caption, sweep_notes
from harness.reporting.tables.table import Cell, Column, Row, Source, Table, decimals, measure_column, on_scale
from harness.reporting.tables.words import plain_words
from harness.results.arm import Arm
from harness.results.comparisons import LOSS, Comparison, overall
from harness.results.conditions import (
    available_mean,
    clean,
    curve_area,
    estimate,
    lost,
    mean_drops,
    mean_of,
    relative_drop,
    relative_performance,
)
from harness.results.measures import DICE, Measure
from harness.results.result_set import ResultSet


def summary_table(results: ResultSet) -> Table:
    """One row per model: clean and mean perturbed Dice, drop, rPC, worst perturbation, and the mean of the rest."""
    tests = overall(results, DICE)
    shown = {(one.other, key) for key, found in tests.items() for one in found if one.shown}
    rest = [item for item in results.measures if item is not DICE]
    columns = [
        measure_column(DICE, "clean", "clean Dice", source=Source("patients", DICE.name, "clean")),
        measure_column(DICE, "perturbed", "perturbed Dice", source=Source("patients", DICE.name, "mean of conditions")),
        Column(
            key="drop", header="Drop", unit="points", direction="down", source=Source("patients", DICE.name, "drop")
        ),
        Column(
            key="rpc",
            header="rPC",
            unit="%",
            direction="up",
            source=Source("patients", DICE.name, "relative performance"),
        ),
        measure_column(
            DICE, "area", "Area under the Dice curve", csv_only=True, source=Source("patients", DICE.name, "area")
        ),
        Column(
            key="relative_drop",
            header="Drop rel. to reference",
            unit="%",
            digits=0,
            csv_only=True,
            source=Source("patients", DICE.name, "relative drop"),
        ),
        Column(
            key="worst",
            header="Worst perturbation",
            text=True,
            source=Source("patients", DICE.name, "worst perturbation"),
        ),
    ]
    for item in rest:
        columns += [
            measure_column(
                item,
                f"{item.name}_clean",
                f"clean {item.header}",
                csv_only=True,
                source=Source("patients", item.name, "clean"),
            ),
            measure_column(item, source=Source("patients", item.name, "available mean of conditions")),
        ]
    columns += [
        Column(key="seen", header="Seen", text=True, source=Source("record", "augment", "perturbations seen")),
        Column(
            key="patients", header="n", digits=0, source=Source("patients", "patient", "patients with every condition")
        ),
    ]
    rows = [_summary_row(results, arm, rest, shown) for arm in results.arms]
    return Table(
        name="robustness",
        title=f"{results.heading}: robustness on the test split of {results.dataset}",
        caption=sweep_caption(results)
        + " rPC: mean perturbed over mean clean Dice. Worst perturbation: the largest of these mean losses, picked after they were seen; "
        "on other patients it would be smaller. Failures: ED and ES frames (of a clip that names neither: labelled frames) with Dice < 0.5 or an empty mask, with exact limits over patients. "
        f"{_test_sentence(results, tests)}Seen: perturbations used as training augmentation.",
        columns=tuple(columns),
        rows=tuple(rows),
        notes=sweep_notes(results),
        mark=results.mark,
        scope=results.name,
    )


def _summary_row(results: ResultSet, arm: Arm, rest: list[Measure], shown: set[tuple[str, str]]) -> Row:
    wide = arm.under(DICE)
    names, levels = results.perturbations, results.severities
    perturbed = mean_of(wide, perturbations=names, severities=levels)
    drops = mean_drops(results, arm)
    cells = {
        "clean": on_scale(Cell.of(estimate(arm, DICE, clean)), DICE),
        "perturbed": on_scale(
            Cell.of(
                estimate(arm, DICE, partial(mean_of, perturbations=names, severities=levels)),
                dagger=(arm.label, DICE.name) in shown,
            ),
            DICE,
        ),
        "drop": Cell.of(
            estimate(arm, DICE, partial(lost, perturbations=names, severities=levels)),
            dagger=(arm.label, LOSS) in shown,
        ),
        # Of a clean Dice of 0 nothing has a share.
        "rpc": Cell.of(relative_performance(wide, perturbed)) if clean(wide).gt(0).any() else Cell(),
        "area": on_scale(
            Cell.of(estimate(arm, DICE, partial(_mean_area, perturbations=names, severities=levels))), DICE
        ),
        "relative_drop": Cell(value=relative_drop(drops.mean(), _reference_drop(results))),
        "worst": Cell(text=_worst(drops)),
        "seen": Cell(text=seen_text(results, arm)),
        "patients": Cell(value=int(perturbed.notna().sum())),
    }
    for item in rest:
        cells[f"{item.name}_clean"] = on_scale(Cell.of(estimate(arm, item, clean, item)), item)
        answered = estimate(arm, item, partial(available_mean, perturbations=names, severities=levels), item)
        cells[item.name] = on_scale(Cell.of(answered), item)
    return judged(results, Row(label=arm.label, cells=cells))


def _worst(lost: pd.Series) -> str:
    """The perturbation that costs most, and what the Dice changes by: ``haze (−6.0)``; a gain has a plus."""
    if not lost.notna().any():
        return ""
    change = decimals(abs(lost.max()), 1)
    sign = "" if float(change) == 0 else "−" if lost.max() > 0 else "+"
    return f"{plain_words(lost.idxmax())} ({sign}{change})"


def _mean_area(wide: pd.DataFrame, perturbations: Sequence[str], severities: Sequence[int]) -> pd.Series:
    """Mean over perturbations of the area under each patient's curve."""
    areas = [curve_area(wide, name, severities) for name in perturbations]
    return pd.concat(areas, axis=1).mean(axis=1, skipna=False)


def _reference_drop(results: ResultSet) -> float:
    return float(mean_drops(results, results.arm(results.reference)).mean())


def _test_sentence(results: ResultSet, tests: dict[str, list[Comparison]]) -> str:
    """Which questions the daggers answer; that trainings were compared where there are too few; nothing without a pair."""
    found = [one for family in tests.values() for one in family]
    if not found:
        return ""
    return (
        f"Against {results.reference} the loss itself is compared (Drop), and beside it the perturbed Dice: see the table of "
        f"losses. {family_sentence(found, endpoint='the loss')} "
    )


def loss_table(results: ResultSet) -> Table | None:
    """What a fault costs each model against the reference: the paired difference of losses, and of the perturbed values."""
    tests = overall(results, DICE)
    titles = {
        LOSS: "Loss of Dice, points (negative: the reference loses less)",
        DICE.name: "Dice under perturbation, points",
    }
    rows = [
        Row(label=one.other, cells=_loss_cells(one), group=titles[key]) for key, found in tests.items() for one in found
    ]
    if not rows:
        return None
    source = {key: Source("patients", DICE.name, f"{key} of losses") for key in ("difference", "p", "p_adjusted", "n")}
    return Table(
        name="robustness_losses",
        title=f"{results.heading}: {results.reference} minus each other model, over all perturbations and severities",
        caption="Paired difference of means over patients (of means over conditions and trainings). "
        + family_sentence([one for found in tests.values() for one in found], endpoint="the loss"),
        columns=(
            Column(key="difference", header="Mean difference", digits=2, source=source["difference"]),
            Column(key="p", header="p", digits=4, probability=True, source=source["p"]),
            Column(key="p_adjusted", header="p (corrected)", digits=4, probability=True, source=source["p_adjusted"]),
            Column(
                key="verdict", header="Verdict", text=True, source=Source("patients", DICE.name, "verdict of losses")
            ),
            Column(key="patients", header="n", digits=0, source=source["n"]),
        ),
        rows=tuple(rows),
        notes=sweep_notes(results),
        stub="Model",
        mark=results.mark,
        scope=results.name,
        ranked=False,
    )


def _loss_cells(one: Comparison) -> dict[str, Cell]:
    return {
        "difference": Cell(value=one.difference, low=one.low, high=one.high, dagger=one.shown),
        "p": Cell(value=one.p),
        "p_adjusted": Cell(value=one.p_adjusted),
        "verdict": Cell(text=one.verdict),
        "patients": Cell(value=one.n),
    }


def seen_text(results: ResultSet, arm: Arm) -> str:
    """``none``, ``all``, or how many of the swept perturbations training showed to the model."""
    seen = arm.seen & set(results.perturbations)
    if not seen:
        return "none"
    return "all" if len(seen) == len(results.perturbations) else f"{len(seen)} of {len(results.perturbations)}"
