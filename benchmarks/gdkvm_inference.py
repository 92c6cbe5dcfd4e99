"""GDKVM: the compiled inference path against the plain eager model, interleaved in one run.

python benchmarks/gdkvm_inference.py [--size 256] [--frames 10 32] [--threads 2] [--repeats 5]

Prints the median milliseconds per frame of the eager fp32 model and, for each compiled precision, milliseconds, the
ratio to eager (median over the repeats of the ratio within one repeat) and the largest difference of the logits. On
a shared machine ``cpu`` is the steadier column: processor time of all threads, which idle threads do not add to when
OMP_WAIT_POLICY=passive is set (the script sets it).
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import torch
from torch import Tensor

from gdkvm.model import GDKVM


def timed(run: Callable[[], Tensor]) -> tuple[float, float]:
    """Wall and processor milliseconds of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return 1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu)


def compare(models: dict[str, torch.nn.Module], frames: Tensor, repeats: int) -> None:
    length = frames.shape[1]
    with torch.inference_mode():
        outputs = {name: model(frames[:, :2]) for name, model in models.items()}
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
            f"T={length:3d} {name:6s} wall {wall:8.1f} ms/frame ({ratios[0]:.2f}x)   "
            f"cpu {cpu:8.1f} ms/frame ({ratios[1]:.2f}x)   max logit difference {difference:.1e}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--frames", type=int, nargs="+", default=[10, 32])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    eager = GDKVM().eval()
    models: dict[str, torch.nn.Module] = {"eager": eager}
    models.update({precision: eager.compile_for_inference(precision) for precision in ("fp32", "bf16")})
    print(f"GDKVM paper size, {options.size} px, batch 1, {options.threads} threads, torch {torch.__version__}")
    for length in options.frames:
        compare(models, torch.rand(1, length, 1, options.size, options.size), options.repeats)


if __name__ == "__main__":
    main()
