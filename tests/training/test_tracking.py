"""A recipe's hooks and visualisation backends are mmengine's, and no backend changes what is trained."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import HOOKS
from mmengine.visualization import Visualizer
from training_tiny import tiny_job

from harness.data.prepared import PreparedCache
from harness.errors import ConfigError
from harness.training import Recipe, TrainingJob, checkpoints, loops, train
from harness.training.recipe import identity_keys
from harness.training.tracking import JsonLinesBackend


def job_with(folder: Path, overrides: tuple[str, ...] = (), **keys: Any) -> TrainingJob:
    """The tiny job with further keys of the recipe."""
    job = tiny_job(folder, ["iterations=8", *overrides])
    recipe = Recipe.from_dict({**job.recipe.to_dict(), **keys})
    return TrainingJob(
        model_build=job.model_build,
        recipe=recipe,
        seed=job.seed,
        first_frame=job.first_frame,
        structures=job.structures,
        work_dir=folder,
    )


def last(folder: Path) -> dict[str, Any]:
    return checkpoints.load(folder / "checkpoints" / "last.pth")


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def plain(cache: PreparedCache, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """Weights of the tiny job without hooks."""
    folder = tmp_path_factory.mktemp("plain")
    torch.set_num_threads(1)
    train(job_with(folder), cache)
    return dict(last(folder)["model"])


@pytest.fixture
def fresh_hook() -> Iterator[list[tuple[int, float]]]:
    """Registers a hook ``NoteLoss`` that a recipe names; yields what it saw."""
    seen: list[tuple[int, float]] = []

    @HOOKS.register_module(name="NoteLoss")
    class NoteLoss(Hook):
        def __init__(self, every: int) -> None:
            self.every = every

        def after_train_iter(
            self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
        ) -> None:
            if self.every_n_train_iters(runner, self.every):
                seen.append((batch_idx, float((outputs or {})["loss"])))

    yield seen
    del HOOKS.module_dict["NoteLoss"]


HARMLESS: dict[str, dict[str, Any]] = {
    "CheckpointHook": dict(type="CheckpointHook", interval=4, by_epoch=False, save_best="score", rule="greater"),
    "DistSamplerSeedHook": dict(type="DistSamplerSeedHook"),
    "EmptyCacheHook": dict(type="EmptyCacheHook", after_iter=True),
    "EMAHook": dict(type="EMAHook", momentum=0.1),
    "NaiveVisualizationHook": dict(type="NaiveVisualizationHook"),
    "ParamSchedulerHook": dict(type="ParamSchedulerHook"),
    "ProfilerHook": dict(type="ProfilerHook", by_epoch=False, profile_times=2, activity_with_cuda=False),
    "SyncBuffersHook": dict(type="SyncBuffersHook"),
    "PrepareTTAHook": dict(type="PrepareTTAHook", tta_cfg=dict(type="BaseTTAModel")),
    "EarlyStoppingHook": dict(type="EarlyStoppingHook", monitor="score", rule="greater", patience=99),
}
DEFAULTS = {"RuntimeInfoHook", "IterTimerHook", "LoggerHook"}  # at work in every training
NEEDS_AN_NPU = {"NPUProfilerHook"}


def test_every_hook_of_mmengine_is_tried_below() -> None:
    shipped = {name for name, hook in HOOKS.module_dict.items() if hook.__module__.startswith("mmengine.hooks")}
    assert shipped - DEFAULTS - NEEDS_AN_NPU == set(HARMLESS)


@pytest.mark.parametrize("name", HARMLESS)
def test_a_hook_of_mmengine_runs_in_a_recipe_and_leaves_the_weights_alone(
    name: str, cache: PreparedCache, tmp_path: Path, plain: dict[str, torch.Tensor]
) -> None:
    train(job_with(tmp_path, custom_hooks=[HARMLESS[name]]), cache)
    weights = last(tmp_path)["model"]
    if (
        name == "EMAHook"
    ):  # the checkpoint then holds the average, as mmengine's own does, and the trained ones beside it
        weights = {key.removeprefix("module.model."): v for key, v in last(tmp_path)["hooks"]["ema_state_dict"].items()}
    assert all(torch.equal(weights[key], value) for key, value in plain.items())


def test_a_registered_hook_of_the_users_own_sees_iterations_and_losses(
    cache: PreparedCache, tmp_path: Path, fresh_hook: list[tuple[int, float]]
) -> None:
    train(job_with(tmp_path, custom_hooks=[dict(type="NoteLoss", every=2)]), cache)
    logged = [(record["iteration"] - 1, record["loss"]) for record in records(tmp_path) if record["kind"] == "train"]
    assert fresh_hook == logged
    assert [index for index, _ in fresh_hook] == [1, 3, 5, 7]


def test_a_hook_in_a_module_of_the_users_own_comes_by_custom_imports(
    cache: PreparedCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "freezing.py").write_text(
        "from mmengine.hooks import Hook\nfrom mmengine.registry import HOOKS\n\n\n"
        "@HOOKS.register_module()\nclass FreezeStem(Hook):\n"
        "    def before_train(self, runner):\n"
        "        runner.segmentation.model.stem.requires_grad_(False)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    run = tmp_path / "run"
    job = job_with(run, ("ema=None",), custom_imports=["freezing"], custom_hooks=[dict(type="FreezeStem")])
    train(job, cache)
    untrained = job_with(tmp_path / "other", ("ema=None", "iterations=1"), custom_hooks=[dict(type="FreezeStem")])
    train(untrained, cache)
    assert torch.equal(last(run)["model"]["stem.weight"], last(tmp_path / "other")["model"]["stem.weight"])


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (dict(custom_hooks=[dict(type="NoSuchHook")]), "custom_hooks entry .*NoSuchHook.* cannot be built"),
        (dict(custom_hooks=[dict(type="EMAHook", begin_iter=-1)]), "custom_hooks entry .*EMAHook.* cannot be built"),
        (dict(custom_hooks=["EMAHook"]), 'custom_hooks must be a list of dicts with a "type"'),
        (dict(custom_imports=["no_such_module"]), "names the module no_such_module, which cannot be imported"),
        (dict(vis_backends=[dict(type="NoSuchBackend")]), "vis_backends entry .*NoSuchBackend.* cannot be built"),
        (dict(vis_backends=[dict(type="AimVisBackend")]), "names AimVisBackend, which needs a package"),
    ],
)
def test_a_wrong_entry_is_one_sentence(
    keys: dict[str, Any], sentence: str, cache: PreparedCache, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        train(job_with(tmp_path, **keys), cache)


def test_early_stopping_ends_the_training_for_good(cache: PreparedCache, tmp_path: Path) -> None:
    stop = dict(type="EarlyStoppingHook", monitor="score", rule="greater", stopping_threshold=0.01)
    job = job_with(tmp_path, custom_hooks=[stop])
    summary = train(job, cache)
    assert summary.iterations == 4
    assert last(tmp_path)["state"]["stopped"] is True
    log = (tmp_path / "log.jsonl").read_bytes()
    assert train(job, cache) == summary
    assert (tmp_path / "log.jsonl").read_bytes() == log


def test_an_average_by_mmengines_hook_is_kept_as_best_and_resumes_to_the_same_bits(
    cache: PreparedCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = dict(type="EMAHook", momentum=0.2)
    whole, halved = tmp_path / "whole", tmp_path / "halved"
    train(job_with(whole, ("ema=None",), custom_hooks=[hook]), cache)
    step = loops.ResumableTrainLoop.run_iter

    def interrupted(self: loops.ResumableTrainLoop, batch: dict[str, torch.Tensor]) -> None:
        if self.iter == 5:
            raise RuntimeError("stopped here")
        step(self, batch)

    with monkeypatch.context() as patched:
        patched.setattr(loops.ResumableTrainLoop, "run_iter", interrupted)
        with pytest.raises(RuntimeError, match="stopped here"):
            train(job_with(halved, ("ema=None",), custom_hooks=[hook]), cache)
    train(job_with(halved, ("ema=None",), custom_hooks=[hook]), cache)
    for name, value in last(whole)["model"].items():
        assert torch.equal(value, last(halved)["model"][name]), name
    best = checkpoints.load(whole / "checkpoints" / "best.pth")
    if best["iteration"] == 8:
        assert torch.equal(best["model"]["stem.weight"], last(whole)["model"]["stem.weight"])
    assert not torch.equal(
        last(whole)["model"]["stem.weight"], last(whole)["hooks"]["ema_state_dict"]["module.model.stem.weight"]
    )


def test_a_hook_belongs_to_the_identity_and_a_backend_does_not(tmp_path: Path) -> None:
    plain_job = job_with(tmp_path)
    hooked = job_with(tmp_path, custom_hooks=[HARMLESS["EMAHook"]])
    shown = job_with(tmp_path, vis_backends=[dict(type="MLflowVisBackend")])
    assert shown.identity("data") == plain_job.identity("data") != hooked.identity("data")
    recipe = {"iterations": 8}
    assert identity_keys({**recipe, "custom_hooks": [], "vis_backends": []}) == recipe
    assert identity_keys({**recipe, "custom_hooks": [{"type": "A"}]}) != recipe


def test_a_local_backend_of_mmengine_receives_the_curves(cache: PreparedCache, tmp_path: Path) -> None:
    train(job_with(tmp_path, vis_backends=[dict(type="LocalVisBackend")]), cache)
    lines = [json.loads(line) for line in (tmp_path / "vis_data" / "curves.json").read_text().splitlines()]
    logged = [record for record in records(tmp_path) if record["kind"] != "start"]
    assert [line["step"] for line in lines] == [record["iteration"] for record in logged]
    assert lines[0]["train/loss"] == pytest.approx(logged[0]["loss"])
    assert not (tmp_path / "tensorboard").exists()


def test_tensorboard_hides_what_a_killed_session_wrote_after_its_checkpoint(
    cache: PreparedCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    step = loops.ResumableTrainLoop.run_iter

    def interrupted(self: loops.ResumableTrainLoop, batch: dict[str, torch.Tensor]) -> None:
        step(self, batch)
        if self.iter == 8:
            raise RuntimeError("stopped here")

    with monkeypatch.context() as patched:
        patched.setattr(loops.ResumableTrainLoop, "run_iter", interrupted)
        with pytest.raises(RuntimeError, match="stopped here"):
            train(job_with(tmp_path), cache)
    assert last(tmp_path)["state"]["iteration"] == 6
    train(job_with(tmp_path), cache)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [2, 4, 6, 8]
    assert [record["iteration"] for record in records(tmp_path) if record["kind"] == "train"] == [2, 4, 6, 8]


def test_a_value_that_is_not_finite_is_null_in_the_log(tmp_path: Path) -> None:
    backend = JsonLinesBackend(str(tmp_path))
    backend.add_config(None)
    backend.add_scalars({"val/score": math.nan, "val/lv": 0.5, "iter": 4}, step=4)
    assert records(tmp_path)[1] == {"kind": "val", "iteration": 4, "score": None, "lv": 0.5}


def test_mlflow_keeps_runs_in_a_local_folder(cache: PreparedCache, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="pip install 'echobench[tracking]'")
    place = tmp_path / "mlflow"
    backend = dict(
        type="MLflowVisBackend", save_dir=str(place), tracking_uri=f"sqlite:///{place}/mlflow.db", exp_name="tiny",
        artifact_location=place.as_uri(), tags={"mlflow.runName": "{run}"},
        artifact_suffix=".log",
    )  # fmt: skip
    for name in ("first", "second"):
        train(job_with(tmp_path / name, vis_backends=[backend]), cache)
    client = mlflow.tracking.MlflowClient(f"sqlite:///{place}/mlflow.db")
    experiment = client.get_experiment_by_name("tiny")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"first", "second"}
    history = client.get_metric_history(runs["first"].info.run_id, "val/score")
    scores = {record["iteration"]: record["score"] for record in records(tmp_path / "first") if record["kind"] == "val"}
    assert {metric.step: metric.value for metric in history} == scores
    assert runs["first"].data.params["recipe.iterations"] == "8"
    assert {item.path for item in client.list_artifacts(runs["first"].info.run_id)} >= {"training.log"}


def test_wandb_works_offline(cache: PreparedCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="pip install 'echobench[tracking]'")
    monkeypatch.setenv("WANDB_SILENT", "true")
    options = dict(project="tiny", name="{run}", mode="offline", settings=dict(console="off"))
    backend = dict(type="WandbVisBackend", save_dir=str(tmp_path / "wandb_runs"), init_kwargs=options)
    for name in ("first", "second"):
        train(job_with(tmp_path / name, vis_backends=[backend]), cache)
    files = sorted((tmp_path / "wandb_runs").rglob("*.wandb"))
    assert len(files) == 2
    assert all(b"val/score" in file.read_bytes() for file in files)


def test_a_finished_training_leaves_nothing_in_mmengines_tables(cache: PreparedCache, tmp_path: Path) -> None:
    before = [len(table._instance_dict) for table in (MMLogger, MessageHub, Visualizer)]
    train(job_with(tmp_path), cache)
    after = [len(table._instance_dict) for table in (MMLogger, MessageHub, Visualizer)]
    assert after == before
    assert "Iter(train) [8/8]" in (tmp_path / "training.log").read_text()
