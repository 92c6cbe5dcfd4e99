"""Volumes and ejection fraction against solids of known volume and against the owners' own figures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from drawn_masks import ellipse

from harness.data.camus_cfg import read_info
from harness.data.metaimage import read_metaimage
from harness.data.nifti import read_labels
from harness.evaluation.clinical import (
    area_length_ml,
    biplane_camus_ml,
    ejection_fraction,
    largest_component,
    long_axis_profile,
    profile_pair,
    simpson_biplane_ml,
    simpson_single_ml,
)

SPHEROID_ML = 4 / 3 * math.pi * 40 * 20 * 20 / 1000


def spheroid(spacing=(0.5, 0.5), tilt=0.0, across=20.0):
    """Long-axis section of an ellipsoid with a long half axis of 40 mm."""
    shape = (int(100 / spacing[0]), int(100 / spacing[1]))
    return ellipse(shape, (50, 50), (40, across), spacing, tilt)


@pytest.mark.parametrize("tilt", [0, 10, 25, -30, 40])
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


def half_spheroid(tilt=0.0, spacing=(0.4, 0.4)):
    """The upper half of the spheroid above its flat base, turned about the middle of the base."""
    rows, columns = np.mgrid[:200, :250]
    y, x = rows * spacing[0] - 60, columns * spacing[1] - 50
    along = y * math.cos(math.radians(tilt)) + x * math.sin(math.radians(tilt))
    return spheroid_at(along, x * math.cos(math.radians(tilt)) - y * math.sin(math.radians(tilt)))


def spheroid_at(along, across):
    return ((along / 40) ** 2 + (across / 20) ** 2 < 1) & (along < 0)


@pytest.mark.parametrize("tilt", [0, 15, -25])
def test_the_axis_of_a_cut_spheroid_starts_in_the_middle_of_the_cut_and_ends_at_its_pole(tilt):
    profile = long_axis_profile(half_spheroid(tilt), (0.4, 0.4))
    angle = math.radians(tilt)
    assert profile.axis.base == pytest.approx((60, 50), abs=1.0)
    # The outline is flat at the pole: a pixel more or less moves the furthest point along it, not the length.
    assert profile.axis.apex == pytest.approx((60 - 40 * math.cos(angle), 50 - 40 * math.sin(angle)), abs=3.0)
    assert profile.length_mm == pytest.approx(40, abs=0.6)
    assert simpson_single_ml(profile) == pytest.approx(SPHEROID_ML / 2, rel=0.015)


def test_the_owners_use_the_longest_axis_of_all_masks_for_both_phases():
    spacing = (0.4, 0.4)
    large, small = (profile_pair(spheroid(spacing, across=width), spacing).camus for width in (20, 14))
    short = profile_pair(half_spheroid(), spacing).camus
    edv, esv = biplane_camus_ml((large, large), (small, short))
    longest = max(large.length_mm, small.length_mm)
    assert edv == pytest.approx(math.pi / 4 * (large.widths_mm @ large.widths_mm) * longest / 20 / 1000)
    assert esv == pytest.approx(math.pi / 4 * (small.widths_mm @ short.widths_mm) * longest / 20 / 1000)
    assert all(math.isnan(volume) for volume in biplane_camus_ml((large, None), (small, short)))


def test_the_owners_measure_no_diameter_below_sixteen_of_their_pixels():
    narrow = np.zeros((200, 100), bool)
    narrow[20:180, 48:52] = True
    widths = profile_pair(narrow, (0.308, 0.308)).camus.widths_mm
    assert widths == pytest.approx(np.full(20, 16 * 0.308))


def test_a_mask_in_crumbs_is_missing_and_never_zero():
    crumbs = np.zeros((40, 40), bool)
    crumbs[::4, ::4] = True
    pair = profile_pair(crumbs, (1.0, 1.0))
    assert (pair.anatomical, pair.camus) == (None, None)
    assert math.isnan(ejection_fraction(simpson_single_ml(pair.anatomical), 10.0))


PATIENTS = ("patient0001", "patient0002", "patient0003")
NIFTI_EF = dict(zip(PATIENTS, (54.0, 40.0, 51.0), strict=True))
"""What the NIfTI release states for the three patients of the old one."""


@pytest.mark.parametrize("patient", PATIENTS)
def test_both_biplane_methods_give_what_the_owners_state_with_either_release(shared, patient):
    folder = shared / "data" / "camus_samples" / "mhd_release" / "training" / patient
    if not folder.is_dir():
        pytest.skip("the sample of the old CAMUS release is absent")
    stated = read_info(folder / "Info_4CH.cfg")
    pairs = {}
    for phase in ("ED", "ES"):
        volumes = [read_metaimage(folder / f"{patient}_{view}_{phase}_gt.mhd") for view in ("2CH", "4CH")]
        pairs[phase] = [profile_pair(volume.pixels[0] == 1, volume.spacing_mm) for volume in volumes]
    edv, esv = (simpson_biplane_ml(*(pair.anatomical for pair in pairs[phase])) for phase in ("ED", "ES"))
    assert edv == pytest.approx(stated.edv_ml, rel=0.015)
    assert esv == pytest.approx(stated.esv_ml, rel=0.015)
    assert ejection_fraction(edv, esv) == pytest.approx(stated.ef_percent, abs=0.3)
    owners = biplane_camus_ml(*(tuple(pair.camus for pair in pairs[phase]) for phase in ("ED", "ES")))
    assert ejection_fraction(*owners) == pytest.approx(NIFTI_EF[patient], abs=1.5)


def test_one_disc_height_lowers_the_ef_of_real_masks_by_about_nine_points(shared):
    folders = sorted((shared / "data" / "camus" / "database_nifti").glob("patient*"))[::40]
    if not folders:
        pytest.skip("the CAMUS stills are absent")
    drops = []
    for folder in folders:
        volumes = [read_labels(folder / f"{folder.name}_4CH_{phase}_gt.nii.gz", (0, 1, 2, 3)) for phase in ("ED", "ES")]
        ed, es = (profile_pair(volume.pixels[0] == 1, volume.spacing_mm) for volume in volumes)
        own = ejection_fraction(simpson_single_ml(ed.anatomical), simpson_single_ml(es.anatomical))
        drops.append(own - ejection_fraction(*biplane_camus_ml((ed.camus, ed.camus), (es.camus, es.camus))))
    assert min(drops) > -1
    assert 6 < np.mean(drops) < 11
