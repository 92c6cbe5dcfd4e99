"""Flicker of predicted label maps: pixels that change their class in one frame and change back in the next."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def class_ids(logits: Tensor) -> Tensor:
    """uint8 [T, H, W]: arg-max over the classes of logits [T, K+1, H, W], ties to the smaller id; quicker than argmax."""
    best, labels = logits[:, 0], torch.zeros_like(logits[:, 0], dtype=torch.uint8)
    for class_id in range(1, logits.shape[1]):
        labels.masked_fill_(logits[:, class_id] > best, class_id)
        best = torch.maximum(best, logits[:, class_id])
    return labels


def flip_rate(labels: Tensor) -> float:
    """Share of foreground pixels that flicker: labels [T, H, W] → 0 to 1.

    A flip is a pixel whose class in frame t differs from that in t - 1 and is the same again in t + 1. The heart moves
    one way within a half sequence, so that its own motion makes (almost) none. Counted over all inner frames, divided by
    the pixels that are foreground in any of the three frames. NaN for fewer than three frames or no foreground.
    """
    if labels.shape[0] < 3:
        return math.nan
    before, now, after = labels[:-2], labels[1:-1], labels[2:]
    # There and back within two frames: motion of the heart goes one way and is not counted.
    flipped = (now != before) & (after == before)
    # Of any of the three: a pixel that flickers out of existence counts as well.
    foreground = torch.stack([before, now, after]).ne(0).any(0)
    count = int(foreground.sum())
    return float(flipped.sum()) / count if count else math.nan
