"""The perturbations as augmentation: seeded by the generator given, masks untouched, reached through the registry."""

from __future__ import annotations

import pytest
import torch

from harness import config
from harness.data.transforms import build_transforms
from harness.errors import ConfigError
from harness.experiments.augment import is_robust, written_out
from harness.perturbations.augmentation import RobustAugmentation
from harness.registry import PERTURBATIONS, list_perturbations
from harness.results.labels import seen_perturbations
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


@pytest.mark.parametrize("dataset", ["phantom", "camus"])
def test_the_robust_recipes_are_their_base_with_the_word_robust(dataset):
    base, robust = (
        config.load("recipes", name).to_dict()["recipe"] for name in (f"{dataset}_small", f"{dataset}_small_robust")
    )
    assert {key for key in base if base[key] != robust[key]} == {"augment"}
    found = written_out(robust["augment"], base["augment"], dataset)
    assert found == written_out("robust", base["augment"], dataset) == written_out("robust", robust["augment"], dataset)
    assert found[0]["reference"] == dataset
    assert found[1:] == base["augment"]
    transforms = build_transforms(found)
    assert isinstance(transforms[0], RobustAugmentation)
    assert {item.name for item in transforms[0].perturbations} == seen_perturbations({"augment": found})
    assert Recipe.from_dict({**robust, "augment": found}).augment == found


def test_the_runs_of_the_robust_recipes_keep_their_identity():
    """What the committed reference runs were trained with: a change here would orphan them."""
    seen = ["acoustic_shadow", "depth_attenuation", "gain_down", "haze"]
    seen += ["jpeg", "lateral_blur", "low_contrast", "speckle"]
    kind = {"type": "RobustAugmentation", "probability": 0.5, "severities": [0.5, 4.0]}
    expected = [{**kind, "reference": "camus", "perturbations": seen}, {"type": "PaperAugmentation", "flip": 0.0}]
    recipe = config.load("recipes", "camus_small_robust").to_dict()["recipe"]
    assert written_out(recipe["augment"], "none", "camus") == expected


@pytest.mark.parametrize("augment", ["paper", "none", [], [{"type": "PaperAugmentation"}]])
def test_any_other_augmentation_is_left_as_it_is(augment):
    assert written_out(augment, "paper", "phantom") == augment
    assert not is_robust(augment)
    assert is_robust(written_out("robust", augment, "phantom"))


def test_half_of_the_perturbations_are_kept_back_in_every_kind_of_fault():
    seen = seen_perturbations({"augment": "robust"})
    assert len(seen) == len(list_perturbations()) // 2
    for module in ("artefacts", "display", "export"):
        names = {n for n in list_perturbations() if PERTURBATIONS.get(n).__module__.endswith(module)}
        assert seen & names
        assert names - seen


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
