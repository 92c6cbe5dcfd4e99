"""``compile``: torch.compile with its default backend, the fast form that torch itself offers."""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from harness.engines.contract import Engine, EngineError
from harness.engines.eager import in_precision
from harness.engines.wrapping import WrappedSegmenter
from harness.modeling import VideoSegmenter
from harness.registry import ENGINES

FORMS = 64
"""Forms of a step (sizes of a memory, numbers of frames) that are compiled before torch falls back to eager."""


class CompiledSegmenter(WrappedSegmenter):
    """A segmenter whose step is compiled at the first calls.

    Args:
        model: in eval mode; its weights are taken as constants.
        backend: of torch.compile; tests take one that needs no C++ compiler.
    """

    def __init__(self, model: VideoSegmenter, backend: str = "inductor") -> None:
        super().__init__(model)
        # Constant weights are laid out once as oneDNN wants them; without this the CPU gains nothing.
        options: dict[str, Any] | None = {"freezing": True} if backend == "inductor" else None
        self.compiled: Callable[..., Any] = torch.compile(model.step, backend=backend, options=options)

    @torch.no_grad()
    def _step(self, frame: Tensor, memory: Any) -> tuple[Tensor, Any]:
        with warnings.catch_warnings(), torch._dynamo.config.patch(recompile_limit=FORMS):
            warnings.simplefilter("ignore")  # dynamo warns of every form that it compiles anew
            logits, state = self.compiled(frame, memory)
        return logits, state


@ENGINES.register_module("compile")
class Inductor(Engine):
    """torch.compile of the step of one frame; compiling takes from seconds to minutes for each model.

    Args:
        backend: of torch.compile.
    """

    name = "compile"
    tolerance = {"fp32": 1e-3, "bf16": 0.2, "fp16": 0.05}

    def __init__(self, backend: str = "inductor") -> None:
        self.backend = backend

    def missing(self) -> str | None:
        """A sentence where torch has no C++ compiler to hand its kernels to."""
        if self.backend != "inductor" or any(shutil.which(name) for name in ("g++", "clang++", "c++")):
            return None
        return "The engine compile needs a C++ compiler, and none was found; install g++ or use the engine eager."

    def prepare(self, model: VideoSegmenter, example: Tensor, precision: str) -> VideoSegmenter:
        """Compile by running the example once."""
        compiled = CompiledSegmenter(in_precision(model.eval(), precision, example.device), self.backend)
        logging.getLogger("torch._dynamo").setLevel(logging.ERROR)
        try:
            with torch.no_grad():
                compiled(example)
        except Exception as error:  # the compiler's own errors share no base class
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            raise EngineError(
                f"The engine compile cannot compile this model ({reason}); use the engine eager."
            ) from error
        return compiled
