"""Pixels of single cases kept with their run, so that a report can be made again without the model."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.files import write_bytes
from harness.reporting.cases import CasePicture
from harness.results.suite import SuiteResults

FILE = "pictures.npz"
_ARRAYS = ("frames", "reference", "predicted")
_FIELDS = ("label", "patient", "view", "dice", "frame", "phase", "role", "spacing_mm")


def save_pictures(folder: Path, pictures: Sequence[CasePicture]) -> Path:
    """Write pictures into a run's folder as ``pictures.npz`` (plain arrays and JSON), atomically; returns the path."""
    arrays: dict[str, np.ndarray] = {}
    for index, picture in enumerate(pictures):
        arrays |= {f"{index}_{name}": np.asarray(getattr(picture, name), np.uint8) for name in _ARRAYS}
    meta = [{name: getattr(picture, name) for name in _FIELDS} for picture in pictures]
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
    with np.load(path, allow_pickle=False) as stored:
        meta = json.loads(stored["meta"].tobytes().decode())
        return [_picture(entry, {name: stored[f"{i}_{name}"] for name in _ARRAYS}) for i, entry in enumerate(meta)]


def suite_pictures(results: SuiteResults) -> list[CasePicture]:
    """The stored pictures of the first finished seed of every arm, under the arm's label."""
    found: list[CasePicture] = []
    for arm in results.arms:
        folders: Iterable[Path] = (run.folder for run in arm.finished if run.folder is not None)
        stored = next((pictures for folder in folders if (pictures := load_pictures(folder))), [])
        found += [_relabelled(picture, arm.label) for picture in stored]
    return found


def _picture(entry: dict[str, Any], arrays: dict[str, Any]) -> CasePicture:
    spacing = entry["spacing_mm"]
    return CasePicture(**{**entry, **arrays, "spacing_mm": tuple(spacing) if spacing else None})


def _relabelled(picture: CasePicture, label: str) -> CasePicture:
    values = {name: getattr(picture, name) for name in (*_FIELDS, *_ARRAYS)}
    return CasePicture(**{**values, "label": label})
