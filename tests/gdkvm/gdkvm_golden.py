"""Weights and recordings of the published code, rebuilt from the rule in the golden folder's README."""

from __future__ import annotations

import csv
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

RECORDED = {
    "corrected": ("logits_exp_decay", "state_before"),
    "released": ("logits_released", "state_before_released"),
}


@dataclass(frozen=True)
class Recording:
    """One golden file: frames [1, T, 1, H, W], weights, and outputs per arithmetic variant."""

    frames: Tensor
    objects: int
    weights: dict[str, Tensor]
    kpff_key: Tensor
    logits: dict[str, Tensor]
    state_before: dict[str, Tensor]


def load_recording(folder: Path, name: str) -> Recording:
    """Read ``released_gdkvm_<name>.npz`` and fill the weights."""
    content = {key: torch.from_numpy(value) for key, value in np.load(folder / f"released_gdkvm_{name}.npz").items()}
    return Recording(
        frames=content["frames"].float()[None, :, None] / 255,
        objects=int(content["num_objects"]),
        weights=published_weights(folder, content),
        kpff_key=content["kpff_key"],
        logits={variant: content[keys[0]] for variant, keys in RECORDED.items()},
        state_before={variant: content[keys[1]] for variant, keys in RECORDED.items()},
    )


def published_weights(folder: Path, recorded: dict[str, Tensor]) -> dict[str, Tensor]:
    """The 533 tensors of the published state dict."""
    weights = {}
    with open(folder / "released_gdkvm_state_dict.csv", newline="") as stream:
        for row in csv.DictReader(stream):
            shape = () if row["shape"] == "scalar" else tuple(int(n) for n in row["shape"].split("x"))
            weights[row["name"]] = _fill(row["name"], shape, recorded)
    return weights


def _fill(name: str, shape: tuple[int, ...], recorded: dict[str, Tensor]) -> Tensor:
    if f"bn/{name}" in recorded:
        return recorded[f"bn/{name}"]
    if name.endswith("num_batches_tracked"):
        return torch.tensor(0)
    if name.endswith("inv_freq"):
        return torch.ones(shape)
    if name == "A_log":
        return torch.log(torch.linspace(0.5, 4, 8))
    if name == "dt_bias":
        return torch.linspace(-4, -2, 8)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))
    if len(shape) >= 2:
        gain = 1.0 if "encoder.layer" in name or "encoder.conv1" in name else 0.6
        return gain * noise / math.sqrt(math.prod(shape[1:]))
    return 1 + 0.1 * noise if name.endswith(".weight") else 0.05 * noise
