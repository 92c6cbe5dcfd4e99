"""A condition's name is that of its report: the headline one plain, any other with what differs."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from harness import config
from harness.results.condition import condition_of, finished_runs
from harness.store.runs import RunSpec, RunStore


def spec(name: str = "unet", seed: int = 0, recipe: str = "phantom_small", **changes: Any) -> RunSpec:
    """A run of the phantom with a recipe and a model as their configs have them."""
    loaded = config.load("models", name).to_dict()
    settings = config.load("recipes", recipe).to_dict()["recipe"]
    return RunSpec(
        model={
            "name": name,
            "size": "small",
            "label": loaded["label"],
            "build": {**loaded["sizes"]["small"], "num_structures": 1, **changes.pop("build", {})},
        },
        data={
            "dataset": "phantom",
            "views": ["2CH", "4CH"],
            "clip": "half",
            "fingerprint": "f",
            **changes.pop("data", {}),
        },
        recipe={**settings, **changes},
        seed=seed,
        protocol={"first_frame": "auto", "structures": "lv"},
    )


PLAIN = "phantom-2ch+4ch-half-small"
ROBUST = [{"type": "RobustAugmentation", "perturbations": ["haze"]}, {"type": "PaperAugmentation", "flip": 0.0}]


def test_the_headline_condition_is_called_by_data_and_size_alone():
    assert condition_of(spec()).name == PLAIN
    assert condition_of(spec(), spec("gdkvm"), spec(seed=3)).name == PLAIN
    assert condition_of(spec()).differences == ()


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"iterations": 600}, f"{PLAIN}-iterations=600"),
        ({"iterations": 600, "batch_size": 3}, f"{PLAIN}-batch_size=3-iterations=600"),
        ({"recipe": "smoke"}, f"{PLAIN}-smoke"),
        ({"recipe": "smoke", "iterations": 7}, f"{PLAIN}-smoke-iterations=7"),
        ({"augment": ROBUST}, f"{PLAIN}-robust"),
    ],
)
def test_another_recipe_or_setting_has_a_name_that_says_what_differs(changes, name):
    condition = condition_of(spec(**changes))
    assert condition.name == name
    assert condition.key != condition_of(spec()).key


def test_stills_have_two_frames_and_of_a_sequence_two_frames_are_a_choice():
    both = {"clip_length": 2, "test_clip_length": 2}
    stills = {"data": {"clip": "ed_es"}, "recipe": "phantom_stills"}
    for shortened in ({}, both, {**both, "clip_length": 2}):
        assert condition_of(spec(**stills, **shortened)).name == "phantom-2ch+4ch-ed_es-small"
    assert condition_of(spec(**both)).name == f"{PLAIN}-clip_length=2-test_clip_length=2"
    assert condition_of(spec(clip_length=3)).name == f"{PLAIN}-clip_length=3"


def test_rows_made_with_four_frames_are_a_condition_with_a_name():
    older = condition_of(spec(recipe="phantom_four_frames"))
    assert older.name == f"{PLAIN}-phantom_four_frames"
    assert older.key != condition_of(spec()).key


def test_many_differences_are_told_by_a_hash_and_still_by_words_in_titles():
    condition = condition_of(spec(iterations=1, batch_size=2, val_interval=3, checkpoint_interval=4, log_interval=5))
    assert condition.name.startswith(f"{PLAIN}-other-")
    assert "iterations=1" in condition.differences


def test_the_study_s_own_recipe_is_the_headline_one_of_a_study():
    assert condition_of(spec(recipe="phantom_ablation"), recipe="phantom_ablation").name == PLAIN
    assert condition_of(spec(recipe="phantom_ablation")).name != PLAIN


def test_other_data_is_another_condition_of_the_same_name():
    other = condition_of(spec(data={"fingerprint": "g"}))
    assert other.name == PLAIN
    assert other.key != condition_of(spec()).key


def test_a_report_takes_finished_runs_of_its_condition_and_no_model_with_other_arguments(tmp_path):
    store = RunStore(tmp_path)
    specs = {
        "plain": spec(), "other seed": spec(seed=1), "other model": spec("gdkvm"), "longer": spec(iterations=600),
        "wider": spec(build={"widths": (8, 16)}), "unfinished": spec("stm"),
    }  # fmt: skip
    for title, one in specs.items():
        run = store.open(one)
        if title != "unfinished":
            run.finish()
    taken = {run.name for run in finished_runs(store.all(), condition_of(specs["plain"]))}
    assert taken == {specs[title].folder for title in ("plain", "other seed", "other model")}
    wider = condition_of(specs["plain"], specs["wider"])
    assert wider.name.startswith(f"{PLAIN}-unet.widths=")
    assert specs["wider"].folder in {run.name for run in finished_runs(store.all(), wider)}


def test_a_model_without_a_config_has_no_differences():
    bare = spec()
    unknown = dataclasses.replace(bare, model={**bare.model, "name": "mine", "build": {"type": "Mine", "width": 3}})
    assert condition_of(unknown).name == PLAIN
