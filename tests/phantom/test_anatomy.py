"""Outlines, volumes and motion, against numerical oracles."""

from __future__ import annotations

import numpy as np
import pytest

from harness.phantom.anatomy import volumes_ml
from harness.phantom.imaging import Sector
from harness.phantom.patient import Patient, draw_patient
from harness.phantom.profiles import bullet, bullet_moment
from harness.phantom.render import render_mask
from harness.phantom.tissue import move

PATIENTS = [draw_patient(np.random.default_rng((7, k))) for k in range(8)]


@pytest.fixture(params=range(len(PATIENTS)))
def patient(request: pytest.FixtureRequest) -> Patient:
    return PATIENTS[request.param]


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize(("shoulder", "base"), [(0.5, 0.7), (0.66, 0.95)])
def test_closed_moments_of_the_bullet_equal_its_numerical_integral(power: int, shoulder: float, base: float) -> None:
    s = (np.arange(200_000) + 0.5) / 200_000
    assert bullet_moment(shoulder, base, power) == pytest.approx((bullet(s, shoulder, base) ** power).mean(), abs=1e-5)


def test_the_volumes_give_the_drawn_ejection_fraction_exactly(patient: Patient) -> None:
    edv, esv = volumes_ml(patient.views, (0, 1))
    assert 100 * (edv - esv) / edv == pytest.approx(patient.ef_percent, abs=1e-6)


def test_the_ventricle_empties_steadily(patient: Patient) -> None:
    assert np.all(np.diff(volumes_ml(patient.views, np.linspace(0, 1, 12))) < 0)


def test_the_wall_nearly_conserves_its_area(patient: Patient) -> None:
    for view in patient.views:
        ratios = [view.outline(phase).wall_area / view.ed.wall_area for phase in (0.0, 0.5, 1.0)]
        assert min(ratios) > 0.75
        assert max(ratios) < 1.25


def test_the_atrium_fills_as_the_ventricle_empties(patient: Patient) -> None:
    for view in patient.views:
        assert view.es.atrium_length > view.ed.atrium_length


def test_mask_areas_equal_the_closed_form_areas(patient: Patient) -> None:
    view, pixel = patient.views[1], 0.3
    sector = Sector(depth_mm=260, half_angle=0.9, pixel_mm=pixel)
    mask = render_mask(view, 0.0, sector)
    assert (mask == 1).sum() * pixel**2 == pytest.approx(view.ed.cavity_area, rel=0.01)
    assert (mask == 2).sum() * pixel**2 == pytest.approx(view.ed.wall_area, rel=0.08)  # the basal wedges come on top


def test_local_coordinates_and_image_coordinates_are_inverse(patient: Patient) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-60, 60, (2, 500)).astype(np.float32)
    for view in patient.views:
        for pose in (view.ed_pose, view.es_pose):
            back_x, back_y = pose.to_image(*pose.to_local(x, y))
            np.testing.assert_allclose(back_x, x, atol=1e-3)
            np.testing.assert_allclose(back_y, y, atol=1e-3)


def test_tissue_stays_in_its_structure_as_it_moves(patient: Patient) -> None:
    rng = np.random.default_rng(1)
    view = patient.views[0]
    z = rng.uniform(1, view.ed.length - 1, 4000).astype(np.float32)
    u = rng.uniform(-60, 60, 4000).astype(np.float32)
    new_z, new_u = move(z, u, view.ed, view.es)
    depth_before = np.sign(np.abs(u) - view.ed.inner(z)) + np.sign(np.abs(u) - view.ed.outer(z))
    depth_after = np.sign(np.abs(new_u) - view.es.inner(new_z)) + np.sign(np.abs(new_u) - view.es.outer(new_z))
    assert np.mean(depth_before == depth_after) > 0.995
    assert np.all(np.sign(u) == np.sign(new_u))


def test_nothing_moves_without_a_change_of_phase(patient: Patient) -> None:
    rng = np.random.default_rng(2)
    z, u = rng.uniform(-60, 150, (2, 3000)).astype(np.float32)
    view = patient.views[0]
    new_z, new_u = move(z, u, view.ed, view.ed)
    np.testing.assert_allclose(new_z, z, atol=1e-4)
    np.testing.assert_allclose(new_u, u, atol=2e-3)


def test_drawn_ejection_fractions_have_the_mean_spread_and_range_of_camus() -> None:
    values = np.array([draw_patient(np.random.default_rng((1, k))).ef_percent for k in range(300)])
    assert values.mean() == pytest.approx(44, abs=2.5)
    assert values.std() == pytest.approx(12, abs=2)
    assert values.min() >= 4
    assert values.max() <= 81
