"""A cine clip from one pair of stills: real texture, and exact masks on every frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.clip import Clip
from harness.phantom.cine.flow import Flow
from harness.phantom.cine.labels import blended, shares, warped
from harness.phantom.cine.outlines import CineRefusal
from harness.phantom.cine.picture import Painter, Stills
from harness.phantom.cine.timing import draw_timing, generator
from harness.phantom.cine.warp import warp

CINE_VERSION = 2
"""Raised whenever the same stills and seed would give other pixels; prepared clips of another version are not reused."""

MARK = "cine from stills: semi-synthetic"
"""Stands beside every result: the masks between the stills are a model of the motion, not an observation."""


_MARGIN_MM = 8.0


def make_clip(stills: Clip, *, seed: int = 0) -> Clip:
    """A half beat of 13 to 24 frames between the ED and the ES still of one case.

    The first and the last frame and mask are the stills' own, byte for byte. Between them the masks follow the flow of
    landmarks, and the pictures are both stills carried to the frame and blended, with speckle that forgets in time as real
    speckle does. The number of frames and all masks are functions of the stills and the case's name alone; ``seed`` changes the
    speckle between the ends.

    Args:
        stills: two frames with masks of LV, myocardium and left atrium; ``ed`` and ``es`` say which is which.
        seed: with the case's name it decides everything random.

    Returns:
        A clip in time order, ED first, whose every frame is ``labelled``.

    Raises:
        CineRefusal: no clip can be made of this pair; one sentence says why.
    """
    pair = _pair(stills)
    timing = draw_timing(stills.case.name, stills.frame_rate_hz)
    try:
        deformation = warp(pair.masks, pair.spacing_mm, timing.phases())
    except CineRefusal as refusal:
        raise CineRefusal(f"{stills.case.name}: {refusal}") from refusal
    painter = Painter(pair, deformation.flow, timing.blend(), generator("speckle", seed, stills.case.name))
    frames, masks = _fill(pair, deformation.flow, timing.blend(), painter)
    return replace(
        stills,
        frames=frames,
        masks=masks,
        labelled=np.ones(timing.frames, dtype=bool),
        interpolated=np.zeros(timing.frames, dtype=bool),
        ed=0,
        es=timing.frames - 1,
        frame_rate_hz=timing.rate_hz,
        source=f"cine {CINE_VERSION}, seed {seed}, of {stills.source}",
        notes=[*stills.notes, *([deformation.note] if deformation.note else [])],
    )


def _pair(stills: Clip) -> Stills:
    name = stills.case.name
    if stills.spacing_mm is None:
        raise CineRefusal(f"{name}: the stills state no pixel size in mm, which a cine clip is made in.")
    if stills.ed is None or stills.es is None:
        raise CineRefusal(f"{name}: nothing says which still is ED and which is ES.")
    order = [stills.ed, stills.es]
    frames, masks = stills.frames[order], stills.masks[order]
    if (frames[0] == frames[1]).all():
        raise CineRefusal(f"{name}: the ED and the ES still are the same picture.")
    if not all(frame.any() for frame in frames):
        raise CineRefusal(f"{name}: a still is all black.")
    return Stills(frames=frames, masks=masks, spacing_mm=stills.spacing_mm)


def _fill(
    pair: Stills, flow: Flow, blend: NDArray[np.float64], painter: Painter
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Frames and masks uint8 [T, H, W]: the stills at the ends, what is painted between them."""
    shape, spacing = pair.fan.shape, pair.spacing_mm
    ends = [shares(mask) for mask in pair.masks]
    window = _window(pair.masks, spacing)
    frames = np.zeros((len(blend), *shape), dtype=np.uint8)
    masks = np.zeros_like(frames)
    frames[[0, -1]], masks[[0, -1]] = pair.frames, pair.masks
    places = flow.at_pixels(shape, spacing)
    for index in range(1, len(blend) - 1):
        at_ed, at_es = places.back(index), places.to_es(index)
        frames[index] = painter.paint(index, at_ed, at_es)
        carried = [warped(end, at[:, window[0], window[1]]) for end, at in zip(ends, (at_ed, at_es), strict=True)]
        masks[index][window] = blended(carried[0], carried[1], float(blend[index]), spacing)
    return frames, masks


def _window(masks: NDArray[np.uint8], spacing_mm: tuple[float, float]) -> tuple[slice, slice]:
    """Rows and columns that hold both hearts and all between them: landmarks move on straight lines, so the hull does."""
    inside = masks.max(axis=0) > 0
    spans = []
    for axis, step in zip((1, 0), spacing_mm, strict=True):
        used, margin = np.flatnonzero(inside.any(axis=axis)), int(np.ceil(_MARGIN_MM / step))
        spans.append(slice(max(0, int(used[0]) - margin), int(used[-1]) + 1 + margin))
    return spans[0], spans[1]
