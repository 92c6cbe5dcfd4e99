"""A reader with a real file for it, and what several files are drawn from: a clip, and the specification of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fuzzing.mutations import Kind
from harness.store.spec import RunSpec

SHAPE = (4, 24, 20)
Bytes = Callable[[bytes], bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reader:
    """One reader.

    Attributes:
        name: for tables.
        file: what is changed.
        kind: how.
        read: reads it with everything that a user's command would read of it.
        unpack, pack: changes are made to the unpacked content, so that they lie behind checksums and compression.
    """

    name: str
    file: Path
    kind: Kind
    read: Callable[[], Any]
    unpack: Bytes = bytes
    pack: Bytes = bytes


def drawn_clip() -> tuple[np.ndarray, np.ndarray]:
    """Grey levels and masks [T, H, W] of a disc that shrinks."""
    rows, columns = np.mgrid[: SHAPE[1], : SHAPE[2]]
    masks = np.stack([np.hypot(rows - 12, columns - 10) < radius for radius in np.linspace(8, 5, SHAPE[0])]).astype(
        np.uint8
    )
    noise = np.random.default_rng(0).integers(0, 90, masks.shape)
    return (noise + 100 * masks).astype(np.uint8), masks


def unet_spec(name: str = "unet", label: str = "U-Net", seed: int = 0) -> RunSpec:
    """What a run of a tiny U-Net on the phantom is; another name or label makes it somebody else's run."""
    build = {"type": "UNet", "widths": [4, 8], "num_structures": 1}
    data = {"dataset": "phantom", "views": ["4CH"], "clip": "half", "fingerprint": "x", "mark": None, "image_size": 32}
    return RunSpec(
        model={"name": name, "size": "small", "label": label, "build": build, "custom_imports": []},
        data=data,
        recipe={"image_size": 32, "clip_length": 4, "test_clip_length": 4},
        seed=seed,
        protocol={"first_frame": "auto", "structures": "lv"},
    )
