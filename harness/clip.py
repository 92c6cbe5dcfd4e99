"""The typed values that travel through the house: a case and its clip."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.errors import unknown
from harness.stated import stated

LABELS = {"lv": 1, "myo": 2, "la": 3}
"""Label ids of the stored masks (0 is background): LV cavity, LV myocardium, left atrium."""

STRUCTURE_SETS = {"lv": ("lv",), "all": ("lv", "myo", "la")}
"""Structures that a run segments, by the name used on the command line; class k+1 is the k-th entry."""


def label_ids(structures: Iterable[str]) -> dict[str, int]:
    """Label ids of the stored masks by structure: those of ``LABELS``, then 4, 5, ... for other names in their order.

    >>> label_ids(["rv", "lv", "aorta"])
    {'rv': 4, 'lv': 1, 'aorta': 5}
    """
    ids: dict[str, int] = {}
    for name in structures:
        # lv, myo and la keep their ids in every data set: areas and volumes are asked of these numbers.
        further = 1 + max([*LABELS.values(), *ids.values()])
        ids[name] = LABELS.get(name, further)
    return ids


def structure_names(structures: str | Sequence[str], among: Iterable[str] | None = None) -> tuple[str, ...]:
    """Names of the structures of a set (``"lv"``, ``"all"``), of names joined by ``+`` (``"lv+rv"``), or of a sequence.

    Args:
        among: the names that there are; None accepts any name in a ``+`` or a sequence.

    Raises:
        ConfigError: an unknown set or structure.

    >>> structure_names("all"), structure_names("lv+rv")
    (('lv', 'myo', 'la'), ('lv', 'rv'))
    """
    if isinstance(structures, str):
        names = STRUCTURE_SETS.get(structures) or tuple(structures.split("+"))
    else:
        names = tuple(structures)
    if among is not None:
        there = tuple(among)
        for name in names:
            if name not in there:
                raise unknown("structure", name, there)
    return names


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Case:
    """One patient's view in one split of one dataset: the unit that is loaded, predicted and scored."""

    dataset: str
    split: str
    patient: str
    view: str

    @property
    def name(self) -> str:
        """``patient_view``, unique inside a dataset."""
        return f"{self.patient}_{self.view}"


@dataclass(kw_only=True, slots=True)
class Clip:
    """A case with its pixels.

    Attributes:
        case: identity of the clip.
        frames: uint8 [T, H, W], grey levels 0..255, in time order (the frame ``ed`` need not be the first).
        masks: uint8 [T, H, W], label ids of ``LABELS``; all zeros where a frame has no mask.
        labelled: bool [T], True where the mask is true: a person drew it, or it follows from the geometry of a phantom.
        interpolated: bool [T], True where the owner of the data interpolated the mask.
        spacing_mm: (row, column) pixel size in mm, or None where the dataset states none.
        ed, es: frame index of end-diastole and end-systole, or None where unknown.
        frame_rate_hz, ef_percent, quality: as the dataset states them, None where it does not.
        source: where the clip came from (relative path or generator), for provenance.
        notes: what is strange about it, as ``check: sentence``.
        subgroups: further columns of the data set's table, such as the scanner or the sex.

    Raises:
        DataError: a pixel size, frame rate or EF that no heart or video has (``harness.stated``).
    """

    case: Case
    frames: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    labelled: NDArray[np.bool_]
    interpolated: NDArray[np.bool_]
    spacing_mm: tuple[float, float] | None
    ed: int | None = None
    es: int | None = None
    frame_rate_hz: float | None = None
    ef_percent: float | None = None
    quality: str | None = None
    source: str = ""
    notes: list[str] = field(default_factory=list)
    subgroups: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        t = self.frames.shape[0]
        if self.frames.ndim != 3 or self.frames.dtype != np.uint8:
            raise ValueError(f"frames must be uint8 [T, H, W], got {self.frames.dtype} {self.frames.shape}")
        if self.masks.shape != self.frames.shape or self.masks.dtype != np.uint8:
            raise ValueError(f"masks must be uint8 {self.frames.shape}, got {self.masks.dtype} {self.masks.shape}")
        for name in ("labelled", "interpolated"):
            flags = getattr(self, name)
            if flags.shape != (t,) or flags.dtype != np.bool_:
                raise ValueError(f"{name} must be bool [{t}], got {flags.dtype} {flags.shape}")
        # The last look at values that no reader has checked: they would pass through the cache into rows and tables.
        rate, ef = (None if value is None else float(value) for value in (self.frame_rate_hz, self.ef_percent))
        spacing = None if self.spacing_mm is None else tuple(map(float, self.spacing_mm))
        stated(f"The clip {self.case.name}", spacing_mm=spacing, frame_rate_hz=rate, ef_percent=ef)

    def phase(self, frame: int) -> str:
        """``"ED"``, ``"ES"`` or ``""`` for the frame at this index."""
        return "ED" if frame == self.ed else "ES" if frame == self.es else ""
