"""Peak memory of a segmenter against the length of the clip.

On CUDA the allocator's own counters are read. On the CPU the growth of the process's resident memory is taken: freed
memory is handed back, the kernel's high-water mark is reset, and the weights are added to its rise, so that both
devices answer the same question: how much does it take to hold and run this model.
"""

from __future__ import annotations

import gc
import resource
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.allocator import give_back_freed_memory
from harness.engines.contract import weight_bytes
from harness.engines.tree import tensors_in
from harness.modeling import VideoSegmenter
from harness.profiling.settings import ProfileSettings

MIB = 2**20


def held_bytes(state: Any) -> int:
    """Bytes of the storages that a stream's state (dataclasses, tuples, lists of tensors) keeps alive, each once."""
    # By storage: views of one tensor would be counted several times.
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors_in(state)}
    return sum(storages.values())


def memory_row(model: VideoSegmenter, settings: ProfileSettings, length: int, mode: str) -> dict[str, Any]:
    """Peak memory of one clip of ``length`` frames, ``mode`` ``memory_streaming`` or ``memory_clip``.

    Returns:
        ``peak_memory_mb`` in MiB, weights included (allocated on CUDA), ``peak_reserved_mb`` (CUDA) and the method.
    """
    measure = _cuda_peak if settings.device != "cpu" else _cpu_peak
    run = _run_streaming if mode == "memory_streaming" else _run_clip
    with torch.inference_mode():
        return {"mode": mode, "clip_length": length, **measure(model, lambda: run(model, settings, length), settings)}


def streaming_peaks(model: VideoSegmenter, settings: ProfileSettings, lengths: Sequence[int]) -> list[float]:
    """Peak memory on the CPU, in MiB with weights, of one stream after each number of frames (ascending).

    Peaks of two processes differ by tens of MiB, by how their heaps happen to lie; those of one stream by what the stream takes.
    """
    _prepare_process()
    before, peaks, state = _resident(), [], None
    with torch.inference_mode():
        for count, frame in enumerate(_frames(settings, lengths[-1]), 1):
            state = model.begin(frame) if state is None else state
            _, state = model.step(frame, state)
            if count in lengths:
                peaks.append((max(0, _high_water() - before) + weight_bytes(model)) / MIB)
    return peaks


def available_bytes() -> int | None:
    """Memory that the system could give to a process now; None where it does not say."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def _frames(settings: ProfileSettings, length: int) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(0)
    for _ in range(length):
        shape = (settings.batch_size, 1, settings.image_size, settings.image_size)
        yield torch.rand(shape, generator=generator).to(settings.device)


def _run_streaming(model: VideoSegmenter, settings: ProfileSettings, length: int) -> None:
    state = None
    for frame in _frames(settings, length):
        state = model.begin(frame) if state is None else state
        _, state = model.step(frame, state)


def _run_clip(model: VideoSegmenter, settings: ProfileSettings, length: int) -> None:
    model(torch.stack(list(_frames(settings, length)), 1))


def _cuda_peak(model: VideoSegmenter, run: Any, settings: ProfileSettings) -> dict[str, Any]:
    graphs = getattr(model, "holds_pools", False)
    if graphs:
        # Replays allocate nothing: their memory was set aside at recording, which therefore belongs into the measurement.
        model.forget()  # type: ignore[operator]
    gc.collect()
    torch.cuda.synchronize(settings.device)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(settings.device)
    run()
    torch.cuda.synchronize(settings.device)
    allocated = torch.cuda.max_memory_allocated(settings.device) / MIB
    reserved = torch.cuda.max_memory_reserved(settings.device) / MIB
    return {
        # what a graph works in is never "allocated" again, but nobody else can have it
        "peak_memory_mb": reserved if graphs else allocated,
        "peak_reserved_mb": reserved,
        "memory_method": "CUDA allocator, reserved (graphs keep their memory)" if graphs else "CUDA allocator",
    }


def _cpu_peak(model: VideoSegmenter, run: Any, settings: ProfileSettings) -> dict[str, Any]:
    method = _prepare_process()
    before = _resident()
    run()
    growth = max(0, _high_water() - before)
    return {"peak_memory_mb": (growth + weight_bytes(model)) / MIB, "memory_method": method}


def _prepare_process() -> str:
    """Give freed memory back and reset the high-water mark; says how the peak will be read."""
    gc.collect()
    give_back_freed_memory()
    try:
        # Resets VmHWM (man 5 proc); kernels without it, and containers that forbid it, leave the mark of the whole
        # process.
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return "weights + rise of ru_maxrss"
    return "weights + rise of resident memory (VmHWM, reset)"


def _status(name: str) -> int | None:
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def _resident() -> int:
    return _status("VmRSS") or _high_water()


def _high_water() -> int:
    return _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
