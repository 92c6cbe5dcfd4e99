"""What the process of one model does: ``python -m harness.profiling REQUEST ROWS``.

REQUEST is a JSON file (build, settings, custom imports); ROWS receives one JSON line before each stage
(``{"begin": stage}``) and one per row, so that the parent knows what was being measured when a process was killed.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TextIO

import torch

from harness.allocator import keep_freed_memory
from harness.engines import EngineError, make_engine
from harness.modeling import VideoSegmenter
from harness.modules import import_modules
from harness.profiling.complexity import complexity_row
from harness.profiling.latency import cold_first_frame, latency_rows, make_frames, to_device
from harness.profiling.memory import available_bytes, memory_row
from harness.profiling.settings import ProfileSettings, apply, condition_columns
from harness.registry import MODELS, load_plugins

Row = dict[str, Any]
Stage = Callable[[], Iterator[Row]]
OUT_OF_MEMORY = "out of memory"


def run(request: dict[str, Any], out: TextIO) -> None:
    """Measure the model of a request and write rows to ``out`` as they come."""
    # Before torch allocates: else each frame's buffers go back to the kernel and are faulted in again, which is timed
    # with the model.
    keep_freed_memory()
    # Modules of users are found where the process that asks has found them.
    sys.path[:0] = [folder for folder in request["paths"] if folder not in sys.path]
    load_plugins()
    import_modules(request["custom_imports"])
    # the settings may name an engine that one of these modules registers
    settings = ProfileSettings.from_dict(request["settings"])
    apply(settings)
    base = condition_columns(settings)
    for stage, rows in stages(Subject(request["build"], settings)):
        # Before the work: whoever reads knows what a killed process was doing.
        _say(out, {"begin": stage})
        for row in _guarded(stage, rows):
            _say(out, {**base, "status": "ok", **row})


class Subject:
    """The model under measurement, held once: as it was built, or as one engine executes it, never both.

    The memory of two forms of one model would be counted as one's; so every engine is given a model of its own, which is
    forgotten when the next one comes.

    Args:
        build: registry config of the model.
        settings: how it is measured.
    """

    def __init__(self, build: dict[str, Any], settings: ProfileSettings) -> None:
        self.build, self.settings = build, settings
        self.engine: str | None = None
        self._model: VideoSegmenter | None = None

    def plain(self) -> VideoSegmenter:
        """The model as it was built."""
        if self._model is None or self.engine is not None:
            self.forget()
            self._model = self._built()
        return self._model

    def executed_by(self, engine: str) -> VideoSegmenter:
        """The model as an engine executes it.

        Raises:
            EngineError: the engine cannot.
        """
        if self._model is None or self.engine != engine:
            model = self.plain()
            self.forget()
            frames = to_device(make_frames(self.settings, self.settings.clip_length), self.settings)
            self._model = make_engine(engine)(model, frames, precision=self.settings.precision)
            self.engine = engine
        return self._model

    def forget(self) -> None:
        """Let go of the model, and of what the device keeps for it."""
        self._model, self.engine = None, None
        # A wrapped model may lie in a cycle; without a collection two forms would be held, and counted as the memory
        # of one.
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _built(self) -> VideoSegmenter:
        model: VideoSegmenter = MODELS.build(dict(self.build)).eval().to(self.settings.device)
        if self.settings.channels_last:
            for parameter in model.parameters():
                if parameter.ndim == 4:
                    parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        return model


def stages(subject: Subject) -> Iterator[tuple[str, Stage]]:
    """Names and generators of everything that is measured, in an order that leaves the cold frame cold."""
    settings = subject.settings
    yield "first_frame_cold", partial(_cold, subject)
    if settings.complexity:
        yield "complexity", partial(_complexity, subject)
    for engine in settings.engines or ():
        usable: list[str] = []  # one entry once the latency was measured
        yield f"latency:{engine}", partial(_latency, subject, engine, usable)
        if usable:
            yield from memory_parts(subject, engine)


def _cold(subject: Subject) -> Iterator[Row]:
    yield {"engine": "eager", **cold_first_frame(subject.plain(), subject.settings)}


def _complexity(subject: Subject) -> Iterator[Row]:
    settings = subject.settings
    yield complexity_row(subject.plain(), settings.image_size, settings.clip_length)


def _latency(subject: Subject, engine: str, usable: list[str]) -> Iterator[Row]:
    model = subject.executed_by(engine)
    usable.append(engine)
    for row in latency_rows(model, subject.settings):
        yield {"engine": engine, **row}


def memory_parts(subject: Subject, engine: str) -> Iterator[tuple[str, Stage]]:
    """Streaming and whole-clip memory at every length, shortest first; a clip that cannot fit is not tried."""
    peaks: dict[int, float] = {}
    for mode in ("memory_streaming", "memory_clip"):
        for length in subject.settings.memory_lengths or ():
            yield f"{mode}:{engine}:{length}", partial(_memory_rows, subject, engine, mode, length, peaks)


def _memory_rows(subject: Subject, engine: str, mode: str, length: int, peaks: dict[int, float]) -> Iterator[Row]:
    settings = subject.settings
    fixed = {"engine": engine, "mode": mode, "clip_length": length}
    if mode == "memory_clip" and (needed := _too_much(settings, length, peaks)):
        yield {**fixed, "status": f"{OUT_OF_MEMORY} (not tried: needs about {needed / 1024:.0f} GiB)"}
        return
    row = memory_row(subject.executed_by(engine), settings, length, mode)
    if mode == "memory_clip":
        peaks[length] = row["peak_memory_mb"]
    yield {**fixed, **row}


def _too_much(settings: ProfileSettings, length: int, peaks: dict[int, float]) -> float | None:
    """MiB that a clip of this length would take by extrapolation, when a CPU machine does not have them."""
    free = available_bytes()
    # On CUDA running out is an error that can be caught; on a CPU machine the kernel may kill the neighbours.
    if settings.device != "cpu" or free is None or not peaks:
        return None
    longest = max(peaks)
    needed = peaks[longest] * length / longest
    return needed if needed * 2**20 > 0.8 * free else None


def _guarded(stage: str, rows: Stage) -> Iterator[Row]:
    """Rows of a stage; when memory runs out, or an engine cannot execute the model, one row that says so."""
    try:
        yield from rows()
    except EngineError as error:
        yield failed_row(stage, str(error))
    except (torch.OutOfMemoryError, MemoryError):
        yield failed_row(stage)
    except RuntimeError as error:
        # CUDA and cuDNN report some shortages as plain RuntimeErrors.
        if "memory" not in str(error).lower():
            raise
        yield failed_row(stage)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def failed_row(stage: str, reason: str = OUT_OF_MEMORY) -> Row:
    """The row of a stage that was not measured, from its name ``mode``, ``latency:engine`` or ``memory_mode:engine:length``."""
    mode, *details = stage.split(":")
    row: Row = {"mode": mode, "status": reason}
    if mode.startswith("memory"):
        return {**row, "engine": details[0], "clip_length": int(details[1])}
    return {**row, "mode": "streaming", "engine": details[0]} if mode == "latency" else row


def _say(out: TextIO, line: Row) -> None:
    out.write(json.dumps(line) + "\n")
    # Line by line: what is in the buffer of a killed process is lost.
    out.flush()
