"""Comparisons in words: which is better, by how much, how sure, on how many patients, at which cost, and whether it matters."""

from __future__ import annotations

import math

from harness.reporting.tables.table import decimals
from harness.results.comparisons import SMALLEST_TRAININGS, Comparison
from harness.results.measures import IOU, Measure
from harness.results.pair import PairReport
from harness.results.profile import ProfileSummary
from harness.results.result_set import STRUCTURE_NAMES
from harness.statistics.bootstrap import SMALLEST_SAMPLE


def pair_sentences(pair: PairReport) -> list[str]:
    """The answer in plain sentences, the verdict first."""
    measure, main = pair.comparisons[0]
    lines = [verdict_sentence(measure, main), scope_sentence(main), margin_sentence(measure, main)]
    lines += [verdict_sentence(m, c) for m, c in pair.comparisons[1:] if not m.csv_only and m is not IOU]
    lines += cost_sentences(pair.first.label, pair.second.label, *pair.costs)
    where = STRUCTURE_NAMES.get(pair.structure, pair.structure)
    lines.append(
        f"Structure: {where}; each patient counts once (views, phases, frames and trainings averaged; "
        f"{_trainings(main)}){_family_words(pair)}."
    )
    missing = [f"{arm.label} is incomplete: {arm.reason}." for arm in (pair.first, pair.second) if arm.reason]
    return [*(line for line in lines if line), *pair.remarks, *missing]


def _family_words(pair: PairReport) -> str:
    """What the p values of a pair are corrected for; empty where nothing was tested."""
    measure, main = pair.comparisons[0]
    if not any(math.isfinite(one.p) for _, one in pair.comparisons):
        return ""
    if measure.name != pair.endpoint:
        words = f"the primary endpoint, {pair.endpoint}, is not in these rows, and all measures are corrected together"
    elif pair.family == "suite" and main.tests > 1:
        words = (
            f"as in the tables {measure.header} is corrected over {main.tests} baselines, the other measures together"
        )
    else:
        words = f"{measure.header} is a test of its own, the other measures are corrected together"
    alone = pair.family == "pair" and pair.rivals
    return f"; {words}{', for this pair alone and for no other pair of these models' if alone else ''}"


def verdict_sentence(measure: Measure, comparison: Comparison) -> str:
    """``GDKVM beats XMem by 1.2 Dice points [0.4, 2.0], corrected p = 0.003, n = 50, 3 and 3 trainings.``

    The mean difference with the interval that matches the correction, turned so that it is positive for the winner. Where
    too few trainings were compared the sentence speaks of these trainings and of no model.
    """
    if comparison.scope == "none":
        return f"{comparison.reference} and {comparison.other} share no patient with a value of {measure.header}."
    ahead = measure.better(comparison.difference) >= 0
    winner, loser = (comparison.reference, comparison.other) if ahead else (comparison.other, comparison.reference)
    digits = _digits(comparison, measure)
    size = f"{_number(abs(comparison.difference), digits, apart=_apart(comparison))} {measure.points}"
    tail = f"{_interval(comparison, digits)}, n = {comparison.n}"
    level = not _apart(comparison) and float(decimals(abs(comparison.difference), digits)) == 0
    if comparison.scope == "trainings" or not comparison.learned:
        if level:
            return f"In {measure.header} these trainings of {comparison.reference} and {comparison.other} are level, {size}{tail}."
        word = "ahead" if measure.higher else "lower"
        return (
            f"In {measure.header} these trainings of {comparison.reference} and {comparison.other} differ by {size}{tail}; "
            f"{winner}'s is {word}."
        )
    lead = (
        f"{winner} is ahead of {loser} by {size}"
        if measure.higher
        else f"{winner}'s {measure.header} is {size} lower than {loser}'s"
    )
    won = f"{winner} beats {loser} by {size}" if measure.higher else lead
    tail = f"{_interval(comparison, digits)}, corrected p {p_text(comparison.p_adjusted)}, n = {comparison.n}, {_trainings(comparison)}"
    if comparison.shown:
        return f"{won}{tail}."
    if level:
        lead = f"they are level, {size}"
    if not math.isfinite(comparison.p):
        return f"{lead[:1].upper()}{lead[1:]}, n = {comparison.n}: too few patients for a test."
    return f"No difference in {measure.header} between {comparison.reference} and {comparison.other} is shown: {lead}{tail}."


def scope_sentence(comparison: Comparison) -> str:
    """What was compared where it was not models; empty where it was."""
    if not comparison.learned:
        return f"{comparison.reference} or {comparison.other} has not learned the task (most patients failed): nothing is said about the models."
    if comparison.scope != "trainings":
        return ""
    return f"Trainings, not models, were compared: {_trainings(comparison)}; a comparison of models needs {SMALLEST_TRAININGS} of each."


def _trainings(one: Comparison) -> str:
    first, second = one.trainings
    if first == second:
        return f"{first} training{'' if first == 1 else 's'} each"
    return f"{first} and {second} trainings"


def _apart(one: Comparison) -> bool:
    """Whether zero lies outside of the interval."""
    return one.low > 0 or one.high < 0


_MORE_DIGITS = 3
"""As many as are added to those of the measure before a number is written as a power of ten."""


def _digits(one: Comparison, measure: Measure) -> int:
    """Digits at which neither the difference nor a limit looks like zero, where zero lies outside of the interval."""
    values = [abs(value) for value in (one.difference, one.low, one.high) if math.isfinite(value)]
    enough = range(measure.digits, measure.digits + _MORE_DIGITS)
    # "beats by 0.0 [0.0, 0.1], p < 0.001" contradicts itself.
    fits = [digits for digits in enough if all(float(decimals(value, digits)) for value in values)]
    return fits[0] if _apart(one) and fits else measure.digits + (_MORE_DIGITS if _apart(one) else 0)


def _number(value: float, digits: int, *, apart: bool) -> str:
    shown = decimals(value, digits)
    return f"{value:.1g}" if apart and float(shown) == 0 else shown


def _interval(one: Comparison, digits: int) -> str:
    """The interval, turned like the difference so that the winner's lead is positive; empty where there is none."""
    if not math.isfinite(one.low):
        return ""
    sign = 1 if one.difference >= 0 else -1
    ends = sorted((sign * one.low, sign * one.high))
    return f" [{', '.join(_number(end, digits, apart=_apart(one)) for end in ends)}]"


def margin_sentence(measure: Measure, comparison: Comparison) -> str:
    """Whether the difference matters, with its probabilities, and what this design could have seen."""
    if comparison.scope == "none" or not comparison.learned:
        return ""
    seen = f"{decimals(comparison.detectable, max(measure.digits, 1))} {measure.points}"
    if math.isinf(comparison.low) and math.isinf(comparison.high):
        return (
            "Whether the difference matters cannot be said: so few patients differ that the sign-flip test shows nothing at this "
            f"level (n = {comparison.n})."
        )
    if not math.isfinite(comparison.low):
        return (
            f"Whether the difference matters cannot be said: with n = {comparison.n} there is no interval "
            f"(at least {SMALLEST_SAMPLE} patients are needed)."
        )
    if comparison.scope == "trainings":
        return f"Were trainings not to vary at all, these patients would show a difference of {seen} in 80 % of repetitions."
    margin = f"{comparison.margin:g} {measure.points}"
    words = {
        "superior": f"{comparison.reference} is superior: the interval lies wholly beyond the margin of {margin}.",
        "inferior": f"{comparison.reference} is inferior: the interval lies wholly beyond the margin of {margin}.",
        "equivalent": f"The two are equivalent in practice: both one-sided tests exclude a difference of {margin}.",
    }
    text = words.get(
        comparison.verdict, f"Whether the difference matters is undecided: the interval is not on one side of {margin}."
    )
    if comparison.margin:
        text += (
            f" Probability that {comparison.reference} is better by more than that {_share(comparison.p_better)}, equivalent "
            f"{_share(comparison.p_equivalent)}, worse {_share(comparison.p_worse)}."
        )
    return f"{text} This design shows a difference of {seen} in 80 % of repetitions."


def _share(probability: float) -> str:
    return f"{100 * probability:.0f} %"


def cost_sentences(first: str, second: str, a: ProfileSummary, b: ProfileSummary) -> list[str]:
    """Speed, memory and size of two models against each other; says so where nothing was measured."""
    noisy = [label for label, cost in ((first, a), (second, b)) if cost.busy and math.isfinite(cost.fps)]
    parts = [
        # A ratio of times is a ranking of two: none beside other work.
        "" if noisy else _ratio("speed", a.fps, b.fps, "FPS", 1),
        _ratio("memory", a.peak_memory_mb, b.peak_memory_mb, "MB", 0),
        _ratio("parameters", a.parameters / 1e6, b.parameters / 1e6, "M", 2),
        _ratio("GMACs per frame", a.gmacs_per_frame_torch, b.gmacs_per_frame_torch, "", 2),
    ]
    known = [part for part in parts if part]
    if not known:
        return ["Their cost cannot be compared: speed and memory were not measured for both."]
    lines = [f"Cost of {first} against {second}: {'; '.join(known)}."]
    if noisy:
        lines.append(
            f"Speed is not compared: {' and '.join(noisy)} {'was' if len(noisy) == 1 else 'were'} timed beside other work on the machine."
        )
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
