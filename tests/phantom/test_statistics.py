"""Measuring a root: against shapes of known size, and of the phantom against CAMUS."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from harness.errors import DataError
from harness.phantom import describe
from harness.phantom.layout import write_nifti
from harness.phantom.measures import geometry, grey_levels, speckle_width, temporal_correlation
from harness.phantom.reading import read_info, read_pixels


def upright_rectangle() -> np.ndarray:
    """A label map: LV 40 x 20 pixels, its top in row 10, a wall of 3 pixels beside it, atrium of 10 rows below it."""
    mask = np.zeros((80, 100), np.float32)
    mask[10:50, 37:63] = 2
    mask[10:50, 40:60] = 1
    mask[50:60, 40:60] = 3
    return mask


def test_geometry_of_a_rectangle_is_that_of_the_rectangle() -> None:
    found = geometry(upright_rectangle(), 0.5)
    assert found["lv_area_@_cm2"] == pytest.approx(40 * 20 * 0.25 / 100)
    assert found["myo_area_@_cm2"] == pytest.approx(40 * 6 * 0.25 / 100)
    assert found["la_area_@_cm2"] == pytest.approx(10 * 20 * 0.25 / 100)
    assert found["apex_depth_@_mm"] == pytest.approx(5)
    assert found["lv_length_@_mm"] == pytest.approx(math.hypot(39.5, 9.5) * 0.5, rel=0.03)  # to a corner
    assert found["depth_mm"] == 40
    assert found["half_angle_deg"] == pytest.approx(math.degrees(math.asin(50 / 80)))


def test_grey_levels_are_those_painted() -> None:
    mask = upright_rectangle()
    mask[10:50, 30:40], mask[10:50, 60:70] = 2, 2
    image = np.select([mask == 1, mask == 2], [50.0, 90.0], 20.0).astype(np.float32)
    found = grey_levels(image, mask, 1.0)
    assert found["grey_cavity"] == pytest.approx(50)
    assert found["grey_contrast"] == pytest.approx(40)
    assert found["fan_share"] == pytest.approx(1, abs=0.15)


def test_finer_speckle_measures_narrower() -> None:
    from scipy import ndimage

    noise = np.random.default_rng(0).normal(100, 30, (400, 480)).astype(np.float32)
    fine, coarse = (speckle_width(ndimage.gaussian_filter(noise, sigma), 0.4) for sigma in (1.0, 2.0))
    assert fine["axial_fwhm_mm"] < coarse["axial_fwhm_mm"]
    assert fine["lateral_fwhm_deg"] < coarse["lateral_fwhm_deg"]
    assert fine["axial_fwhm_mm"] == pytest.approx(2.355 * math.sqrt(2) * 0.4, rel=0.25)


def test_correlation_is_one_for_standing_noise_near_zero_for_fresh_and_missing_without_pixels() -> None:
    fresh = np.random.default_rng(0).normal(size=(6, 40, 40)).astype(np.float32)
    everywhere = np.ones(fresh.shape, bool)
    assert temporal_correlation(np.repeat(fresh[:1], 6, 0), everywhere, 2) == pytest.approx(1)
    assert abs(temporal_correlation(fresh, everywhere, 1)) < 0.05
    assert math.isnan(temporal_correlation(fresh, ~everywhere, 1))


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    pixels = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    write_nifti(tmp_path / "clip.nii.gz", pixels, 0.7)
    found, pixel = read_pixels(tmp_path / "clip.nii.gz")
    assert np.array_equal(found, pixels)
    assert pixel == pytest.approx(0.7)
    assert read_info(tmp_path / "absent.cfg") == {}


def test_describe_measures_every_quantity_near_camus(phantom_root: Path) -> None:
    table = describe(phantom_root)
    assert (table["n"] == 4).mean() > 0.9
    for name in (
        "half_angle_deg",
        "lv_area_ed_cm2",
        "lv_length_ed_mm",
        "myo_area_ed_cm2",
        "grey_cavity",
        "residual_myocardium",
    ):
        assert 0.6 * table.loc[name, "target_p5"] < table.loc[name, "p50"] < 1.5 * table.loc[name, "target_p95"], name
    for lag in (1, 2, 3):
        assert table.loc[f"correlation_myocardium_{lag}", "p50"] > table.loc[f"correlation_cavity_{lag}", "p50"]


def test_describe_measures_stills_alone_and_says_what_it_could_not_measure(shared: Path) -> None:
    table = describe(shared / "data" / "camus", limit=6)
    assert math.isnan(table.loc["ef_percent", "p50"])
    assert table.loc["ef_percent", "n"] == 0
    low, high = table.loc["lv_area_ed_cm2", ["target_p5", "target_p95"]]
    assert low < table.loc["lv_area_ed_cm2", "p50"] < high


def test_describe_refuses_a_folder_without_patients(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="database_nifti"):
        describe(tmp_path)
