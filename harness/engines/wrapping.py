"""A segmenter around another one: what the engines return that execute a model step by step."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from harness.modeling import VideoSegmenter
from harness.modeling.contract import StreamState, TrainingOutput


class WrappedSegmenter(VideoSegmenter):
    """Streams through another segmenter; subclasses say in ``_step`` (and ``_begin``) how it is called.

    The state is the wrapped model's own ``StreamState``, so that padding and cropping happen inside of what is
    executed. A clip is a stream of its frames.
    """

    # The wrapped model pads; padding twice would hide from it which pixels are the frame's.
    stride = 1

    def __init__(self, model: VideoSegmenter) -> None:
        super().__init__(num_structures=model.num_structures, in_channels=model.in_channels)
        # Properties of the model and not of how it is executed.
        self.uses_first_mask, self.causal = model.uses_first_mask, model.causal
        self.model = model
        self.eval()

    def train(self, mode: bool = True) -> WrappedSegmenter:
        """Keep the model in eval mode.

        Raises:
            ValueError: ``mode`` is True.
        """
        if mode:
            raise ValueError("an engine's segmenter cannot be trained; train the original model")
        super().train(False)
        return self

    def _begin(self, frame: Tensor, first_mask: Tensor | None) -> StreamState:
        return self.model.begin(frame, first_mask)

    def _step(self, frame: Tensor, memory: StreamState) -> tuple[Tensor, Any]:
        return self.model.step(frame, memory)

    def _train_clip(self, frames: Tensor, first_mask: Tensor | None) -> TrainingOutput:
        raise ValueError("an engine's segmenter cannot be trained; train the original model")
