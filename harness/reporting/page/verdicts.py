"""What a suite shows, in sentences: the first thing on its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from harness.reporting.page.sentences import margin_sentence, p_text, scope_sentence, verdict_sentence
from harness.reporting.tables.family_words import listed, only_trainings
from harness.results.clip_lengths import NO_MEMORY, only_two
from harness.results.comparisons import ALPHA, SMALLEST_TRAININGS, comparisons, tested_measures
from harness.results.measures import DICE, Measure
from harness.results.profile import ProfileSummary
from harness.results.ranks import omnibus, ranking
from harness.results.result_set import ResultSet
from harness.statistics.ranks import RankStability


def suite_verdicts(results: ResultSet) -> list[str]:
    """Sentences about the suite: the reference against each baseline, then the ranking, then what is missing.

    What is declared as the primary endpoint comes first; Dice follows as a secondary measure where it is another one.
    """
    measure, *secondary = _told(results)
    found = comparisons(results, measure)
    # First on the page where it holds: who reads on to the ranking must have read it.
    stills = [f"{NO_MEMORY}: what follows compares models on single pictures and says nothing of their memories."]
    lines = (
        [
            f"Trainings, not models, were compared: a comparison of models needs {SMALLEST_TRAININGS} trainings of each, so that no "
            "model is called better and nothing is marked with a dagger."
        ]
        if only_trainings(found)
        else []
    )
    lines += [_endpoint(results, measure)] if found and results.criteria.endpoint != DICE.name else []
    for one in found:
        said = [
            verdict_sentence(measure, one),
            "" if lines and one.learned and only_trainings(found) else scope_sentence(one),
            margin_sentence(measure, one),
        ]
        lines.append(" ".join(sentence for sentence in said if sentence))
    lines += [verdict_sentence(other, one) for other in secondary for one in comparisons(results, other)]
    lines += _ranking(results)
    lines += _costs(results)
    lines += [f"{arm.label} is incomplete: {arm.reason}." for arm in results.arms if arm.reason]
    if not lines:
        return [_alone(results)]
    return [*(stills if only_two(results) else []), *lines]


def _told(results: ResultSet) -> list[Measure]:
    """The measures that sentences are of: the primary endpoint, then Dice; Dice alone where the rows lack the endpoint."""
    endpoint = [m for m in tested_measures(results) if m.name == results.criteria.endpoint and m is not DICE]
    return [*endpoint, DICE]


def _endpoint(results: ResultSet, measure: Measure) -> str:
    if measure is not DICE:
        return f"The primary endpoint is {measure.header}; Dice is a secondary measure, corrected with all others."
    return f"The primary endpoint, {results.criteria.endpoint}, is not in these rows: what follows is of Dice, a secondary measure."


def _alone(results: ResultSet) -> str:
    labels = [arm.label for arm in results.finished]
    if not labels:
        return "No run of this suite is finished yet."
    return f"Nothing is compared: {' and '.join(labels)} alone {'is' if len(labels) == 1 else 'are'} finished."


def _ranking(results: ResultSet) -> list[str]:
    ranked = ranking(results)
    if ranked is None:
        return []
    scores, stability = ranked
    results = results.of(*map(str, scores.columns))
    lead, first = _leaders(results, scores)
    if not results.several_trainings:
        kept = (
            f" With other patients alone these trainings would keep that first place in {_kept(stability, first)} of resamples."
            if first
            else ""
        )
        return [
            f"{lead}, among these trainings; how the models rank cannot be said with fewer than {SMALLEST_TRAININGS} trainings "
            f"of each.{kept}"
        ]
    place = (
        f", and keeps that place in {_kept(stability, first)} of resamples of {len(scores)} patients and of the trainings"
        if first
        else ", so that nobody is first"
    )
    # Where all are level there is no order that another could agree with.
    tau = f" (mean Kendall τ with the observed ranking: {stability.tau:.2f})" if np.isfinite(stability.tau) else ""
    lines = [f"{lead}{place}{tau}."]
    test = omnibus(scores)
    if np.isfinite(test.p):
        verdict = "do not all rank alike" if test.p < ALPHA else "are not shown to rank differently"
        lines.append(
            f"Friedman's test over {test.models} models, trainings taken as given: they {verdict} "
            f"(χ² = {test.statistic:.1f}, p {p_text(test.p)}, n = {test.n})."
        )
    return lines


def _kept(stability: RankStability, label: str) -> str:
    return f"{100 * stability.share[1][label]:.0f} %"


def _leaders(results: ResultSet, scores: pd.DataFrame) -> tuple[str, str]:
    """Who has the highest mean Dice, and the label of who is first among the patients whom all have; empty where several tie.

    Means are the main table's, each over the patients of its model. Where these are not the same patients the mean over those whom
    all models have stands beside them, which resampling and Friedman's test are of.
    """
    values = {arm.label: arm.values(DICE, results.main).dropna() for arm in results.finished}
    means = {label: float(table.to_numpy().mean()) for label, table in values.items()}
    shared = {str(label): float(mean) for label, mean in scores.mean().items()}
    first = _highest(shared)
    alone = first[0] if len(first) == 1 else ""
    if all(len(table) == len(scores) for table in values.values()):
        return f"{_has(first)} the highest mean Dice, {shared[first[0]]:.{DICE.digits}f} % (n = {len(scores)})", alone
    best = _highest(means)
    counts = dict.fromkeys(len(values[label]) for label in best)
    return (
        f"{_has(best)} the highest mean Dice of the table, {means[best[0]]:.{DICE.digits}f} % (n = {' and '.join(map(str, counts))}); "
        f"among the {len(scores)} patients whom all models have {_has(first)} the highest, {shared[first[0]]:.{DICE.digits}f} %",
        alone,
    )


def _highest(means: Mapping[str, float]) -> list[str]:
    """The labels of the highest mean at the displayed precision: what looks the same has no winner."""
    shown = {label: round(mean, DICE.digits) for label, mean in means.items()}
    return [label for label, mean in shown.items() if mean == max(shown.values())]


def _has(labels: Sequence[str]) -> str:
    return f"{listed(labels)} {'has' if len(labels) == 1 else 'share'}"


def _costs(results: ResultSet) -> list[str]:
    """Which model is fastest, smallest and needs least memory; nothing with fewer than two profiles."""
    costs = {arm.label: arm.cost for arm in results.finished}
    wanted = (
        ("least memory", "peak_memory_mb", min, "{:.0f} MB", 1.0),
        ("fewest parameters", "parameters", min, "{:.2f} M", 1e-6),
    )
    parts = _fastest(costs)
    for word, key, choose, form, scale in wanted:
        known = {label: getattr(cost, key) for label, cost in costs.items() if np.isfinite(getattr(cost, key))}
        if len(known) > 1:
            label = choose(known, key=known.__getitem__)
            parts.append(f"{word} {label} ({form.format(scale * known[label])})")
    return [f"Cost: {', '.join(parts)}."] if parts else []


def _fastest(costs: dict[str, ProfileSummary]) -> list[str]:
    """The fastest model, with those whose spread of repeats meets its own: a race inside the noise has no winner."""
    speeds = {label: cost for label, cost in costs.items() if np.isfinite(cost.fps) and not cost.busy}
    if len(speeds) < 2:
        return []
    best = max(speeds, key=lambda label: speeds[label].fps)
    slowest = speeds[best].fps_spread[0]
    # Who is slower even in his best repeats is no rival.
    rivals = [label for label, cost in speeds.items() if label != best and not cost.fps_spread[1] < slowest]
    told = f"fastest {best} ({speeds[best].fps:.1f} FPS)"
    return [told + (f", within the spread of the repeats also {', '.join(rivals)}" if rivals else "")]
