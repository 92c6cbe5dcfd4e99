"""What a suite shows, in sentences: the first thing on its page."""

from __future__ import annotations

import numpy as np

from harness.reporting.figures.suite import dice_by_patient
from harness.reporting.measures import comparisons, overlap_measures
from harness.reporting.page.sentences import margin_sentence, p_text, verdict_sentence
from harness.results.profile import median_summary
from harness.results.suite import SuiteResults
from harness.statistics.ranks import complete_cases, friedman, rank_stability


def suite_verdicts(results: SuiteResults) -> list[str]:
    """Sentences about the suite: the reference against each baseline, then the ranking, then what is missing."""
    structure = results.structures[0] if results.structures else "lv"
    dice = overlap_measures()[0]
    lines = [
        f"{verdict_sentence(dice, one, corrected=True)} {margin_sentence(dice, one)}"
        for one in comparisons(results, dice, structure=structure)
    ]
    lines += _ranking(results)
    lines += _costs(results)
    lines += [f"{arm.label} is incomplete: {arm.reason}." for arm in results.arms if arm.reason]
    return lines or ["No run of this suite is finished yet."]


def _ranking(results: SuiteResults) -> list[str]:
    scores = complete_cases(dice_by_patient(results))
    if scores.shape[1] < 2 or len(scores) < 2:
        return []
    stability = rank_stability(scores)
    best = str(scores.mean().idxmax())
    lines = [
        f"{best} has the highest mean Dice, {scores[best].mean():.1f} %, and keeps that place in "
        f"{100 * stability.share[1][best]:.0f} % of {len(scores)}-patient resamples "
        f"(mean Kendall τ with the observed ranking: {stability.tau:.2f})."
    ]
    omnibus = friedman(scores)
    if np.isfinite(omnibus.p):
        verdict = "do not all rank alike" if omnibus.p < 0.05 else "are not shown to rank differently"
        lines.append(
            f"Friedman's test over {omnibus.models} models: the models {verdict} "
            f"(χ² = {omnibus.statistic:.1f}, p {p_text(omnibus.p)}, n = {omnibus.n})."
        )
    return lines


def _costs(results: SuiteResults) -> list[str]:
    """Which model is fastest, smallest and needs least memory; nothing with fewer than two profiles."""
    costs = {arm.label: median_summary(run.profile for run in arm.finished) for arm in results.arms if arm.finished}
    wanted = (
        ("fastest", "fps", max, "{:.1f} FPS", 1.0),
        ("least memory", "memory_mb", min, "{:.0f} MB", 1.0),
        ("fewest parameters", "parameters", min, "{:.2f} M", 1e-6),
    )
    parts = []
    for word, key, choose, form, scale in wanted:
        known = {label: getattr(cost, key) for label, cost in costs.items() if np.isfinite(getattr(cost, key))}
        if len(known) > 1:
            label = choose(known, key=known.__getitem__)
            parts.append(f"{word} {label} ({form.format(scale * known[label])})")
    return [f"Cost: {', '.join(parts)}."] if parts else []
