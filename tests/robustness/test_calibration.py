"""Severities are matched by similarity, and the committed ladders are what the classes use."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from harness.errors import DataError
from harness.perturbations import calibrated_ladders
from harness.perturbations.calibration import TARGETS, calibrate, mean_similarity, reference_clips
from harness.perturbations.similarity import sector_psnr_db, sector_ssim
from harness.registry import PERTURBATIONS, list_perturbations


@pytest.fixture(scope="module")
def clips(fan_clip):
    return reference_clips((f"case{k}", fan_clip(frames=2, size=64, seed=k), 1.0) for k in range(2))


@pytest.mark.parametrize("name", ["speckle", "gain_up", "low_contrast"])
def test_each_severity_reaches_its_target_similarity(name, clips):
    table = calibrate("test", clips, [name])
    assert table.severity.tolist() == [1, 2, 3, 4, 5]
    assert np.allclose(table.ssim, TARGETS, atol=0.02)
    assert table.reached.all()
    assert table.strength.is_monotonic_increasing


def test_an_unreachable_target_is_said_and_spread(fan_clip):
    single = reference_clips([("case", fan_clip(frames=1, size=64), 1.0)])
    table = calibrate("test", single, ["frozen_frames"])
    assert not table.reached.any()


@pytest.mark.parametrize("name", ["probe_lift_off", "rib_shadow"])
def test_a_fault_that_passes_is_matched_by_the_frames_under_it(name, fan_clip):
    sequences = reference_clips((f"case{k}", fan_clip(frames=11, size=64, seed=k), 1.0) for k in range(2))
    table = calibrate("test", sequences, [name])
    assert np.allclose(table.ssim, TARGETS, atol=0.02)
    assert table.strength.is_monotonic_increasing
    assert np.allclose(calibrated_ladders("camus")[name], calibrated_ladders("phantom")[name])


def test_frames_beside_the_window_do_not_count(fan_clip):
    (clip,) = reference_clips([("case", fan_clip(frames=11, size=64), 1.0)])
    blank = PERTURBATIONS.build({"type": "blank_frames"})
    assert mean_similarity(blank, 1.0, [clip]) == pytest.approx(
        sector_ssim(clip.frames, 0 * clip.frames, clip.sector.mask), abs=0.05
    )
    with pytest.raises(DataError, match="a fault of 4 frames needs 10"):
        mean_similarity(blank, 1.0, reference_clips([("short", fan_clip(frames=6, size=64), 1.0)]))


def test_every_perturbation_has_a_calibrated_ladder_for_both_references():
    for reference in ("camus", "phantom"):
        ladders = calibrated_ladders(reference)
        assert set(ladders) == {*list_perturbations(), "probe_lift_off", "rib_shadow"}
        for steps in ladders.values():
            assert len(steps) == 5
            assert all(a <= b for a, b in itertools.pairwise(steps))


def test_an_uncalibrated_dataset_uses_the_ladders_of_real_camus():
    assert calibrated_ladders("my_clinic") == calibrated_ladders("camus")


def test_similarity_agrees_with_scikit_image():
    metrics = pytest.importorskip("skimage.metrics")
    a = torch.rand(1, 64, 64, generator=torch.Generator().manual_seed(0))
    b = (a + 0.1 * torch.randn(1, 64, 64, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    inner = torch.zeros(64, 64, dtype=torch.bool)
    inner[8:-8, 8:-8] = True
    expected = metrics.structural_similarity(
        a[0].numpy(),
        b[0].numpy(),
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )[1][8:-8, 8:-8].mean()
    assert abs(sector_ssim(a, b, inner) - expected) < 2e-3
    psnr = metrics.peak_signal_noise_ratio(a[0, 8:-8, 8:-8].numpy(), b[0, 8:-8, 8:-8].numpy(), data_range=1.0)
    assert abs(sector_psnr_db(a, b, inner) - psnr) < 1e-3


def test_stronger_is_less_similar(clips):
    perturbation = PERTURBATIONS.build({"type": "haze"})
    values = [mean_similarity(perturbation, strength, clips) for strength in (0.05, 0.3, 1.0)]
    assert values == sorted(values, reverse=True)
