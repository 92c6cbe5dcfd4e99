"""Every model in miniature, trained by this process's share of each batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import distributed
from training_tiny import tiny_job

from harness.data.prepared import PreparedCache
from harness.training import train

MINIATURES: dict[str, dict[str, Any]] = {
    "GDKVM": dict(
        image_depth=18, image_width=8, value_depth=18, value_width=8, width=32, key_width=16, heads=4, queries=4, blocks=1,
        attention_heads=2, feed_width=32, decoder_widths=(16, 16),
    ),
    "UNet": dict(widths=(4, 8)),
    "TransUNet": dict(
        image_size=32, width=8, units=(1, 1, 1), groups=4, projection_norm="group", dim=16, layers=1, heads=2, mlp=32,
        head_width=16, decoder_widths=(16, 8, 8, 8), dropout=0.0,
    ),
    "STM": dict(image_channels=1, depth=18, width=8, key_channels=8, value_channels=16, decoder_width=8),
    "XMem": dict(
        image_channels=1, key_depth=18, value_depth=18, width=8, key_channels=8, value_channels=16, sensory_channels=8,
        decoder_widths=(16, 8, 8), update_width=8,
    ),
}  # fmt: skip
LENGTHS = (2, 10)
# SGD: Adam divides a gradient by its own size, so that the rounding of a tiny one becomes a whole step. Batch norm has the
# statistics of a process's own share, points and dropout have draws of their own: none of these is what is compared.
# Three clips make shares of two and one: a plain mean over processes would weigh the frames of the second twice.
OPTIONS = (
    "optimizer.type=SGD", "optimizer.lr=0.05", "iterations=2", "val_interval=2", "batch_size=3", "ema=None",
    "loss.points=None", "batch_norm=frozen", "vis_backends=[]", "gradient_clip=1.0",
)  # fmt: skip


def changes(name: str) -> list[str]:
    """Overrides that choose a miniature."""
    return [f"model.type={name}", *(f"model.{key}={value!r}" for key, value in MINIATURES[name].items())]


def train_all(cache: PreparedCache, work_dir: Path) -> None:
    """Train every model at every length below ``work_dir``."""
    for name in MINIATURES:
        for length in LENGTHS:
            job = tiny_job(work_dir / f"{name}-{length}", [*OPTIONS, f"clip_length={length}", *changes(name)])
            train(job, cache, progress=False)


def train_all_as_rank(cache: PreparedCache, work_dir: Path) -> None:
    """The same as one of several processes, as its environment says."""
    # One group for all: each training would open one of its own on the same port.
    distributed.init_process_group("gloo")
    train_all(cache, work_dir)
    distributed.destroy_process_group()
