"""Steps that are prepared once for each form of their inputs and repeated from then on (CUDA graphs, OpenVINO)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor

from harness.engines.tree import signature

Outputs = tuple[Tensor, Any]
Step = Callable[[Tensor, Any], Outputs]


class StaticStep:
    """A step that is prepared when a form of (frame, state) is first met.

    The work of a step must depend on nothing but shapes, types and plain values of its inputs. A memory that grows (STM,
    XMem) meets a new form whenever it has grown, and at every frame whose number it keeps in its state: a stream then
    has as many forms as frames until it repeats, and each is prepared once.

    Args:
        step: ``(frame, state) → (logits, state)``.
        prepare: ``(step, frame, state) → step`` for that form of its arguments.
        most: forms that are kept; the one that was not used for the longest time makes room for a new one.
    """

    def __init__(self, step: Step, prepare: Callable[[Step, Tensor, Any], Step], most: int) -> None:
        self.step, self.prepare, self.most = step, prepare, most
        self.prepared: OrderedDict[Hashable, Step] = OrderedDict()

    def __call__(self, frame: Tensor, state: Any) -> Outputs:
        # Tensors that were made in inference mode cannot be written to outside of it, and the other way round.
        key = torch.is_inference_mode_enabled(), signature((frame, state))
        if key not in self.prepared:
            if len(self.prepared) >= self.most:
                # The one that was not used for the longest time: a stream of a growing memory never comes back to it.
                self.prepared.popitem(last=False)
            self.prepared[key] = self.prepare(self.step, frame, state)
        self.prepared.move_to_end(key)
        return self.prepared[key](frame, state)

    def forget(self) -> None:
        """Drop all that is prepared and the memory that it holds."""
        self.prepared.clear()
