"""GDKVM: what each step from the plain model to the engine `native` brings, interleaved in one run.

    python kernels/benchmarks/gdkvm_steps.py               (T = 10 and 32 at 256 px, two threads; two minutes on two idle cores)
    python kernels/benchmarks/gdkvm_steps.py --steps       (also what each step of the way brings)

Prints the median milliseconds per frame of the eager fp32 model and, for each other path, milliseconds, the ratio to
eager (median over the repeats of the ratio within one repeat) and the largest difference of the logits. ``cpu`` is
processor time of all threads. Weights are random, and torch's allocator is as a plain script has it, unless
``--keep-freed-memory``.

``--steps`` adds, in their order: batch norms folded; weights in channels-last layout; ``direct``, the packed path
(packed weights, fused sums, no auxiliary heads, two frames encoded at once) with every layer computed by oneDNN, as where
there is no C compiler; ``untiled``, with our kernels for all but the wide 3x3 convolutions. ``fp32`` and ``bf16`` compute
those in tiles as well.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from unittest.mock import patch

import torch
from echobench_kernels import native, winograd
from echobench_kernels.folding import fold_batch_norm
from echobench_kernels.gdkvm_model import InferenceGDKVM
from torch import Tensor

from gdkvm.model import GDKVM
from harness.allocator import keep_freed_memory


def timed(run: Callable[[], Tensor]) -> tuple[float, float]:
    """Wall and processor milliseconds of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return 1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu)


def paths(eager: GDKVM, steps: bool) -> dict[str, torch.nn.Module]:
    """The models to compare, the plain one first."""
    found: dict[str, torch.nn.Module] = {"eager": eager}
    if steps:
        found["folded"] = fold_batch_norm(copy.deepcopy(eager))
        found["channels-last"] = copy.deepcopy(found["folded"]).to(memory_format=torch.channels_last)
    for precision in ("fp32", "bf16"):
        if steps:
            with patch.object(native, "used", lambda: False):
                found[f"direct {precision}"] = InferenceGDKVM(eager, precision).eval()
            with patch.object(winograd, "LEAST_CHANNELS", 10**9):
                found[f"untiled {precision}"] = InferenceGDKVM(eager, precision).eval()
        found[precision] = InferenceGDKVM(eager, precision).eval()
    return found


def compare(models: dict[str, torch.nn.Module], frames: Tensor, repeats: int) -> None:
    """Print a line for each model: time, ratio to eager, difference of the logits."""
    length = frames.shape[1]
    with torch.inference_mode():
        outputs = {name: model(frames) for name, model in models.items()}  # also the warm-up
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in models}
        for _ in range(repeats):
            for name, model in models.items():
                times[name].append(timed(lambda model=model: model(frames)))
    for name, pairs in times.items():
        wall, cpu = (statistics.median(pair[i] for pair in pairs) / length for i in (0, 1))
        ratios = [
            statistics.median(eager[i] / own[i] for eager, own in zip(times["eager"], pairs, strict=True))
            for i in (0, 1)
        ]
        difference = (outputs[name] - outputs["eager"]).abs().max()
        print(
            f"T={length:3d} {name:13s} wall {wall:7.1f} ms/frame ({ratios[0]:.2f}x)   "
            f"cpu {cpu:7.1f} ms/frame ({ratios[1]:.2f}x)   max logit difference {difference:.1e}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--frames", type=int, nargs="+", default=[10, 32])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", action="store_true")
    parser.add_argument("--keep-freed-memory", action="store_true", help="set the allocator as the command line does")
    options = parser.parse_args()
    if options.keep_freed_memory:
        keep_freed_memory()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    models = paths(GDKVM().eval(), options.steps)
    print(f"GDKVM paper size, {options.size} px, batch 1, {options.threads} threads, torch {torch.__version__}")
    for length in options.frames:
        compare(models, torch.rand(1, length, 1, options.size, options.size), options.repeats)


if __name__ == "__main__":
    main()
