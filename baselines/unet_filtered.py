"""U-Net with a filter over time: the cheapest thing that remembers anything, and what a memory has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from baselines.unet import UNet
from harness.modeling import TrainingOutput
from harness.registry import MODELS

Kind = Literal["median", "exponential"]
SMALLEST = 1e-7
"""Probabilities are kept above this before their logarithm; logits stay within 16.1."""


@MODELS.register_module()
class FilteredUNet(UNet):
    """A U-Net whose class probabilities are filtered over the past frames of a stream.

    Causal: frame t depends on frames up to t. ``median`` takes the median of the last ``window`` probabilities of each pixel
    and class (fewer at the start of a clip; of an even number the mean of the two in the middle), which removes what lasts
    less than half a window. ``exponential`` mixes p̄_t = weight · p_t + (1 − weight) · p̄_{t−1}. Both are divided by their sum
    over the classes and come back as log-probabilities.

    Training and validation see single frames and are those of the U-Net, bit by bit: the filter has no parameters.

    Args:
        widths: as in ``UNet``.
        kind: ``median`` or ``exponential``.
        window: frames of the median, the current one included; 1 is no filter.
        weight: of the current frame in the exponential mean, in (0, 1]; 1 is no filter.
    """

    def __init__(
        self,
        *,
        num_structures: int = 1,
        in_channels: int = 1,
        widths: Sequence[int] = (64, 128, 256, 512, 1024),
        kind: Kind = "median",
        window: int = 3,
        weight: float = 0.5,
    ) -> None:
        super().__init__(num_structures=num_structures, in_channels=in_channels, widths=widths)
        if kind not in get_args(Kind):
            raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}, got {kind!r}")
        if window < 1 or not 0 < weight <= 1:
            raise ValueError(f"need window >= 1 and 0 < weight <= 1, got {window} and {weight}")
        self.kind, self.window, self.weight = kind, window, weight

    def filtered(self, probabilities: Tensor, past: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Filter the class probabilities [B, K+1, H, W] of a frame.

        Args:
            probabilities: of the current frame.
            past: what was returned for the frame before; empty before frame 0.

        Returns:
            the filtered probabilities, and what the next frame needs: the last frames, or the running mean.
        """
        if self.kind == "exponential":
            mean = torch.lerp(past[0], probabilities, self.weight) if past else probabilities
            return mean, (mean,)
        frames = (*past, probabilities)[-self.window :]
        ordered = torch.stack(frames).sort(0).values
        middle = ordered[(len(frames) - 1) // 2] + ordered[len(frames) // 2]
        # The medians of several classes need not add up to one.
        return middle / middle.sum(1, keepdim=True).clamp_min(SMALLEST), frames

    def _begin(self, frame: Tensor, first_mask: Tensor | None) -> tuple[Tensor, ...]:  # type: ignore[override]
        return ()

    def _step(  # type: ignore[override]
        self, frame: Tensor, memory: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        probabilities, memory = self.filtered(self.segment(frame).float().softmax(1), memory)
        return probabilities.clamp_min(SMALLEST).log(), memory

    def _clip(self, frames: Tensor, first_mask: Tensor | None) -> Tensor:
        past: tuple[Tensor, ...] = ()
        logits = []
        for frame_logits in super()._clip(frames, first_mask).float().unbind(1):
            probabilities, past = self.filtered(frame_logits.softmax(1), past)
            logits.append(probabilities.clamp_min(SMALLEST).log())
        return torch.stack(logits, 1)

    def _train_clip(self, frames: Tensor, first_mask: Tensor | None) -> TrainingOutput:
        return TrainingOutput(logits=super()._clip(frames, first_mask))
