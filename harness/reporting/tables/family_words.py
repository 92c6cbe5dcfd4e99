"""What a table says of its tests: which comparisons were corrected together, and which were not tested, why, with which interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from harness.results.comparisons import ALPHA, SMALLEST_TRAININGS, Comparison
from harness.statistics.bootstrap import SMALLEST_SAMPLE

_TRAININGS = f"fewer than {SMALLEST_TRAININGS} trainings of it or of {{reference}}"
_PATIENTS = f"fewer than {SMALLEST_SAMPLE} patients are shared with {{reference}}"
_UNLEARNED = "it or {reference} has not learned the task (most patients failed)"
_UNSHARED = "no patient is shared with {reference}"


def is_tested(comparison: Comparison) -> bool:
    """Whether models were tested in this comparison."""
    return math.isfinite(comparison.p)


def family_sentence(
    comparisons: Sequence[Comparison], *, endpoint: str = "the primary endpoint", probabilities: bool = False
) -> str:
    """Which intervals these are and what a dagger stands for; what was not tested, and why.

    Args:
        comparisons: all of one table.
        endpoint: what the family with Bonferroni's correction is of ("the loss" in a sweep).
        probabilities: whether the table has columns of posterior probabilities.
    """
    families = {one.correction: one for one in comparisons if is_tested(one)}
    words = []
    if first := families.get("bonferroni"):
        words.append(f"Bonferroni over {_count(first.tests, 'baseline')} for {endpoint} ({_level(first)} each)")
    if rest := families.get("benjamini-hochberg"):
        noun = "other comparison" if first else "comparison"
        words.append(
            f"Benjamini–Hochberg over the {_count(rest.tests, noun)} ({_level(rest)} each, 95 % after selection)"
        )
    return _sentences(comparisons, words, probabilities=probabilities)


def families_sentence(tables: Mapping[str, Sequence[Comparison]]) -> str:
    """The same for a table in which every quantity is a family of its own; ``tables`` by the quantity's header."""
    groups: dict[str, list[str]] = {}
    for header, comparisons in tables.items():
        if tested := [one for one in comparisons if is_tested(one)]:
            size = f"{_count(tested[0].tests, 'comparison')} of {{}} ({_level(tested[0])} each)"
            groups.setdefault(size, []).append(header)
    words = [f"Bonferroni over {size.format(listed(headers))}" for size, headers in groups.items()]
    return _sentences([one for table in tables.values() for one in table], words, probabilities=False)


def _sentences(comparisons: Sequence[Comparison], words: Sequence[str], *, probabilities: bool) -> str:
    if not words:
        return _nothing_tested(comparisons)
    untested = untested_sentence(comparisons)
    posterior = " P(better), P(equivalent), P(worse): posterior probabilities beyond and within the margin."
    return (
        "Patients and trainings are crossed random effects, the variance between trainings is moderated over models, and "
        "the sign-flip test over patients must agree (larger p, wider interval); "
        f"intervals {'of what was tested ' if untested else ''}match the correction: {'; '.join(words)}; "
        f"† corrected p < {ALPHA:g}." + (posterior if probabilities else "") + (f" {untested}" if untested else "")
    )


def _nothing_tested(comparisons: Sequence[Comparison]) -> str:
    if {_why(one) for one in comparisons} == {_TRAININGS} and min(one.n for one in comparisons) >= SMALLEST_SAMPLE:
        return (
            f"Trainings, not models, were compared: fewer than {SMALLEST_TRAININGS} of a model say too little about the next "
            "one, so nothing is tested and there is no dagger; intervals (95 %, sign-flip) are over patients alone."
        )
    return f"Nothing is tested and there is no dagger: {_reasons(comparisons, intervals=True)}."


def untested_sentence(
    comparisons: Sequence[Comparison],
    *,
    intervals: bool = True,
    lead: str = "Not tested, so that a missing † says nothing",
) -> str:
    """Which comparisons were not tested, and why. Empty where all were tested.

    ``intervals`` says as well which interval stands in their rows.
    """
    if all(is_tested(one) for one in comparisons):
        return ""
    return f"{lead}: {_reasons(comparisons, intervals=intervals)}."


def why_nothing_is_tested(comparisons: Sequence[Comparison]) -> str:
    """Why no comparison of a table was tested, in half a sentence; names the models where there are several reasons."""
    reasons = {_why(one).format(reference=one.reference).replace("it or ", "a model or ") for one in comparisons}
    return reasons.pop() if len(reasons) == 1 else _reasons(comparisons, intervals=False)


def only_trainings(comparisons: Sequence[Comparison]) -> bool:
    """Whether too few trainings are why nothing was tested."""
    return bool(comparisons) and all(not is_tested(one) and _why(one) == _TRAININGS for one in comparisons)


def _why(one: Comparison) -> str:
    if not one.n:
        return _UNSHARED
    if not one.learned:
        return _UNLEARNED
    return _TRAININGS if min(one.trainings) < SMALLEST_TRAININGS else _PATIENTS


def _interval(one: Comparison) -> str:
    if one.n < SMALLEST_SAMPLE:
        return "no interval"
    over = "patients and trainings" if one.scope == "models" else "patients alone"
    return f"plain 95 % interval over {over}"


def _reasons(comparisons: Sequence[Comparison], *, intervals: bool) -> str:
    """Every model that was not tested, grouped by reason and interval."""
    several = len({one.reference for one in comparisons}) > 1
    groups: dict[str, dict[str, int]] = {}
    total: dict[str, int] = {}
    for one in comparisons:
        # With several references (augmented arms) the other model's name says too little.
        label = f"{one.reference} against {one.other}" if several else one.other
        total[label] = total.get(label, 0) + 1
        if not is_tested(one):
            why = _why(one).format(reference=one.reference)
            counts = groups.setdefault(f"{why}; {_interval(one)}" if intervals else why, {})
            counts[label] = counts.get(label, 0) + 1
    named = {
        why: listed(
            [
                label + ("" if count == total[label] else f" in {count} of its {total[label]} comparisons")
                for label, count in counts.items()
            ]
        )
        for why, counts in groups.items()
    }
    return "; ".join(f"{labels} ({why})" for why, labels in named.items())


def _level(one: Comparison) -> str:
    return f"{100 * one.level:.4g} %"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(words: Sequence[str]) -> str:
    """``A``, ``A and B`` or ``A, B and C``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
