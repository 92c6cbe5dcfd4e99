"""Both counters find the multiply-adds that can be written down by hand."""

from __future__ import annotations

import pytest
import torch
from tiny_segmenters import TinyAttention, TinyConv
from torch import nn

from harness.profiling.complexity import complexity_row, count_fvcore, count_parameters, count_torch, visible_attention

SIDE = 64


def test_a_convolution_costs_what_its_formula_says():
    row = complexity_row(TinyConv(num_structures=1), SIDE, clip_length=10)
    expected = 9 * 2 * SIDE * SIDE / 1e9
    assert row["gmacs_per_frame_torch"] == pytest.approx(expected)
    assert row["gmacs_per_clip_torch"] == pytest.approx(10 * expected)
    assert row["difference_products_percent"] == pytest.approx(0)
    assert "batch_norm" in row["difference_explained"]
    assert row["parameters"] == 2 * 9 + 2 + 2 * 2


def test_attention_over_a_growing_memory_is_counted_truly_by_both():
    length, tokens, width = 6, (SIDE // 16) ** 2, 8
    row = complexity_row(TinyAttention(width=width).eval(), SIDE, length)
    fixed = tokens * (256 * width + width * 2)
    steps = [fixed + 2 * tokens * (t + 1) * tokens * width for t in range(length)]
    resizing = 2 * SIDE * SIDE
    for counter, beside in (("torch", 0), ("fvcore", resizing)):
        frame, clip = (row[f"gmacs_per_{span}_{counter}"] for span in ("frame", "clip"))
        assert frame == pytest.approx((steps[-1] + beside) / 1e9, rel=1e-6)
        assert clip == pytest.approx((sum(steps) + length * beside) / 1e9, rel=1e-6)
    assert row["difference_products_percent"] == pytest.approx(0)


@pytest.mark.parametrize(
    ("equation", "shapes", "macs"),
    [
        ("bnd,bmd->bnm", [(2, 5, 3), (2, 7, 3)], 2 * 5 * 7 * 3),
        ("bi,bj->bij", [(2, 5), (2, 7)], 2 * 5 * 7),
    ],
    ids=["product", "outer product"],
)
def test_einsum_counts_one_multiply_add_per_combination(equation, shapes, macs):
    class Einsum(nn.Module):
        def forward(self, x):
            first = x.flatten()[: torch.Size(shapes[0]).numel()].reshape(shapes[0])
            second = x.flatten()[: torch.Size(shapes[1]).numel()].reshape(shapes[1])
            return torch.einsum(equation, first, second)

    assert count_fvcore(Einsum(), torch.rand(100)).gmacs == pytest.approx(macs / 1e9)


def test_baddbmm_and_the_fused_attention_module_are_seen():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x):
            return self.attention(x, x, x, need_weights=False)[0] + torch.baddbmm(x, x, x.new_ones(1, 8, 8))

    x = torch.rand(1, 4, 8)
    macs = 4 * 8 * 24 + 4 * 8 * 8 + 2 * 4 * 4 * 8 + 4 * 8 * 8
    with torch.no_grad(), visible_attention():
        module = Both().eval()
        assert count_torch(module, x).products == pytest.approx(macs / 1e9)
        assert count_fvcore(module, x).products == pytest.approx(macs / 1e9)


def test_operators_that_are_not_counted_are_named():
    row = complexity_row(TinyAttention().eval(), SIDE, 3)
    assert "upsample_nearest2d" in row["uncounted_torch"] + row["difference_explained"]
    assert "view" not in row["uncounted_torch"]
    counted = count_torch(nn.Sequential(nn.GELU(), nn.Conv2d(1, 1, 1)), torch.rand(1, 1, 4, 4))
    assert counted.uncounted == {"gelu": 1}
    assert counted.gmacs == pytest.approx(16 / 1e9)


def test_a_shared_parameter_counts_once():
    layer = nn.Linear(3, 3)
    assert count_parameters(nn.Sequential(layer, layer)) == 12
