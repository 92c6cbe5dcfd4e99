"""FirstMaskSegmenter: a memory model whose first mask comes from another model (the protocol ``auto_unet``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from harness.modeling.contract import StreamState, TrainingOutput, VideoSegmenter
from harness.registry import MODELS

ModelOrConfig = VideoSegmenter | Mapping[str, Any]


@MODELS.register_module()
class FirstMaskSegmenter(VideoSegmenter):
    """Two trained models as one: ``first`` segments frame 0, ``model`` is given that mask and does the rest.

    The logits of frame 0 are those of ``first``, whatever ``model`` says about that frame; the mask given is their
    arg-max at the frames' size. Both networks are parameters of this one, so that what is measured of it (time, memory,
    multiply-adds, parameters) counts both. For inference only: the two are trained apart.

    Args:
        model: the model that takes a first mask, or its registry config.
        first: the model that makes it, or its registry config; of the same number of structures.

    Raises:
        ValueError: the two do not segment the same structures, or ``model`` cannot take a mask.
    """

    stride = 1
    uses_first_mask = False

    def __init__(self, *, model: ModelOrConfig, first: ModelOrConfig) -> None:
        built, maker = _built(model), _built(first)
        super().__init__(num_structures=built.num_structures, in_channels=built.in_channels)
        if maker.num_structures != built.num_structures:
            raise ValueError(
                f"first must segment {built.num_structures} structures as model does, got {maker.num_structures}"
            )
        if not built.uses_first_mask:
            raise ValueError(f"model must take a first mask, {type(built).__name__} does not")
        self.model = built
        self.first = maker

    def _begin(self, frame: Tensor, first_mask: Tensor | None) -> tuple[StreamState, Tensor | None]:
        """State of ``model`` and the logits of frame 0, which wait for its ``step``."""
        logits = self._first_logits(frame)
        return self.model.begin(frame, _labels(logits)), logits

    def _step(
        self, frame: Tensor, memory: tuple[StreamState, Tensor | None]
    ) -> tuple[Tensor, tuple[StreamState, None]]:
        state, waiting = memory
        logits, state = self.model.step(frame, state)
        return logits if waiting is None else waiting, (state, None)

    def _clip(self, frames: Tensor, first_mask: Tensor | None) -> Tensor:
        first = self._first_logits(frames[:, 0])
        logits = self.model(frames, _labels(first))
        # Frame 0 is the maker's: a model is not scored on the frame whose mask it was given.
        return torch.cat([first.unsqueeze(1).to(logits.dtype), logits[:, 1:]], 1)

    def _train_clip(self, frames: Tensor, first_mask: Tensor | None) -> TrainingOutput:
        raise ValueError("a model with another model's first mask is not trained as one; train its parts")

    def _first_logits(self, frame: Tensor) -> Tensor:
        # As a clip of one frame: any model can make the mask, also one that has no stream.
        logits: Tensor = self.first(frame.unsqueeze(1))[:, 0]
        return logits.float()


def _labels(logits: Tensor) -> Tensor:
    """Class ids int64 [B, H, W] of logits [B, K+1, H, W]."""
    return logits.argmax(1)


def _built(part: ModelOrConfig) -> VideoSegmenter:
    built: VideoSegmenter = part if isinstance(part, VideoSegmenter) else MODELS.build(dict(part))
    return built
