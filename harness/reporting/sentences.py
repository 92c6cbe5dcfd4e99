"""Comparisons in words: which is better, by how much, how sure, on how many patients, at which cost, and whether it matters."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.reporting.measures import (
    ALPHA,
    Measure,
    against_reference,
    arm_values,
    ef_errors,
    ef_method,
    suite_measures,
)
from harness.reporting.profile import ProfileSummary, median_summary
from harness.reporting.results import STRUCTURE_NAMES, Arm, SuiteResults
from harness.statistics.paired import Comparison


@dataclass(frozen=True, kw_only=True, slots=True)
class PairReport:
    """Two arms of a suite: a comparison per measure (first minus second) and both costs."""

    first: Arm
    second: Arm
    structure: str
    comparisons: tuple[tuple[Measure, Comparison], ...]
    costs: tuple[ProfileSummary, ProfileSummary]


def compare_arms(results: SuiteResults, first: str, second: str, structure: str | None = None) -> PairReport:
    """Compare two arms of a suite on the same patients; p values are those of this one comparison (no correction).

    Raises:
        ConfigError: a label that the suite does not have.
    """
    a, b = results.arm(first), results.arm(second)
    structure = structure or (results.structures[0] if results.structures else "lv")
    found: list[tuple[Measure, Comparison]] = []
    for measure in suite_measures(results):
        means = {
            arm.label: arm_values(arm, measure, structure=structure).mean(axis=1) for arm in (a, b) if arm.finished
        }
        found += [(measure, one) for one in against_reference(a.label, means, measure) if one.n]
    method = ef_method(results)
    if method:
        measure = Measure(metric="ef_mae", header="EF error", unit="points", direction="down", digits=1)
        means = {arm.label: ef_errors(arm, method, "reference").mean(axis=1) for arm in (a, b) if arm.finished}
        found += [(measure, one) for one in against_reference(a.label, means, measure) if one.n]
    costs = tuple(median_summary(run.profile for run in arm.finished) for arm in (a, b))
    return PairReport(first=a, second=b, structure=structure, comparisons=tuple(found), costs=(costs[0], costs[1]))


def pair_sentences(pair: PairReport) -> list[str]:
    """The answer in plain sentences, the verdict first."""
    missing = [
        f"{arm.label} has no finished run ({arm.reason})." for arm in (pair.first, pair.second) if not arm.finished
    ]
    if missing or not pair.comparisons:
        return missing or [f"{pair.first.label} and {pair.second.label} share no scored patient."]
    measure, main = pair.comparisons[0]
    lines = [verdict_sentence(measure, main), certainty_sentence(measure, main), margin_sentence(measure, main)]
    lines += [verdict_sentence(m, c) for m, c in pair.comparisons[1:] if not m.csv_only and m.metric != "iou"]
    lines += cost_sentences(pair.first.label, pair.second.label, *pair.costs)
    seeds = [len(arm.finished) for arm in (pair.first, pair.second)]
    where = STRUCTURE_NAMES.get(pair.structure, pair.structure)
    lines.append(
        f"Structure: {where}; each patient counts once (views, phases, frames and seeds averaged; "
        f"{seeds[0]} and {seeds[1]} {'seed' if seeds == [1, 1] else 'seeds'})."
    )
    return lines


def verdict_sentence(measure: Measure, one: Comparison, *, corrected: bool = False) -> str:
    """``GDKVM beats XMem by 1.2 Dice points [0.4, 2.0], p = 0.003, n = 50.``; says so where no difference is shown.

    The difference is the Hodges-Lehmann estimate with its interval, turned so that it is positive for the winner; with
    ``corrected`` the Holm-adjusted p decides and is printed.
    """
    p = one.p_adjusted if corrected else one.p
    name, sign = ("p (Holm)" if corrected else "p"), (1 if measure.direction == "up" else -1)
    ahead = sign * one.shift >= 0
    winner, loser = (one.reference, one.other) if ahead else (one.other, one.reference)
    flip = 1 if (one.shift >= 0) else -1
    low, high = sorted((flip * one.low, flip * one.high))
    size = f"{abs(one.shift):.{measure.digits}f} {_unit(measure)}"
    interval = f" [{low:.{measure.digits}f}, {high:.{measure.digits}f}]" if math.isfinite(low) else ""
    tail = f"{interval}, {name} {p_text(p)}, n = {one.n}"
    if measure.direction == "up":
        lead, won = f"{winner} is ahead of {loser} by {size}", f"{winner} beats {loser} by {size}"
    else:
        lead = won = f"{winner}'s {measure.header} is {size} lower than {loser}'s"
    if p < ALPHA:
        return f"{won}{tail}."
    if not math.isfinite(p):
        return f"{lead}{interval}, n = {one.n}: too few patients for a test."
    return f"No difference in {measure.header} between {one.reference} and {one.other} is shown: {lead}{tail}."


def certainty_sentence(measure: Measure, one: Comparison) -> str:
    """Probability of a false claim and the effect size."""
    better = one.mean_difference >= 0 if measure.direction == "up" else one.mean_difference <= 0
    loser = one.other if better else one.reference
    favoured = one.reference if one.rank_biserial >= 0 else one.other
    return (
        f"Probability that {loser} is in truth the better one: {p_text(one.false_claim).lstrip('= ')}; "
        f"rank-biserial correlation {abs(one.rank_biserial):.2f} in favour of {favoured}."
    )


def margin_sentence(measure: Measure, one: Comparison) -> str:
    """Whether the difference matters, given the practical margin."""
    margin = f"{measure.margin:g} {_unit(measure)}"
    if one.verdict == "superior":
        return f"{one.reference} is superior: the whole interval lies beyond the practical margin of {margin}."
    if one.verdict == "inferior":
        return f"{one.reference} is inferior: the whole interval lies beyond the practical margin of {margin}."
    if one.verdict == "equivalent":
        return f"The two are equivalent in practice: the whole interval lies within the margin of ±{margin}."
    return f"Whether the difference matters is undecided: the interval is not wholly on one side of the margin of {margin}."


def cost_sentences(first: str, second: str, a: ProfileSummary, b: ProfileSummary) -> list[str]:
    """Speed, memory and size of two models against each other; nothing for what was not measured."""
    parts = [
        _ratio("speed", a.fps, b.fps, "FPS", 1),
        _ratio("memory", a.memory_mb, b.memory_mb, "MB", 0),
        _ratio("parameters", a.parameters / 1e6, b.parameters / 1e6, "M", 2),
        _ratio("GMACs per frame", a.gmacs, b.gmacs, "", 2),
    ]
    known = [part for part in parts if part]
    return [f"Cost of {first} against {second}: {'; '.join(known)}."] if known else []


def p_text(p: float) -> str:
    """``= 0.032`` or ``< 0.001``; ``not tested`` where there is none."""
    if not math.isfinite(p):
        return "not tested"
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _ratio(name: str, a: float, b: float, unit: str, digits: int) -> str:
    if not (math.isfinite(a) and math.isfinite(b)) or min(a, b) <= 0:
        return ""
    return f"{name} {a:.{digits}f} against {b:.{digits}f} {unit}".rstrip() + f" ({a / b:.2g} times)"


def _unit(measure: Measure) -> str:
    if measure.unit == "%":
        return f"{measure.header} points"
    return "EF points" if measure.metric.startswith("ef_") else measure.unit
