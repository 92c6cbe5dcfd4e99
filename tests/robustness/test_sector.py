"""The sector is found from the pixels alone."""

from __future__ import annotations

import math

import pytest
import torch

from harness.perturbations.polar import along_depth, from_polar, smooth, to_polar
from harness.perturbations.sector import find_sector


def fan(size: int, half_angle: float, reach: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    distance = torch.hypot(rows.float(), columns - (size - 1) / 2)
    angle = torch.atan2(columns - (size - 1) / 2, rows.float() + 1e-3)
    inside = (distance <= reach * size) & (angle.abs() <= math.radians(half_angle))
    noise = torch.rand(3, size, size, generator=torch.Generator().manual_seed(seed))
    return (0.1 + 0.8 * noise) * inside, inside


@pytest.mark.parametrize("half_angle", [30.0, 37.0, 42.0])
@pytest.mark.parametrize("size", [96, 200])
def test_mask_apex_and_opening_angle_agree_with_the_construction(half_angle, size):
    clip, inside = fan(size, half_angle, 0.97)
    sector = find_sector(clip)
    union = (sector.mask | inside).sum()
    assert float((sector.mask & inside).sum() / union) > 0.97
    assert abs(sector.apex[0]) < 0.03 * size
    assert abs(sector.apex[1] - (size - 1) / 2) < 0.02 * size
    assert abs(math.degrees(sector.half_angle) - half_angle) < 2.0


def test_an_isolated_mark_outside_of_the_sector_is_ignored():
    clip, _ = fan(128, 37, 0.97)
    clip[:, 5, 120] = 1.0
    assert not bool(find_sector(clip).mask[5, 120])


def test_a_clip_without_border_or_content_is_all_sector():
    assert bool(find_sector(torch.zeros(2, 32, 32)).mask.all())
    assert bool(find_sector(torch.ones(2, 32, 32)).mask.all())


def test_polar_and_back_keeps_a_smooth_image():
    clip, _ = fan(128, 37, 0.8)
    sector = find_sector(clip)
    image = smooth(clip, 4.0, 4.0)
    back = from_polar(to_polar(image, sector, 200, 160), sector)
    inner = sector.mask & (sector.depth > 0.1) & (sector.depth < 0.95) & (sector.angle.abs() < 0.9 * sector.half_angle)
    assert float((back - image)[:, inner].abs().max()) < 0.02


def test_a_depth_profile_lands_at_its_depth():
    sector = find_sector(fan(128, 37, 0.97)[0])
    spread = along_depth(torch.linspace(0, 1, 50), sector)
    assert float((spread - sector.depth)[sector.mask].abs().max()) < 0.01


def test_a_resampled_clip_keeps_its_angles_with_its_aspect():
    """A square version of a wide image: with the pixel aspect the opening angle is the true one."""
    clip, _ = fan(160, 37, 0.97)
    wide = clip[:, :, 20:140]  # 160 x 120, then squeezed to a square
    square = torch.nn.functional.interpolate(wide[None], (160, 160), mode="nearest")[0]
    sector = find_sector(square, aspect=120 / 160)
    assert abs(math.degrees(sector.half_angle) - 37) < 3
