"""Finding the imaging sector in a clip, and the polar geometry inside it.

Nothing is known of the probe but the pixels: the sector is what is ever brighter than black. Its straight
edges, followed from row to row, meet in the apex; depth and angle are measured from there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

BLACK = 3 / 255
"""Grey level (of [0, 1]) up to which a pixel counts as outside the sector."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sector:
    """The sector of a clip.

    Attributes:
        mask: bool [H, W], True inside.
        depth: float32 [H, W], distance from the apex divided by the largest one inside: 0 (apex) to 1.
        angle: float32 [H, W], angle from the vertical in radians, positive to the right.
        apex: (row, column) in pixels; the row may be negative.
        reach: largest distance from the apex inside the sector, in rows.
        aspect: width of a pixel divided by its height, where frames were resampled to a square.
        half_angle: half of the opening angle in radians.
    """

    mask: Tensor
    depth: Tensor
    angle: Tensor
    apex: tuple[float, float]
    reach: float
    aspect: float
    half_angle: float


def find_sector(frames: Tensor, aspect: float = 1.0) -> Sector:
    """Estimate the sector of a clip [T, H, W] in [0, 1]; same device as the clip.

    The mask holds, for each row, everything between the outermost pixels that are brighter than ``BLACK`` in
    any frame, after an opening that removes isolated marks. A clip without a dark border (or entirely black)
    is taken as all sector, with the apex above the middle of its top row.

    Args:
        frames: [T, H, W] floats in [0, 1].
        aspect: pixel width / pixel height (1 for square pixels).
    """
    height, width = frames.shape[-2:]
    # The maximum over time: a dark cavity in one frame is tissue in another.
    lit = _opened(frames.amax(0) > BLACK)
    mask = _fill_rows(lit)
    row, column = _apex(mask)
    rows = torch.arange(height, device=frames.device, dtype=torch.float32)[:, None] - row
    columns = (torch.arange(width, device=frames.device, dtype=torch.float32)[None] - column) * aspect
    distance = torch.sqrt(rows**2 + columns**2)
    reach = float(distance[mask].max())
    # 1e-3 keeps rows above the apex from pointing backwards.
    angle = torch.atan2(columns.expand(height, width), rows.expand(height, width).clamp_min(1e-3))
    # A quantile: one stray pixel of the mask would widen the fan for everything that lives in angles.
    half_angle = float(torch.quantile(angle[mask].abs(), 0.995))
    return Sector(
        mask=mask, depth=distance / reach, angle=angle, apex=(row, column), reach=reach, aspect=aspect, half_angle=half_angle
    )  # fmt: skip


def _opened(lit: Tensor) -> Tensor:
    """3x3 opening: isolated bright marks outside of the sector go."""
    x = lit.float()[None, None]
    eroded = -F.max_pool2d(-x, 3, 1, 1)
    opened = F.max_pool2d(eroded, 3, 1, 1)[0, 0] > 0
    # An entirely black clip would have an empty sector, and means over it would be NaN.
    return opened if bool(opened.any()) else torch.ones_like(lit)


def _fill_rows(lit: Tensor) -> Tensor:
    """Everything between the first and the last lit pixel of each row."""
    from_left = lit.int().cummax(1).values
    from_right = lit.int().flip(1).cummax(1).values.flip(1)
    return (from_left & from_right).bool()


def _apex(mask: Tensor) -> tuple[float, float]:
    """Row and column where the straight left and right edges meet (least squares on the widening rows)."""
    height, width = mask.shape
    counts = mask.sum(1)
    rows = torch.nonzero(counts > 0).flatten()
    left = mask.int().argmax(1)[rows].double()
    right = (width - 1 - mask.flip(1).int().argmax(1)[rows]).double()
    widths = right - left
    widest = int(widths.argmax())
    keep = torch.zeros_like(widths, dtype=torch.bool)
    keep[: max(widest, 1)] = True
    # Rows cut by the image's border or rounded by the arc at the bottom do not lie on the straight edges.
    keep &= (left > 0) & (right < width - 1) & (widths > 0.08 * width) & (widths < 0.9 * float(widths.max()))
    # Too few rows for two lines: a clip without border, for which a probe above the image is the mildest guess.
    if int(keep.sum()) < 8:
        return -0.1 * height, (width - 1) / 2
    y = rows[keep].double()
    (a0, a1), (b0, b1) = _line(y, left[keep]), _line(y, right[keep])
    if b1 - a1 < 0.1:  # edges (almost) parallel: a linear probe; put the apex far above
        return -3.0 * height, float((left.mean() + right.mean()) / 2)
    row = (a0 - b0) / (b1 - a1)
    return row, a0 + a1 * row


def _line(y: Tensor, x: Tensor) -> tuple[float, float]:
    """Intercept and slope of x over y."""
    centred = y - y.mean()
    slope = float((centred * x).sum() / (centred**2).sum())
    return float(x.mean()) - slope * float(y.mean()), slope
