"""A suite is resolved completely, and wrong options are answered, before anything is trained."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from harness import config
from harness.config import config_root
from harness.data import PreparedCache
from harness.errors import ConfigError, DataError
from harness.experiments import SuiteOptions, plan_suite
from harness.experiments.execute import scored_clip_length
from harness.experiments.models import choose_model
from harness.statistics.margins import Criteria, Margin


def test_a_plan_has_one_run_per_model_and_seed_with_everything_resolved(tiny):
    plan = plan_suite(tiny(models=("unet", "unet_camus"), seeds=(0, 3)), progress=False)
    assert [(spec.model["name"], spec.seed) for spec in plan.specs] == [
        ("unet", 0),
        ("unet", 3),
        ("unet_camus", 0),
        ("unet_camus", 3),
    ]
    spec = plan.specs[0]
    assert spec.model["build"] == {"type": "UNet", "widths": (4, 8), "num_structures": 1}
    assert spec.recipe["iterations"] == 2
    assert spec.data["views"] == ["2CH", "4CH"]
    assert spec.data["mark"] is None
    assert spec.protocol == {"first_frame": "auto", "structures": "lv"}
    assert plan.name.startswith("phantom-2ch+4ch-half-small-other-")  # a tiny recipe is another condition
    assert "warmup=20" in plan.condition.differences


def test_a_suite_says_by_what_it_is_judged_and_a_changed_margin_loses_its_old_reason(tiny, tmp_path):
    assert plan_suite(tiny(), progress=False).criteria == Criteria()
    own = tmp_path / "own.py"
    base = config_root() / "suites" / "small.py"
    own.write_text(
        f"_base_ = [{str(base)!r}]\nsuite = dict(endpoint='asd_mm')\nmargins = dict(hd95_mm=dict(value=1.0, source='ours'))\n"
    )
    chosen = ("margins.dice.value=2", "endpoint=iou")
    options = tiny(suite=str(own))
    plan = plan_suite(dataclasses.replace(options, overrides=(*options.overrides, *chosen)), progress=False)
    assert plan.criteria.endpoint == "iou"
    assert plan.criteria.margins["hd95_mm"] == Margin(1.0, "ours")
    assert plan.criteria.margins["dice"] == Margin(2.0, "set on the command line")
    assert plan.criteria.margins["iou"] == Criteria().margins["iou"]
    assert plan.name == plan_suite(tiny(), progress=False).name  # how results are judged is no part of what is run


@pytest.mark.parametrize("name", config.list_configs("suites"))
def test_every_suite_names_models_of_its_size_and_its_own_reference(name):
    suite = config.load("suites", name).to_dict()["suite"]
    assert suite["reference"] in suite["models"]
    assert [choose_model(model, suite["size"]).name for model in suite["models"]] == suite["models"]


def test_the_paper_s_comparison_has_its_protocol():
    suite, paper = (config.load(kind, name).to_dict() for kind, name in (("suites", "iccv2025"), ("recipes", "paper")))
    assert {"gdkvm", "cutie"} <= set(suite["suite"]["models"])
    assert (suite["suite"]["size"], suite["suite"]["first_frame"], suite["suite"]["structures"]) == (
        "paper",
        "auto",
        "lv",
    )
    assert (paper["recipe"]["clip_length"], paper["recipe"]["image_size"]) == (10, 256)
    assert suite["suite"]["recipe"] == {"device": "cuda", "test_clip_length": 10}


def test_the_name_tells_deviations_from_the_headline_protocol(tiny):
    plan = plan_suite(tiny(structures="all", first_frame="gt"), progress=False)
    assert plan.name.startswith("phantom-2ch+4ch-half-small-all-gt")
    assert plan.specs[0].model["build"]["num_structures"] == 3


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({"models": ("unte",)}, r"Unknown model 'unte'.*Did you mean 'unet'\?"),
        ({"models": ("unet", "unet")}, "names unet twice"),
        ({"models": ()}, "models must be a list of at least 1"),
        ({"models": ("mmseg",)}, "'mmseg' is a family of models; name one of them as mmseg:TEMPLATE"),
        ({"dataset": "camuss"}, r"Unknown dataset 'camuss'.*Did you mean 'camus'\?"),
        ({"structures": "lvs"}, r"has no masks of lvs; use --structures lv"),
        ({"dataset": "camus"}, r"needs its folder: give --root PATH \(make: CAMUS_ROOT=PATH\)"),
        ({"size": "papre"}, r"Unknown size 'papre'.*Did you mean 'paper'\?"),
        ({"recipe": "papr"}, r"Unknown recipe 'papr'.*Did you mean 'paper'\?"),
        ({"suite": "smal"}, r"Unknown suite 'smal'"),
        ({"first_frame": "auo"}, r"Unknown first-frame protocol 'auo'.*Did you mean 'auto'\?"),
    ],
)
def test_a_wrong_option_is_one_sentence_with_the_nearest_valid_name(tmp_path, chosen, sentence):
    with pytest.raises(ConfigError, match=sentence):
        plan_suite(SuiteOptions(data_root=tmp_path, **chosen), progress=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("recipe.iteration=3", r"Did you mean 'recipe\.iterations'"),
        ("models.unet.width=3", r"Did you mean 'models\.unet\.widths'"),
        ("recipe.precision=fp31", "precision"),
        ("endpoint=dise", r"Did you mean 'dice'"),
        ("margins.dice.value=0", r"The margin of dice is 0"),
    ],
)
def test_a_wrong_override_is_refused_before_any_data_is_made(tmp_path, override, sentence):
    with pytest.raises(ConfigError, match=sentence):
        plan_suite(SuiteOptions(data_root=tmp_path, models=("unet",), overrides=(override,)), progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_root_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        plan_suite(SuiteOptions(dataset="camus", root=str(tmp_path / "nowhere"), data_root=tmp_path), progress=False)


def test_a_prepared_folder_serves_as_root(tiny, tmp_path):
    original = plan_suite(tiny(), progress=False)
    again = plan_suite(tiny(root=str(original.cache.path), data_root=tmp_path), progress=False)
    assert isinstance(again.cache, PreparedCache)
    assert [spec.identity for spec in again.specs] == [spec.identity for spec in original.specs]


def test_a_prepared_folder_of_another_size_or_dataset_is_refused(tiny):
    root = str(plan_suite(tiny(), progress=False).cache.path)
    with pytest.raises(ConfigError, match=r"holds frames of 32 px but the recipe asks for 48 px"):
        plan_suite(tiny("recipe.image_size=48", root=root), progress=False)
    overrides = tuple(item for item in tiny().overrides if not item.startswith("generate"))
    with pytest.raises(ConfigError, match="holds the dataset 'phantom', not 'camus'"):
        plan_suite(tiny(root=root, dataset="camus", overrides=overrides), progress=False)


def test_the_reference_suite_is_refused_without_a_cuda_device(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"(?i)cuda"):
        plan_suite(SuiteOptions(suite="paper", dataset="phantom", data_root=tmp_path), progress=False)
    assert list(tmp_path.iterdir()) == []


def test_clips_are_never_longer_than_what_the_dataset_has(tiny):
    plan = plan_suite(tiny("recipe.clip_length=10", "recipe.test_clip_length=10", clip="ed_es"), progress=False)
    assert plan.specs[0].recipe["clip_length"] == 2
    assert plan.specs[0].recipe["test_clip_length"] == 2


def test_what_cannot_be_scored_at_this_length_is_refused_before_training(tiny):
    with pytest.raises(
        DataError, match=r"At recipe\.test_clip_length=1 the labelled frame \d+ of .* is not seen .*whole"
    ):
        plan_suite(tiny("recipe.test_clip_length=1"), progress=False)


def test_every_frame_of_a_phantom_s_sequence_is_labelled(tiny):
    assert all(all(record.labelled) for record in plan_suite(tiny(), progress=False).cache.records)


@pytest.mark.parametrize(
    ("dataset", "clip", "lengths"),
    [("phantom", "half", (8, "whole")), ("phantom", "ed_es", (2, 2)), ("camus", "half", (8, "whole")),
     ("camus", "ed_es", (2, 2)), ("camus", "cine", (8, "whole")), ("echonet", "half", (8, "whole"))],
)  # fmt: skip
def test_the_recipe_follows_the_kind_of_clip(dataset, clip, lengths):
    recipes = config.load("datasets", dataset).to_dict()["recipes"]
    recipe = config.load("recipes", config.recipe_for(recipes, clip, "small")).to_dict()["recipe"]
    assert (recipe["clip_length"], recipe["test_clip_length"]) == lengths


def test_where_curves_are_shown_changes_no_identity_and_a_hook_does(tiny):
    plain = plan_suite(tiny(), progress=False)
    shown = plan_suite(tiny("recipe.vis_backends=[{'type': 'LocalVisBackend'}]"), progress=False)
    hooked = plan_suite(tiny("recipe.custom_hooks=[{'type': 'EmptyCacheHook'}]"), progress=False)
    assert [spec.folder for spec in shown.specs] == [spec.folder for spec in plain.specs]
    assert shown.vis_backends == [{"type": "LocalVisBackend"}]
    assert plain.vis_backends == [{"type": "TensorboardVisBackend"}]
    assert hooked.specs[0].identity != plain.specs[0].identity
    assert hooked.specs[0].recipe["custom_hooks"] == [{"type": "EmptyCacheHook"}]


def test_cine_clips_have_a_recipe_of_their_own_that_tests_every_frame(tiny):
    overrides = tuple(item for item in tiny().overrides if "test_clip_length" not in item)
    plan = plan_suite(tiny(clip="cine", views=("4CH",), overrides=overrides), progress=False)
    assert plan.specs[0].recipe["test_clip_length"] == "whole"
    assert plan.specs[0].recipe["batch_size"] == 2
    assert plan.specs[0].data["clip"] == "cine"
    assert plan.specs[0].data["mark"].startswith("cine from stills: semi-synthetic")
    assert plan.name.split("-")[2] == "cine"
    assert scored_clip_length(plan.specs[0]) is None


def test_a_hook_is_named_as_it_is_registered_and_never_by_a_path(tiny):
    hook = "recipe.custom_hooks=[{'type': 'mmengine.hooks.EmptyCacheHook'}]"
    with pytest.raises(ConfigError, match="is no registered name"):
        plan_suite(tiny(hook), progress=False)
