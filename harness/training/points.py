"""Choosing the pixels that a loss looks at: the uncertain ones more often than the rest."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.training.recipe import PointSpec


def uncertainty(logits: Tensor) -> Tensor:
    """Minus the margin between the two largest logits: [N, C, P] → [N, P], 0 where undecided."""
    # With two classes this is PointRend's |p - 0.5| on the logit scale; it extends to several structures.
    top = logits.topk(2, dim=1).values
    return top[:, 1] - top[:, 0]


@torch.no_grad()
def sample_points(logits: Tensor, spec: PointSpec) -> Tensor:
    """Indices [N, count] into the pixels of ``logits`` [N, C, P], chosen as in PointRend (Kirillov 2020).

    ``oversample * count`` pixels are drawn uniformly with replacement; of these the ``importance * count`` most
    uncertain are kept, the rest of ``count`` is drawn uniformly. Pixels are taken where they are, without the
    sub-pixel positions of the original, so that targets stay hard labels and the backward pass is
    deterministic. Draws come from the global generator of the logits' device.
    """
    n, _, pixels = logits.shape
    # PointRend, section 3.2: k·N candidates, β·N of them by uncertainty, the rest uniform against bias.
    chosen = round(spec.count * spec.importance)
    drawn = torch.randint(pixels, (n, round(spec.count * spec.oversample)), device=logits.device)
    scores = uncertainty(logits).gather(1, drawn)
    hard = drawn.gather(1, scores.topk(chosen, dim=1).indices)
    rest = torch.randint(pixels, (n, spec.count - chosen), device=logits.device)
    return torch.cat([hard, rest], 1)
