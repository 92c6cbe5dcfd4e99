"""Effects of a study on one measure: main effects, interactions, contrasts with the full model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from harness.reporting.tables.family_words import listed
from harness.reporting.tables.table import Cell, Column, Row, Source, Table
from harness.results.comparisons import ALPHA, SMALLEST_TRAININGS, Effect, effect_verdict, study_effects
from harness.results.measures import Measure
from harness.results.result_set import ResultSet
from harness.statistics.bootstrap import SMALLEST_SAMPLE


def effect_tables(results: ResultSet) -> list[Table]:
    """One table of effects per measure that is shown; those without any effect are left out."""
    made = [(measure, study_effects(results, measure)) for measure in results.measures if not measure.csv_only]
    return [effect_table(results, measure, effects) for measure, effects in made if effects]


_FAMILIES = ("main effects and interactions", "contrasts")
_GROUPS = {
    "main": "main effects (reference − level)",
    "interaction": "interactions (difference of differences)",
    "contrast": "full model − variant",
}


def effect_table(results: ResultSet, measure: Measure, effects: list[Effect]) -> Table:
    """Effects on one measure with intervals, p and (Dice) the verdict against the practical margin."""
    margin = results.criteria.margin(measure.name)
    verdict = (
        (_column("verdict", f"Against ±{margin:g} {measure.difference_unit}", measure, text=True),) if margin else ()
    )
    return Table(
        name=f"effects_{measure.header.lower()}",
        title=f"{results.heading}: effects on {measure.header}",
        caption=_effects_caption(effects),
        columns=(
            _column("effect", "Effect", measure, unit=measure.difference_unit),
            _column("p", "p", measure, digits=3, probability=True),
            _column("p_adjusted", "p (corrected)", measure, digits=3, probability=True),
            *verdict,
            _column("patients", "n", measure, digits=0),
            _column("seeds", "Seeds", measure, digits=0),
            _column("level", "Level", measure, digits=4, csv_only=True),
            _column("pairs", "Pairs of cells", measure, digits=0, csv_only=True),
        ),
        rows=tuple(_effect_row(effect, margin) for effect in effects),
        mark=results.mark,
        scope=results.name,
        stub="Effect",
        ranked=False,
    )


def _effects_caption(effects: list[Effect]) -> str:
    tested = {
        kind: [e for e in effects if is_tested(e) and (e.kind == "contrast") == (kind == "contrasts")]
        for kind in _FAMILIES
    }
    families = [
        f"over the {len(found)} {kind if len(found) > 1 else kind.replace('contrasts', 'contrast')} ({100 * found[0].level:.4g} % each)"
        for kind, found in tested.items()
        if found
    ]
    test = (
        "Patients and trainings are crossed random effects, the variance between trainings is moderated over all variants "
        f"(± its SD in the effect); intervals match Bonferroni's correction {' and '.join(families)}, † corrected p < {ALPHA:g}."
        if families
        else "Nothing is tested; intervals are plain 95 % ones."
    )
    rest = [e for e in effects if not is_tested(e)]
    few = (
        f" Effects without a p were not tested, and nothing is claimed of them: {untested_effects(rest)}."
        if rest
        else ""
    )
    return (
        "Positive: the reference level has the larger value. Differences are taken within the patient. "
        f"{test}{few} An interaction says how much more one part brings when the other is on."
    )


def is_tested(effect: Effect) -> bool:
    """Whether an effect was tested."""
    return math.isfinite(effect.p)


def untested_effects(effects: Sequence[Effect]) -> str:
    """Why effects were not tested, with their names, in half a sentence; empty without any."""
    groups: dict[str, dict[str, None]] = {}
    for effect in effects:
        if not is_tested(effect):
            groups.setdefault(_why(effect), {})[effect.name] = None
    return "; ".join(f"{listed(list(names))} ({why})" for why, names in groups.items())


def _why(effect: Effect) -> str:
    if not effect.learned:
        return "a variant in it has not learned the task"
    if effect.patients < SMALLEST_SAMPLE:
        return f"fewer than {SMALLEST_SAMPLE} patients, no interval"
    return f"fewer than {SMALLEST_TRAININGS} trainings on a side, interval over patients alone"


def _effect_row(effect: Effect, margin: float) -> Row:
    cells = {
        "effect": Cell(
            value=effect.point, low=effect.low, high=effect.high, seed_sd=effect.seed_sd, dagger=effect.shown
        ),
        "level": Cell(value=effect.level),
        "p": Cell(value=effect.p),
        "p_adjusted": Cell(value=effect.p_adjusted),
        "verdict": Cell(text=_verdict(effect, margin)),
        "patients": Cell(value=effect.patients),
        "seeds": Cell(value=effect.seeds),
        "pairs": Cell(value=effect.pairs),
    }
    return Row(label=effect.name, cells=cells, group=_GROUPS[effect.kind])


def _verdict(effect: Effect, margin: float) -> str:
    words = {"superior": "larger", "inferior": "smaller", "better": "larger than 0", "worse": "smaller than 0"}
    verdict = effect_verdict(effect, margin)
    return words.get(verdict, verdict) if verdict else ""


def _column(key: str, header: str, measure: Measure, *, digits: int = 2, **shown: Any) -> Column:
    return Column(key=key, header=header, digits=digits, source=Source("cases", measure.name, f"effect {key}"), **shown)
