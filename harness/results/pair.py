"""Two models side by side: everything that a comparison in words is made from."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from harness.errors import BenchError, ConfigError, unknown
from harness.results.arm import Arm
from harness.results.clip_lengths import frames_sentence
from harness.results.comparisons import Comparison, all_comparisons, tested_measures
from harness.results.measures import DICE, Measure, Selection
from harness.results.profile import ProfileSummary
from harness.results.result_set import ResultSet

_DATA = {"dataset": "dataset", "fingerprint": "data (fingerprint)", "views": "views", "clip": "kind of clip"}
"""Parts of a run's spec that decide which cases are scored, and what they are called."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PairReport:
    """Two arms of a suite: a comparison per measure (first minus second) and both costs.

    Attributes:
        comparisons: the primary endpoint first, where the rows hold it.
        endpoint: name of the measure that is declared to be primary.
        family: what p values are corrected over: those of the ``suite``, where a model is its reference, else this ``pair`` alone.
        rivals: how many further models the suite has finished.
        remarks: sentences on what else differs between the two (protocol, recipe).
    """

    first: Arm
    second: Arm
    structure: str
    comparisons: tuple[tuple[Measure, Comparison], ...]
    costs: tuple[ProfileSummary, ProfileSummary]
    endpoint: str = DICE.name
    family: Literal["suite", "pair"] = "pair"
    rivals: int = 0
    remarks: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """Plain types for JSON; what is not known is None."""
        known = {
            measure.name: {"unit": measure.unit, "direction": measure.direction, **one.record()}
            for measure, one in self.comparisons
        }
        costs = {arm.label: asdict(cost) for arm, cost in zip((self.first, self.second), self.costs, strict=True)}
        seeds = {arm.label: len(arm.finished) for arm in (self.first, self.second)}
        found = {
            "structure": self.structure,
            "endpoint": self.endpoint,
            "family": self.family,
            "seeds": seeds,
            "comparisons": known,
            "costs": costs,
        }
        return _without_nan({**found, "remarks": list(self.remarks)})


def compare_arms(results: ResultSet, first: str, second: str, structure: str | None = None) -> PairReport:
    """Compare two arms of a suite on the same patients.

    Where a model is the suite's reference these are the comparisons of the suite's tables, with their correction; of two others
    the primary endpoint stands alone, and the other measures are one family.

    Raises:
        ConfigError: a label or structure that the suite does not have, one model given twice, or runs on different data.
        BenchError: a model without a finished run, or no patient that both were scored on.
    """
    a, b = results.arm(first), results.arm(second)
    if a is b:
        raise ConfigError(f"Both names mean {a.label}; give two different models.")
    for arm in (a, b):
        if not arm.finished:
            raise BenchError(f"{arm.label} has no finished run ({arm.reason}); finish it first.")
    refuse_different_data(a, b)
    if structure and structure not in results.structures:
        raise unknown("structure", structure, results.structures, "these results")
    structure = structure or results.structure
    selection = Selection(structure=structure)
    of_suite = results.reference in (a.label, b.label)
    # The suite's reference may be a third model; here the first one is.
    both = results if of_suite else replace(results.of(a.label, b.label), reference=a.label)
    tests = all_comparisons(both, selection)
    other = b.label if both.reference == a.label else a.label
    # The primary endpoint is what a reader has declared to ask for.
    measures = sorted(tested_measures(both), key=lambda measure: measure.name != results.criteria.endpoint)
    known = [(m, tests[m.name, other]) for m in measures if (m.name, other) in tests]
    found = [(m, one if one.reference == a.label else one.turned()) for m, one in known if one.n]
    if not found:
        raise BenchError(f"{a.label} and {b.label} share no scored patient, so they cannot be compared.")
    return PairReport(
        first=a,
        second=b,
        structure=structure,
        comparisons=tuple(found),
        costs=(a.cost, b.cost),
        endpoint=results.criteria.endpoint,
        family="suite" if of_suite else "pair",
        rivals=len(results.finished) - 2,
        remarks=(*filter(None, [frames_sentence(results.of(a.label, b.label))]), *remarks(a, b)),
    )


def refuse_different_data(a: Arm, b: Arm) -> None:
    """Raise a ConfigError where two arms were scored on different cases; runs without a recorded spec pass."""
    one, other = (arm.finished[0].spec.get("data", {}) for arm in (a, b))
    for key, name in _DATA.items():
        # Runs of early stores say less of their data; what is not said cannot differ.
        if key in one and key in other and one[key] != other[key]:
            raise ConfigError(
                f"{a.label} and {b.label} were measured on different {name}: {_text(one[key])} and {_text(other[key])}; "
                "only runs on the same cases can be compared."
            )


def remarks(a: Arm, b: Arm) -> list[str]:
    """What differs between two arms besides the model, one sentence each."""
    lines = []
    if a.first_frame != b.first_frame:
        lines.append(
            f"Mind the protocol: {a.label} was scored with first frame '{a.first_frame}', {b.label} with "
            f"'{b.first_frame}'; a given first mask makes the task easier."
        )
    external = [arm.label for arm in (a, b) if arm.external]
    if external:
        return [
            *lines,
            f"The masks of {' and '.join(external)} were made elsewhere: how it was trained, and on what, is not known here.",
        ]
    one, other = (arm.finished[0].spec.get("recipe", {}) for arm in (a, b))
    differing = sorted(key for key in {*one, *other} if one.get(key) != other.get(key))
    if differing:
        lines.append(f"The two were trained with different recipes ({', '.join(differing)}).")
    return lines


def _text(value: Any) -> str:
    return "+".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    # JSON has no NaN, and a reader in another language stops at Python's.
    return None if isinstance(value, float) and not math.isfinite(value) else value
