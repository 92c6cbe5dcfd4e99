"""What a training does with the words of its recipe."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from training_tiny import tiny_job

from harness.data.prepared import PreparedCache
from harness.data.sampling import IterationBatches
from harness.errors import ConfigError, DataError, TrainingError
from harness.registry import MODELS
from harness.training import TrainingJob, checkpoints, engine, train
from harness.training.processes import Processes


def final(folder: Path, name: str = "last") -> dict[str, Any]:
    return checkpoints.load(folder / "checkpoints" / f"{name}.pth")


def lines(folder: Path, kind: str) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [record for record in records if record["kind"] == kind]


def test_the_tiny_model_learns_the_disks(cache: PreparedCache, tmp_path: Path) -> None:
    summary = train(tiny_job(tmp_path, ["iterations=60", "val_interval=20"]), cache)
    assert summary.best_score > 0.9
    assert lines(tmp_path, "train")[-1]["loss"] < 0.5 * lines(tmp_path, "train")[0]["loss"]


def test_best_pth_is_the_validated_maximum_and_loads_into_the_model(cache: PreparedCache, tmp_path: Path) -> None:
    summary = train(tiny_job(tmp_path), cache)
    scores = {line["iteration"]: line["score"] for line in lines(tmp_path, "val")}
    assert summary.best_score == max(scores.values()) == scores[summary.best_iteration]
    content = torch.load(summary.best_checkpoint, weights_only=True)
    assert set(content) == {"model", "iteration", "score"}
    MODELS.build(dict(type="TinyMemory")).load_state_dict(content["model"], strict=True)


@pytest.mark.parametrize("protocol", ["auto", "gt"])
def test_the_score_is_the_mean_over_patients_of_the_dice_of_the_best_weights(
    protocol: str, cache: PreparedCache, tmp_path: Path
) -> None:
    summary = train(tiny_job(tmp_path, [f"job.first_frame={protocol}"]), cache)
    model = MODELS.build(dict(type="TinyMemory")).eval()
    model.load_state_dict(torch.load(summary.best_checkpoint, weights_only=True)["model"])
    patients = []
    for clip in cache.split("val"):
        chosen = [0, 2, 4]
        frames = torch.tensor(clip.frames[chosen] / 255.0, dtype=torch.float32)[None, :, None]
        masks = torch.tensor(clip.masks[chosen].astype(int))
        first = masks[None, 0] if protocol == "gt" else None
        predicted = model(frames, first)[0].argmax(1)
        dice = []
        for t in [2] if protocol == "gt" else [0, 2]:
            p, g = predicted[t] == 1, masks[t] == 1
            dice.append(float(2 * (p & g).sum() / (p.sum() + g.sum())))
        patients.append(sum(dice) / len(dice))
    assert summary.best_score == pytest.approx(sum(patients) / len(patients), abs=1e-6)


def test_a_nan_loss_stops_with_the_iteration_and_the_cases_of_its_batch(cache: PreparedCache, tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as caught:
        train(tiny_job(tmp_path, ["model.poison_after=7"]), cache)
    sentence = str(caught.value)
    assert "stopped in iteration 7: the loss became nan on the batch of the cases" in sentence
    batch = IterationBatches(6, 4, seed=0).batch(7)
    cases = cache.split("train").cases
    assert ", ".join(cases[index].name for index, _ in batch) in sentence
    weights = final(tmp_path)
    assert weights["state"]["iteration"] == 6
    assert all(bool(torch.isfinite(value).all()) for value in weights["model"].values())


def test_an_infinite_gradient_stops_before_it_reaches_the_weights(
    cache: PreparedCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = engine.build_model

    def with_explosive_gradient(job: TrainingJob) -> Any:
        model = build(job)
        model.head.bias.register_hook(lambda gradient: gradient * math.inf)
        return model

    monkeypatch.setattr(engine, "build_model", with_explosive_gradient)
    with pytest.raises(TrainingError, match="stopped in iteration 0: a gradient became infinite or NaN"):
        train(tiny_job(tmp_path), cache)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("model", ["TinyMemory", "TinyFrames"])
def test_every_precision_trains_and_is_recorded(
    precision: str, model: str, cache: PreparedCache, tmp_path: Path
) -> None:
    summary = train(tiny_job(tmp_path, [f"precision={precision}", f"model.type={model}"]), cache)
    assert summary.precision == precision == lines(tmp_path, "start")[0]["precision"]
    assert all(math.isfinite(line["loss"]) for line in lines(tmp_path, "train"))
    assert all(value.dtype != torch.bfloat16 for value in final(tmp_path)["model"].values())
    assert (final(tmp_path)["scaler"] != {}) == (precision == "fp16")


def test_bf16_computes_something_else_than_fp32(cache: PreparedCache, tmp_path: Path) -> None:
    for precision in ("fp32", "bf16"):
        train(tiny_job(tmp_path / precision, [f"precision={precision}", "iterations=2"]), cache)
    one, other = (final(tmp_path / name)["model"]["stem.weight"] for name in ("fp32", "bf16"))
    assert not torch.equal(one, other)
    torch.testing.assert_close(one, other, atol=0.05, rtol=0)


def test_frozen_batch_norm_keeps_its_statistics_and_learns_its_weights(cache: PreparedCache, tmp_path: Path) -> None:
    before = engine.build_model(tiny_job(tmp_path)).state_dict()
    train(tiny_job(tmp_path / "frozen", ["batch_norm=frozen"]), cache)
    train(tiny_job(tmp_path / "train"), cache)
    frozen, trained = final(tmp_path / "frozen")["model"], final(tmp_path / "train")["model"]
    for name in ("norm.running_mean", "norm.running_var", "norm.num_batches_tracked"):
        assert torch.equal(frozen[name], before[name])
        assert not torch.equal(trained[name], before[name])
    assert not torch.equal(frozen["norm.weight"], before["norm.weight"])


def test_the_average_follows_its_formula_and_is_what_is_kept_as_best(cache: PreparedCache, tmp_path: Path) -> None:
    expected: torch.Tensor | None = None
    for k in range(1, 5):  # weights after each iteration, from runs that stop there in the schedule of 4
        train(tiny_job(tmp_path / str(k), [f"iterations={k}", "schedule.type=constant", "ema=0.15"]), cache)
        weights = final(tmp_path / str(k))["model"]["stem.weight"]
        n = k - 1
        decay = min(0.15, (1 + n) / (10 + n))
        expected = weights if expected is None else decay * expected + (1 - decay) * weights
    assert expected is not None
    average = final(tmp_path / "4")["average"]
    torch.testing.assert_close(average["module.stem.weight"], expected)
    best = torch.load(tmp_path / "4" / "checkpoints" / "best.pth", weights_only=True)
    assert torch.equal(best["model"]["stem.weight"], average["module.stem.weight"])


def test_without_an_average_the_best_weights_are_the_trained_ones(cache: PreparedCache, tmp_path: Path) -> None:
    train(tiny_job(tmp_path, ["ema=None", "val_interval=12"]), cache)
    assert final(tmp_path)["average"] is None
    assert torch.equal(final(tmp_path, "best")["model"]["stem.weight"], final(tmp_path)["model"]["stem.weight"])


def test_in_the_gt_protocol_frame_0_is_given_and_not_supervised(cache: PreparedCache, tmp_path: Path) -> None:
    job = tiny_job(tmp_path, ["job.first_frame=gt"])
    segmentation = engine._segmentation(job, Processes(device=torch.device("cpu"))).eval()
    batch = {
        "frames": torch.rand(2, 3, 1, 32, 32),
        "masks": torch.randint(0, 2, (2, 3, 32, 32)),
        "labelled": torch.tensor([[True, False, True], [True, True, False]]),
    }
    data = segmentation.data_preprocessor(batch)
    assert data["supervised"].tolist() == [2, 4]
    changed = batch["masks"].clone()
    changed[:, 0] = 1 - changed[:, 0]
    given = segmentation.predict(segmentation.model, **data)
    other = segmentation.predict(segmentation.model, **{**data, "masks": changed})
    assert given.shape == (2, 2, 32, 32)
    assert not torch.allclose(given, other)


def test_in_gt_a_model_that_takes_no_mask_learns_from_frame_0_and_is_scored_like_the_others(tmp_path: Path) -> None:
    job = tiny_job(tmp_path, ["model.type=TinyFrames", "job.first_frame=gt"])
    segmentation = engine._segmentation(job, Processes(device=torch.device("cpu")))
    batch = {
        "frames": torch.rand(2, 3, 1, 32, 32),
        "masks": torch.randint(0, 2, (2, 3, 32, 32)),
        "labelled": torch.tensor([[True, False, True], [True, True, False]]),
    }
    assert segmentation.data_preprocessor(batch, True)["supervised"].tolist() == [0, 2, 3, 4]
    assert segmentation.data_preprocessor(batch, False)["supervised"].tolist() == [2, 4]


def test_models_without_memory_are_trained_on_the_supervised_frames_alone(tmp_path: Path) -> None:
    job = tiny_job(tmp_path, ["model.type=TinyFrames", "loss.points=None"])
    segmentation = engine._segmentation(job, Processes(device=torch.device("cpu")))
    seen = []
    segmentation.model.layers.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[0]))
    labelled = torch.tensor([[True, False, True], [False, True, False]])
    batch = {"frames": torch.rand(2, 3, 1, 32, 32), "masks": torch.ones(2, 3, 32, 32).long(), "labelled": labelled}
    losses = segmentation(**segmentation.data_preprocessor(batch))
    logits = segmentation.model.layers((batch["frames"] - 0.5).flatten(0, 1)[[0, 2, 4]])
    assert seen[0] == 3
    expected = torch.nn.functional.cross_entropy(logits, torch.ones(3, 32, 32).long())
    torch.testing.assert_close(losses["ce"], expected)


def test_a_cache_of_another_size_is_refused(cache: PreparedCache, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="image_size is 64 but the cache has 32"):
        train(tiny_job(tmp_path, ["image_size=64"]), cache)


def test_an_unknown_augmentation_is_refused(cache: PreparedCache, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"augment must be 'paper' or 'none' or 'robust' or a list, got 'papper'"):
        train(tiny_job(tmp_path, ["augment=papper"]), cache)


def test_cuda_is_refused_in_words_where_there_is_none(cache: PreparedCache, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(ConfigError, match=r"finds no CUDA device \(.*\); use auto or cpu"):
        train(tiny_job(tmp_path, ["device=cuda"]), cache)


def test_nothing_is_printed_where_there_is_no_terminal(
    cache: PreparedCache, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    train(tiny_job(tmp_path), cache)
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_tensorboard_holds_the_curves(cache: PreparedCache, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(tiny_job(tmp_path), cache)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("val/score")] == [4, 8, 12]
    logged = [line["loss"] for line in lines(tmp_path, "train")]
    assert [event.value for event in events.Scalars("train/loss")] == pytest.approx(logged, rel=1e-6)


def test_a_third_partys_recipe_dict_is_checked_when_the_job_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Unknown key 'lr'"):
        TrainingJob(
            model_build={"type": "TinyMemory"},
            recipe={"lr": 1.0},  # type: ignore[arg-type]
            seed=0,
            first_frame="auto",
            structures="lv",
            work_dir=tmp_path,
        )


def test_a_batch_without_labels_is_one_sentence(tmp_path: Path) -> None:
    segmentation = engine._segmentation(tiny_job(tmp_path), Processes(device=torch.device("cpu")))
    batch = {
        "frames": torch.rand(1, 2, 1, 32, 32),
        "masks": torch.zeros(1, 2, 32, 32).long(),
        "labelled": torch.zeros(1, 2, dtype=torch.bool),
    }
    with pytest.raises(DataError, match="no labelled frame to learn from"):
        segmentation(**segmentation.data_preprocessor(batch))


def test_hooks_of_a_third_party_see_every_iteration(cache: PreparedCache, tmp_path: Path) -> None:
    class Counter(Hook):
        seen: list[int] = []

        def after_train_iter(
            self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
        ) -> None:
            self.seen.append(batch_idx)

    train(tiny_job(tmp_path), cache, hooks=[Counter()])
    assert Counter.seen == list(range(12))


def test_activation_checkpointing_trains_to_the_same_bits(cache: PreparedCache, tmp_path: Path) -> None:
    for flag in ("True", "False"):
        train(
            tiny_job(tmp_path / flag, [f"activation_checkpointing={flag}", "model.trunk=True", "iterations=3"]), cache
        )
    one, other = (final(tmp_path / flag)["model"] for flag in ("True", "False"))
    assert "trunk.layer1.0.conv1.weight" in one
    assert all(torch.equal(one[name], other[name]) for name in other)
