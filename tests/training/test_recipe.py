"""A recipe says what it means, and refuses what it cannot mean."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from pydantic import ValidationError
from training_tiny import RECIPE

from harness import config
from harness.errors import ConfigError
from harness.training import Recipe
from harness.training.recipe import identity_keys


def changed(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(RECIPE), **changes}


@pytest.mark.parametrize("name", config.list_configs("recipes"))
def test_every_shipped_recipe_is_valid_and_states_every_key(name: str) -> None:
    values = config.load("recipes", name).to_dict()["recipe"]
    assert identity_keys(Recipe.from_dict(values).to_dict()) == values


def test_the_paper_recipe_is_the_published_schedule() -> None:
    recipe = Recipe.from_dict(config.load("recipes", "paper").to_dict()["recipe"])
    assert (recipe.iterations, recipe.batch_size, recipe.clip_length, recipe.image_size) == (3000, 10, 10, 256)
    assert (recipe.optimizer.lr, recipe.optimizer.weight_decay, recipe.optimizer.backbone_lr_factor) == (
        1e-4,
        1e-3,
        0.1,
    )
    assert recipe.schedule.milestones == (1000, 2000)
    assert recipe.gradient_clip == 3.0
    assert recipe.loss.points is not None
    assert recipe.loss.points.count == 12544


def test_a_recipe_survives_the_way_to_plain_values_and_back() -> None:
    recipe = Recipe.from_dict(RECIPE)
    assert Recipe.from_dict(recipe.to_dict()) == recipe


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (changed(batchsize=3), r"Unknown key 'batchsize' in the recipe\. Did you mean 'batch_size'\?"),
        (changed(optimizer=dict(lr=1.0, wait_decay=0)), r"'wait_decay' in the recipe's optimizer.*'weight_decay'"),
        (changed(optimizer=dict(type="AdamX", lr=1.0)), r"'AdamX' in the recipe's optimizer.type.*Adam"),
        (changed(optimizer=dict(type="AdamW")), r"The recipe's optimizer lacks lr\."),
        ({k: v for k, v in RECIPE.items() if k != "iterations"}, r"The recipe lacks iterations\."),
        (changed(iterations="many"), r"The recipe's iterations must be a whole number, got 'many'"),
        (changed(iterations=True), r"iterations must be a whole number, got True"),
        (changed(iterations=0), r"iterations must be greater than 0, got 0"),
        (changed(precision="bf61"), r"'bf61' in the recipe's precision.*Did you mean 'bf16'"),
        (changed(ema=1.5), r"ema must be less than 1, got 1\.5"),
        (changed(loss=dict(ce=0, dice=0)), r"loss must have a positive weight"),
        (changed(loss=dict(points=5)), r"The recipe's loss.points must be a section of keys .*, got 5"),
        (changed(schedule=dict(milestones=3)), r"milestones must be a list, got 3"),
        (changed(workers=-1), r"workers must be 0 or more, got -1"),
        (changed(gradient_clip=float("nan")), r"gradient_clip must be a finite number, got nan"),
        (changed(schedule=dict(milestones=[3, -1])), r"schedule\.milestones must be 0 or more, got -1"),
        (changed(augment=5), r"augment must be 'paper' or 'none' or 'robust' or a list, got 5"),
        (5, r"The recipe must be a section of keys \(a dict\), got 5"),
    ],
)
def test_a_wrong_value_is_one_sentence(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        Recipe.from_dict(values)


def test_whole_numbers_are_accepted_where_a_real_one_is_meant() -> None:
    assert Recipe.from_dict(changed(gradient_clip=3)).gradient_clip == 3.0


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Recipe.from_dict(RECIPE).iterations = 3  # type: ignore[misc]


@pytest.mark.parametrize(("stated", "frames"), [(None, 2), (5, 5), ("whole", None)])
def test_test_clips_are_as_long_as_stated_as_training_clips_or_whole(stated: object, frames: int | None) -> None:
    recipe = Recipe.from_dict(changed(clip_length=2, test_clip_length=stated))
    assert recipe.frames_at_test == frames
    assert Recipe.from_dict(recipe.to_dict()) == recipe


def test_another_word_for_the_length_of_a_test_clip_is_refused() -> None:
    with pytest.raises(ConfigError, match="test_clip_length"):
        Recipe.from_dict(changed(test_clip_length="hole"))
