"""What the process of one model does: ``python -m harness.profiling REQUEST ROWS``.

REQUEST is a JSON file (build, settings, custom imports); ROWS receives one JSON line before each part
(``{"begin": part}``) and one per row, so that the parent knows what was being measured when a process was killed.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TextIO

import torch

from harness.allocator import keep_freed_memory
from harness.modeling import VideoSegmenter
from harness.profiling.complexity import complexity_row
from harness.profiling.latency import cold_first_frame, latency_rows
from harness.profiling.memory import available_bytes, memory_row
from harness.profiling.settings import ProfileSettings, apply, condition_columns
from harness.registry import MODELS, load_plugins

Row = dict[str, Any]
Part = Callable[[], Iterator[Row]]
OUT_OF_MEMORY = "out of memory"


def run(request: dict[str, Any], out: TextIO) -> None:
    """Measure the model of a request and write rows to ``out`` as they come."""
    keep_freed_memory()
    settings = ProfileSettings.from_dict(request["settings"])
    apply(settings)
    sys.path[:0] = [folder for folder in request["paths"] if folder not in sys.path]
    load_plugins()
    for module in request["custom_imports"]:
        importlib.import_module(module)
    model: VideoSegmenter = MODELS.build(request["build"])
    base = condition_columns(settings)
    for part, rows in parts(model.eval().to(settings.device), settings):
        _say(out, {"begin": part})
        for row in _guarded(part, rows):
            _say(out, {**base, "status": "ok", **row})


def parts(model: VideoSegmenter, settings: ProfileSettings) -> Iterator[tuple[str, Part]]:
    """Names and generators of everything that is measured, in an order that leaves the cold frame cold."""
    yield "first_frame_cold", partial(_cold, model, settings)
    fast = prepared(model, "inference", settings)
    shared = fast is model and not settings.channels_last
    for variant in settings.variants[:1] if shared else settings.variants:
        chosen = fast if variant == "inference" else prepared(model, "eager", settings)
        yield f"latency:{variant}", partial(_latency, chosen, settings, settings.variants if shared else (variant,))
    if settings.complexity:
        yield "complexity", partial(_complexity, model, settings)
    yield from memory_parts(fast, settings)


def _cold(model: VideoSegmenter, settings: ProfileSettings) -> Iterator[Row]:
    yield {"variant": "eager", **cold_first_frame(model, settings)}


def _latency(model: VideoSegmenter, settings: ProfileSettings, variants: tuple[str, ...]) -> Iterator[Row]:
    """Rows of one object, once for every variant that it is (a model without a faster form is both)."""
    for row in latency_rows(model, settings):
        yield from ({"variant": variant, **row} for variant in variants)


def _complexity(model: VideoSegmenter, settings: ProfileSettings) -> Iterator[Row]:
    yield complexity_row(model, settings.image_size, settings.clip_length)


def prepared(model: VideoSegmenter, variant: str, settings: ProfileSettings) -> VideoSegmenter:
    """The model as it is timed: through ``compile_for_inference()`` with its defaults, or as it was built."""
    if variant == "inference":
        takes_precision = "precision" in inspect.signature(model.compile_for_inference).parameters
        options: dict[str, Any] = {"precision": "bf16"} if takes_precision and settings.precision == "bf16" else {}
        return model.compile_for_inference(**options)
    if settings.channels_last:
        for parameter in model.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return model


def memory_parts(model: VideoSegmenter, settings: ProfileSettings) -> Iterator[tuple[str, Callable[[], Iterator[Row]]]]:
    """Streaming and whole-clip memory at every length, shortest first; a clip that cannot fit is not tried."""
    peaks: dict[int, float] = {}
    for mode in ("memory_streaming", "memory_clip"):
        for length in settings.memory_lengths or ():
            yield f"{mode}:{length}", partial(_memory_rows, model, settings, mode, length, peaks)


def _memory_rows(
    model: VideoSegmenter, settings: ProfileSettings, mode: str, length: int, peaks: dict[int, float]
) -> Iterator[Row]:
    fixed = {"variant": "inference", "mode": mode, "clip_length": length}
    if mode == "memory_clip" and (needed := _too_much(settings, length, peaks)):
        yield {**fixed, "status": f"{OUT_OF_MEMORY} (not tried: needs about {needed / 1024:.0f} GiB)"}
        return
    row = memory_row(model, settings, length, mode)
    if mode == "memory_clip":
        peaks[length] = row["peak_memory_mb"]
    yield {**fixed, **row}


def _too_much(settings: ProfileSettings, length: int, peaks: dict[int, float]) -> float | None:
    """MiB that a clip of this length would take by extrapolation, when a CPU machine does not have them."""
    free = available_bytes()
    if settings.device != "cpu" or free is None or not peaks:
        return None
    longest = max(peaks)
    needed = peaks[longest] * length / longest
    return needed if needed * 2**20 > 0.8 * free else None


def _guarded(part: str, rows: Part) -> Iterator[Row]:
    """Rows of a part; when memory runs out, one row that says so."""
    try:
        yield from rows()
    except (torch.OutOfMemoryError, MemoryError):
        yield out_of_memory_row(part)
    except RuntimeError as error:
        if "memory" not in str(error).lower():
            raise
        yield out_of_memory_row(part)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def out_of_memory_row(part: str, reason: str = OUT_OF_MEMORY) -> Row:
    """The row of a part that did not fit, from its name ``mode``, ``latency:variant`` or ``memory_mode:length``."""
    mode, _, detail = part.partition(":")
    row: Row = {"mode": mode, "status": reason}
    if mode.startswith("memory"):
        return {**row, "variant": "inference", "clip_length": int(detail)}
    return {**row, "mode": "streaming", "variant": detail} if mode == "latency" else row


def _say(out: TextIO, line: Row) -> None:
    out.write(json.dumps(line) + "\n")
    out.flush()
