"""Sentences that every table of a sweep carries."""

from __future__ import annotations

from harness.perturbations.ladders import unmatched
from harness.reporting.tables.words import plain_words
from harness.results.result_set import ResultSet


def sweep_notes(results: ResultSet) -> tuple[str, ...]:
    """Which severities mean less distortion than the others', where any do, and what the results themselves note."""
    weaker = [plain_words(name) for name in unmatched(results.dataset) if name in results.perturbations]
    if not weaker:
        return results.notes
    return (f"Not matched by SSIM, spread over what is reachable: {', '.join(weaker)}.", *results.notes)


def sweep_caption(results: ResultSet) -> str:
    """What was swept, and how means and intervals of the table are made."""
    low, high = results.severities[0], results.severities[-1]
    return (
        f"{len(results.perturbations)} perturbations at severities {low} to {high}, matched by mean SSIM across "
        "perturbations; every model sees the same images. Means over patients with 95 % BCa bootstrap interval."
    )
