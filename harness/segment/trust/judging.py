"""From what was kept of a clip to its measures of trust."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from harness.data.media.frames import Region
from harness.evaluation.clinical import LongAxisProfile
from harness.evaluation.temporal import mean_or_nan
from harness.perturbations.sector import find_sector
from harness.segment.readout import MeasuredBeat
from harness.segment.trust.agreement import disagreement
from harness.segment.trust.observer import Observer
from harness.segment.trust.picture import picture_features
from harness.segment.trust.training_range import Spread, TrainingRange

if TYPE_CHECKING:
    from harness.segment.trained import Trained

Point = tuple[float, float]


def judge(
    observer: Observer,
    beats: Sequence[MeasuredBeat],
    trained: Trained,
    *,
    asked: Mapping[str, float],
    spacing_mm: tuple[float, float],
    ef_sd: float,
) -> dict[str, float]:
    """Every measure of ``flags.FLAGS``: the higher, the less a result is to be trusted; NaN where it cannot be taken.

    Args:
        observer: has seen every frame of the clip.
        asked: what ``asked_again`` found.
        spacing_mm: what the beats were measured with, (1, 1) where no pixel size is known.
        ef_sd: SD of EF over the clip's beats.
    """
    lv = "lv" in trained.structures
    ends = [_shares(profile, observer.region, spacing_mm) for beat in beats for profile in _profiles(beat)]
    limits = trained.range
    measures = {
        "missing": observer.missing if lv else math.nan,
        "scattered": mean_or_nan(observer.scattered),
        "holes": mean_or_nan(observer.hollow),
        "area": math.nan if limits is None else _area(observer.areas, limits),
        "length": math.nan if limits is None else _farthest([math.dist(*end) for end in ends], limits.length),
        "outside": _outside(observer.brightest, [place for end in ends for place in end]),
        "beats": ef_sd,
        "intensity": math.nan if limits is None else limits.distance(_features(observer)),
    }
    return measures | dict(asked)


def asked_again(trained: Trained, observer: Observer, device: torch.device) -> dict[str, float]:
    """The measures that need the model (``agreement``): NaN where it segments no LV."""
    if "lv" not in trained.structures:
        return {"mirrored": math.nan, "moved": math.nan}
    return disagreement(trained.model, observer.kept, 1 + trained.structures.index("lv"), device)


def _profiles(beat: MeasuredBeat) -> list[LongAxisProfile]:
    return [profile for profile in (beat.end_diastole, beat.end_systole) if profile is not None]


def _shares(profile: LongAxisProfile, region: Region, spacing_mm: tuple[float, float]) -> tuple[Point, Point]:
    """Base and apex as shares (down, across) of the rectangle that was segmented."""
    corner, sides = (region.y, region.x), (region.height, region.width)
    base, apex = (
        tuple(
            (mm / pixel - start) / side for mm, pixel, start, side in zip(end, spacing_mm, corner, sides, strict=True)
        )
        for end in (profile.axis.base, profile.axis.apex)
    )
    return (base[0], base[1]), (apex[0], apex[1])


def _area(areas: Sequence[float], limits: TrainingRange) -> float:
    """Farther of the clip's small and large areas from the training set's; its rare frames do not count."""
    filled = [area for area in areas if area > 0]
    return _farthest(np.quantile(filled, [0.05, 0.95]).tolist(), limits.area) if filled else math.nan


def _farthest(values: Sequence[float], spread: Spread) -> float:
    return max((spread.away(value) for value in values), default=math.nan)


def _features(observer: Observer) -> NDArray[np.float64]:
    return np.asarray(np.mean([picture_features(kept.picture) for kept in observer.kept], axis=0))


def _outside(brightest: NDArray[np.uint8] | None, places: Sequence[Point]) -> float:
    """How far the farthest base or apex lies outside of the sector, as a share of the side; negative inside."""
    if brightest is None or not places:
        return math.nan
    sector = find_sector(torch.from_numpy(brightest)[None].to(torch.float32).div_(255)).mask.numpy().astype(np.uint8)
    # A frame of black: the border of the picture ends the sector too.
    sector = np.pad(sector, 1)
    away = cv2.distanceTransform(1 - sector, cv2.DIST_L2, 5) - cv2.distanceTransform(sector, cv2.DIST_L2, 5)
    side = brightest.shape[0]
    rows, columns = (np.array([place[axis] for place in places]) * side for axis in (0, 1))
    inside = [np.clip(np.rint(values).astype(int) + 1, 0, side + 1) for values in (rows, columns)]
    return float(away[inside[0], inside[1]].max() / side)
