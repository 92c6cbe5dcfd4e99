"""``openvino``: Intel's runtime on the traced step of one frame (the extra ``openvino``)."""

from __future__ import annotations

import importlib.util
import sys
import threading
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from harness.engines.contract import Engine, EngineError
from harness.engines.static import Outputs, StaticStep, Step
from harness.engines.tree import mapped, tensors_in
from harness.engines.wrapping import WrappedSegmenter
from harness.modeling import VideoSegmenter
from harness.registry import ENGINES

MOST_PROGRAMS = 32
"""Compiled programs that are kept, each with weights of its own; a clip of ten frames of STM or XMem needs ten."""


class _Flat(nn.Module):
    """A step as a function of tensors alone, which is all that a trace knows."""

    def __init__(self, step: Step, state: Any, model: nn.Module) -> None:
        super().__init__()
        self.step, self.state = step, state
        self.model = model  # its weights become constants of the trace

    def forward(self, frame: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        rest = iter(tensors)
        logits, state = self.step(frame, mapped(self.state, lambda _: next(rest)))
        return (logits, *tensors_in(state))


class Program:
    """One step compiled for one form of its arguments."""

    def __init__(self, step: Step, frame: Tensor, state: Any, model: nn.Module, precision: str) -> None:
        with torch.no_grad():
            # what surrounds the tensors of the new state (times, sizes) is the same at every call of this form
            _, self.following = step(frame, state)
        example = (frame, *tensors_in(state))
        self.compiled, self.bytes = _compile(_Flat(step, state, model), example, precision)

    def __call__(self, frame: Tensor, state: Any) -> Outputs:
        arrays = [tensor.numpy(force=True) for tensor in (frame, *tensors_in(state))]
        results = self.compiled(arrays)
        # copies: the runtime writes its next results into the same memory
        logits, *tensors = (torch.from_numpy(results[i].copy()) for i in range(len(results)))
        rest = iter(tensors)
        return logits, mapped(self.following, lambda like: next(rest).to(like.dtype))


def _compile(flat: _Flat, example: tuple[Tensor, ...], precision: str) -> tuple[Any, int]:
    """A compiled OpenVINO model and the bytes of its constants."""
    import openvino

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer warns of every shape that it takes as fixed, which is meant
        shapes = [openvino.PartialShape(list(tensor.shape)) for tensor in example]
        model = openvino.convert_model(flat.eval(), example_input=example, input=shapes)
    # the default on processors with bf16 is bf16, also for a float32 model
    kind = {"fp32": "f32", "bf16": "bf16"}[precision]
    # The same number of threads as the other engines: a row of a profile states one.
    settings = {"INFERENCE_PRECISION_HINT": kind, "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    size = sum(node.get_byte_size() for node in model.get_ops() if node.get_type_name() == "Constant")
    return openvino.Core().compile_model(model, "CPU", settings), int(size)


class OpenVINOSegmenter(WrappedSegmenter):
    """A segmenter whose steps are OpenVINO programs, one for every form of their arguments."""

    def __init__(self, model: VideoSegmenter, precision: str) -> None:
        super().__init__(model)
        self.programs = StaticStep(
            model.step, lambda step, frame, state: Program(step, frame, state, model, precision), MOST_PROGRAMS
        )

    @torch.no_grad()
    def _begin(self, frame: Tensor, first_mask: Tensor | None) -> Any:
        return super()._begin(frame, first_mask)

    @torch.no_grad()
    def _step(self, frame: Tensor, memory: Any) -> tuple[Tensor, Any]:
        return self.programs(frame, memory)

    def held_bytes(self) -> int:
        """Bytes of the constants of all programs, and of the model's own weights, which ``begin`` needs."""
        own = sum(t.numel() * t.element_size() for t in (*self.model.parameters(), *self.model.buffers()))
        # Each program holds the weights as constants of its own: ten forms are ten copies.
        return own + sum(program.bytes for program in self.programs.prepared.values())  # type: ignore[attr-defined]


@ENGINES.register_module("openvino")
class OpenVINO(Engine):
    """OpenVINO on the CPU; converting and compiling takes seconds for each form of a step."""

    name = "openvino"
    tolerance = {"fp32": 1e-3, "bf16": 0.2}

    def missing(self) -> str | None:
        """A sentence where the package is not installed."""
        if importlib.util.find_spec("openvino") is not None:
            return None
        return 'The engine openvino needs the package openvino; install it with `pip install -e ".[openvino]"`.'

    def prepare(self, model: VideoSegmenter, example: Tensor, precision: str) -> VideoSegmenter:
        """Compile the programs that the example needs."""
        if example.device.type != "cpu":
            raise EngineError(f"The engine openvino runs on the CPU, got a model on {example.device}.")
        _silence()
        segmenter = OpenVINOSegmenter(model.eval(), precision)
        try:
            segmenter(example)
        except (RuntimeError, TypeError, ValueError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            raise EngineError(
                f"The engine openvino cannot convert this model ({reason}); use the engine eager."
            ) from error
        return segmenter


def _silence() -> None:
    """Keep OpenVINO's converter from sending usage data: by default it does so without asking.

    With the package ``openvino_telemetry`` out of sight it takes a stub of its own. Whoever has imported it before
    wants it.
    """
    with _LOCK:
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


_LOCK = threading.Lock()
