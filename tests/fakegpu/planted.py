"""Faults as they are really made, planted where they would hide; each must be noticed on the fake GPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import cases
import torch
from fake_gpu import GPU, moved
from torch import Tensor, nn

from harness.modeling import PerFrameSegmenter, VideoSegmenter
from harness.training import losses


class Planted(PerFrameSegmenter):
    """A convolution, and one fault.

    Args:
        fault: ``constant`` (a tensor that was made on the CPU in the forward), ``item`` (a value asked for), ``branch`` (the
            same, hidden in an ``if``), ``attribute`` (a tensor that is no buffer and does not move), ``mask`` (an index by a
            mask, whose size must be known).
    """

    def __init__(self, fault: str) -> None:
        super().__init__(num_structures=2)
        self.layer, self.fault = nn.Conv2d(1, 3, 3, padding=1), fault
        self.scale = torch.ones(3, 1, 1)

    def segment(self, images: Tensor) -> Tensor:
        logits = self.layer(images)
        if self.fault == "constant":
            return logits * torch.linspace(0, 1, 3).view(3, 1, 1)
        if self.fault == "item":
            return logits * logits.mean().item()
        if self.fault == "branch":
            return logits if logits.mean() > 0 else -logits
        if self.fault == "attribute":
            return logits * self.scale
        if self.fault == "mask":
            return logits + logits[logits > 0].mean()
        return logits


def planted(fault: str) -> Any:
    with torch.no_grad():
        return moved(Planted(fault)).eval()(cases.clip(2))


def loss_on_the_cpu() -> Any:
    """Class ids that a loss makes without saying on which device."""
    right = losses.one_hot

    def one_hot(masks: Tensor, classes: int) -> Tensor:
        return (masks.unsqueeze(1) == torch.arange(classes).view(1, -1, 1, 1)).float()

    with patch.object(losses, "one_hot", one_hot):
        assert losses.one_hot is not right
        return cases.train_step(moved(Planted("")))


def key_of_a_real_model() -> Any:
    """A constant of the CPU inside of a real model: in the softmax that reads STM's memory."""
    model: VideoSegmenter = cases.build("stm").eval()
    plain = Tensor.softmax

    def shifted(tensor: Tensor, *arguments: Any, **options: Any) -> Tensor:
        return plain(tensor + torch.zeros(tensor.shape), *arguments, **options)

    with torch.no_grad(), patch.object(Tensor, "softmax", shifted):
        return model(cases.clip(2, batch=1))


def perturbation_on_the_cpu() -> Any:
    """A pattern that is not brought to the frames."""
    frames = torch.rand(3, cases.SIDE, cases.SIDE, device=GPU)
    return frames * (1 + torch.randn(3, cases.SIDE, cases.SIDE, generator=torch.Generator()))


FAULTS: dict[str, Callable[[], Any]] = {
    **{name: (lambda name=name: planted(name)) for name in ("constant", "item", "branch", "attribute", "mask")},
    "loss": loss_on_the_cpu,
    "key": key_of_a_real_model,
    "perturbation": perturbation_on_the_cpu,
}
