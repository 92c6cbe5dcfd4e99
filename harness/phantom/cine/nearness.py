"""How near cine clips are to a real sequence: speckle in time, grey statistics, and the area curve."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from harness.clip import LABELS, Clip
from harness.data.dataset import SPLITS, EchoDataset
from harness.data.findings import Finding
from harness.errors import DataError
from harness.phantom.measures import RESIDUAL_MM, away_from_wall, speckle_trace, temporal_correlation
from harness.phantom.motion import LAGS, bright_correlations

REAL = {
    "bright_fixed": (0.41, 0.17, 0.08, 0.02, 0.02),
    "bright_carried": (0.66, 0.55, 0.49, 0.44, 0.41),
}
"""The one real half sequence at hand (2CH, 15 frames, no masks), measured with the same functions: weak evidence, no target."""

_SAMPLE = 12


def measure_clip(clip: Clip) -> dict[str, float]:
    """Figures of one clip with masks on every frame, ED first.

    Returns:
        ``bright_fixed_k``, ``bright_carried_k``, ``cavity_fixed_k``: correlations at lags of k = 1 to 5 frames.
        ``sharpness``, ``residual``, ``skewness``, ``grey_lv``, ``grey_myo``: of the middle frames over (skewness: less) the ends.
        ``first_step``: sharpness of frame 1 over that of frame 0.
        ``lv_rise_percent``: largest rise of the LV area from frame to frame, of the area at ED.
        ``lv_jitter_percent``: mean second difference of the LV area, of its mean.
        NaN where a clip is too short or a structure too small.
    """
    pixel = float(np.sqrt(np.prod(clip.spacing_mm or (1.0, 1.0))))
    values = bright_correlations(clip.frames, pixel)
    trace = speckle_trace(clip.frames.astype(np.float32), pixel)
    inside = away_from_wall(clip.masks.astype(np.float32), pixel) & (clip.frames.max(axis=0) > 0)
    values |= {f"cavity_fixed_{lag}": temporal_correlation(trace, inside, lag) for lag in LAGS}
    return values | _ends_against_middle(clip, pixel) | _area_curve(clip.masks)


def frame_statistics(clip: Clip) -> pd.DataFrame:
    """One row a frame: ``sharpness`` (mean gradient), ``residual`` deviation, its ``skewness``, ``grey_lv`` and ``grey_myo``."""
    pixel = float(np.sqrt(np.prod(clip.spacing_mm or (1.0, 1.0))))
    fan = ndimage.binary_erosion(clip.frames.max(axis=0) > 0, iterations=max(1, round(2 / pixel)))
    return pd.DataFrame(
        [_one_frame(frame, mask, fan, pixel) for frame, mask in zip(clip.frames, clip.masks, strict=True)]
    )


def _one_frame(
    frame: NDArray[np.uint8], mask: NDArray[np.uint8], fan: NDArray[np.bool_], pixel: float
) -> dict[str, float]:
    from scipy import stats  # here: it takes a second to import, and generating a phantom needs none of it

    grey = frame.astype(np.float32)
    rest = (grey - ndimage.gaussian_filter(grey, RESIDUAL_MM / pixel))[fan]
    gradient = np.hypot(*np.gradient(grey))[fan]
    values = {"sharpness": gradient.mean(), "residual": rest.std(), "skewness": stats.skew(rest)}
    for name in ("lv", "myo"):
        inside = (mask == LABELS[name]) & fan
        values[f"grey_{name}"] = grey[inside].mean() if inside.any() else np.nan
    return {name: float(value) for name, value in values.items()}


def _ends_against_middle(clip: Clip, pixel: float) -> dict[str, float]:
    table = frame_statistics(clip)
    # The ends are the real stills: what is between them should look no smoother and no harder.
    ends, middle = table.iloc[[0, -1]].mean(), table.iloc[1:-1].mean()
    ratios = {name: float(middle[name] / ends[name]) for name in ("sharpness", "residual", "grey_lv", "grey_myo")}
    first = float(table["sharpness"][1] / table["sharpness"][0])
    return ratios | {"skewness": float(middle["skewness"] - ends["skewness"]), "first_step": first}


def _area_curve(masks: NDArray[np.uint8]) -> dict[str, float]:
    areas = (masks == LABELS["lv"]).sum(axis=(1, 2)).astype(float)
    return {
        "lv_rise_percent": 100 * float(np.diff(areas).max()) / areas[0],
        "lv_jitter_percent": 100 * float(np.abs(np.diff(areas, 2)).mean()) / float(areas.mean()),
    }


def nearness_findings(dataset: EchoDataset, sample: int = _SAMPLE) -> list[Finding]:
    """Notes for ``data check``: medians over clips spread evenly through the data set, beside the real half sequence's."""
    cases = [case for split in SPLITS for case in dataset.cases(split)]
    # Evenly and not at random: the same check of the same folder says the same.
    chosen = [cases[index] for index in np.unique(np.linspace(0, len(cases) - 1, min(sample, len(cases))).astype(int))]
    table = pd.DataFrame(list(_measured(dataset.load, chosen)))
    if table.empty:
        return []
    middle = table.median()
    lines = {
        name: f"{_lags(middle, name)} at lags 1 to 5{_beside(name)}"
        for name in ("bright_fixed", "bright_carried", "cavity_fixed")
    }
    lines["grey"] = ", ".join(f"{name} {middle[name]:.2f}" for name in ("sharpness", "residual", "grey_lv", "grey_myo"))
    lines["grey"] += f" of the stills'; frame 1 over frame 0: sharpness {middle['first_step']:.2f}"
    lines["area"] = (
        f"LV area rises by at most {table['lv_rise_percent'].max():.2f} % between frames, "
        f"second difference {middle['lv_jitter_percent']:.2f} % (median)"
    )
    return [Finding(level="note", check=f"cine {name}", message=text, count=len(table)) for name, text in lines.items()]


def _measured(load: Callable, cases: Iterable) -> Iterable[dict[str, float]]:
    for case in cases:
        try:
            yield measure_clip(load(case))
        except DataError:
            continue  # the ordinary check names it


def _lags(values: pd.Series, name: str) -> str:
    return " ".join(f"{values[f'{name}_{lag}']:.2f}" for lag in LAGS)


def _beside(name: str) -> str:
    return f" (one real half sequence: {' '.join(f'{value:.2f}' for value in REAL[name])})" if name in REAL else ""
