"""Pixels of single cases kept with their run, so that a report can be made again without the model."""

from __future__ import annotations

import io
import json
import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import DataError, decoding
from harness.files import write_bytes
from harness.numpy_files import ArrayFile
from harness.results.result_set import ResultSet
from harness.store.formats.sweep import FOLDER as SWEPT_FOLDER
from harness.store.formats.sweep import passing_folder

logger = logging.getLogger(__name__)

FILE = "pictures.npz"
COMMON, FAULT = "common", "fault"
"""Roles of the case that every model of a suite shows side by side: as it is, and under a fault that passes."""
_ARRAYS = ("frames", "reference", "predicted")
_FIELDS = ("label", "patient", "view", "dice", "frame", "phase", "role", "spacing_mm", "fault", "window")


@dataclass(frozen=True, kw_only=True, slots=True)
class CasePicture:
    """The pixels of one case and what one model made of them.

    Attributes:
        label: the model's name in tables.
        role: ``best``, ``median``, ``worst``, ``common`` or ``fault`` (the case that all models share) or empty.
        patient, view, phase: which case; ``phase`` of the shown frame.
        dice: in percent; of the whole case.
        frames: uint8 [T, H, W], grey levels.
        reference: integers [T, H, W]; frames without a reference are all zero.
        predicted: integers [T, H, W].
        frame: index of the frame that still pictures show.
        spacing_mm: (row, column) or None.
        fault, window: name of a fault that passes, and the frames wholly under it (first, last + 1); empty and None without.
    """

    label: str
    patient: str
    view: str
    dice: float
    frames: NDArray[np.uint8]
    reference: NDArray[np.integer]
    predicted: NDArray[np.integer]
    frame: int = 0
    phase: str = ""
    role: str = ""
    spacing_mm: tuple[float, float] | None = None
    fault: str = ""
    window: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Refuse pixels that do not belong together."""
        shapes = {self.frames.shape, self.reference.shape, self.predicted.shape}
        if len(shapes) > 1 or self.frames.ndim != 3:
            raise ValueError(f"frames, reference and predicted must share a shape [T, H, W], got {sorted(shapes)}")

    @property
    def shown(self) -> tuple[NDArray[np.uint8], NDArray[np.integer], NDArray[np.integer]]:
        """Frame, reference and prediction [H, W] of the shown frame."""
        return self.frames[self.frame], self.reference[self.frame], self.predicted[self.frame]

    @property
    def aspect(self) -> float:
        """Height of a pixel over its width; 1 where the spacing is unknown."""
        return self.spacing_mm[0] / self.spacing_mm[1] if self.spacing_mm else 1.0

    @property
    def title(self) -> str:
        """Role, patient, view, phase and Dice in one line."""
        role = f"{self.role}: " if self.role else ""
        return f"{self.label}, {role}{self.patient} {self.view} {self.phase}".strip() + f"\nDice {self.dice:.1f} %"


def save_pictures(folder: Path, pictures: Sequence[CasePicture]) -> Path:
    """Write pictures into a run's folder as ``pictures.npz`` (plain arrays and JSON), atomically; returns the path."""
    arrays: dict[str, np.ndarray] = {}
    for index, picture in enumerate(pictures):
        arrays |= {f"{index}_{name}": np.asarray(getattr(picture, name), np.uint8) for name in _ARRAYS}
    meta = [{name: getattr(picture, name) for name in _FIELDS} for picture in pictures]
    # As bytes: an array of objects would be pickled, which reading refuses.
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    path = Path(folder) / FILE
    write_bytes(path, stream.getvalue())
    return path


def load_pictures(folder: Path) -> list[CasePicture]:
    """The pictures of a run's folder; empty when it has none."""
    path = Path(folder) / FILE
    if not path.is_file():
        return []
    # Pictures illustrate and carry no figure: a report without those of a damaged file is still right.
    try:
        with (
            decoding(f"The file of pictures {path}", "is damaged", "the report goes on without it"),
            ArrayFile(path) as stored,
        ):
            meta = json.loads(stored["meta"].tobytes().decode())
            return [_picture(entry, {name: stored[f"{i}_{name}"] for name in _ARRAYS}) for i, entry in enumerate(meta)]
    except (DataError, OSError) as error:
        logger.warning("%s", error)
        return []


def stored_pictures(results: ResultSet) -> list[CasePicture]:
    """The stored pictures of the first finished seed of every arm, under the arm's label; those under faults that pass come last."""
    found: list[CasePicture] = []
    for arm in results.arms:
        folders = [run.folder for run in arm.finished if run.folder is not None]
        stored = next((pictures for folder in folders if (pictures := load_pictures(folder))), [])
        found += [replace(picture, label=arm.label) for picture in [*stored, *_under_faults(folders)]]
    return found


def _under_faults(folders: Iterable[Path]) -> list[CasePicture]:
    """One picture per length of the fault's window, of the first seed that has it."""
    found: dict[str, list[CasePicture]] = {}
    for folder in folders:
        for place in sorted((folder / SWEPT_FOLDER).glob(f"{passing_folder('*')}/{FILE}")):
            found.setdefault(place.parent.name, load_pictures(place.parent))
    return [picture for pictures in found.values() for picture in pictures]


def _picture(entry: dict[str, Any], arrays: dict[str, Any]) -> CasePicture:
    texts = (entry["label"], entry["patient"], entry["view"], entry["phase"], entry["role"], entry.get("fault", ""))
    if not all(isinstance(text, str) for text in texts) or not math.isfinite(entry["dice"]):
        raise ValueError("a caption is of another kind")
    if not 0 <= entry["frame"] < len(arrays["frames"]) or arrays["frames"].dtype != np.uint8:
        raise ValueError("the frame that is shown is not there")
    # Pictures of older runs name no fault; JSON has lists for tuples.
    pairs = {name: tuple(entry[name]) if entry.get(name) else None for name in ("spacing_mm", "window")}
    if pairs["window"] and not 0 <= pairs["window"][0] < pairs["window"][1] <= len(arrays["frames"]):
        raise ValueError("the fault's frames are not there")
    return CasePicture(**{**entry, **arrays, **pairs})
