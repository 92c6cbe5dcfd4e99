"""Which end of a half sequence is end-diastole: asked of the pixels first, of the cfg last."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.clip import LABELS
from harness.data.camus_cfg import CamusInfo


@dataclass(kw_only=True, slots=True)
class Order:
    """Frame indices of ED and ES, and what the sources disagree about."""

    ed: int
    es: int
    notes: list[str] = field(default_factory=list)


def order_half_sequence(
    frames: NDArray[np.uint8], masks: NDArray[np.uint8], still_ed: NDArray[np.uint8] | None, info: CamusInfo
) -> Order:
    """Find ED and ES of a half sequence, whose two ends are always that pair.

    The standalone ED still decides by its nearness to the first or last frame; without one the larger LV mask
    does, and without masks the cfg. Every source that says otherwise is reported in ``notes``.

    Args:
        frames, masks: uint8 [T, H, W].
        still_ed: uint8 [H, W] or None.
    """
    last = len(frames) - 1
    # In order of trust: the owners named the ED still; areas can tie; the cfg says nothing of pixels.
    votes = {
        "the ED still": _by_still(frames, still_ed),
        "the LV areas": _by_area(masks),
        "the cfg": _by_cfg(info, last),
    }
    voiced = {source: vote for source, vote in votes.items() if vote is not None}
    # Where nothing is known the first frame is taken, and a note says so.
    first_is_ed = next(iter(voiced.values()), True)
    order = Order(ed=0 if first_is_ed else last, es=last if first_is_ed else 0)
    if not voiced:
        order.notes.append("order: nothing tells ED from ES, the first frame is taken as ED")
    if not first_is_ed:
        order.notes.append("order: the half sequence runs from ES to ED")
    against = [source for source, vote in voiced.items() if vote != first_is_ed]
    if against:
        order.notes.append(
            f"order: {' and '.join(against)} disagree{'s' * (len(against) == 1)} with {next(iter(voiced))}"
        )
    order.notes += _cfg_notes(info, last + 1)
    return order


def _cfg_notes(info: CamusInfo, length: int) -> list[str]:
    notes = []
    if info.frames is not None and info.frames != length:
        notes.append(f"frames: the cfg says {info.frames} frames, the file holds {length}")
    elif info.ed is not None and info.es is not None and {info.ed, info.es} != {1, length}:
        notes.append(f"frames: the cfg puts ED and ES at {info.ed} and {info.es}, not at the ends 1 and {length}")
    return notes


def order_stills(masks: NDArray[np.uint8]) -> list[str]:
    """Notes on a pair of stills [2, H, W]: ED must have the larger LV. The owners' names are kept either way."""
    return ["order: the LV area at ED is not larger than at ES"] if _by_area(masks) is False else []


def _by_still(frames: NDArray[np.uint8], still: NDArray[np.uint8] | None) -> bool | None:
    if still is None or still.shape != frames.shape[1:]:
        return None
    # int16, because the difference of two uint8 wraps around.
    first, last = (float(np.abs(frames[end].astype(np.int16) - still).mean()) for end in (0, -1))
    return None if first == last else first < last


def _by_area(masks: NDArray[np.uint8]) -> bool | None:
    # The LV is largest at end-diastole by definition.
    first, last = (int((masks[end] == LABELS["lv"]).sum()) for end in (0, -1))
    return None if first == last else first > last


def _by_cfg(info: CamusInfo, last: int) -> bool | None:
    """The smaller of the cfg's 1-based ED and ES comes first; whether they are 1 and T is checked elsewhere."""
    if info.ed is None or info.es is None or info.ed == info.es:
        return None
    return info.ed < info.es
