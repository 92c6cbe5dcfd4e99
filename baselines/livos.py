"""LiVOS (Liu et al., CVPR 2025, arXiv 2411.02818): Cutie's network on a linear memory with gates; GDKVM's parent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from baselines.object_memory import ObjectMemorySegmenter, Query
from gdkvm.decoder import MaskDecoder
from gdkvm.encoder import KeyProjector
from harness.modeling.memory_read import rows
from harness.registry import MODELS


@dataclass(frozen=True, slots=True)
class LinearMemory:
    """A memory whose size does not depend on time.

    Attributes:
        state: S [B, K, Ck, Cv].
        keys: sum of the keys of all frames so far, position by position [B, P, Ck].
    """

    state: Tensor
    keys: Tensor


@MODELS.register_module()
class LiVOS(ObjectMemorySegmenter):
    """Gated linear matching: S_t = S_{t-1} diag(g_t) + K_t V_tᵀ, read as K_tᵀ S_{t-1} / n_t; every frame is memorised.

    Keys are softmaxed over the channels. The gate has one value per value channel, the mean over the frame of a sigmoid.
    The normaliser n_t is one number per clip, Σ over positions and channels of K_t ⊙ Σ_{s<t} K_s, as the published code
    computes it (the paper writes one per position). Frame t is read before it is written: a frame sees what was before it.

    Args:
        key_width: Ck, 64.
        decoder_widths: at strides 8 and 4: 128, 128.
        others: see ``ObjectMemorySegmenter``.

    With the defaults: 35,135,737 parameters.
    """

    def __init__(self, *, key_width: int = 64, decoder_widths: tuple[int, int] = (128, 128), **others: Any) -> None:
        super().__init__(memory_every=1, **others)
        self.key_width = key_width
        f4, f8, f16 = self.image_encoder.channels
        self.key_projector = KeyProjector(f16, self.width, key_width)
        self.gate_projector = nn.Conv2d(f16, self.width, 1)
        self.decoder = MaskDecoder((f4, f8), (self.width, *decoder_widths), self.width)

    def make_keys(self, f16: Tensor) -> Tensor:
        """Key and gate side by side [N, Ck + Cv, h, w]; the gate is the same at all positions."""
        key = self.key_projector(f16).float().softmax(1)
        gate = self.gate_projector(f16).float().sigmoid().mean((-2, -1), keepdim=True)
        return torch.cat([key, gate.expand(-1, -1, *key.shape[-2:])], 1)

    def write(self, pixels: LinearMemory | None, features: Query, values: Tensor) -> LinearMemory:
        """What was there fades by the gate of this frame, then the frame is added."""
        key, gate = self._split(features)
        written = key.transpose(1, 2).unsqueeze(1) @ values
        if pixels is None:
            return LinearMemory(written, key)
        return LinearMemory(pixels.state * gate[:, None, None] + written, pixels.keys + key)

    def read(self, pixels: LinearMemory, features: Query) -> tuple[Tensor, LinearMemory]:
        """Kᵀ S divided by the clip's normaliser."""
        key, _ = self._split(features)
        normaliser = (key * pixels.keys).sum((1, 2))
        return key.unsqueeze(1) @ pixels.state / normaliser[:, None, None, None], pixels

    def _split(self, features: Query) -> tuple[Tensor, Tensor]:
        both = rows(features.keys)
        return both[..., : self.key_width], both[:, 0, self.key_width :]
