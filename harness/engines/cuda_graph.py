"""``cuda_graph``: the step of one frame recorded as a CUDA graph, then replayed with one launch.

At batch 1 a step is hundreds of small kernels, and starting them costs the processor time that the device then waits
for. A graph starts them together. Any segmenter can be recorded whose step neither waits for the device nor branches on
values; every form of its inputs (``StaticStep``) is a graph of its own, so that STM and XMem have one for each size of
their memory.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from harness.engines.contract import Engine, EngineError
from harness.engines.eager import in_precision
from harness.engines.static import Outputs, StaticStep, Step
from harness.engines.tree import mapped, tensors_in
from harness.engines.wrapping import WrappedSegmenter
from harness.modeling import VideoSegmenter
from harness.registry import ENGINES

Capture = Callable[[Callable[[], Outputs]], tuple[Callable[[], None], Outputs]]
WARM_UPS = 3
"""Calls before a recording: cuDNN chooses its algorithms, and lazily made constants are made, outside of the graph."""
MOST_RECORDINGS = 16
"""Graphs that are kept. Each holds the device memory of one step; a clip of ten frames of STM needs ten."""


def capture_graph(run: Callable[[], Outputs]) -> tuple[Callable[[], None], Outputs]:
    """Record ``run`` as a CUDA graph after warm-up calls; return what replays it and the outputs it writes to."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UPS):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = run()
    return graph.replay, outputs


class Recording:
    """One recorded step with input buffers of its own; outputs are copies, so that the next replay leaves them."""

    def __init__(self, step: Step, frame: Tensor, state: Any, capture: Capture) -> None:
        self.frame, self.state = frame.clone(), mapped(state, Tensor.clone)
        self.buffers = [self.frame, *tensors_in(self.state)]
        with _on(frame.device):
            try:
                self.replay, self.outputs = capture(lambda: step(self.frame, self.state))
            except (RuntimeError, NotImplementedError) as error:
                raise EngineError(
                    f"The engine cuda_graph cannot record this model ({_first_line(error)}); use the engine eager."
                ) from error

    def __call__(self, frame: Tensor, state: Any) -> Outputs:
        given = [frame, *tensors_in(state)]
        with _on(frame.device):
            for buffer, tensor in zip(self.buffers, given, strict=True):
                buffer.copy_(tensor)
            self.replay()
            # What a step hands on unchanged (a bank of memories) is the caller's own tensor again: it is the largest part.
            passed = {id(buffer): tensor for buffer, tensor in zip(self.buffers, given, strict=True)}
            return mapped(self.outputs, lambda output: passed[id(output)] if id(output) in passed else output.clone())


class GraphedSegmenter(WrappedSegmenter):
    """A segmenter whose steps are recorded and replayed.

    Args:
        model: on a CUDA device, in eval mode.
        capture: how a call is recorded; ``capture_graph`` but for tests.
        most: recordings that are kept.

    Calls raise ``EngineError`` where recording fails: a step that ran plainly would be timed under a wrong name.
    """

    holds_pools = True
    """Replays work in memory that was set aside when they were recorded: only the reserved memory shows it."""

    def __init__(self, model: VideoSegmenter, capture: Capture = capture_graph, most: int = MOST_RECORDINGS) -> None:
        super().__init__(model)
        self.recorded = StaticStep(model.step, lambda step, frame, state: Recording(step, frame, state, capture), most)

    @torch.no_grad()
    def _begin(self, frame: Tensor, first_mask: Tensor | None) -> Any:
        return super()._begin(frame, first_mask)

    @torch.no_grad()
    def _step(self, frame: Tensor, memory: Any) -> tuple[Tensor, Any]:
        return self.recorded(frame, memory)

    def forget(self) -> None:
        """Drop all recordings and the device memory that they hold."""
        self.recorded.forget()


@ENGINES.register_module("cuda_graph")
class CudaGraph(Engine):
    """Every step one launch. The same kernels as eager; cuDNN may choose other algorithms, hence a tolerance."""

    name = "cuda_graph"
    tolerance = {"fp32": 1e-3, "bf16": 0.2, "fp16": 0.05}

    def missing(self) -> str | None:
        """A sentence where there is no CUDA device."""
        if torch.cuda.is_available():
            return None
        return "The engine cuda_graph needs a CUDA device, and torch finds none; use the engine eager."

    def prepare(self, model: VideoSegmenter, example: Tensor, precision: str) -> VideoSegmenter:
        """Record the steps of the example; what cannot be recorded is told here and not in the middle of a clip."""
        if example.device.type != "cuda":
            raise EngineError(f"The engine cuda_graph needs a model on a CUDA device, got {example.device}.")
        # Cast weights that autocast keeps are freed when it ends, and a graph would go on to read them.
        graphed = GraphedSegmenter(in_precision(model.eval(), precision, example.device, cache=False))
        with torch.inference_mode():
            graphed(example)
        return graphed


def _on(device: torch.device) -> AbstractContextManager[Any]:
    """The current device: on cuda:1 a graph would else be recorded on cuda:0, and hold nothing."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
