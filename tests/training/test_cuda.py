"""The same engine on a CUDA device: same guarantees, every precision."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from test_resume import assert_same_bits, outcome
from training_tiny import tiny_job

from harness import config
from harness.data.prepared import PreparedCache
from harness.errors import TrainingError
from harness.training import loops, train

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device"),
]


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_resumed_training_ends_with_the_same_bits(
    precision: str, cache: PreparedCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["device=cuda", f"precision={precision}", "workers=2"]
    train(tiny_job(tmp_path / "whole", options), cache)
    step = loops.ResumableTrainLoop.run_iter

    def interrupted(self: loops.ResumableTrainLoop, batch: dict[str, torch.Tensor]) -> None:
        if self.iter == 7:
            raise TrainingError("stopped here")
        step(self, batch)

    with monkeypatch.context() as patched:
        patched.setattr(loops.ResumableTrainLoop, "run_iter", interrupted)
        with pytest.raises(TrainingError, match="stopped here"):
            train(tiny_job(tmp_path / "halved", options), cache)
    summary = train(tiny_job(tmp_path / "halved", options), cache)
    assert math.isfinite(summary.best_score)
    assert_same_bits(outcome(tmp_path / "halved"), outcome(tmp_path / "whole"))


MODELS_OF_THE_BENCH = ("gdkvm", "unet", "transunet", "stm", "xmem")


@pytest.mark.parametrize("name", MODELS_OF_THE_BENCH)
def test_every_model_of_the_bench_trains_twice_to_the_same_bits(
    name: str, cache: PreparedCache, tmp_path: Path
) -> None:
    """Attention, interpolation and pooling have kernels that add in any order; the tiny model above has none of them."""
    build = config.load("models", name).sizes["small"].to_dict()
    changes = [f"model.{key}={value!r}" for key, value in build.items()]
    options = ["device=cuda", "precision=bf16", "iterations=4", "val_interval=4", "ema=None", *changes]
    for attempt in ("first", "second"):
        train(tiny_job(tmp_path / attempt, options), cache)
    assert_same_bits(outcome(tmp_path / "first"), outcome(tmp_path / "second"))


def test_a_nan_names_its_batch(cache: PreparedCache, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="stopped in iteration 3: the loss became nan on the batch of the cases"):
        train(tiny_job(tmp_path, ["device=cuda", "model.poison_after=3"]), cache)
