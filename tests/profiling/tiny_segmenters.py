"""Segmenters whose cost is known on paper."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from harness.engines import Engine
from harness.engines.eager import in_precision
from harness.modeling import PerFrameSegmenter, VideoSegmenter
from harness.registry import ENGINES, MODELS


@ENGINES.register_module("bf16twin", force=True)
class Bf16Twin(Engine):
    """An engine of a third party: everything in bfloat16, whatever is asked for."""

    name = "bf16twin"
    tolerance = {"fp32": 0.2}

    def prepare(self, model, example, precision):
        return in_precision(model, "bf16", example.device)


@MODELS.register_module(force=True)
class TinyConv(PerFrameSegmenter):
    """One 3x3 convolution, 1 → K+1 channels, with a batch norm: 9 (K+1) H W multiply-adds."""

    def __init__(self, num_structures: int = 1, fail: str = "") -> None:
        super().__init__(num_structures=num_structures)
        self.layer = nn.Conv2d(1, num_structures + 1, 3, padding=1)
        self.norm = nn.BatchNorm2d(num_structures + 1)
        self.fail = fail

    def segment(self, images):
        if self.fail == "memory" and len(images) > 1:
            raise MemoryError
        if self.fail == "bug":
            raise ValueError("the layer does not fit")
        if self.fail == "killed":
            import os
            import signal

            os.kill(os.getpid(), signal.SIGKILL)
        return self.norm(self.layer(images))


@MODELS.register_module(force=True)
class TinyAttention(VideoSegmenter):
    """Attention of a frame's 16 x 16 blocks to those of the frames before: a memory that grows by a frame per step."""

    def __init__(self, num_structures: int = 1, width: int = 8) -> None:
        super().__init__(num_structures=num_structures)
        self.embed = nn.Conv2d(1, width, 16, stride=16)
        self.head = nn.Conv2d(width, num_structures + 1, 1)

    def _begin(self, frame, first_mask):
        return ()

    def _step(self, frame, memory):
        tokens = self.embed(frame).flatten(2).transpose(1, 2)[:, None]  # B 1 N C
        memory = (*memory, tokens)
        keys = torch.cat(memory, 2)
        read = F.scaled_dot_product_attention(tokens, keys, keys)[:, 0].transpose(1, 2)
        grid = read.unflatten(2, (frame.shape[-2] // 16, frame.shape[-1] // 16))
        logits = F.interpolate(self.head(grid), frame.shape[-2:], mode="nearest")
        return logits, memory
