"""Comparisons in words: which is better, by how much, how sure, on how many patients, at which cost, and whether it matters."""

from __future__ import annotations

import math

from harness.reporting.tables.table import decimals
from harness.results.comparisons import ALPHA, Comparison
from harness.results.measures import IOU, Measure
from harness.results.pair import PairReport
from harness.results.profile import ProfileSummary
from harness.results.result_set import STRUCTURE_NAMES
from harness.statistics.bootstrap import SMALLEST_SAMPLE


def pair_sentences(pair: PairReport) -> list[str]:
    """The answer in plain sentences, the verdict first."""
    measure, main = pair.comparisons[0]
    lines = [verdict_sentence(measure, main), certainty_sentence(measure, main), margin_sentence(measure, main)]
    lines += [verdict_sentence(m, c) for m, c in pair.comparisons[1:] if not m.csv_only and m is not IOU]
    lines += cost_sentences(pair.first.label, pair.second.label, *pair.costs)
    seeds = [len(arm.finished) for arm in (pair.first, pair.second)]
    where = STRUCTURE_NAMES.get(pair.structure, pair.structure)
    counted = "1 seed each" if seeds == [1, 1] else f"{seeds[0]} and {seeds[1]} seeds"
    lines.append(
        f"Structure: {where}; each patient counts once (views, phases, frames and seeds averaged; {counted}); "
        "p values are those of this one comparison, uncorrected."
    )
    missing = [f"{arm.label} is incomplete: {arm.reason}." for arm in (pair.first, pair.second) if arm.reason]
    return [*lines, *pair.remarks, *missing]


def verdict_sentence(measure: Measure, comparison: Comparison, *, corrected: bool = False) -> str:
    """``GDKVM beats XMem by 1.2 Dice points [0.4, 2.0], p = 0.003, n = 50.``; says so where no difference is shown.

    The difference is the Hodges-Lehmann estimate with its interval, turned so that it is positive for the winner; with
    ``corrected`` the Holm-adjusted p decides and is printed. Several seeds add the mean difference over patients x seeds.
    """
    if not math.isfinite(comparison.shift):
        return f"{comparison.reference} and {comparison.other} share no patient with a value of {measure.header}."
    p = comparison.p_adjusted if corrected else comparison.p
    name, sign = ("p (Holm)" if corrected else "p"), (1 if measure.higher else -1)
    ahead = sign * comparison.shift >= 0
    winner, loser = (comparison.reference, comparison.other) if ahead else (comparison.other, comparison.reference)
    flip = 1 if comparison.shift >= 0 else -1
    size, interval = (
        f"{decimals(abs(comparison.shift), measure.digits)} {measure.points}",
        _interval(comparison.low, comparison.high, flip, measure),
    )
    tail = f"{interval}, {name} {p_text(p)}, n = {comparison.n}{_seed_clause(measure, comparison, flip)}"
    if measure.higher:
        lead, won = f"{winner} is ahead of {loser} by {size}", f"{winner} beats {loser} by {size}"
    else:
        lead = won = f"{winner}'s {measure.header} is {size} lower than {loser}'s"
    if p < ALPHA:
        return f"{won}{tail}."
    if float(decimals(abs(comparison.shift), measure.digits)) == 0:
        lead = f"they are level, {size}"
    if not math.isfinite(p):
        return f"{lead[:1].upper()}{lead[1:]}{interval}, n = {comparison.n}: too few patients for a test."
    return f"No difference in {measure.header} between {comparison.reference} and {comparison.other} is shown: {lead}{tail}."


def _interval(low: float, high: float, flip: int, measure: Measure) -> str:
    if not math.isfinite(low):
        return ""
    ends = sorted((flip * low, flip * high))
    return f" [{decimals(ends[0], measure.digits)}, {decimals(ends[1], measure.digits)}]"


def _seed_clause(measure: Measure, comparison: Comparison, flip: int) -> str:
    if not math.isfinite(comparison.seed_sd):
        return ""
    mean = decimals(flip * comparison.mean_difference, measure.digits)
    return (
        f" (over patients and seeds: mean {mean}{_interval(comparison.mean_low, comparison.mean_high, flip, measure)})"
    )


def certainty_sentence(measure: Measure, comparison: Comparison) -> str:
    """Probability of a false claim and the effect size."""
    better = comparison.mean_difference >= 0 if measure.higher else comparison.mean_difference <= 0
    loser = comparison.other if better else comparison.reference
    claim = f"Probability that {loser} is in truth the better one: {p_text(comparison.false_claim).lstrip('= ')}"
    if comparison.rank_biserial == 0:
        return f"{claim}; rank-biserial correlation 0.00."
    favoured = comparison.reference if comparison.rank_biserial > 0 else comparison.other
    return f"{claim}; rank-biserial correlation {abs(comparison.rank_biserial):.2f} in favour of {favoured}."


def margin_sentence(measure: Measure, comparison: Comparison) -> str:
    """Whether the difference matters, given the practical margin."""
    margin = f"{measure.margin:g} {measure.points}"
    judged = "the interval over patients and seeds" if math.isfinite(comparison.seed_sd) else "the interval"
    if not math.isfinite(comparison.mean_low if math.isfinite(comparison.seed_sd) else comparison.low):
        return (
            f"Whether the difference matters cannot be said: with n = {comparison.n} there is no interval "
            f"(at least {SMALLEST_SAMPLE} patients are needed)."
        )
    if comparison.verdict == "superior":
        return f"{comparison.reference} is superior: {judged} lies wholly beyond the practical margin of {margin}."
    if comparison.verdict == "inferior":
        return f"{comparison.reference} is inferior: {judged} lies wholly beyond the practical margin of {margin}."
    if comparison.verdict == "equivalent":
        return f"The two are equivalent in practice: {judged} lies wholly within the margin of ±{margin}."
    return f"Whether the difference matters is undecided: {judged} is not wholly on one side of the margin of {margin}."


def cost_sentences(first: str, second: str, a: ProfileSummary, b: ProfileSummary) -> list[str]:
    """Speed, memory and size of two models against each other; says so where nothing was measured."""
    parts = [
        _ratio("speed", a.fps, b.fps, "FPS", 1),
        _ratio("memory", a.peak_memory_mb, b.peak_memory_mb, "MB", 0),
        _ratio("parameters", a.parameters / 1e6, b.parameters / 1e6, "M", 2),
        _ratio("GMACs per frame", a.gmacs_per_frame_torch, b.gmacs_per_frame_torch, "", 2),
    ]
    known = [part for part in parts if part]
    if not known:
        return ["Their cost cannot be compared: speed and memory were not measured for both."]
    lines = [f"Cost of {first} against {second}: {'; '.join(known)}."]
    if a.condition and b.condition and a.condition != b.condition:
        lines.append(f"Speed was measured under different conditions: {a.condition} and {b.condition}.")
    return lines


def p_text(p: float) -> str:
    """``= 0.032`` or ``< 0.001``; ``not tested`` where there is none."""
    if not math.isfinite(p):
        return "not tested"
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _ratio(name: str, a: float, b: float, unit: str, digits: int) -> str:
    if not (math.isfinite(a) and math.isfinite(b)) or min(a, b) <= 0:
        return ""
    return f"{name} {a:.{digits}f} against {b:.{digits}f} {unit}".rstrip() + f" ({a / b:.2g} times)"
