"""What the per-frame baselines have in common: one network on normalised grey levels, in small groups of frames."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from harness.modeling import PerFrameSegmenter
from harness.modeling.precision import weight_dtype

GreyLevels = Literal["signed", "unit"]


class FrameNetworkSegmenter(PerFrameSegmenter):
    """A per-frame segmenter that is one network.

    Subclasses implement ``network`` on grey levels in [-1, 1] (``grey_levels`` "signed"; "unit" leaves them in [0, 1], which
    published weights of some networks were trained with); outside of training a clip goes through it in
    groups of ``inference_batch`` frames.
    """

    grey_levels: GreyLevels = "signed"
    # Encoding 32 frames in a call took twice as long per frame as 1 to 4: their features do not fit into the cache.
    inference_batch = 2

    def network(self, images: Tensor) -> Tensor:
        """Logits [N, K+1, H, W] of images [N, C, H, W] in [-1, 1]."""
        raise NotImplementedError

    def segment(self, images: Tensor) -> Tensor:
        """Logits [N, K+1, H, W] of images [N, C, H, W] in [0, 1], which are mapped as ``grey_levels`` says."""
        dtype = weight_dtype(self)
        images = (images - 0.5) / 0.5 if self.grey_levels == "signed" else images
        logits = self.network(images.to(dtype))
        return logits if dtype == torch.float32 else logits.float()

    def _clip(self, frames: Tensor, first_mask: Tensor | None) -> Tensor:
        # A GPU wants the whole clip in one call; in training gradients need all activations anyhow.
        if torch.is_grad_enabled() or frames.device.type != "cpu":
            return super()._clip(frames, first_mask)
        groups = frames.flatten(0, 1).split(self.inference_batch)
        return torch.cat([self.segment(group) for group in groups]).unflatten(0, frames.shape[:2])
