"""``eager``: the model as it is, called by torch. The headline of every table, because everybody can run it."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.engines.contract import DTYPES, Engine
from harness.engines.wrapping import WrappedSegmenter
from harness.modeling import VideoSegmenter
from harness.modeling.contract import StreamState
from harness.registry import ENGINES


class AutocastSegmenter(WrappedSegmenter):
    """A segmenter whose calls run under autocast; logits are float32.

    Args:
        model: the segmenter.
        device: type of the device, ``cpu`` or ``cuda``.
        dtype: bfloat16 or float16.
        cache: keep the cast weights during a call. A recorded graph must not: they are freed when the call ends.
    """

    def __init__(self, model: VideoSegmenter, device: str, dtype: torch.dtype, *, cache: bool = True) -> None:
        super().__init__(model)
        self.device, self.dtype, self.cache = device, dtype, cache

    def _begin(self, frame: Tensor, first_mask: Tensor | None) -> StreamState:
        with self._autocast():
            return self.model.begin(frame, first_mask)

    def _step(self, frame: Tensor, memory: StreamState) -> tuple[Tensor, StreamState]:
        with self._autocast():
            logits, state = self.model.step(frame, memory)
        return logits.float(), state

    def _clip(self, frames: Tensor, first_mask: Tensor | None) -> Tensor:
        # the model's own whole-clip path, which may be faster than its stream
        with self._autocast():
            logits: Tensor = self.model(frames, first_mask)
        return logits.float()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device, self.dtype, cache_enabled=self.cache)


def in_precision(model: VideoSegmenter, precision: str, device: torch.device, *, cache: bool = True) -> VideoSegmenter:
    """The model itself in fp32, else the model under autocast."""
    if precision == "fp32":
        return model
    return AutocastSegmenter(model, device.type, DTYPES[precision], cache=cache)


@ENGINES.register_module("eager")
class Eager(Engine):
    """The model as it was trained; below fp32 under autocast, as in training."""

    name = "eager"
    takes_whole_clips = True
    tolerance = {"fp32": 0.0, "bf16": 0.2, "fp16": 0.05}

    def prepare(self, model: VideoSegmenter, example: Tensor, precision: str) -> VideoSegmenter:
        """The model itself, or the model under autocast."""
        return in_precision(model.eval(), precision, example.device)
