"""Which runs are one arm of a comparison, what an arm is called, and which arm it is the augmented version of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from harness.files import canonical_hash
from harness.registry import list_perturbations
from harness.store.runs import Run, RunSpec
from harness.training.loaders import AUGMENTATIONS

AUGMENTATION = "RobustAugmentation"
_LONGEST = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmRuns:
    """Runs that differ in the seed alone, under one label; ``plain`` is the label of the same without augmentation."""

    label: str
    runs: tuple[Run, ...]
    seen: frozenset[str] = frozenset()
    plain: str = ""


def arms_of(runs: Iterable[Run]) -> list[ArmRuns]:
    """Join the seeds of each model and recipe, in the order of the runs; no two arms share a label."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(_hash_without_seed(run.spec), []).append(run)
    specs = [group[0].spec for group in groups.values()]
    arms = [
        ArmRuns(label=label, runs=tuple(group), seen=seen_perturbations(spec.recipe))
        for label, group, spec in zip(labels(specs), groups.values(), specs, strict=True)
    ]
    plain = {_hash_without_seed(_without_augmentation(arm.runs[0].spec)): arm.label for arm in arms if not arm.seen}
    return [
        replace(arm, plain=plain.get(_hash_without_seed(_without_augmentation(arm.runs[0].spec)), ""))
        if arm.seen
        else arm
        for arm in arms
    ]


def seen_perturbations(recipe: Mapping[str, Any]) -> frozenset[str]:
    """The perturbations that a recipe's augmentation shows to the model in training."""
    seen: set[str] = set()
    for item in _transforms(recipe):
        if isinstance(item, Mapping) and item.get("type") == AUGMENTATION:
            seen |= set(item.get("perturbations") or list_perturbations())
    return frozenset(seen)


def labels(specs: Sequence[RunSpec]) -> list[str]:
    """A label for each spec: the model's, "(augmented)" where it is, and what differs where two would be the same."""
    names = [str(spec.model.get("label") or spec.model["name"]) for spec in specs]
    notes = [["augmented"] if seen_perturbations(spec.recipe) else [] for spec in specs]
    bare = [_label(*pair) for pair in zip(names, notes, strict=True)]
    for label in {label for label in bare if bare.count(label) > 1}:
        same = [index for index, other in enumerate(bare) if other == label]
        for index, text in zip(same, _differences([specs[index] for index in same]), strict=True):
            notes[index].append(text)
    return [_label(*pair) for pair in zip(names, notes, strict=True)]


def _label(name: str, notes: Sequence[str]) -> str:
    return f"{name} ({', '.join(notes)})" if notes else name


def _differences(specs: Sequence[RunSpec]) -> list[str]:
    """What sets each spec apart from the others, seeds aside: one or two short settings, else the run's identity."""
    flat = [_flat(_without_seed(spec)) for spec in specs]
    keys = [
        key for key in dict.fromkeys(k for one in flat for k in one) if len({str(one.get(key)) for one in flat}) > 1
    ]
    if "model.size" in keys:
        keys = ["model.size"]
    texts = [", ".join(f"{key.rpartition('.')[2]} {one.get(key)}" for key in keys) for one in flat]
    short = len(keys) <= 2 and all(len(text) <= _LONGEST for text in texts)
    return texts if short and len(set(texts)) == len(texts) else [spec.identity for spec in specs]


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _without_seed(spec: RunSpec) -> dict[str, Any]:
    return {key: value for key, value in asdict(spec).items() if key != "seed"}


def _hash_without_seed(spec: RunSpec) -> str:
    return canonical_hash(_without_seed(spec))


def _without_augmentation(spec: RunSpec) -> RunSpec:
    """The same spec with the perturbations taken out of its recipe's transforms."""
    rest = [
        item
        for item in _transforms(spec.recipe)
        if not (isinstance(item, Mapping) and item.get("type") == AUGMENTATION)
    ]
    return replace(spec, recipe={**spec.recipe, "augment": rest})


def _transforms(recipe: Mapping[str, Any]) -> list[Any]:
    """The recipe's transforms; a word stands for those that training uses for it."""
    augment = recipe.get("augment", ())
    return list(AUGMENTATIONS.get(augment, ())) if isinstance(augment, str) else list(augment)
