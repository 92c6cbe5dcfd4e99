"""Latency of a segmenter: streaming per frame, whole clip, with the copy to the device, first frame.

Every figure is the distribution over timed repetitions after warm-up. On CUDA the time lies between two events on
the stream, read after a synchronisation; on the CPU it is wall-clock time.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.modeling import VideoSegmenter
from harness.profiling.neighbours import Patience
from harness.profiling.settings import ProfileSettings

Action = Callable[[], Any]


@dataclass(slots=True)
class Stopwatch:
    """Times actions on one device, in milliseconds."""

    device: torch.device

    def __call__(self, actions: list[Action]) -> list[float]:
        """Run the actions one after the other; milliseconds of each."""
        return self._on_cuda(actions) if self.device.type == "cuda" else self._on_cpu(actions)

    def _on_cpu(self, actions: list[Action]) -> list[float]:
        marks = [time.perf_counter()]
        for action in actions:
            action()
            marks.append(time.perf_counter())
        return [1000 * float(step) for step in np.diff(marks)]

    def _on_cuda(self, actions: list[Action]) -> list[float]:
        # events are recorded on the current device's stream: on cuda:1 they would else lie on cuda:0, which does nothing
        with torch.cuda.device(self.device):
            torch.cuda.synchronize(self.device)
            # Events and no clock: calls return before the device is done.
            events = [torch.cuda.Event(enable_timing=True) for _ in range(len(actions) + 1)]
            events[0].record()
            for action, event in zip(actions, events[1:], strict=True):
                action()
                event.record()
            torch.cuda.synchronize(self.device)
        return [before.elapsed_time(after) for before, after in itertools.pairwise(events)]


ROUNDS = 3
"""Parts that repeats are split into, one after the other: the range of their FPS shows a machine that changes meanwhile."""


def summarise(milliseconds: list[float], frames: int) -> dict[str, float]:
    """Median, 5th and 95th percentile in ms, their number, and FPS = frames / median, of one repeated action.

    ``fps_low`` and ``fps_high`` are the slowest and the fastest of three rounds, each by its own median; NaN below three
    repeats.

    >>> found = summarise([10.0, 10.0, 12.5, 12.5, 20.0, 20.0], frames=1)
    >>> found["fps_low"], found["fps_high"]
    (50.0, 100.0)
    """
    # The median and not the mean: one interruption of the machine must not move the figure.
    values = np.asarray(milliseconds, np.float64)
    median, low, high = (float(np.percentile(values, percent)) for percent in (50, 5, 95))
    rounds = [float(np.median(part)) for part in np.array_split(values, ROUNDS)] if len(values) >= ROUNDS else []
    return {
        "median_ms": median,
        "p5_ms": low,
        "p95_ms": high,
        "n": len(values),
        "fps": _fps(frames, median),
        "fps_low": _fps(frames, max(rounds, default=0.0)),
        "fps_high": _fps(frames, min(rounds, default=0.0)),
    }


def _fps(frames: int, milliseconds: float) -> float:
    return 1000.0 * frames / milliseconds if milliseconds > 0 else float("nan")


def make_frames(settings: ProfileSettings, length: int) -> Tensor:
    """uint8 [B, T, 1, S, S] on the host (pinned for CUDA): the same random grey levels each time."""
    generator = torch.Generator().manual_seed(0)
    shape = (settings.batch_size, length, 1, settings.image_size, settings.image_size)
    # Noise and no picture: no time here depends on what is seen.
    frames = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    return frames.pin_memory() if settings.device != "cpu" else frames


def to_device(frames: Tensor, settings: ProfileSettings) -> Tensor:
    """float32 [B, T, 1, S, S] in [0, 1] on the device."""
    # uint8 travels and is converted there, as evaluation does it: a quarter of the bytes.
    return frames.to(settings.device, non_blocking=True).to(torch.float32).div_(255)


def cold_first_frame(model: VideoSegmenter, settings: ProfileSettings) -> dict[str, Any]:
    """``begin`` and the first ``step`` of a model that has not run before in this process."""
    frame = to_device(make_frames(settings, 1), settings)[:, 0]
    with torch.inference_mode():
        milliseconds = Stopwatch(torch.device(settings.device))([lambda: _open(model, frame)])
    return {"mode": "first_frame_cold", **summarise(milliseconds, settings.batch_size)}


def latency_rows(model: VideoSegmenter, settings: ProfileSettings) -> Iterator[dict[str, Any]]:
    """Rows ``streaming``, ``clip``, ``clip_with_copy``, ``first_frame`` of a model as one engine executes it, after warm-up.

    Each row says how much other work on the machine disturbed it; a disturbed one was measured again within ``patience_s``.
    """
    watch = Stopwatch(torch.device(settings.device))
    patience = Patience(settings.patience_s, torch.get_num_threads() if settings.device == "cpu" else 1)
    host = make_frames(settings, settings.clip_length)
    with torch.inference_mode():
        frames = to_device(host, settings)
        for _ in range(settings.warmup):
            model(frames)
        count = settings.clip_length * settings.batch_size
        # Warm-up above and not per action: all of them run the same layers at the same sizes.
        actions: dict[str, tuple[Action, int]] = {
            "clip": (lambda: model(frames), count),
            "clip_with_copy": (lambda: model(to_device(host, settings)), count),
            "first_frame": (lambda: _open(model, frames[:, 0]), settings.batch_size),
        }
        timed, seen = patience.undisturbed(lambda: _streaming(model, frames, settings, watch))
        yield {"mode": "streaming", **summarise(timed, settings.batch_size), **seen.columns()}
        for mode, (action, number) in actions.items():
            timed, seen = patience.undisturbed(lambda action=action: watch([action] * settings.repeats))  # type: ignore[misc]
            yield {"mode": mode, **summarise(timed, number), **seen.columns()}


def _open(model: VideoSegmenter, frame: Tensor) -> Tensor:
    logits, _ = model.step(frame, model.begin(frame))
    return logits


def _streaming(model: VideoSegmenter, frames: Tensor, settings: ProfileSettings, watch: Stopwatch) -> list[float]:
    """Milliseconds of every step after the first of each stream; one unmeasured stream goes before."""
    timed: list[float] = []
    for repeat in range(settings.repeats + 1):
        stream = _Stream(model, frames)
        milliseconds = watch([stream.next] * frames.shape[1])
        if repeat:
            # The first frame of a stream fills the memory and has a row of its own.
            timed += milliseconds[1:] or milliseconds
    return timed


class _Stream:
    """A stream over frames [B, T, C, H, W] that advances by one frame per call."""

    def __init__(self, model: VideoSegmenter, frames: Tensor) -> None:
        self.model = model
        self.frames = frames.unbind(1)
        self.state = model.begin(self.frames[0])
        self.time = 0

    def next(self) -> Tensor:
        logits, self.state = self.model.step(self.frames[self.time], self.state)
        self.time += 1
        return logits
