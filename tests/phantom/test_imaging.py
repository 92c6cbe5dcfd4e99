"""Speckle, point spread, scan conversion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from harness.phantom.imaging import PointSpread, Sector, log_compress, power
from harness.phantom.measures import away_from_wall, speckle_trace, temporal_correlation
from harness.phantom.patient import draw_patient
from harness.phantom.render import Rendered, render_clip
from harness.phantom.statistics import CORRELATIONS


@pytest.fixture(scope="module")
def sector() -> Sector:
    return Sector(depth_mm=120, half_angle=0.65, pixel_mm=0.6)


@pytest.fixture(scope="module")
def clips() -> list[Rendered]:
    found = []
    for k in range(3):
        patient = draw_patient(np.random.default_rng((11, k)))
        found.append(render_clip(np.random.default_rng(k), patient.views[1], patient.acquisitions[1], 0.8))
    return found


def still_clip() -> Rendered:
    """Twenty-four frames of a heart that does not move."""
    patient = draw_patient(np.random.default_rng((11, 4)))
    view = replace(patient.views[1], es=patient.views[1].ed, es_pose=patient.views[1].ed_pose)
    return render_clip(np.random.default_rng(1), view, replace(patient.acquisitions[1], frames=24), 0.6)


def test_scan_conversion_puts_depth_and_angle_where_geometry_says(sector: Sector) -> None:
    polar = sector.radii[:, None] + 100 * sector.angles[None, :]
    image = sector.scan_convert(polar)
    x, y = sector.pixel_centres()
    radius, angle = np.hypot(x, y), np.arctan2(x, y)
    inside = (radius < sector.depth_mm - 1) & (np.abs(angle) < sector.half_angle - 0.01)
    np.testing.assert_allclose(image[inside], (radius + 100 * angle)[inside], atol=0.05)
    assert np.all(image[(radius > sector.depth_mm + 1) | (np.abs(angle) > sector.half_angle + 0.01)] == 0)


def test_the_fan_fills_the_share_of_the_image_that_geometry_says(sector: Sector) -> None:
    filled = (sector.scan_convert(np.ones(sector.polar_shape, np.float32)) > 0).mean()
    assert filled == pytest.approx(sector.half_angle / (2 * np.sin(sector.half_angle)), abs=0.01)


def test_blurred_unit_noise_has_unit_mean_power_and_rayleigh_contrast(sector: Sector) -> None:
    spread = PointSpread(axial_mm=(0.7, 1.0), lateral=(0.018, 0.024), sector=sector)
    rng = np.random.default_rng(0)
    fields = [power(spread.blur(rng.standard_normal((2, *sector.polar_shape), dtype=np.float32))) for _ in range(20)]
    inner = np.stack(fields)[:, 10:-10, 5:-5]
    assert inner.mean() == pytest.approx(1, abs=0.1)
    assert inner.std() / inner.mean() == pytest.approx(1, abs=0.1)  # fully developed speckle: exponential intensity


def test_speckle_widens_with_depth(sector: Sector) -> None:
    spread = PointSpread(axial_mm=(0.7, 1.2), lateral=(0.018, 0.03), sector=sector)
    impulses = np.zeros((2, *sector.polar_shape), np.float32)
    middle = sector.polar_shape[1] // 2
    impulses[0, 40, middle] = impulses[0, 200, middle] = 1
    response = spread.blur(impulses)[0]
    near, far = response[40, :], response[200, :]
    assert (far > far.max() / 2).sum() > (near > near.max() / 2).sum()


def test_log_compression_spans_its_dynamic_range() -> None:
    assert log_compress(np.float32(0), 60) == 0
    assert log_compress(np.float32(1e6 - 1), 60) == pytest.approx(255, rel=1e-4)


def test_the_same_generator_state_gives_the_same_pixels() -> None:
    patient = draw_patient(np.random.default_rng(5))
    first, second = (
        render_clip(np.random.default_rng(9), patient.views[0], patient.acquisitions[0], 2.0) for _ in "ab"
    )
    assert np.array_equal(first.frames, second.frames)
    assert np.array_equal(first.masks, second.masks)


def test_myocardium_is_brighter_than_the_cavity_and_the_cavity_is_not_black(clips: list[Rendered]) -> None:
    for clip in clips:
        cavity, wall = clip.frames[clip.masks == 1].mean(), clip.frames[clip.masks == 2].mean()
        assert wall > cavity + 8
        assert cavity > 10


def test_tissue_speckle_is_correlated_in_time_and_cavity_speckle_hardly(clips: list[Rendered]) -> None:
    for clip in clips:
        trace, bright = speckle_trace(clip.frames.astype(np.float32), 0.8), clip.frames.min(0) > 0
        wall, cavity = (clip.masks == 2) & bright, away_from_wall(clip.masks, 0.8)
        assert temporal_correlation(trace, wall, 1) > temporal_correlation(trace, cavity, 1) + 0.1
        assert temporal_correlation(trace, wall, 1) > temporal_correlation(trace, wall, 5)


def test_speckle_of_tissue_at_rest_keeps_the_correlations_of_real_myocardium() -> None:
    clip = still_clip()
    trace = speckle_trace(clip.frames.astype(np.float32), 0.6)
    bright = ndimage.binary_erosion(clip.frames.min(0) > 0, iterations=3)
    wall, cavity = (clip.masks == 2) & bright, away_from_wall(clip.masks, 0.6)
    measured = [temporal_correlation(trace, wall, lag) for lag in range(1, 6)]
    np.testing.assert_allclose(measured, CORRELATIONS["myocardium"], atol=0.12)
    assert temporal_correlation(trace, cavity, 3) < 0.5 * measured[2]
