"""A tiny world to train in: disks that beat, a model of a thousand weights, a recipe of a few iterations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.clip import Case, Clip
from harness.config import override, parse_overrides
from harness.data.dataset import EchoDataset
from harness.data.findings import Finding
from harness.modeling import AuxiliaryLogits, PerFrameSegmenter, TrainingOutput, VideoSegmenter
from harness.modeling.resnet import ResNetTrunk
from harness.registry import MODELS
from harness.training import Recipe, TrainingJob


class BeatingDisks(EchoDataset):
    """Bright disks on noise; frame 0 and the last frame are labelled. Nothing is read from the root."""

    name = "disks"
    title = "beating disks"
    counts = {"train": 6, "val": 3, "test": 2}

    @property
    def mark(self) -> None:
        return None

    def layout(self) -> list[Finding]:
        return []

    def sources(self) -> list[Path]:
        return []

    def cases(self, split: str) -> list[Case]:
        names = [f"{split}{k}" for k in range(self.counts[split])]
        return [Case(dataset=self.name, split=split, patient=name, view=view) for name in names for view in self.views]

    def load(self, case: Case) -> Clip:
        rng = np.random.default_rng(sum(map(ord, case.name)))
        y, x = np.mgrid[:32, :32]
        radii = np.linspace(11, 7, 5)
        inside = np.stack([(y - 16) ** 2 + (x - 15) ** 2 < r**2 for r in radii])
        frames = (rng.normal(90, 25, inside.shape) + 90 * inside).clip(0, 255).astype(np.uint8)
        labelled = np.array([True, False, False, False, True])
        masks = (inside & labelled[:, None, None]).astype(np.uint8)
        nothing = np.zeros(5, bool)
        return Clip(
            case=case, frames=frames, masks=masks, labelled=labelled, interpolated=nothing, spacing_mm=None, ed=0, es=4
        )


@MODELS.register_module(force=True)
class TinyMemory(VideoSegmenter):
    """Convolution, batch norm, dropout, a running mean over time, an auxiliary head at stride 4."""

    def __init__(self, *, num_structures: int = 1, width: int = 8, poison_after: int = -1, trunk: bool = False) -> None:
        super().__init__(num_structures=num_structures)
        self.stem = nn.Conv2d(1, width, 5, 2, 2, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout2d(0.1)
        self.mask = nn.Conv2d(1, width, 3, 2, 1)
        self.head = nn.Conv2d(2 * width, num_structures + 1, 3, 1, 1)
        self.side = nn.Conv2d(width, num_structures + 1, 1)
        self.poison_after, self.calls = poison_after, 0
        # Not narrower: torch 2.13 writes past its memory in the backward pass of a strided 1x1 convolution of two
        # channels in channels_last on some processors ("free(): invalid size").
        self.trunk = ResNetTrunk(18, width=8) if trunk else None

    def _features(self, frame: Tensor) -> Tensor:
        features = self.norm(self.stem(frame - 0.5))
        if self.trunk is not None:
            features = features + F.interpolate(self.trunk(frame)[2][:, : features.shape[1]], features.shape[-2:])
        return self.dropout(F.relu(features))

    def _begin(self, frame: Tensor, first_mask: Tensor | None) -> Tensor:
        mask = torch.zeros_like(frame) if first_mask is None else (first_mask > 0).unsqueeze(1).to(frame.dtype)
        return self.mask(mask)

    def _step(self, frame: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        features = self._features(frame)
        memory = 0.5 * memory + 0.5 * features
        logits = self.head(torch.cat([features, memory], 1))
        return F.interpolate(logits, scale_factor=2, mode="bilinear"), memory

    def _train_clip(self, frames: Tensor, first_mask: Tensor | None) -> TrainingOutput:
        self.calls += 1
        scale = float("nan") if self.calls > self.poison_after >= 0 else 1.0
        logits = self._clip(frames, first_mask) * scale
        side = self.side(F.avg_pool2d(self._features(frames.flatten(0, 1)), 2)).unflatten(0, frames.shape[:2])
        return TrainingOutput(logits=logits, auxiliary=(AuxiliaryLogits(name="side", logits=side, weight=0.1),))


@MODELS.register_module(force=True)
class TinyFrames(PerFrameSegmenter):
    """Two convolutions."""

    def __init__(self, *, num_structures: int = 1) -> None:
        super().__init__(num_structures=num_structures)
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 5, 1, 2, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, num_structures + 1, 3, 1, 1),
        )

    def segment(self, images: Tensor) -> Tensor:
        return self.layers(images - 0.5)


RECIPE: dict[str, Any] = dict(
    image_size=32,
    clip_length=3,
    test_clip_length=None,
    batch_size=4,
    iterations=12,
    optimizer=dict(type="AdamW", lr=1e-2, weight_decay=1e-3, backbone_lr_factor=1.0),
    schedule=dict(type="cosine", warmup=2, final=0.0, milestones=[], gamma=0.1),
    gradient_clip=3.0,
    precision="fp32",
    channels_last=True,
    batch_norm="train",
    ema=0.9,
    loss=dict(ce=1.0, dice=1.0, points=dict(count=256, oversample=2.0, importance=0.5)),
    augment="paper",
    val_interval=4,
    checkpoint_interval=3,
    log_interval=2,
    activation_checkpointing=False,
    deterministic=True,
    workers=0,
    device="cpu",
)


def tiny_job(work_dir: Path, overrides: Sequence[str] = ()) -> TrainingJob:
    """A job on the disks; ``overrides`` like ``["ema=None", "model.type=TinyFrames", "job.seed=3"]``."""
    recipe: dict[str, Any] = Recipe.from_dict(RECIPE).to_dict()
    build: dict[str, Any] = {"type": "TinyMemory"}
    job: dict[str, Any] = {"seed": 0, "first_frame": "auto", "structures": "lv"}
    for key, value in parse_overrides(overrides).items():
        if key.startswith("model."):
            build[key.removeprefix("model.")] = value
        elif key.startswith("job."):
            job[key.removeprefix("job.")] = value
        else:
            override(recipe, {key: value})
    return TrainingJob(model_build=build, recipe=Recipe.from_dict(recipe), work_dir=work_dir, **job)
