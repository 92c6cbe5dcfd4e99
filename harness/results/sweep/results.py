"""The swept runs of one comparison, read from the results store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from harness.errors import ConfigError
from harness.results.sweep.arms import ArmRuns, arms_of
from harness.results.sweep.patients import DICE, KEYS, READOUTS, Readout, patients_of
from harness.perturbations.base import SEVERITIES
from harness.results.sweep.readouts import Arm
from harness.store.runs import Run


@dataclass(frozen=True, kw_only=True)
class SweepResults:
    """Everything a robustness report shows.

    Attributes:
        name: of the report; part of its path.
        dataset, mark: as the runs state them; the mark stands with every table and figure.
        arms: the models, seeds joined.
        reference: label of the model that the others are tested against.
        perturbations, severities: those that every run has.
        notes: sentences that a reader must know, below every table.
    """

    name: str
    dataset: str
    arms: tuple[Arm, ...]
    reference: str
    perturbations: tuple[str, ...]
    severities: tuple[int, ...] = SEVERITIES
    mark: str | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def from_runs(cls, runs: Sequence[Run], *, name: str, reference: str = "gdkvm") -> SweepResults:
        """Read swept runs; several seeds of one model and recipe are one arm.

        Raises:
            BenchError: a run was not swept. ConfigError: the runs come from different data or share no condition.
        """
        if len({run.spec.data["fingerprint"] for run in runs}) > 1:
            raise ConfigError("The runs were made with different data; report them one by one.")
        groups = arms_of(runs)
        arms = tuple(_arm(group) for group in groups)
        shared = set.intersection(*(arm.conditions for arm in arms))
        severities = tuple(sorted({severity for _, severity in shared}))
        names = sorted({name for name, _ in shared})
        perturbations = tuple(n for n in names if all((n, severity) in shared for severity in severities))
        if not perturbations:
            raise ConfigError("The runs share no swept condition; sweep all of them with the same options.")
        return cls(
            name=name,
            dataset=runs[0].spec.data["dataset"],
            arms=arms,
            reference=_reference(groups, reference),
            perturbations=perturbations,
            severities=severities,
            mark=runs[0].spec.data.get("mark"),
            notes=(
                *_left_out(arms, set(perturbations), severities),
                *_different_images([table for arm in arms for table in arm.seeds]),
            ),
        )

    def measured(self) -> list[Readout]:
        """The quantities that every arm has, Dice first."""
        return [r for r in READOUTS if r is DICE or all(arm.values(r).notna().any(axis=None) for arm in self.arms)]

    def arm(self, label: str) -> Arm:
        """The arm of this label; KeyError where there is none."""
        return {arm.label: arm for arm in self.arms}[label]


def _arm(group: ArmRuns) -> Arm:
    tables = tuple(patients_of(run) for run in group.runs)
    return Arm(label=group.label, seeds=tables, seen=group.seen, plain=group.plain)


def _left_out(arms: Sequence[Arm], kept: set[str], severities: Sequence[int]) -> tuple[str, ...]:
    """A note that names the perturbations that some arm has and another lacks, at one severity at least."""
    swept = {name for arm in arms for name, _ in arm.conditions}
    missing = [
        f"{name.replace('_', ' ')} ({arm.label})"
        for name in sorted(swept - kept)
        for arm in arms
        if any((name, severity) not in arm.conditions for severity in severities)
    ]
    return (f"Left out because a sweep is not complete: {', '.join(missing)}.",) if missing else ()


def _different_images(tables: Sequence[pd.DataFrame]) -> tuple[str, ...]:
    """A note where runs did not see identical bytes under the same condition: other devices, other ladders."""
    hashes = pd.concat([table.set_index(KEYS)["clip_hash"] for table in tables], axis=1, join="inner")
    differing = int((hashes.nunique(axis=1) > 1).sum())
    if not differing:
        return ()
    return (f"The runs did not see the same bytes in {differing} of {len(hashes)} cases (other devices or ladders).",)


def _reference(groups: Sequence[ArmRuns], wanted: str) -> str:
    """The label of the wanted model (label or registry name), the plain one first; the first arm where it is not there."""
    for group in sorted(groups, key=lambda item: bool(item.seen)):
        if wanted.lower() in (group.label.lower(), group.runs[0].spec.model["name"].lower()):
            return group.label
    return groups[0].label
