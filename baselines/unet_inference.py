"""The inference path of the per-frame baselines: folded, channels-last, in small groups of frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.modeling import PerFrameSegmenter
from harness.modeling.inference import inference_copy
from harness.modeling.packing import weight_dtype


class FoldableSegmenter(PerFrameSegmenter):
    """A per-frame segmenter of convolutions that can be rewritten for inference.

    Subclasses implement ``network`` on grey levels in [-1, 1]; outside of training a clip goes through it in
    groups of ``inference_batch`` frames, because large batches fall out of the cache.
    """

    # Encoding 32 frames in a call took twice as long per frame as 1 to 4: their features do not fit into the cache.
    inference_batch = 2

    def network(self, images: Tensor) -> Tensor:
        """Logits [N, K+1, H, W] of images [N, C, H, W] in [-1, 1]."""
        raise NotImplementedError

    def segment(self, images: Tensor) -> Tensor:
        """Logits [N, K+1, H, W] of images [N, C, H, W] in [0, 1], which are mapped to [-1, 1]."""
        dtype = weight_dtype(self)
        logits = self.network(((images - 0.5) / 0.5).to(dtype))
        return logits if dtype == torch.float32 else logits.float()

    def _clip(self, frames: Tensor, first_mask: Tensor | None) -> Tensor:
        # A GPU wants the whole clip in one call; in training gradients need all activations anyhow.
        if torch.is_grad_enabled() or frames.device.type != "cpu":
            return super()._clip(frames, first_mask)
        groups = frames.flatten(0, 1).split(self.inference_batch)
        return torch.cat([self.segment(group) for group in groups]).unflatten(0, frames.shape[:2])

    def compile_for_inference(self, precision: str = "fp32") -> PerFrameSegmenter:
        """Return a copy for inference only: folded norms, packed layers, channels-last memory.

        Args:
            precision: ``"fp32"`` computes the same logits to 1e-3; ``"bf16"`` holds weights and features in
                bfloat16 and returns float32 logits.

        Raises:
            ValueError: unknown precision, or a model that is such a copy already.
        """
        return inference_copy(self, precision)

    def merge_for_inference(self) -> None:
        """Rewrite what batch-norm folding cannot see (hook for subclasses); called on the copy, in eval mode."""


def instance_to_group_norm(module: nn.Module) -> None:
    """Replace every instance norm by the equal group norm, in place, which keeps the channels-last layout."""
    for name, child in list(module.named_children()):
        if not isinstance(child, nn.InstanceNorm2d):
            instance_to_group_norm(child)
            continue
        # One channel per group is instance norm by definition, and PyTorch's group norm keeps the layout.
        norm = nn.GroupNorm(child.num_features, child.num_features, child.eps)
        norm.load_state_dict(child.state_dict())
        setattr(module, name, norm)
