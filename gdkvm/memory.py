"""Linear key-value association (LKVA, Eq. 3): keys, the state, one gated step and the readout, as pure functions.

Shapes: key [B, Ck, P] over P = h * w pixels, value [B, N, Cv, P], state [B, N, Ck, Cv]; all float32 (or float64).
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

KeyScale = Literal["none", "bound", "l2"]
GateLayout = Literal["contiguous", "tiled"]


def check_choice(name: str, value: str, choices: object) -> str:
    """Return ``value`` if the ``Literal`` type ``choices`` has it.

    Raises:
        ValueError: names the argument, what was expected and what was got.
    """
    allowed = get_args(choices)
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
    return value


def memory_key(fused: Tensor, scale: KeyScale) -> Tensor:
    """Fused key [B, Ck, h, w] → key [B, Ck, P]: softmax over the channels, then scaled; float32.

    A softmax key is positive and sums to one, so λmax(KKᵀ) >= P / Ck: at 256 px it is at least 4, and the erasing
    factor I − βKKᵀ expands what it should erase as soon as β > 0.5. ``none`` keeps that (published weights need
    it), ``bound`` divides by the square root of a bound on λmax (the largest row sum of KKᵀ, which for softmax
    keys is the largest row sum of K), ``l2`` gives each pixel a unit norm.
    """
    # Float32 whatever the autocast: bf16 rounds by up to 0.2 %, and the state adds up products of keys over frames.
    key = torch.softmax(fused.float().flatten(2), 1)
    if scale == "bound":
        # Gershgorin: no eigenvalue of KKᵀ is larger than its largest row sum. Columns of K sum to one, so row sums of
        # KKᵀ are row sums of K, and the bound costs no product.
        return key * key.sum(-1).amax(-1).rsqrt()[:, None, None]
    if scale == "l2":
        return unit_key(key)
    return key


def unit_key(key: Tensor) -> Tensor:
    """Key [B, Ck, P] with a unit norm over the channels of each pixel."""
    return torch.nn.functional.normalize(key, dim=1)


def associate(key: Tensor, value: Tensor) -> Tensor:
    """Sum over pixels of k ⊗ v: the state [B, N, Ck, Cv] that one frame writes."""
    # Keys belong to the image and are shared by all objects; values are each object's.
    return key.unsqueeze(1) @ value.transpose(-1, -2)


def read(state: Tensor, key: Tensor) -> Tensor:
    """Readout Kᵀ S as a map: [B, N, Cv, P], with the channels side by side in memory."""
    # The same key that writes also reads (Eq. 3: O_t = S_t K_t); no normaliser, as published.
    return (key.unsqueeze(1).transpose(-1, -2) @ state).transpose(-1, -2)


def spread(gate: Tensor, channels: int, layout: GateLayout) -> Tensor:
    """Give each value channel the gate of its head: [..., heads] → [..., channels].

    ``contiguous``: head = channel // (channels / heads); ``tiled``: head = channel mod heads.
    """
    # 8 heads over 256 channels in the paper: 32 channels share a gate.
    size = channels // gate.shape[-1]
    if layout == "contiguous":
        return gate.unsqueeze(-1).expand(*gate.shape, size).flatten(-2)
    return gate.unsqueeze(-2).expand(*gate.shape[:-1], size, gate.shape[-1]).flatten(-2)


def gated_step(state: Tensor, key: Tensor, value: Tensor, alpha: Tensor | float, beta: Tensor | float) -> Tensor:
    """GDR as published (Eq. 5 with elementwise gates): α ⊙ (S − β ⊙ K Kᵀ S) + β ⊙ K Vᵀ.

    Args:
        state: [B, N, Ck, Cv].
        key: [B, Ck, P].
        value: [B, N, Cv, P].
        alpha, beta: broadcastable to the state.

    Returns:
        The new state.
    """
    # K (Kᵀ S): what the new keys would read is what they erase.
    erase = associate(key, read(state, key))
    # Published with elementwise gates: β weights erasing and writing alike, α fades what is left, not what is written.
    return alpha * (state - beta * erase) + beta * associate(key, value)
