"""Rules beyond the paper's: token-wise gated delta rule, LiVOS' gated linear matching, an orthogonalised state."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gdkvm.memory import associate, unit_key
from gdkvm.memory import read as read_state
from gdkvm.rules import DecayGate, DeltaRule, GateInput, UpdateRule


def chunked_delta(state: Tensor, key: Tensor, value: Tensor, log_decay: Tensor, beta: Tensor, chunk: int) -> Tensor:
    """Gated delta rule over P tokens, parallel inside chunks (WY form with the UT transform; Yang 2024, 2025).

    Inside a chunk the updates solve (I + tril(diag(β)·(KᵀK ⊙ e^{Gᵢ−Gⱼ}), −1)) U = diag(β)(Vᵀ − e^G ⊙ Kᵀ S₀), where G is
    the running sum of the log decays; the triangular systems of all chunks are solved at once and only S₀ is passed
    from chunk to chunk. P that ``chunk`` does not divide is padded with tokens that do nothing.

    Args:
        state: [..., Ck, D].
        key: [..., Ck, P], unit norms.
        value: [..., D, P].
        log_decay, beta: [..., P]; log decays <= 0.
        chunk: tokens per chunk.

    Returns:
        The state after the last token, [..., Ck, D].
    """
    # Zeros do nothing in this rule: a key of zero writes and erases nothing, a log decay of zero keeps all.
    pad = -key.shape[-1] % chunk
    key, value, log_decay, beta = (F.pad(x, (0, pad)) for x in (key, value, log_decay, beta))
    k, v = (x.transpose(-1, -2).unflatten(-2, (-1, chunk)) for x in (key, value))  # ... chunks tokens channels
    # Products of decays over tokens become differences of running sums, which do not underflow.
    g = log_decay.unflatten(-1, (-1, chunk)).cumsum(-1)
    b = beta.unflatten(-1, (-1, chunk))
    # tril before exp: above the diagonal the difference is positive and would overflow to inf, and inf · 0 is NaN.
    ratio = torch.tril(g.unsqueeze(-1) - g.unsqueeze(-2), -1)
    # UT transform (Yang 2024): what earlier tokens of the chunk did to token i is a unit lower triangular system, so
    # one triangular solve replaces ``chunk`` steps.
    system = torch.tril(b.unsqueeze(-1) * (k @ k.transpose(-1, -2)) * ratio.exp(), -1)
    # Two right-hand sides in one solve: the update if the state were zero, and its dependence on the incoming state.
    right = torch.cat([b.unsqueeze(-1) * v, (b * g.exp()).unsqueeze(-1) * k], -1)
    solved = torch.linalg.solve_triangular(system, right, upper=False, unitriangular=True)
    own, inherited = solved.split([v.shape[-1], k.shape[-1]], -1)
    last = g[..., -1:]
    # A token's write fades until the end of its chunk.
    late_key = (k * (last - g).exp().unsqueeze(-1)).transpose(-1, -2)
    # The only sequential part: P / chunk steps instead of P.
    for c in range(k.shape[-3]):
        update = own[..., c, :, :] - inherited[..., c, :, :] @ state
        state = last[..., c, :, None].exp() * state + late_key[..., c, :, :] @ update
    return state


class TokenRule(UpdateRule):
    """Gated DeltaNet's rule (Yang 2025), pixel by pixel inside a frame, with unit-norm keys.

    Gates come from the value of each pixel; the log decay is divided by the number of pixels so that a whole frame
    decays as one step of the other rules does. Frame 0 starts from an empty state.
    """

    chunk: ClassVar[int] = 64

    def __init__(self, value_width: int, heads: int = 8, gate_input: GateInput = "state") -> None:
        super().__init__(value_width, heads, gate_input)
        self.write_gate = nn.Linear(value_width, heads, bias=False)
        self.decay_gate = DecayGate(value_width, heads)

    def begin(self, key: Tensor, value: Tensor, pixel: Tensor) -> Tensor:
        """State after frame 0: the rule applied to a state of zeros."""
        batch, objects, channels, _ = value.shape
        return self(value.new_zeros(batch, objects, key.shape[1], channels), key, value, pixel)

    def forward(self, state: Tensor, key: Tensor, value: Tensor, pixel: Tensor) -> Tensor:
        """State [B, N, Ck, Cv] after all P tokens of key [B, Ck, P] and value [B, N, Cv, P]."""
        tokens = value.transpose(-1, -2)
        beta = torch.sigmoid(self.write_gate(tokens)).transpose(-1, -2)  # B N heads P
        # Divided by P: otherwise a frame of 256 pixels forgets 256 times as fast as with the other rules' gates.
        log_decay = self.decay_gate.log_decay(tokens).transpose(-1, -2) / key.shape[-1]
        # Unit norms keep I − β k kᵀ between 0 and 1 for β in (0, 1): the delta rule's condition for not diverging.
        keys = unit_key(key)[:, None, None]
        per_head = state.unflatten(-1, (self.heads, -1)).transpose(2, 3)  # B N heads Ck D
        values = value.unflatten(2, (self.heads, -1))
        keys = keys.expand(*values.shape[:3], -1, -1)
        out = chunked_delta(per_head, keys, values, log_decay, beta, min(self.chunk, key.shape[-1]))
        return out.transpose(2, 3).flatten(-2)

    def read(self, state: Tensor, key: Tensor) -> Tensor:
        """Readout [B, N, Cv, P] with keys of unit norm, as they were written."""
        return read_state(state, unit_key(key))


class LivosRule(UpdateRule):
    """LiVOS (Liu 2024): S ← S·diag(g) + K Vᵀ with gates per value channel from the image, read out normalised.

    The normaliser Z ← Z·diag(g) + K 1ᵀ runs beside the state (concatenated: [B, N, Ck, 2 Cv]), so the readout
    Kᵀ S / Kᵀ Z is a weighted mean of the values written so far.
    """

    def __init__(self, value_width: int, heads: int = 8, gate_input: GateInput = "state") -> None:
        super().__init__(value_width, heads, gate_input)
        self.image_gate = nn.Linear(value_width, value_width)

    def begin(self, key: Tensor, value: Tensor, pixel: Tensor) -> Tensor:
        """State and normaliser after frame 0, side by side: [B, N, Ck, 2 Cv]."""
        # Ones beside the values: the same sum makes the normaliser.
        return associate(key, torch.cat([value, torch.ones_like(value)], 2))

    def forward(self, state: Tensor, key: Tensor, value: Tensor, pixel: Tensor) -> Tensor:
        """state [B, N, Ck, 2 Cv], key [B, Ck, P], value [B, N, Cv, P], pixel [B, Cv, h, w] → new state."""
        # LiVOS (Liu 2024): the gate is a function of the image alone, one per value channel, the same for all objects.
        gate = torch.sigmoid(self.image_gate(pixel.to(state.dtype).mean((-2, -1))))[:, None, None]
        return state * torch.cat([gate, gate], -1) + self.begin(key, value, pixel)

    def read(self, state: Tensor, key: Tensor) -> Tensor:
        """Readout Kᵀ S / Kᵀ Z [B, N, Cv, P]."""
        total, weight = read_state(state, key).chunk(2, 2)
        # Softmax keys are positive, so the weight is zero only where nothing was ever written.
        return total / weight.clamp_min(1e-6)


def newton_schulz(matrix: Tensor, steps: int) -> Tensor:
    """Iterate X ← X (3 I − Xᵀ X) / 2 from X = matrix / ‖matrix‖_F: towards Xᵀ X = I, for [..., rows >= columns].

    Every singular value goes to one from below, the small ones by a factor of 1.5 per step at first: after 15 steps
    those of at least 1 % of ‖matrix‖_F are within 1e-6 of one, after 5 only those of at least 25 %. A singular value of
    zero stays zero: a matrix without full rank ends with orthonormal columns on its range alone.
    """
    # Newton–Schulz converges for singular values below √3; the Frobenius norm bounds the largest by one.
    x = matrix / matrix.flatten(-2).norm(dim=-1).clamp_min(1e-12)[..., None, None]
    for _ in range(steps):
        # A cubic that converges quadratically to one: products only, hence fast on any device, and with a gradient.
        x = 1.5 * x - 0.5 * x @ (x.transpose(-1, -2) @ x)
    return x


class OrthogonalRule(DeltaRule):
    """The delta step, then Newton–Schulz towards SᵀS = I in each head's block [Ck, Cv / heads].

    With the default number of steps SᵀS = I holds to 1e-5 in float32 as soon as no singular value of the block is below
    1 % of its norm; directions that were hardly written yet have smaller ones, which rise from frame to frame and never
    exceed one. See ``newton_schulz``.

    Raises:
        ValueError: in the first step, when a head has more value channels than the key has channels.
    """

    steps: ClassVar[int] = 15

    def begin(self, key: Tensor, value: Tensor, pixel: Tensor) -> Tensor:
        """State after frame 0, made orthogonal in each head's block."""
        return self._orthogonalise(associate(key, value))

    def forward(self, state: Tensor, key: Tensor, value: Tensor, pixel: Tensor) -> Tensor:
        """The delta step on state [B, N, Ck, Cv], then the orthogonal matrix nearest to each head's block."""
        return self._orthogonalise(super().forward(state, key, value, pixel))

    def _orthogonalise(self, state: Tensor) -> Tensor:
        rows, columns = state.shape[-2], state.shape[-1] // self.heads
        # SᵀS = I in [Ck, D] needs D <= Ck: there are not more orthonormal columns than rows.
        if columns > rows:
            raise ValueError(f"the orthogonal rule needs heads of at most {rows} value channels, got {columns}")
        blocks = state.unflatten(-1, (self.heads, -1)).transpose(-2, -3)
        return newton_schulz(blocks, self.steps).transpose(-2, -3).flatten(-2)
