"""One run from its spec to finished rows: train, evaluate, profile; whatever is done is never done again."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from harness.data import PreparedCache
from harness.errors import BenchError
from harness.files import write_text
from harness.modeling import VideoSegmenter
from harness.registry import MODELS
from harness.runs import Run, RunSpec
from harness.training import TrainingJob, TrainingSummary, train

Predict = Callable[[Tensor, Tensor | None], Tensor]


def execute(run: Run, cache: PreparedCache, profile: dict[str, Any] | None = None, progress: bool = True) -> None:
    """Bring a run to ``finished``; training resumes from its last checkpoint, finished parts are kept.

    Args:
        run: the run's folder and record.
        cache: prepared data of the run's dataset.
        profile: arguments of ``profile_model``; None leaves profiling out.
        progress: show progress bars.

    Raises:
        BenchError: the run failed; ``run.json`` says why.
        KeyboardInterrupt: stopped by the user; the run is marked as interrupted.
    """
    run.start()
    try:
        summary = train(training_job(run), cache, progress=progress)
        started = time.perf_counter()
        model = load_trained(run.spec, summary)
        _evaluate(run, model, cache, progress)
        seconds = {"train": summary.seconds, "evaluate": time.perf_counter() - started}
        if profile is not None:
            started = time.perf_counter()
            _profile(run, profile)
            seconds["profile"] = time.perf_counter() - started
    except KeyboardInterrupt:
        run.stop("interrupted", "stopped by Ctrl-C")
        raise
    except BenchError as error:
        run.stop("failed", str(error))
        raise
    except Exception as error:
        write_text(run.path / "error.txt", traceback.format_exc())
        run.stop("failed", f"{type(error).__name__}: {error} (traceback: {run.path / 'error.txt'})")
        raise
    run.finish(seconds=seconds, best_iteration=summary.best_iteration, best_score=summary.best_score)


def training_job(run: Run) -> TrainingJob:
    """The training of a run, in the run's folder."""
    spec = run.spec
    return TrainingJob(
        model_build=spec.model["build"],
        recipe=spec.recipe,
        seed=spec.seed,
        first_frame=spec.protocol["first_frame"],
        structures=spec.protocol["structures"],
        work_dir=run.path,
    )


def load_trained(spec: RunSpec, summary: TrainingSummary) -> VideoSegmenter:
    """The model of a spec with the weights that were best on validation, in eval mode."""
    model: VideoSegmenter = MODELS.build(spec.model["build"])
    checkpoint = torch.load(summary.best_checkpoint, map_location="cpu", weights_only=True)
    model.load_state_dict(checkpoint["model"])
    return model.eval()


def predictor(model: VideoSegmenter, device: torch.device) -> Predict:
    """``predict(frames [T, 1, S, S], first_mask [S, S] or None) -> logits [T, K+1, S, S]`` in float32 on the CPU."""
    model = model.to(device)

    @torch.inference_mode()
    def predict(frames: Tensor, first_mask: Tensor | None = None) -> Tensor:
        mask = None if first_mask is None else first_mask[None].to(device)
        return model(frames[None].to(device), mask)[0].float().cpu()

    return predict
