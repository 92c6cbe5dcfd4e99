"""Speckle correlation on moving tissue: frames are carried onto each other by their optical flow before they are compared.

At fixed pixels motion lowers the correlation: the one real half sequence at hand gives .41 .17 .08 .02 .02 at lags 1 to 5 in bright
tissue where it is, and .66 .55 .49 .44 .41 carried. Only the second can be set beside a target for tissue.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from harness.phantom.measures import Image, speckle_trace, temporal_correlation

LAGS = (1, 2, 3, 4, 5)
WINDOW_MM = 10.0
"""Averaging window of the flow: wide enough that it follows the tissue and not single speckles."""

_BRIGHT, _DEEP_MM = 80, 30.0


def bright_tissue(frames: Image, pixel: float) -> NDArray[np.bool_]:
    """bool [T, H, W]: the brightest fifth of the sector deeper than 30 mm, of pictures smoothed over 3 mm; needs no masks.

    frames: float [T, H, W]; pixel: its size in mm.
    """
    height, width = frames.shape[1:]
    y, x = np.ogrid[:height, :width]
    deep = np.hypot((y + 0.5) * pixel, (x + 0.5 - width / 2) * pixel) > _DEEP_MM
    fan = ndimage.binary_erosion(frames.max(axis=0) > 0, iterations=max(1, round(2 / pixel))) & deep
    # Without it the brightest pixels would be single bright speckles, which correlate by selection.
    smooth = ndimage.gaussian_filter(frames, (0, 3 / pixel, 3 / pixel))
    return np.stack([fan & (frame > np.percentile(frame[fan], _BRIGHT)) for frame in smooth])


def carried_correlation(frames: Image, inside: NDArray[np.bool_], lag: int, pixel: float) -> float:
    """As ``temporal_correlation``, with the later frame carried back along the flow between the two; NaN where no pixel counts.

    frames: float [T, H, W] grey levels; inside: bool [T, H, W], where the earlier frame is compared; pixel: size in mm.
    The flow is Farneback's (SCIA 2003) over 10 mm. It follows noise a little too, so that it reads too high by some hundredths.
    """
    trace, values = speckle_trace(frames, pixel), []
    for first in range(len(frames) - lag):
        at = _places(frames[first], frames[first + lag], pixel)
        carried = cv2.remap(
            trace[first + lag], at[..., 0], at[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        if inside[first].sum() > 50:
            values.append(np.corrcoef(trace[first][inside[first]], carried[inside[first]])[0, 1])
    return float(np.mean(values)) if values else float("nan")


def bright_correlations(frames: NDArray[np.uint8], pixel: float) -> dict[str, float]:
    """``bright_fixed_1..5`` and ``bright_carried_1..5``: correlations of bright tissue, at fixed pixels and on moving tissue."""
    grey = frames.astype(np.float32)
    inside, trace = bright_tissue(grey, pixel), speckle_trace(grey, pixel)
    fixed = {f"bright_fixed_{lag}": temporal_correlation(trace, inside, lag) for lag in LAGS}
    return fixed | {f"bright_carried_{lag}": carried_correlation(grey, inside, lag, pixel) for lag in LAGS}


def _places(first: Image, second: Image, pixel: float) -> Image:
    """float32 [H, W, 2]: where each pixel of the first frame lies in the second, as (x, y) for ``cv2.remap``."""
    # Odd, as a window with a middle has to be.
    window = 2 * round(WINDOW_MM / pixel / 2) + 1
    start, end = (np.clip(np.rint(frame), 0, 255).astype(np.uint8) for frame in (first, second))
    empty = np.zeros((*first.shape, 2), dtype=np.float32)
    flow = cv2.calcOpticalFlowFarneback(start, end, empty, 0.5, 3, window, 3, 7, 1.5, 0)
    height, width = first.shape
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.asarray(flow + np.dstack([columns, rows]), dtype=np.float32)
