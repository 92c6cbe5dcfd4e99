"""The fast surface metrics equal their slow definition and independent implementations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from drawn_masks import blob
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from naive_surface import naive_surface, naive_surface_metrics
from scipy import ndimage

from harness.evaluation import surface
from harness.evaluation.surface import directed_distances, surface_metrics, surface_pixels

spacings = st.tuples(*[st.floats(0.05, 4.0, allow_nan=False)] * 2)


@st.composite
def pairs(draw, largest=12):
    shape = draw(st.tuples(st.integers(1, largest), st.integers(1, largest)))
    return tuple(draw(hnp.arrays(np.bool_, shape)) for _ in range(2))


def scipy_metrics(p, g, spacing):
    """The same numbers from full-frame distance transforms."""
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (p, g)]
    maps = [ndimage.distance_transform_edt(~edge, sampling=spacing) for edge in edges]
    there, back = maps[1][edges[0]], maps[0][edges[1]]
    pooled = np.concatenate([there, back])
    return {
        "hd": max(there.max(), back.max()),
        "hd95": max(np.percentile(there, 95), np.percentile(back, 95)),
        "asd": pooled.mean(),
        "nsd": np.mean(pooled <= 2.2),
        "hd95_pooled": np.percentile(pooled, 95),
    }


@settings(max_examples=300, deadline=None)
@given(pairs(), spacings, st.floats(0, 10))
def test_fast_path_equals_the_definition_on_any_masks(pair, spacing, tolerance):
    there, back = directed_distances(*pair, spacing)
    # At a distance that is the tolerance to the last bits the two ways of taking a root may disagree.
    assume(not np.isclose([*there, *back], tolerance, rtol=1e-9, atol=1e-12).any())
    fast = surface_metrics(*pair, spacing, tolerance=tolerance, pooled=True)
    naive = naive_surface_metrics(*pair, spacing, tolerance)
    assert fast.keys() == naive.keys()
    for name, value in naive.items():
        assert fast[name] == pytest.approx(value, abs=1e-9, nan_ok=True), name


@pytest.mark.parametrize("limit", [0, 10**9], ids=["KD-tree", "all pairs"])
@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.154, 0.308)])
def test_both_searches_equal_full_frame_distance_transforms(monkeypatch, limit, spacing):
    monkeypatch.setattr(surface, "PAIR_LIMIT", limit)
    rng = np.random.default_rng(3)
    for _ in range(10):
        p, g = blob(rng, 96), blob(rng, 96)
        fast, oracle = surface_metrics(p, g, spacing, pooled=True), scipy_metrics(p, g, spacing)
        for name, value in oracle.items():
            assert fast[name] == pytest.approx(value, abs=1e-9), name


@settings(max_examples=100, deadline=None)
@given(hnp.arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_surface_is_the_mask_minus_its_erosion(mask):
    expected = [tuple(item) for item in np.argwhere(mask & ~ndimage.binary_erosion(mask))]
    assert [tuple(item) for item in surface_pixels(mask)] == expected == naive_surface(mask)


@settings(max_examples=100, deadline=None)
@given(pairs(), spacings)
def test_order_of_the_masks_does_not_matter_and_the_numbers_are_ordered(pair, spacing):
    values, swapped = surface_metrics(*pair, spacing), surface_metrics(*pair[::-1], spacing)
    assert values == pytest.approx(swapped, abs=1e-12, nan_ok=True)
    if not math.isnan(values["hd"]):
        assert values["asd"] <= values["hd"] * (1 + 1e-12)
        assert values["hd95"] <= values["hd"] * (1 + 1e-12)


def test_pixels_on_the_image_border_belong_to_the_surface():
    assert len(surface_pixels(np.ones((4, 5)))) == 2 * 5 + 2 * 2


def test_distances_scale_with_the_spacing_of_their_axis():
    p, g = np.zeros((20, 20)), np.zeros((20, 20))
    p[5, 5], g[9, 8] = 1, 1
    assert surface_metrics(p, g, (0.5, 2.0))["hd"] == pytest.approx(math.hypot(4 * 0.5, 3 * 2.0))


def test_hd95_is_the_larger_directed_percentile_and_pooling_hides_a_speck():
    reference = np.zeros((128, 128), bool)
    reference[40:90, 40:80] = True
    speck = reference.copy()
    speck[4:8, 100:105] = True
    values = surface_metrics(speck, reference, pooled=True)
    assert values["hd95"] > 40
    assert values["hd95_pooled"] < values["hd95"] / 4


def test_a_missed_structure_costs_the_diagonal_of_the_field_of_view():
    mask = np.zeros((11, 21))
    mask[3:5, 3:5] = 1
    for pair in ((mask, 0 * mask), (0 * mask, mask)):
        values = surface_metrics(*pair, (0.3, 0.4))
        assert values.pop("nsd") == 0
        assert set(values.values()) == {math.hypot(10 * 0.3, 20 * 0.4)}
    assert all(math.isnan(value) for value in surface_metrics(0 * mask, 0 * mask).values())


def test_the_surface_dice_counts_what_lies_within_the_tolerance_of_the_other_surface():
    reference = np.zeros((64, 64), bool)
    reference[20:40, 20:40] = True
    moved = np.roll(reference, 2, axis=0)  # 1 mm lower
    assert surface_metrics(moved, reference, (0.5, 0.5), tolerance=1.0)["nsd"] == 1
    # of 76 pixels per surface those 18 rows of both columns coincide that the two squares share
    assert surface_metrics(moved, reference, (0.5, 0.5), tolerance=0.0)["nsd"] == pytest.approx(36 / 76)
    assert surface_metrics(reference, reference)["nsd"] == 1
    with pytest.raises(ValueError, match="tolerance"):
        surface_metrics(reference, reference, tolerance=-1.0)


def test_directed_distances_belong_to_the_surface_pixels_in_order():
    p, g = np.zeros((5, 5)), np.zeros((5, 5))
    p[0, 0] = p[0, 4] = 1
    g[0, 1] = 1
    there, back = directed_distances(p, g)
    assert there.tolist() == [1.0, 3.0]
    assert back.tolist() == [1.0]


@pytest.mark.parametrize("spacing", [(0.0, 1.0), (1.0, -1.0), (float("nan"), 1.0), (1.0,)])
def test_an_impossible_spacing_is_refused(spacing):
    with pytest.raises(ValueError, match="spacing must be"):
        surface_metrics(np.ones((2, 2)), np.ones((2, 2)), spacing)


def test_monai_measures_the_same_within_its_float32_quantile():
    metrics = pytest.importorskip("monai.metrics")
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(5)
    for _ in range(20):
        p, g = blob(rng, 64), blob(rng, 64)
        pair = [torch.from_numpy(np.stack([~mask, mask])[None].astype(np.float32)) for mask in (p, g)]
        values, spacing = surface_metrics(p, g, (0.3, 0.5)), [0.3, 0.5]
        hd = metrics.compute_hausdorff_distance(*pair, spacing=spacing).item()
        hd95 = metrics.compute_hausdorff_distance(*pair, percentile=95, spacing=spacing).item()
        asd = metrics.compute_average_surface_distance(*pair, symmetric=True, spacing=spacing).item()
        assert (hd, asd) == pytest.approx((values["hd"], values["asd"]), abs=1e-5)
        assert hd95 == pytest.approx(values["hd95"], abs=5e-4)
        nsd = metrics.compute_surface_dice(*pair, class_thresholds=[2.2], spacing=spacing).item()
        assert nsd == pytest.approx(values["nsd"], abs=1e-6)
