"""The swept runs of one comparison, read from the results store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import ConfigError
from harness.registry import list_perturbations
from harness.robustness.perturbations.base import SEVERITIES
from harness.robustness.readouts import DICE, READOUTS, Arm, Readout
from harness.robustness.sweep import CLEAN, swept
from harness.runs import Run

AUGMENTATION = "RobustAugmentation"


@dataclass(frozen=True, kw_only=True)
class SweepResults:
    """Everything a robustness report shows.

    Attributes:
        name: of the report; part of its path.
        dataset, mark: as the runs state them; the mark stands with every table and figure.
        arms: the models, seeds joined.
        reference: label of the model that the others are tested against.
        perturbations, severities: those that every run has.
    """

    name: str
    dataset: str
    arms: tuple[Arm, ...]
    reference: str
    perturbations: tuple[str, ...]
    severities: tuple[int, ...] = SEVERITIES
    mark: str | None = None

    @classmethod
    def from_runs(cls, runs: Sequence[Run], *, name: str, reference: str = "gdkvm") -> SweepResults:
        """Read swept runs; several seeds of one model and recipe are one arm.

        Raises:
            BenchError: a run was not swept. ConfigError: the runs come from different data or share no condition.
        """
        if len({run.spec.data["fingerprint"] for run in runs}) > 1:
            raise ConfigError("The runs were made with different data; report them one by one.")
        groups: dict[str, list[Run]] = {}
        for run in runs:
            groups.setdefault(arm_label(run), []).append(run)
        arms = tuple(_arm(label, own) for label, own in groups.items())
        shared = _shared(arms)
        if not shared:
            raise ConfigError("The runs share no swept condition; sweep all of them with the same options.")
        severities = tuple(sorted({severity for _, severity in shared}))
        names = sorted({name for name, _ in shared})
        return cls(
            name=name,
            dataset=runs[0].spec.data["dataset"],
            arms=arms,
            reference=_reference(groups, reference),
            perturbations=tuple(n for n in names if all((n, severity) in shared for severity in severities)),
            severities=severities,
            mark=runs[0].spec.data.get("mark"),
        )

    def measured(self) -> list[Readout]:
        """The quantities that every arm has, Dice first."""
        return [item for item in READOUTS if item is DICE or all(arm.values(item).size for arm in self.arms)]


def seen_perturbations(recipe: Mapping[str, Any]) -> frozenset[str]:
    """The perturbations that a recipe's augmentation shows to the model in training."""
    seen: set[str] = set()
    augment = recipe.get("augment", ())
    for item in augment if isinstance(augment, list | tuple) else ():
        if isinstance(item, Mapping) and item.get("type") == AUGMENTATION:
            seen |= set(item.get("perturbations") or list_perturbations())
    return frozenset(seen)


def arm_label(run: Run) -> str:
    """The model's label, with what sets its training apart."""
    label = str(run.spec.model.get("label") or run.spec.model["name"])
    return f"{label} (augmented)" if seen_perturbations(run.spec.recipe) else label


def _arm(label: str, runs: Sequence[Run]) -> Arm:
    structures = {str(run.spec.protocol["structures"]) for run in runs}
    if len({(run.spec.seed, str(run.spec.recipe)) for run in runs}) < len(runs) or len(structures) > 1:
        raise ConfigError(f"Two runs are called {label} with one seed or differ in structures; name one of them.")
    return Arm(
        label=label,
        seeds=tuple(swept(run) for run in runs),
        seen=frozenset().union(*(seen_perturbations(run.spec.recipe) for run in runs)),
    )


def _shared(arms: Sequence[Arm]) -> set[tuple[str, int]]:
    """Conditions (perturbation, severity), clean left out, that every seed of every arm has."""
    found = [
        set(rows[["perturbation", "severity"]].drop_duplicates().itertuples(index=False, name=None)) - {(CLEAN, 0)}
        for arm in arms
        for rows in arm.seeds
    ]
    return set.intersection(*found) if found else set()


def _reference(groups: Mapping[str, Sequence[Run]], wanted: str) -> str:
    """The label of the wanted model (label or registry name); the first one where it is not among them."""
    for label, runs in groups.items():
        if wanted.lower() in (label.lower(), runs[0].spec.model["name"].lower()):
            return label
    return next(iter(groups))
