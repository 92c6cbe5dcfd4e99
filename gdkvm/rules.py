"""Update rules of the memory: small classes chosen by name.

Each takes the state of the last frame, the key, the value and the pixel feature of the current frame and returns
the new state; ``tests/oracles/naive_rules.py`` holds a float64 form of every one of them, written for reading. The
state is float32 and of a size that does not depend on the number of frames.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gdkvm.memory import associate, check_choice, gated_step, read, spread

GateInput = Literal["state", "write"]
LARGEST_DECAY = 16.0
"""Upper end of the published initialisation A ~ U(0, 16) of a decay gate."""


class UpdateRule(nn.Module):
    """The plain sum S + K Vᵀ (LKVA without gates, Eq. 3), and the base of all other rules.

    Args:
        value_width: Cv, channels of the value.
        heads: number of gate heads; it must divide ``value_width``.
        gate_input: what the gates look at: ``state`` S_{t-1} (published) or ``write``, the association K Vᵀ that
            the current frame would write. Rules without such gates (``sum``, ``token``, ``livos``) have no use for it.
    """

    def __init__(self, value_width: int, heads: int = 8, gate_input: GateInput = "state") -> None:
        super().__init__()
        if value_width % heads:
            raise ValueError(f"heads must divide the value width {value_width}, got {heads}")
        check_choice("gate_input", gate_input, GateInput)
        self.value_width = value_width
        self.heads = heads
        self.gate_input = gate_input

    def begin(self, key: Tensor, value: Tensor, pixel: Tensor) -> Tensor:
        """State after frame 0: the association of its key and value."""
        return associate(key, value)

    def forward(self, state: Tensor, key: Tensor, value: Tensor, pixel: Tensor) -> Tensor:
        """state [B, N, Ck, Cv], key [B, Ck, P], value [B, N, Cv, P], pixel [B, C, h, w] → new state."""
        # Eq. 3 of the paper: S_t = S_{t-1} + V_t K_tᵀ, stored transposed as [Ck, Cv].
        return state + associate(key, value)

    def read(self, state: Tensor, key: Tensor) -> Tensor:
        """Readout [B, N, Cv, P]."""
        return read(state, key)

    def _gate_source(self, state: Tensor, key: Tensor, value: Tensor) -> Tensor:
        # Published: the gates read S_{t-1}, so they know what is in the memory but not what is about to be written.
        return state if self.gate_input == "state" else associate(key, value)


class WriteGate(nn.Module):
    """β = σ(x Wᵀ): per row of the state and head, spread over contiguous value channels."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        # Without a bias, as published: an empty state gives β = 0.5, neither full writing nor none.
        self.project = nn.Linear(width, heads, bias=False)

    def forward(self, source: Tensor) -> Tensor:
        """[..., width] → [..., width] in (0, 1)."""
        return spread(torch.sigmoid(self.project(source)), source.shape[-1], "contiguous")


class DecayGate(nn.Module):
    """α per row of the state and head from A_log, dt_bias and a projection (Mamba-2 and Gated DeltaNet).

    ``corrected``: exp(−exp(A_log)·softplus(a + dt_bias)) in (0, 1), contiguous heads. ``released``: the first
    release's −exp(A_log)·softplus(·), negative and unbounded, heads tiled over the channels.
    """

    def __init__(self, width: int, heads: int, released: bool = False) -> None:
        super().__init__()
        self.released = released
        self.project = nn.Linear(width, heads, bias=False)
        # Logarithm of A ~ U(0, 16) as in Mamba-2. The lower limit keeps log(0) = −inf out, which would never change.
        self.a_log = nn.Parameter(torch.log(torch.empty(heads).uniform_(0, LARGEST_DECAY).clamp_min(1e-3)))
        # Mamba-2: time steps are drawn evenly in the logarithm from 1e-3 to 1e-1, so that heads of slow and of fast
        # decay both exist at the start. The bias is the inverse of softplus there: x + log(1 − e^{−x}).
        step = torch.exp(torch.empty(heads).uniform_(math.log(1e-3), math.log(0.1)))
        # expm1 and not exp − 1: at 1e-3 the difference would lose three of float32's seven digits.
        self.dt_bias = nn.Parameter(step + torch.log(-torch.expm1(-step)))

    def start_below(self, largest: float) -> None:
        """Turn a fresh A ~ U(0, ``LARGEST_DECAY``) into A ~ U(0, ``largest``)."""
        if not largest > 0:
            raise ValueError(f"decay_init must be positive, got {largest}")
        with torch.no_grad():
            # In the logarithm a scaling of A is a sum, which keeps the draws of the seed.
            self.a_log.add_(math.log(largest / LARGEST_DECAY))

    def log_decay(self, source: Tensor) -> Tensor:
        """−exp(A_log)·softplus(a + dt_bias), [..., width] → [..., heads]."""
        return -torch.exp(self.a_log) * F.softplus(self.project(source) + self.dt_bias)

    def forward(self, source: Tensor) -> Tensor:
        """[..., width] → [..., width]."""
        decay = self.log_decay(source)
        if self.released:
            # The first release forgot the exponential and laid heads out by channel mod 8; its weights need both.
            return spread(decay, source.shape[-1], "tiled")
        return spread(torch.exp(decay), source.shape[-1], "contiguous")


class DeltaRule(UpdateRule):
    """β only: S − β ⊙ K Kᵀ S + β ⊙ K Vᵀ."""

    def __init__(self, value_width: int, heads: int = 8, gate_input: GateInput = "state") -> None:
        super().__init__(value_width, heads, gate_input)
        self.write_gate = WriteGate(value_width, heads)

    def forward(self, state: Tensor, key: Tensor, value: Tensor, pixel: Tensor) -> Tensor:
        """S − β ⊙ K Kᵀ S + β ⊙ K Vᵀ; shapes as in ``UpdateRule.forward``."""
        beta = self.write_gate(self._gate_source(state, key, value))
        # α = 1: nothing fades by itself, only what a new key addresses is erased.
        return gated_step(state, key, value, 1.0, beta)


class DecayRule(UpdateRule):
    """α only: α ⊙ S + K Vᵀ."""

    def __init__(self, value_width: int, heads: int = 8, gate_input: GateInput = "state") -> None:
        super().__init__(value_width, heads, gate_input)
        self.decay_gate = DecayGate(value_width, heads)

    def forward(self, state: Tensor, key: Tensor, value: Tensor, pixel: Tensor) -> Tensor:
        """α ⊙ S + K Vᵀ; shapes as in ``UpdateRule.forward``."""
        return self.decay_gate(self._gate_source(state, key, value)) * state + associate(key, value)


class GatedRule(UpdateRule):
    """GDR: α ⊙ (S − β ⊙ K Kᵀ S) + β ⊙ K Vᵀ with α = exp(−exp(A_log)·softplus(·)) in (0, 1)."""

    released: ClassVar[bool] = False

    def __init__(self, value_width: int, heads: int = 8, gate_input: GateInput = "state") -> None:
        super().__init__(value_width, heads, gate_input)
        self.write_gate = WriteGate(value_width, heads)
        self.decay_gate = DecayGate(value_width, heads, self.released)

    def forward(self, state: Tensor, key: Tensor, value: Tensor, pixel: Tensor) -> Tensor:
        """α ⊙ (S − β ⊙ K Kᵀ S) + β ⊙ K Vᵀ; shapes as in ``UpdateRule.forward``."""
        source = self._gate_source(state, key, value)
        return gated_step(state, key, value, self.decay_gate(source), self.write_gate(source))


class ReleasedRule(GatedRule):
    """The first release's arithmetic: α = −exp(A_log)·softplus(·), tiled. It can diverge within a few frames."""

    # Kept to load and to reproduce the first release's weights; new trainings should use GatedRule.
    released = True
