"""``native``: what echobench finds in the entry-point group ``echobench.engines``."""

from __future__ import annotations

from torch import Tensor

from echobench_kernels.forms import native_form
from gdkvm.model import GDKVM
from harness.engines import Engine, EngineError
from harness.engines.cuda_graph import GraphedSegmenter
from harness.modeling import VideoSegmenter
from harness.registry import ENGINES


@ENGINES.register_module("native")
class Native(Engine):
    """Packed copies: weights laid out once, activations and sums fused, kernels in C on a CPU.

    On a CUDA device there is GDKVM's packed copy only, recorded as CUDA graphs; its algebra saves products there too.
    """

    name = "native"
    takes_whole_clips = True
    tolerance = {"fp32": 1e-3, "bf16": 0.2, "fp16": 0.05}

    def prepare(self, model: VideoSegmenter, example: Tensor, precision: str) -> VideoSegmenter:
        """The packed copy of the model."""
        if example.device.type == "cpu":
            if precision == "fp16":
                raise EngineError("The engine native has precision fp16 on a CUDA device only; take fp32 or bf16.")
            return native_form(model.eval(), example, precision)
        if not isinstance(model, GDKVM):
            raise EngineError(
                f"The engine native has no form of {type(model).__name__} for {example.device}; use the engine cuda_graph."
            )
        return GraphedSegmenter(native_form(model.eval(), example, precision))
