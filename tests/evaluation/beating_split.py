"""A prepared split that lives in memory: ellipses that beat, with known masks."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from drawn_masks import ellipse
from torch import Tensor

from harness.clip import LABELS, Case

MODEL_SIZE = 32
NATIVE = (64, 96)
SPACING = (1.5, 1.0)


@dataclass
class FakeClip:
    """The attributes of a PreparedClip that the evaluator reads."""

    case: Case
    frames: np.ndarray
    masks: np.ndarray
    native: np.ndarray
    labelled: np.ndarray
    interpolated: np.ndarray
    ed: int
    es: int
    native_size: tuple[int, int] = NATIVE
    spacing_mm: tuple[float, float] | None = SPACING
    frame_rate_hz: float | None = 50.0
    ef_percent: float | None = 47.0
    quality: str | None = None

    @property
    def labels(self):
        return LABELS

    def native_masks(self):
        return self.native

    def phase(self, frame):
        return "ED" if frame == self.ed else "ES" if frame == self.es else ""


@dataclass
class FakeSplit:
    clips: list[FakeClip] = field(default_factory=list)

    @property
    def cases(self):
        return [clip.case for clip in self.clips]

    def __len__(self):
        return len(self.clips)

    def clip(self, index):
        return self.clips[index]


def beating_clip(patient: str, view: str, frames: int = 6, *, spacing=SPACING) -> FakeClip:
    """A cavity that shrinks from the first frame (ED) to the last (ES), with a left atrium below it."""
    native, small = (np.zeros((frames, *size), np.uint8) for size in (NATIVE, (MODEL_SIZE, MODEL_SIZE)))
    steps = (1.0, 1.0), (NATIVE[0] / MODEL_SIZE, NATIVE[1] / MODEL_SIZE)
    for t, shrink in enumerate(np.linspace(1, 0.8, frames)):
        for stack, step in zip((native, small), steps, strict=True):
            size = stack.shape[1:]
            stack[t][ellipse(size, (25, 48), (20 * shrink, 16 * shrink), step)] = 1
            stack[t][ellipse(size, (54, 48), (6, 10), step)] = 3
    flags = np.zeros(frames, bool)
    flags[[0, -1]] = True
    return FakeClip(
        case=Case(dataset="fake", split="test", patient=patient, view=view),
        frames=small * 60,
        masks=small,
        native=native,
        labelled=flags,
        interpolated=~flags,
        ed=0,
        es=frames - 1,
        spacing_mm=spacing,
    )


def fake_split(patients: int = 2, frames: int = 6) -> FakeSplit:
    """Two views of each patient."""
    return FakeSplit(
        [beating_clip(f"{p:04d}", view, frames) for p in range(1, patients + 1) for view in ("2CH", "4CH")]
    )


def predict_brightness(frames: Tensor, first_mask: Tensor | None) -> Tensor:
    """A perfect model of the fake frames for the LV: grey level 60/255 is cavity. frames [T, 1, S, S]."""
    inside = ((frames[:, 0] * 255).round() == 60).float()
    return torch.stack([0.5 - inside, inside - 0.5], dim=1)
