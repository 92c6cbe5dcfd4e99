"""Volumes and ejection fraction against solids of known volume and against the owners' own figures."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from drawn_masks import ellipse

from harness.evaluation.clinical import (
    area_length_ml,
    ejection_fraction,
    largest_component,
    long_axis_profile,
    simpson_biplane_ml,
    simpson_single_ml,
)

SPHEROID_ML = 4 / 3 * math.pi * 40 * 20 * 20 / 1000


def spheroid(spacing=(0.5, 0.5), tilt=0.0, across=20.0):
    """Long-axis section of an ellipsoid with a long half axis of 40 mm."""
    shape = (int(100 / spacing[0]), int(100 / spacing[1]))
    return ellipse(shape, (50, 50), (40, across), spacing, tilt)


@pytest.mark.parametrize("tilt", [0, 10, 25, -30])
@pytest.mark.parametrize("spacing", [(0.3, 0.3), (0.154, 0.308), (1.2, 0.6)])
def test_volume_of_a_spheroid_for_any_tilt_and_spacing(tilt, spacing):
    profile = long_axis_profile(spheroid(spacing, tilt), spacing)
    assert profile.length_mm == pytest.approx(80, rel=0.015)
    assert simpson_single_ml(profile) == pytest.approx(SPHEROID_ML, rel=0.015)
    assert area_length_ml(profile) == pytest.approx(SPHEROID_ML, rel=0.02)


def test_biplane_volume_of_an_ellipsoid_with_two_widths():
    two, four = (long_axis_profile(spheroid(across=width), (0.5, 0.5)) for width in (20, 28))
    assert simpson_biplane_ml(two, four) == pytest.approx(4 / 3 * math.pi * 40 * 20 * 28 / 1000, rel=0.01)
    assert simpson_biplane_ml(two, two) == simpson_single_ml(two)


def test_biplane_uses_the_longer_axis():
    long, short = long_axis_profile(spheroid(), (0.5, 0.5)), long_axis_profile(spheroid(), (0.4, 0.5))
    expected = math.pi / 4 * (long.widths_mm @ short.widths_mm) * long.length_mm / 20 / 1000
    assert simpson_biplane_ml(short, long) == pytest.approx(expected)


def test_a_spurious_blob_does_not_lengthen_the_axis():
    mask = spheroid()
    blob = mask.copy()
    blob[2:6, 2:6] = True
    assert long_axis_profile(blob, (0.5, 0.5)).length_mm == long_axis_profile(mask, (0.5, 0.5)).length_mm
    assert np.array_equal(largest_component(blob), mask)


@pytest.mark.parametrize("pixels", [[], [(3, 3)], [(3, 3), (4, 3)]])
def test_masks_without_a_shape_have_no_volume(pixels):
    mask = np.zeros((8, 8), bool)
    for pixel in pixels:
        mask[pixel] = True
    profile = long_axis_profile(mask, (1.0, 1.0))
    assert profile is None
    assert math.isnan(simpson_single_ml(profile))
    assert math.isnan(area_length_ml(profile))


def test_a_line_of_pixels_and_a_square_still_have_a_profile():
    line, square = np.zeros((20, 20)), np.zeros((20, 20))
    line[3:15, 4], square[5:10, 5:10] = 1, 1
    assert long_axis_profile(line, (1.0, 1.0)).length_mm == pytest.approx(12, abs=0.5)
    assert simpson_single_ml(long_axis_profile(square, (1.0, 1.0))) > 0


def test_ejection_fraction_is_not_clipped_and_missing_where_it_cannot_be_computed():
    assert ejection_fraction(100, 40) == 60
    assert ejection_fraction(50, 75) == -50
    for volumes in ((0, 10), (math.nan, 10), (100, math.nan), (-1, 0)):
        assert math.isnan(ejection_fraction(*volumes))


def read_mhd(path: Path):
    """Pixels [H, W] and (row, column) spacing of an old-release image."""
    header = dict(line.split(" = ", 1) for line in path.read_text().splitlines() if " = " in line)
    width, height = (int(n) for n in header["DimSize"].split()[:2])
    column, row = (float(n) for n in header["ElementSpacing"].split()[:2])
    return np.fromfile(path.with_suffix(".raw"), np.uint8).reshape(height, width), (row, column)


@pytest.mark.parametrize("patient", ["patient0001", "patient0002", "patient0003"])
def test_biplane_volumes_of_real_patients_are_those_of_the_owners(shared, patient):
    folder = shared / "data" / "camus_samples" / "mhd_release" / "training" / patient
    if not folder.is_dir():
        pytest.skip("the sample of the old CAMUS release is absent")
    stated = dict(line.split(": ", 1) for line in (folder / "Info_4CH.cfg").read_text().splitlines() if ": " in line)
    volumes = {}
    for phase in ("ED", "ES"):
        views = (read_mhd(folder / f"{patient}_{view}_{phase}_gt.mhd") for view in ("2CH", "4CH"))
        volumes[phase] = simpson_biplane_ml(*(long_axis_profile(mask == 1, spacing) for mask, spacing in views))
    assert volumes["ED"] == pytest.approx(float(stated["LVedv"]), rel=0.015)
    assert volumes["ES"] == pytest.approx(float(stated["LVesv"]), rel=0.015)
    assert ejection_fraction(volumes["ED"], volumes["ES"]) == pytest.approx(float(stated["LVef"]), abs=0.5)
