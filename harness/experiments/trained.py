"""The model of a finished training, ready to predict."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from harness.errors import BenchError
from harness.evaluation.prediction import Predict
from harness.experiments.first_mask import maker_spec
from harness.modeling import FirstMaskSegmenter
from harness.modeling.precision import allow_tf32
from harness.modules import import_modules
from harness.registry import MODELS, load_plugins
from harness.store.runs import Run, RunSpec


def load_trained(run: Run, checkpoint: Path | None = None) -> nn.Module:
    """The model of a run with its best weights, or those of a checkpoint, in eval mode on the CPU.

    Under ``auto_unet`` it comes joined with the U-Net of its first masks (``FirstMaskSegmenter``), whose weights are
    taken from its own run in the same store.

    Raises:
        BenchError: a checkpoint is missing, damaged or of another model.
    """
    load_plugins()
    model = _with_weights(run.spec, checkpoint or best_weights(run))
    maker = maker_of(run)
    if maker is None:
        return model.eval()
    return FirstMaskSegmenter(model=model, first=_with_weights(maker.spec, best_weights(maker))).eval()


def best_weights(run: Run) -> Path:
    """The checkpoint that validation selected."""
    return run.path / "checkpoints" / "best.pth"


def maker_of(run: Run) -> Run | None:
    """The finished run whose model makes the first masks of a run; None where there is none.

    Raises:
        BenchError: it is not in the store, or not finished.
    """
    wanted = maker_spec(run.spec)
    if wanted is None:
        return None
    # Its name stands in the record: by today's code it might be another run than the one that was used.
    name = run.record.get("first_mask_run") or wanted.folder
    maker = run.store.find(name)
    if maker is None or maker.status != "finished":
        raise BenchError(
            f"The first masks of {run.name} come from the run {name}, which is not finished in {run.store.root} "
            f"(status: {maker.status if maker else 'new'}); run the suite again."
        )
    return maker


def _with_weights(spec: RunSpec, checkpoint: Path) -> Any:
    import_modules(spec.model.get("custom_imports", ()))
    model: nn.Module = MODELS.build(dict(spec.model["build"]))
    try:
        model.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["model"])
    except (OSError, RuntimeError, KeyError, pickle.UnpicklingError) as error:
        raise BenchError(
            f"The checkpoint {checkpoint} cannot be used ({error}); remove its run and train again."
        ) from error
    return model


def predictor(model: nn.Module, device: torch.device) -> Predict:
    """``predict(frames [T, 1, S, S], first_mask [S, S] or None) -> logits [T, K+1, S, S]`` in float32 on the CPU."""
    allow_tf32(False)
    model = model.to(device).eval()

    @torch.inference_mode()
    def predict(frames: Tensor, first_mask: Tensor | None = None) -> Tensor:
        mask = None if first_mask is None else first_mask[None].to(device)
        logits: Tensor = model(frames[None].to(device), mask)[0]
        return logits.float().cpu()

    return predict
