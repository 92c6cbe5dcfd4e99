"""What runs are called beside each other: runs that differ in the seed alone are one arm, no two arms share a label.

No training counts twice: an arm's trainings differ in their seeds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from harness.errors import ConfigError
from harness.files import canonical_hash
from harness.modules import user_folder
from harness.registry import list_perturbations
from harness.results.folds import pooled_data
from harness.store.runs import Run, RunSpec

AUGMENTATION = "RobustAugmentation"
_LONGEST = 30


def run_labels(runs: Sequence[Run]) -> list[str]:
    """A label for each run: the model's, "(augmented)" where it is, and what differs where two would be the same."""
    arms = {arm_key(run.spec): run.spec for run in runs}
    labels = dict(zip(arms, _labels(list(arms.values())), strict=True))
    return [labels[arm_key(run.spec)] for run in runs]


def plain_labels(runs: Sequence[Run], labels: Sequence[str]) -> list[str]:
    """For each augmented run the label of the same without augmentation; empty for plain runs, or where there is none."""
    plain = {
        arm_key(_without_augmentation(run.spec)): label
        for run, label in zip(runs, labels, strict=True)
        if not seen_perturbations(run.spec.recipe)
    }
    keys = (arm_key(_without_augmentation(run.spec)) if seen_perturbations(run.spec.recipe) else "" for run in runs)
    return [plain.get(key, "") for key in keys]


def seen_perturbations(recipe: Mapping[str, Any]) -> frozenset[str]:
    """The perturbations that a recipe's augmentation shows to the model in training."""
    seen: set[str] = set()
    for item in _transforms(recipe):
        if isinstance(item, Mapping) and item.get("type") == AUGMENTATION:
            seen |= set(item.get("perturbations") or list_perturbations())
    return frozenset(seen)


def each_training_once(runs: Sequence[Run]) -> tuple[list[Run], tuple[str, ...]]:
    """The runs without those that are given a second time, and a sentence for each of these.

    Raises:
        ConfigError: two runs are one training made again, or two scorings under one seed: as trainings they would count twice.
    """
    once = list({run.name: run for run in runs}.values())
    trainings: dict[tuple[str, int, object], list[str]] = {}
    for run in once:
        fold = run.spec.data.get("fold", {}).get("test")
        trainings.setdefault((arm_key(run.spec), run.spec.seed, fold), []).append(run.name)
    for (_, seed, _), names in trainings.items():
        if len(names) > 1:
            raise ConfigError(
                f"The runs {' and '.join(names)} are of one model with one seed ({seed}) and would count as several trainings; "
                "name one of them."
            )
    times = Counter(run.name for run in runs)
    words = {2: "twice"}
    told = [f"{name} was named {words.get(n, f'{n} times')} and counts once." for name, n in times.items() if n > 1]
    return once, tuple(told)


def arm_key(spec: RunSpec) -> str:
    """Equal for runs that differ in the seed alone."""
    return canonical_hash(_without_seed(spec))


def differing(specs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What sets nested settings apart from each other: dotted key → value, of the keys that differ somewhere."""
    flat = [flattened(spec) for spec in specs]
    keys = dict.fromkeys(key for settings in flat for key in settings)
    apart = [key for key in keys if len({str(settings.get(key)) for settings in flat}) > 1]
    return [{key: settings.get(key) for key in apart} for settings in flat]


def flattened(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted key.

    >>> flattened({"optimizer": {"lr": 0.1}, "seed": 0})
    {'optimizer.lr': 0.1, 'seed': 0}
    """
    settings: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            settings |= flattened(value, f"{prefix}{key}.")
        else:
            settings[f"{prefix}{key}"] = value
    return settings


def _labels(specs: Sequence[RunSpec]) -> list[str]:
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
    folders = [user_folder(spec.model.get("custom_imports", ())) for spec in specs]
    if all(folders) and len(set(folders)) == len(folders):
        return folders  # files of one name in several folders of a user
    apart = differing([_without_seed(spec) for spec in specs])
    # The size decides many arguments of a model and says more than any of them.
    keys = ["model.size"] if "model.size" in apart[0] else list(apart[0])
    texts = [", ".join(f"{key.rpartition('.')[2]} {settings[key]}" for key in keys) for settings in apart]
    short = len(keys) <= 2 and all(len(text) <= _LONGEST for text in texts)
    return texts if short and len(set(texts)) == len(texts) else [spec.identity for spec in specs]


def _without_seed(spec: RunSpec) -> dict[str, Any]:
    """A run that was trained again is no other arm, and another training of another program has other masks."""
    kept = {key: value for key, value in asdict(spec).items() if key not in ("seed", "generation", "masks")}
    kept["data"] = pooled_data(spec.data)  # folds of one cross-validation are one arm
    return {**kept, "external": True} if spec.external else kept


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
    if isinstance(augment, str):
        # Here: it brings torch, which a report without such a word does not need.
        from harness.training.loaders import AUGMENTATIONS

        return list(AUGMENTATIONS.get(augment, ()))
    return list(augment)
