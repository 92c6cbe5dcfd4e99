"""The step of one frame as a CUDA graph: recorded once for every shape, then replayed with one launch.

At batch 1 a step is hundreds of small kernels, and starting them costs the processor time that the device then waits
for. A graph starts them together. Shapes, and which parts of the memory there are, must not change within a graph: the
first frame (no state yet) and the following ones are recorded apart, and so is every frame size and batch size.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gdkvm.model import Memory

Step = Callable[[Tensor, Memory], tuple[Tensor, Memory]]
Outputs = tuple[Tensor, Memory]
Capture = Callable[[Callable[[], Outputs]], tuple[Callable[[], None], Outputs]]
WARM_UPS = 3
MOST_RECORDINGS = 8
"""Recordings that are kept (two for every frame size); each holds the device memory of one step."""


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

    def __init__(self, step: Step, frame: Tensor, memory: Memory, capture: Capture) -> None:
        self.frame, self.memory = frame.clone(), _copied(memory)
        self.replay, self.outputs = capture(lambda: step(self.frame, self.memory))

    def __call__(self, frame: Tensor, memory: Memory) -> Outputs:
        self.frame.copy_(frame)
        for name, tensor in _tensors(memory).items():
            getattr(self.memory, name).copy_(tensor)
        self.replay()
        return self.outputs[0].clone(), _copied(self.outputs[1])


class GraphedStep:
    """A step that is recorded when a shape is first met and replayed from then on.

    Where recording fails, a warning says why and all further steps run as they are.

    Args:
        step: ``(frame, memory) → (logits, memory)``, of which the work depends on nothing but shapes.
        capture: how a call is recorded; ``capture_graph`` but for tests.
    """

    def __init__(self, step: Step, capture: Capture = capture_graph) -> None:
        self.step, self.capture = step, capture
        self.recordings: OrderedDict[object, Recording] = OrderedDict()
        self.failed = False

    def __call__(self, frame: Tensor, memory: Memory) -> Outputs:
        recording = None if self.failed else self._recording(frame, memory)
        return self.step(frame, memory) if recording is None else recording(frame, memory)

    def _recording(self, frame: Tensor, memory: Memory) -> Recording | None:
        key = _signature(frame, memory)
        if key not in self.recordings:
            try:
                self.recordings[key] = Recording(self.step, frame, memory, self.capture)
            except (RuntimeError, NotImplementedError) as error:
                self.failed = True
                self.recordings.clear()
                warnings.warn(f"GDKVM runs without CUDA graphs, because recording failed: {error}", stacklevel=3)
                return None
        self.recordings.move_to_end(key)
        if len(self.recordings) > MOST_RECORDINGS:
            self.recordings.popitem(last=False)
        return self.recordings[key]


def _tensors(memory: Memory) -> dict[str, Tensor]:
    values = {field.name: getattr(memory, field.name) for field in dataclasses.fields(memory)}
    return {name: value for name, value in values.items() if isinstance(value, Tensor)}


def _copied(memory: Memory) -> Memory:
    copies: dict[str, Any] = {name: tensor.clone() for name, tensor in _tensors(memory).items()}
    return dataclasses.replace(memory, **copies)


def _signature(frame: Tensor, memory: Memory) -> object:
    """What a recording depends on: device, shapes, types, which parts there are, and whether a mask was given."""
    parts = {"frame": frame, **_tensors(memory)}
    return memory.given, tuple((name, t.device, t.dtype, tuple(t.shape)) for name, t in parts.items())
