"""What the training data are like: sizes of the ventricle and grey levels, to tell a clip that lies outside of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from harness.clip import LABELS
from harness.data import PreparedCache, PreparedClip
from harness.errors import DataError
from harness.evaluation.clinical import long_axis_profile
from harness.experiments.sweep.clips import prepared_of, spread_clips
from harness.schema import Listed, NotNegative, Positive, Schema, Whole
from harness.segment.trust.picture import FEATURES, distance, picture_features, precision_of
from harness.store.spec import RunSpec

CLIPS = 160
"""Training clips that are looked at: a median moves little with more, and the command is to start at once."""
FRAMES = 4
"""Frames of each whose grey levels are averaged."""
_SMALLEST_SPREAD = 0.02
"""Of logarithms: phantoms of a test set are all alike, and a difference of 2 % is none."""

Row = Annotated[tuple[float, ...], Listed]


class Spread(Schema):
    """Median and robust standard deviation (1.4826 times the median deviation) of a logarithm."""

    median: float
    spread: Positive

    def away(self, value: float) -> float:
        """How many spreads ``log(value)`` lies from the median, without its sign; NaN where the value is not positive."""
        return abs(math.log(value) - self.median) / self.spread if value > 0 else math.nan


class TrainingRange(Schema):
    """The range of a training set, in the square pictures that the model sees.

    Attributes:
        clips: number of training clips that were looked at.
        area: of the LV, as a share of the picture, ED and ES among all labelled frames.
        length: of its long axis, as a share of the picture's side.
        features: names of the picture's features, in the order of ``mean`` and ``precision``.
        usual: the 95th percentile of the training clips' own distance.
    """

    clips: Whole
    area: Spread
    length: Spread
    features: Annotated[tuple[str, ...], Listed]
    mean: Row
    precision: Annotated[tuple[Row, ...], Listed]
    usual: NotNegative

    def distance(self, features: NDArray[np.float64]) -> float:
        """Distance of a clip's grey levels from the training clips', as a multiple of what is usual there; NaN stays NaN.

        Raises:
            DataError: the range was made with other features.
        """
        if self.features != FEATURES or np.shape(self.precision) != (len(FEATURES), len(FEATURES)):
            raise DataError("The training range is of another version of echobench; publish the run again.")
        return distance(features, np.array(self.mean), np.array(self.precision)) / max(self.usual, 1e-9)


def range_of_run(spec: RunSpec, data_dir: Path) -> TrainingRange | None:
    """The range of the data that a run was trained on; None where they are not at hand, or hold no LV."""
    try:
        return training_range(prepared_of(spec, data_dir))
    except DataError:
        return None


def training_range(cache: PreparedCache) -> TrainingRange | None:
    """The range of the training split of prepared data; None where no labelled frame shows an LV with a long axis."""
    if "lv" not in cache.labels:
        return None
    clips = list(spread_clips(cache.split("train"), CLIPS))
    sizes = [size for clip in clips for size in _sizes(clip)]
    features = np.array([_features(clip) for clip in clips])
    features = features[np.isfinite(features).all(axis=1)]
    if not sizes or not len(features):
        return None
    areas, lengths = np.array(sizes).T
    mean, precision = features.mean(axis=0), precision_of(features)
    return TrainingRange(
        clips=len(clips),
        area=_spread(areas),
        length=_spread(lengths),
        features=FEATURES,
        mean=tuple(map(float, mean)),
        precision=tuple(tuple(map(float, row)) for row in precision),
        usual=float(np.quantile([distance(row, mean, precision) for row in features], 0.95)),
    )


def _sizes(clip: PreparedClip) -> Iterator[tuple[float, float]]:
    """Area and length of the reference LV at ED and ES (else at the first and last labelled frame)."""
    frames = {frame for frame in (clip.ed, clip.es) if frame is not None and clip.labelled[frame]}
    for frame in sorted(frames or set(np.flatnonzero(clip.labelled)[[0, -1]].tolist() if clip.labelled.any() else [])):
        mask = clip.masks[frame] == LABELS["lv"]
        # A pixel is a share of the side: lengths come out as shares too, whatever the pixel size is.
        profile = long_axis_profile(mask, (1 / mask.shape[0], 1 / mask.shape[1]))
        if profile is not None and profile.length_mm > 0:
            yield float(mask.mean()), profile.length_mm


def _features(clip: PreparedClip) -> NDArray[np.float64]:
    chosen = np.unique(np.linspace(0, len(clip) - 1, min(FRAMES, len(clip))).round().astype(int))
    return np.asarray(np.mean([picture_features(clip.frames[frame]) for frame in chosen], axis=0))


def _spread(values: NDArray[np.float64]) -> Spread:
    logarithms = np.log(values)
    median = float(np.median(logarithms))
    return Spread(median=median, spread=max(1.4826 * float(np.median(np.abs(logarithms - median))), _SMALLEST_SPREAD))
