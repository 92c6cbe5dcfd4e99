"""Sentences that several tables share: what an interval is, how many seeds, which method, under which condition."""

from __future__ import annotations

from dataclasses import replace

from harness.reporting.tables.table import Table
from harness.results.clip_lengths import frames_sentence
from harness.results.result_set import ResultSet


def with_frames(table: Table, results: ResultSet) -> Table:
    """The table with the number of frames that models saw in its caption; others' published figures stay as they are."""
    sentence = frames_sentence(results)
    if table.published or not sentence or sentence in table.caption:
        return table
    return replace(table, caption=f"{table.caption} {sentence}")


def seeds_of(results: ResultSet) -> str:
    """The number of finished seeds in words: one number, or the range where models differ."""
    counts = sorted({len(arm.finished) for arm in results.finished})
    return "0" if not counts else str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def interval_words(results: ResultSet) -> str:
    """What an interval of this suite is: over patients, or over patients and trainings where a model has several."""
    if results.seeds > 1:
        return f"95 % interval over patients (bootstrap-t) and trainings{_single(results)}"
    return "95 % bootstrap-t interval over patients"


def agreement_words(results: ResultSet) -> str:
    """What an interval of a statistic that is no mean is (r, SD, limits of agreement)."""
    if results.seeds > 1:
        return f"95 % bootstrap interval over patients × trainings{_single(results)}"
    return "95 % expanded BCa interval over patients"


def _single(results: ResultSet) -> str:
    """Whose intervals know nothing of trainings, because there is a single one."""
    labels = [arm.label for arm in results.finished if len(arm.finished) == 1]
    return f" (of {' and '.join(labels)}, trained once: over patients alone)" if labels else ""


def method_name(method: str) -> str:
    """A method of the rows in words: ``single_4ch`` is the single-plane Simpson's rule on the 4CH view."""
    if method == "biplane_camus":
        return "biplane Simpson as the owners of CAMUS compute it (one disc height for both phases)"
    words = {"biplane": "biplane Simpson", "single": "single-plane Simpson", "area": "area-length"}
    head, _, rest = method.partition("_")
    view = rest.rpartition("_")[2].upper()
    return words.get(head, method) + (f" ({view})" if view else "")


def missing_notes(results: ResultSet) -> list[str]:
    """A sentence for every arm of which a seed is missing."""
    return [f"{arm.label}: {arm.reason.rstrip('.')}." for arm in results.arms if arm.reason]


def external_notes(results: ResultSet) -> list[str]:
    """A sentence for every arm whose masks another program made, with what was missing of them."""
    lines = []
    for arm in results.finished:
        if not arm.external:
            continue
        done = [(run.seed, run.record.get("results", {})) for run in arm.finished]
        lacking = [f"{len(facts['missing'])} (seed {seed})" for seed, facts in done if facts.get("missing")]
        text = f"{arm.label}: masks made elsewhere, scored here; how it was trained is not known here"
        text += f"; missing masks counted as empty: {', '.join(lacking)}" if lacking else ""
        text += "; masks brought to the clips' size" if any(facts.get("resized") for _, facts in done) else ""
        lines.append(f"{text}.")
    return lines


def condition_notes(results: ResultSet, lead: str) -> list[str]:
    """Under which condition cost was measured: one sentence where it was the same for all arms."""
    conditions: dict[str, list[str]] = {}
    for arm in results.arms:
        if line := arm.cost.condition:
            conditions.setdefault(line, []).append(arm.label)
    if len(conditions) == 1:
        return [f"{lead}: streaming, {next(iter(conditions))}."]
    return [f"{lead} of {', '.join(labels)}: streaming, {line}." for line, labels in conditions.items()]


def plain_words(name: object) -> str:
    """An identifier in words: ``gain_up`` is "gain up"."""
    return str(name).replace("_", " ")
