"""What a suite shows, in sentences: the first thing on its page."""

from __future__ import annotations

import numpy as np

from harness.reporting.page.sentences import margin_sentence, p_text, scope_sentence, verdict_sentence
from harness.results.clip_lengths import NO_MEMORY, only_two
from harness.results.comparisons import ALPHA, SMALLEST_TRAININGS, comparisons
from harness.results.measures import DICE
from harness.results.profile import ProfileSummary
from harness.results.ranks import omnibus, ranking
from harness.results.result_set import ResultSet


def suite_verdicts(results: ResultSet) -> list[str]:
    """Sentences about the suite: the reference against each baseline, then the ranking, then what is missing."""
    found = comparisons(results, DICE)
    # First on the page where it holds: who reads on to the ranking must have read it.
    stills = [f"{NO_MEMORY}: what follows compares models on single pictures and says nothing of their memories."]
    lines = (
        [
            f"Trainings, not models, were compared: a comparison of models needs {SMALLEST_TRAININGS} trainings of each, so that no "
            "model is called better and nothing is marked with a dagger."
        ]
        if found and all(one.scope != "models" for one in found)
        else []
    )
    for one in found:
        said = [
            verdict_sentence(DICE, one),
            "" if lines and one.learned else scope_sentence(one),
            margin_sentence(DICE, one),
        ]
        lines.append(" ".join(sentence for sentence in said if sentence))
    lines += _ranking(results)
    lines += _costs(results)
    lines += [f"{arm.label} is incomplete: {arm.reason}." for arm in results.arms if arm.reason]
    if not lines:
        return [_alone(results)]
    return [*(stills if only_two(results) else []), *lines]


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
    best = str(scores.mean().idxmax())
    lead = f"{best} has the highest mean Dice, {scores[best].mean():.1f} %"
    if not results.several_trainings:
        return [
            f"{lead}, among these trainings; how the models rank cannot be said with fewer than {SMALLEST_TRAININGS} trainings "
            f"of each. With other patients alone these trainings would keep that first place in "
            f"{100 * stability.share[1][best]:.0f} % of resamples."
        ]
    lines = [
        f"{lead}, and keeps that place in {100 * stability.share[1][best]:.0f} % of resamples of {len(scores)} patients and of "
        f"the trainings (mean Kendall τ with the observed ranking: {stability.tau:.2f})."
    ]
    test = omnibus(scores)
    if np.isfinite(test.p):
        verdict = "do not all rank alike" if test.p < ALPHA else "are not shown to rank differently"
        lines.append(
            f"Friedman's test over {test.models} models, trainings taken as given: they {verdict} "
            f"(χ² = {test.statistic:.1f}, p {p_text(test.p)}, n = {test.n})."
        )
    return lines


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
