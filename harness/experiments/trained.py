"""The model of a finished training, ready to predict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from harness.errors import BenchError, TrainingError
from harness.evaluation.prediction import Predict
from harness.experiments.first_mask import maker_spec
from harness.files import sha256_file
from harness.modeling import FirstMaskSegmenter
from harness.modeling.precision import allow_tf32
from harness.modules import import_recorded
from harness.registry import MODELS, load_plugins
from harness.store.runs import Run
from harness.tensors import mismatch
from harness.training import checkpoints

WEIGHTS_HASH = "weights_sha256"
"""Where the results of a finished run keep the SHA-256 of ``best.pth``; runs of older stores have none."""


def load_trained(run: Run, checkpoint: Path | None = None) -> nn.Module:
    """The model of a run with its best weights, or those of a checkpoint, in eval mode on the CPU.

    Under ``auto_unet`` it comes joined with the U-Net of its first masks (``FirstMaskSegmenter``), whose weights are
    taken from its own run in the same store.

    Raises:
        BenchError: a checkpoint is missing, damaged or of another model.
    """
    model = _with_weights(run, checkpoint or best_weights(run))
    maker = maker_of(run)
    if maker is None:
        return model.eval()
    return FirstMaskSegmenter(model=model, first=_with_weights(maker, best_weights(maker))).eval()


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


def _with_weights(run: Run, checkpoint: Path) -> Any:
    model: nn.Module = MODELS.build(recorded_build(run))
    try:
        weights = checkpoints.load(checkpoint).get("model")
    except TrainingError as error:
        raise BenchError(str(error)) from error
    expected = run.record.get("results", {}).get(WEIGHTS_HASH)
    # Compared before loading: torch's own message lists every layer of a network.
    if reason := mismatch(model.state_dict(), weights):
        raise BenchError(f"The checkpoint {checkpoint} does not fit the run {run.name}: {reason}; train it again.")
    if expected is not None and checkpoint == best_weights(run) and sha256_file(checkpoint) != expected:
        raise BenchError(
            f"The checkpoint {checkpoint} is not the one that the run {run.name} was finished with; put the original back "
            "or train it again."
        )
    model.load_state_dict(dict(weights or {}))
    return model


def recorded_build(run: Run) -> dict[str, Any]:
    """The registry config of a run's model, with the modules imported that register it.

    Raises:
        ConfigError: the record wants code that the user has not named (``--trust``).
    """
    load_plugins()
    model = run.spec.model
    import_recorded(model.get("custom_imports", ()), model["build"], f"The run {run.name}")
    build: dict[str, Any] = dict(model["build"])
    return build


def predictor(model: nn.Module, device: torch.device) -> Predict:
    """``predict(frames [T, 1, S, S], first_mask [S, S] or None) -> logits [T, K+1, S, S]`` in float32 on the CPU."""
    allow_tf32(False)
    model = model.to(device).eval()

    # Nothing is kept for a backward pass: the activations of a long clip would fill the memory.
    @torch.inference_mode()
    def predict(frames: Tensor, first_mask: Tensor | None = None) -> Tensor:
        mask = None if first_mask is None else first_mask[None].to(device)
        logits: Tensor = model(frames[None].to(device), mask)[0]
        return logits.float().cpu()

    return predict
