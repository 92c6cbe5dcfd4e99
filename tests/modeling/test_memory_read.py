"""Memory reading: each fast form against its definition in float64."""

from __future__ import annotations

import math

import pytest
import torch

from harness.modeling.memory_read import anisotropic_similarity, as_map, dot_similarity, read_all, read_top, rows

B, K, Q, N, CK, CV = 2, 3, 5, 11, 4, 6


def naive_anisotropic(query, selection, key, shrinkage):
    out = torch.zeros(B, Q, N, dtype=torch.float64)
    for b in range(B):
        for i in range(Q):
            for n in range(N):
                distance = (selection[b, i] * (key[b, n] - query[b, i]) ** 2).sum()
                out[b, i, n] = -shrinkage[b, n] * distance / math.sqrt(CK)
    return out


def naive_top(similarity, values, count):
    readout, usage = torch.zeros(B, K, Q, CV, dtype=torch.float64), torch.zeros(B, N, dtype=torch.float64)
    for b in range(B):
        for i in range(Q):
            chosen = sorted(range(N), key=lambda n: -float(similarity[b, i, n]))[:count]
            weight = similarity[b, i, chosen].double().softmax(0)
            for w, n in zip(weight, chosen, strict=True):
                usage[b, n] += w
                readout[b, :, i] += w * values[b, :, n]
    return readout, usage


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return dict(
        query=torch.randn(B, Q, CK),
        selection=torch.rand(B, Q, CK),
        key=torch.randn(B, N, CK),
        shrinkage=1 + torch.rand(B, N),
        values=torch.randn(B, K, N, CV),
    )


def test_the_anisotropic_similarity_is_the_weighted_squared_distance(tensors) -> None:
    fast = anisotropic_similarity(*(tensors[name] for name in ("query", "selection", "key", "shrinkage")))
    slow = naive_anisotropic(*(tensors[name].double() for name in ("query", "selection", "key", "shrinkage")))
    torch.testing.assert_close(fast.double(), slow, atol=1e-5, rtol=1e-5)


def test_the_dot_similarity_is_scaled_by_the_root_of_the_key_channels(tensors) -> None:
    expected = torch.einsum("bqc,bnc->bqn", tensors["query"].double(), tensors["key"].double()) / 2
    torch.testing.assert_close(
        dot_similarity(tensors["query"], tensors["key"]).double(), expected, atol=1e-6, rtol=1e-5
    )


@pytest.mark.parametrize("count", [1, 4, N, N + 7])
def test_reading_the_top_elements_equals_the_loop_over_queries(tensors, count: int) -> None:
    similarity = 10 * torch.randn(B, Q, N)
    readout, usage = read_top(similarity, tensors["values"], count)
    expected, expected_usage = naive_top(similarity, tensors["values"], count)
    torch.testing.assert_close(readout.double(), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(usage.double(), expected_usage, atol=1e-5, rtol=1e-5)


def test_reading_all_elements_is_the_top_reading_with_room_for_all(tensors) -> None:
    similarity = torch.randn(B, Q, N)
    for one, other in zip(
        read_all(similarity, tensors["values"]), read_top(similarity, tensors["values"], N), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_similarities_far_below_zero_do_not_divide_by_zero(tensors) -> None:
    readout, usage = read_top(torch.full((B, Q, N), -1e4), tensors["values"], 3)
    assert torch.isfinite(readout).all()
    torch.testing.assert_close(usage.sum(), torch.tensor(float(B * Q)))


def test_rows_and_maps_are_each_others_inverse() -> None:
    features = torch.randn(2 * 3, 4, 5, 7)
    per_object = rows(features).unflatten(0, (2, 3))
    assert per_object.shape == (2, 3, 35, 4)
    assert torch.equal(as_map(per_object, (5, 7)), features)
