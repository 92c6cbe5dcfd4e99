"""Replace the word ``robust`` in a recipe's ``augment`` by the transforms it stands for.

This is done before the recipe is hashed into a run's identity, so that a run is known by what it was trained with and not
by a word whose meaning may change.
"""

from __future__ import annotations

from typing import Any

from harness.training.loaders import AUGMENTATIONS, ROBUST

WORD = "robust"


def written_out(augment: str | list[Any], plain: str | list[Any], dataset: str) -> str | list[Any]:
    """What ``augment`` means on a dataset: ``robust`` becomes the perturbations seen in training, on its own ladders.

    Alone the word puts them before ``plain``, the recipe's own augmentation, so that a run differs from the plain one
    in them and in nothing else; among other transforms it stands for itself. Anything else is returned as it is.
    """
    if augment == WORD:
        # Before the plain ones: flips and crops of the recipe then act on perturbed frames, as they would on a
        # scanner's.
        own = _listed(plain)
        augment = own if is_robust(own) else [WORD, *own]
    if isinstance(augment, str):
        return augment
    return [{**ROBUST, "reference": dataset} if item == WORD else item for item in augment]


def is_robust(augment: str | list[Any]) -> bool:
    """Whether perturbations are among the transforms."""
    return any(
        item == WORD or (isinstance(item, dict) and item.get("type") == ROBUST["type"]) for item in _listed(augment)
    )


def _listed(augment: str | list[Any]) -> list[Any]:
    return list(AUGMENTATIONS.get(augment, ())) if isinstance(augment, str) else list(augment)
