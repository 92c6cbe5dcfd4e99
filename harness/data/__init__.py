"""Datasets, their prepared caches, and training clips made from these; each name is imported when it is first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.data.archive import pack, unpack
    from harness.data.cache import prepare
    from harness.data.camus import Camus
    from harness.data.camus_mhd import CamusMhd
    from harness.data.camus_phantom import Phantom
    from harness.data.dataset import EchoDataset
    from harness.data.echonet import EchoNet
    from harness.data.findings import Finding
    from harness.data.folder import Folder
    from harness.data.inspection import check
    from harness.data.prepared import PreparedCache, PreparedClip, PreparedSplit
    from harness.data.sampling import ClipDataset, IterationBatches, resample_indices

__all__ = [
    "Camus",
    "CamusMhd",
    "ClipDataset",
    "EchoDataset",
    "EchoNet",
    "Finding",
    "Folder",
    "IterationBatches",
    "Phantom",
    "PreparedCache",
    "PreparedClip",
    "PreparedSplit",
    "check",
    "pack",
    "prepare",
    "resample_indices",
    "unpack",
]

_OWNERS = {
    "Camus": "camus",
    "CamusMhd": "camus_mhd",
    "ClipDataset": "sampling",
    "EchoDataset": "dataset",
    "EchoNet": "echonet",
    "Finding": "findings",
    "Folder": "folder",
    "IterationBatches": "sampling",
    "Phantom": "camus_phantom",
    "PreparedCache": "prepared",
    "PreparedClip": "prepared",
    "PreparedSplit": "prepared",
    "check": "inspection",
    "pack": "archive",
    "prepare": "cache",
    "resample_indices": "sampling",
    "unpack": "archive",
}


def __getattr__(name: str) -> Any:
    # A worker that reads and resizes clips samples none: torch, which sampling needs, would be most of its start.
    if name not in _OWNERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_OWNERS[name]}"), name)
    globals()[name] = value
    return value
