"""What training with the perturbations buys: each augmented arm beside the plain one, on the same patients."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from harness.experiments.sweep.sweep import CLEAN
from harness.reporting.measures import ALPHA
from harness.reporting.tables.table import Cell, Column, Row, Table
from harness.results.sweep.patients import DECIMALS, Readout
from harness.results.sweep.readouts import Arm, Wide, interval
from harness.results.sweep.results import SweepResults
from harness.statistics.paired import holm, signed_rank_p

_INTERVALS = ("plain", "augmented", "gain")
_CLEAN_IMAGES = "clean images"


def gains(results: SweepResults, readout: Readout) -> pd.DataFrame:
    """Augmented minus plain, paired by patient, for clean images and the means over seen and unseen perturbations.

    A patient's means are over the conditions in which both arms have a value (an EF or HD95 may be undefined). One
    family of Holm's correction is everything this returns: all augmented arms, all kinds of images.

    Returns:
        Columns ``model, images, plain, augmented, gain, p, p_adjusted``; the three in the middle are ``Interval``:
        means over patients with 95 % BCa interval. p: two-sided signed-rank (Pratt).
    """
    rows = [
        {"model": base.label, "images": images} | _paired(arm.values(readout), base.values(readout), conditions)
        for arm, base in pairs(results)
        for images, conditions in _kinds(results, arm).items()
    ]
    table = pd.DataFrame(rows)
    return table.assign(p_adjusted=holm(table["p"].to_numpy(float))) if len(table) else table


def augmentation_table(results: SweepResults) -> Table | None:
    """Plain, augmented and the gain for every quantity; None where no arm has a plain one beside it."""
    if not pairs(results):
        return None
    rows = [row for readout in results.measured() for row in _rows(readout, gains(results, readout))]
    tests = sum(len(_kinds(results, arm)) for arm, _ in pairs(results))
    return Table(
        name="robustness_augmentation",
        title=f"{results.name}: what training with the perturbations buys on the test split of {results.dataset}",
        caption="Means over patients, severities and perturbations with 95 % BCa bootstrap interval; differences are paired "
        f"by patient. † two-sided signed-rank test (Pratt), Holm-corrected within a quantity ({tests} tests), α = {ALPHA}.",
        columns=(
            Column(key="plain", header="Plain", digits=2),
            Column(key="augmented", header="Augmented", digits=2),
            Column(key="gain", header="Augmented − plain", digits=2),
            Column(key="p", header="Adjusted p", digits=4, probability=True),
        ),
        rows=tuple(rows),
        notes=(*_seen_notes(results), *results.notes),
        stub="Model, images",
        mark=results.mark,
        ranked=False,
    )


def pairs(results: SweepResults) -> list[tuple[Arm, Arm]]:
    """Every augmented arm with the plain one of the same model and recipe."""
    known = {arm.label: arm for arm in results.arms}
    return [(arm, known[arm.plain]) for arm in results.arms if arm.plain in known]


def _rows(readout: Readout, found: pd.DataFrame) -> list[Row]:
    group = f"{readout.header} [{readout.unit}], {'higher' if readout.higher else 'lower'} is better"
    rows = []
    for one in found.to_dict("records"):
        cells = {key: Cell(value=one[key].point, low=one[key].low, high=one[key].high) for key in _INTERVALS}
        cells["gain"] = replace(cells["gain"], dagger=bool(one["p_adjusted"] < ALPHA))
        cells["p"] = Cell(value=one["p_adjusted"])
        rows.append(Row(label=f"{one['model']}, {one['images']}", cells=cells, group=group))
    return rows


def _kinds(results: SweepResults, arm: Arm) -> dict[str, list[tuple[str, int]]]:
    """Conditions by kind of images: clean, and what the augmented arm saw and did not see in training."""
    kinds: dict[str, list[str]] = {"seen": [], "unseen": []}
    for name in results.perturbations:
        kinds["seen" if name in arm.seen else "unseen"].append(name)
    named = {
        f"{len(names)} {kind} perturbations": [(name, severity) for name in names for severity in results.severities]
        for kind, names in kinds.items()
        if names
    }
    return {_CLEAN_IMAGES: [(CLEAN, 0)], **named}


def _paired(augmented: Wide, plain: Wide, conditions: list[tuple[str, int]]) -> dict[str, object]:
    index = augmented.index.intersection(plain.index)
    first, second = (
        wide.reindex(index=index, columns=pd.MultiIndex.from_tuples(conditions)) for wide in (augmented, plain)
    )
    both = first.notna() & second.notna()
    means = [wide.where(both).mean(axis=1).dropna() for wide in (first, second)]
    difference = means[0] - means[1]
    return {
        "plain": interval(means[1]),
        "augmented": interval(means[0]),
        "gain": interval(difference),
        "p": signed_rank_p(difference.round(DECIMALS).to_numpy(float)),
    }


def _seen_notes(results: SweepResults) -> tuple[str, ...]:
    """What each augmented arm saw; one sentence where all saw the same."""
    seen = {arm.label: sorted(arm.seen & set(results.perturbations)) for arm, _ in pairs(results)}
    words = {label: ", ".join(name.replace("_", " ") for name in names) for label, names in seen.items()}
    if len(set(words.values())) == 1:
        return (f"Seen in training: {next(iter(words.values()))}.",)
    return tuple(f"{label} saw in training: {text}." for label, text in words.items())
