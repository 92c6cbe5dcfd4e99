"""Parameters and multiply-adds, counted by two independent counters side by side.

"FLOPs" has no single meaning; everything here is in GMACs (10⁹ multiply-adds). fvcore traces the model and counts
one per multiply-add, also for normalisation, pooling and resizing; torch's FlopCounterMode watches the operators
that run and counts two per multiply-add, for products and convolutions only. Attention is made visible to both:
the math kernel is forced, the fused fast path of ``nn.MultiheadAttention`` is switched off, and fvcore gets handlers
for the operators it lacks.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from fvcore.nn import FlopCountAnalysis
from fvcore.nn.jit_handles import einsum_flop_jit, get_shape
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from harness.engines.tree import tensors_in
from harness.modeling import VideoSegmenter

PRODUCTS = frozenset(
    ("conv", "linear", "matmul", "mm", "bmm", "addmm", "baddbmm", "einsum", "scaled_dot_product_attention")
)
"""fvcore's names of the operators that both counters count."""

_MOVES = (
    "view _unsafe_view reshape transpose permute t expand slice select unsqueeze squeeze split "
    "split_with_sizes unbind cat stack clone copy_ detach alias as_strided empty empty_like new_empty "
    "empty_strided new_empty_strided zeros zeros_like new_zeros ones ones_like new_ones full full_like "
    "new_full fill_ zero_ arange lift_fresh _to_copy index index_select gather scatter scatter_ "
    "index_put_ constant_pad_nd replication_pad2d reflection_pad2d pad unfold unflatten repeat flatten "
    "contiguous narrow chunk scalar_tensor _local_scalar_dense numel roll flip tril triu diagonal "
    "_reshape_alias expand_as slice_scatter select_scatter eye tril_indices triu_indices "
)
_NO_ARITHMETIC = frozenset(_MOVES.split())
"""Operators that only view, create or move values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Count:
    """Multiply-adds of one call: total, part in products and convolutions, by operator, and what was not counted."""

    gmacs: float
    products: float
    operators: dict[str, float]
    uncounted: dict[str, int]


class _Opening(nn.Module):
    """``begin`` and the first ``step`` as one module that can be traced."""

    def __init__(self, model: VideoSegmenter) -> None:
        super().__init__()
        self.model = model

    def forward(self, frame: Tensor) -> tuple[Tensor, Tensor]:
        logits, state = self.model.step(frame, self.model.begin(frame))
        return logits, _touch(state, frame)


class _Step(nn.Module):
    """One ``step`` from a given state as a module that can be traced."""

    def __init__(self, model: VideoSegmenter, state: Any) -> None:
        super().__init__()
        self.model = model
        self.state = state

    def forward(self, frame: Tensor) -> tuple[Tensor, Tensor]:
        logits, state = self.model.step(frame, self.state)
        return logits, _touch(state, frame)


def _touch(state: Any, frame: Tensor) -> Tensor:
    """One value of every tensor of a state and of the frame: a trace drops what does not reach its outputs."""
    return torch.cat([tensor.flatten()[:1].to(frame.dtype) for tensor in [*tensors_in(state), frame]])


def count_parameters(model: nn.Module) -> int:
    """Number of parameters, shared ones once; buffers are not parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def complexity_row(model: VideoSegmenter, image_size: int, clip_length: int) -> dict[str, Any]:
    """One row: parameters, GMACs per frame at steady state and per clip by both counters, and their difference.

    Steady state is the last step of a stream of ``clip_length`` frames. The clip is the opening (``begin`` and the
    first step) plus the remaining steps, whose cost is taken as the mean of the second and the last (a memory that
    grows makes later steps dearer). Frames are 1 x C x S x S.
    """
    device = next(model.parameters()).device
    frame = torch.rand(1, model.in_channels, image_size, image_size, device=device)
    with torch.no_grad(), visible_attention():
        parts = _parts(model.eval(), frame, clip_length)
        torch_counts = [count_torch(part, frame) for part in parts]
        fvcore_counts = [count_fvcore(part, frame) for part in parts]
    torch_step, fvcore_step = torch_counts[-1], fvcore_counts[-1]
    torch_clip, fvcore_clip = (_clip_total(counts, clip_length) for counts in (torch_counts, fvcore_counts))
    return {
        "mode": "complexity",
        "parameters": count_parameters(model),
        "gmacs_per_frame_torch": torch_step.gmacs,
        "gmacs_per_frame_fvcore": fvcore_step.gmacs,
        "gmacs_per_clip_torch": torch_clip,
        "gmacs_per_clip_fvcore": fvcore_clip,
        "difference_percent": _percent(fvcore_step.gmacs, torch_step.gmacs),
        "difference_products_percent": _percent(fvcore_step.products, torch_step.products),
        "difference_explained": explain(fvcore_step, torch_step),
        "uncounted_torch": _listing(torch_step.uncounted),
        "uncounted_fvcore": _listing(fvcore_step.uncounted),
    }


def count_torch(module: nn.Module, frame: Tensor) -> Count:
    """Count one call with torch's FlopCounterMode, two per multiply-add halved."""
    # What neither counter knows is told: a count that leaves out a new operator silently looks like a cheaper model.
    missed = _Missed()
    with missed, FlopCounterMode(display=False) as counter:
        module(frame)
    flops = counter.get_flop_counts().get("Global", {})
    # torch counts two floating-point operations per multiply-add.
    operators = {str(name).rpartition(".")[2]: value / 2e9 for name, value in flops.items()}
    total = sum(operators.values())
    return Count(gmacs=total, products=total, operators=operators, uncounted=dict(missed.calls))


def count_fvcore(module: nn.Module, frame: Tensor) -> Count:
    """Count one call with fvcore's traced analysis."""
    analysis = FlopCountAnalysis(module, (frame,)).set_op_handle(**_HANDLES)
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
    operators = {name: value / 1e9 for name, value in analysis.by_operator().items()}
    uncounted = {name.replace("aten::", ""): number for name, number in analysis.unsupported_ops().items()}
    return Count(
        gmacs=sum(operators.values()),
        products=sum(value for name, value in operators.items() if name in PRODUCTS),
        operators=operators,
        uncounted={name: number for name, number in uncounted.items() if name not in _NO_ARITHMETIC},
    )


def explain(fvcore: Count, other: Count) -> str:
    """Why fvcore's figure differs: what it counts beside products, and what is left over."""
    beside = {name: value for name, value in fvcore.operators.items() if name not in PRODUCTS and value > 0}
    parts = [f"{name} {value:.3g}" for name, value in sorted(beside.items(), key=lambda item: -item[1])]
    text = f"fvcore also counts {', '.join(parts)} GMACs" if parts else "both count products and convolutions only"
    left = _percent(fvcore.products, other.products)
    return text if abs(left) < 0.1 else f"{text}; the products differ by {left:+.2f} %"


@contextlib.contextmanager
def visible_attention() -> Iterator[None]:
    """Inside, attention runs as plain matrix products that counters see."""
    fast = torch.backends.mha.get_fastpath_enabled()
    # The fused kernel of nn.MultiheadAttention is one operator, which both counters would take for nothing.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        # The same of scaled_dot_product_attention: as plain products its cost is seen.
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


class _Missed(TorchDispatchMode):
    """Counts the calls of operators that do arithmetic and that torch's counter has no formula for."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        packet = getattr(func, "_overloadpacket", func)
        name = str(packet).rpartition(".")[2]
        if packet not in flop_registry and name not in _NO_ARITHMETIC:
            self.calls[name] += 1
        return func(*args, **(kwargs or {}))


def _parts(model: VideoSegmenter, frame: Tensor, clip_length: int) -> list[nn.Module]:
    """The opening, and (for clips of two frames or more) the second and the last step."""
    parts: list[nn.Module] = [_Opening(model)]
    state = model.begin(frame)
    for time in range(clip_length):
        # Two steps are enough: the cost of a memory that grows is linear in its length, so the mean of both is the
        # mean of all.
        if time in {1, clip_length - 1} and time > 0:
            # The state is a constant of the traced module: only the step is counted, not what led there.
            parts.append(_Step(model, state))
        _, state = model.step(frame, state)
    return parts


def _clip_total(counts: list[Count], clip_length: int) -> float:
    steps = counts[1:]
    mean = sum(count.gmacs for count in steps) / len(steps) if steps else 0.0
    return counts[0].gmacs + (clip_length - 1) * mean


def _percent(value: float, base: float) -> float:
    return 100.0 * (value - base) / base if base else float("nan")


def _listing(calls: dict[str, int]) -> str:
    return ", ".join(f"{name} x{number}" for name, number in sorted(calls.items()))


def _einsum_macs(inputs: list[Any], outputs: list[Any]) -> float:
    """Two operands: one multiply-add per combination of indices (fvcore halves outer products)."""
    shapes = [get_shape(value) for value in inputs[1].node().inputs()]
    if len(shapes) != 2:
        return float(einsum_flop_jit(inputs, outputs))
    left = inputs[0].toIValue().replace(" ", "").partition("->")[0]
    if "." in left:
        return float(einsum_flop_jit(inputs, outputs))
    sizes = {
        letter: size
        for term, shape in zip(left.split(","), shapes, strict=True)
        for letter, size in zip(term, shape, strict=True)
    }
    return float(prod(sizes.values()))


def _attention_macs(inputs: list[Any], outputs: list[Any]) -> float:
    """Scaled dot-product attention: query x key and weights x value."""
    query, key, value = (get_shape(item) for item in inputs[:3])
    # n_query x n_key x (d_key + d_value) for every head: two products of matrices.
    return float(prod(query[:-1]) * key[-2] * (query[-1] + value[-1]))


def _baddbmm_macs(inputs: list[Any], outputs: list[Any]) -> float:
    first, second = get_shape(inputs[1]), get_shape(inputs[2])
    return float(prod(first) * second[-1])


_HANDLES: dict[str, Any] = {
    "aten::einsum": _einsum_macs,
    "aten::scaled_dot_product_attention": _attention_macs,
    "aten::baddbmm": _baddbmm_macs,
}
