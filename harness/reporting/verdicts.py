"""What a suite shows, in sentences: the first thing on its page."""

from __future__ import annotations

import numpy as np

from harness.reporting.all_figures import dice_by_patient
from harness.reporting.measures import comparisons, overlap_measures
from harness.reporting.results import SuiteResults
from harness.reporting.sentences import margin_sentence, p_text, verdict_sentence
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
    lines += [f"{arm.label} is incomplete: {arm.reason}." for arm in results.arms if arm.reason]
    return lines or ["No run of this suite is finished yet."]


def _ranking(results: SuiteResults) -> list[str]:
    scores = complete_cases(dice_by_patient(results))
    if scores.shape[1] < 2 or len(scores) < 2:
        return []
    stability = rank_stability(scores)
    first = stability.share[1].sort_values(ascending=False)
    lines = [
        f"{first.index[0]} has the highest mean Dice in {100 * first.iloc[0]:.0f} % of {len(scores)}-patient resamples "
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
