"""Float64 references of the update rules: pixel by pixel and channel by channel, written for reading, not for speed.

One object and one batch item: state [Ck, Cv], key [Ck, P], value [Cv, P]; gates as the formulas name them.
"""

from __future__ import annotations

import torch
from torch import Tensor


def naive_write(key: Tensor, value: Tensor) -> Tensor:
    """Sum over pixels of k vᵀ."""
    total = key.new_zeros(key.shape[0], value.shape[0])
    for p in range(key.shape[1]):
        total = total + torch.outer(key[:, p], value[:, p])
    return total


def naive_sum(state: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """S + Σ k vᵀ."""
    return state + naive_write(key, value)


def naive_gated(state: Tensor, key: Tensor, value: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """α ⊙ (S − β ⊙ Σ k (kᵀ S)) + β ⊙ Σ k vᵀ, with gates [Ck, Cv] built by the caller."""
    erase = torch.zeros_like(state)
    for p in range(key.shape[1]):
        erase = erase + torch.outer(key[:, p], key[:, p] @ state)
    return alpha * (state - beta * erase) + beta * naive_write(key, value)


def naive_gates(source: Tensor, weight: Tensor, layout: str) -> Tensor:
    """Row-wise projection [Ck, heads] of ``source`` [Ck, Cv] by ``weight`` [heads, Cv], looked up per channel."""
    rows, channels = source.shape
    heads = weight.shape[0]
    out = torch.empty_like(source)
    for c in range(channels):
        head = c * heads // channels if layout == "contiguous" else c % heads
        for r in range(rows):
            out[r, c] = source[r] @ weight[head]
    return out


def naive_token(state: Tensor, key: Tensor, value: Tensor, log_decay: Tensor, beta: Tensor) -> Tensor:
    """Gated delta rule pixel by pixel: S ← e^g S; u = β (v − Sᵀ k); S ← S + k uᵀ.

    One head: ``log_decay`` and ``beta`` are [P].
    """
    for p in range(key.shape[1]):
        state = torch.exp(log_decay[p]) * state
        update = beta[p] * (value[:, p] - state.T @ key[:, p])
        state = state + torch.outer(key[:, p], update)
    return state


def naive_livos(state: Tensor, weight: Tensor, key: Tensor, value: Tensor, gate: Tensor) -> tuple[Tensor, Tensor]:
    """S ← S·diag(g) + Σ k vᵀ and its normaliser Z ← Z·diag(g) + Σ k 1ᵀ; ``gate`` is [Cv]."""
    for c in range(state.shape[1]):
        state = torch.cat([state[:, :c], (state[:, c] * gate[c] + key @ value[c])[:, None], state[:, c + 1 :]], 1)
        weight = torch.cat([weight[:, :c], (weight[:, c] * gate[c] + key.sum(1))[:, None], weight[:, c + 1 :]], 1)
    return state, weight


def naive_orthogonal(matrix: Tensor) -> Tensor:
    """The orthogonal factor of ``matrix`` [Ck, Cv / heads] by singular value decomposition: what Newton–Schulz seeks."""
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    return u @ vh
