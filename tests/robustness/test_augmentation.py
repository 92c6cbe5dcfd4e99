"""The perturbations as augmentation: seeded by the generator given, masks untouched, reached through the registry."""

from __future__ import annotations

import pytest
import torch

from harness import config
from harness.data.transforms import build_transforms
from harness.errors import ConfigError
from harness.registry import list_perturbations
from harness.robustness.augmentation import RobustAugmentation
from harness.robustness.results import seen_perturbations
from harness.training import Recipe


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def clip(fan_clip):
    frames = fan_clip(frames=3, size=48).unsqueeze(1)
    return frames, (frames[:, 0] > 0.3).long()


def test_the_same_generator_gives_the_same_clip_and_another_another(clip):
    augment = RobustAugmentation(probability=1.0, severities=(3, 5), perturbations=["speckle", "haze"])
    first, second, other = (augment(*clip, generator(seed))[0] for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert not torch.equal(first, clip[0])


def test_masks_shape_and_range_are_kept(clip):
    frames, masks = RobustAugmentation(probability=1.0)(*clip, generator(0))
    assert torch.equal(masks, clip[1])
    assert frames.shape == clip[0].shape
    assert 0 <= float(frames.min()) <= float(frames.max()) <= 1


def test_the_same_number_of_draws_is_used_whatever_the_outcome(clip):
    states = []
    for probability in (0.0, 1.0):
        source = generator(5)
        frames, _ = RobustAugmentation(probability=probability)(*clip, source)
        states.append(source.get_state())
        assert torch.equal(frames, clip[0]) == (probability == 0.0)
    assert torch.equal(*states)


@pytest.mark.parametrize("name", ["phantom_small", "camus_small"])
def test_the_robust_recipes_differ_from_their_base_in_the_augmentation_alone(name):
    base, robust = (config.load("recipes", recipe).to_dict()["recipe"] for recipe in (name, f"{name}_robust"))
    assert {key for key in base if base[key] != robust[key]} == {"augment"}
    recipe = Recipe.from_dict(robust)
    transforms = build_transforms(recipe.augment)
    assert isinstance(transforms[0], RobustAugmentation)
    assert robust["augment"][1:] == base["augment"]
    seen = seen_perturbations(robust)
    assert set() < seen < set(list_perturbations())
    assert {item.name for item in transforms[0].perturbations} == seen
    assert seen_perturbations(base) == frozenset()


def test_without_a_selection_every_perturbation_is_seen():
    assert seen_perturbations({"augment": [{"type": "RobustAugmentation"}]}) == set(list_perturbations())
    assert seen_perturbations({"augment": "paper"}) == frozenset()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"perturbations": ["spekle"]}, "Did you mean 'speckle'"),
        ({"probability": 1.5}, "a probability lies in 0..1"),
        ({"severities": (3, 6)}, "a range within 0..5"),
    ],
)
def test_wrong_arguments_are_answered_in_a_sentence(arguments, sentence):
    with pytest.raises(ConfigError, match=sentence):
        RobustAugmentation(**arguments)
