"""GDKVM never diverges: the reference network over many random frames, from many random initialisations.

python benchmarks/stability.py [--inits 20] [--frames 1000] [--size 64] [--precisions fp32 bf16] [--engine eager] [--threads 1]

Streams frames of uniform noise through the default variant at the published widths (35 M parameters, state 64 x 256,
8 gate heads) and prints one line per initialisation and precision: the largest norm of the state in the first and in
the second half of the stream, the largest logit, and the first frame that was not finite, if any. ``bf16`` is autocast,
as in training, with the engine eager; the state stays float32. Ends with code 1 if a stream was not finite or its norm grew faster than by
diffusion, the square root of time.

One processor core needs about 45 ms per frame at 64 px and 20 ms at 32 px with the engine native, i.e. half an hour
for the defaults. With ``--rule released --key-scale none`` it shows the first release diverge.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass
from typing import Any

import torch

from gdkvm.model import GDKVM, Memory
from gdkvm.rule_registry import list_rules
from harness.engines import make_engine
from harness.modeling import VideoSegmenter
from harness.registry import list_engines

GROWTH = 1.6
"""Largest norm of the second half over that of the first: √2 for diffusion and a margin for chance; 2 is linear growth."""


@dataclass(frozen=True, slots=True)
class Course:
    """What happened to one model on one stream; norms are of the state, over all its entries."""

    early: float
    late: float
    logit: float
    diverged_at: int | None

    @property
    def bounded(self) -> bool:
        """Finite throughout and growing no faster than by diffusion."""
        return self.diverged_at is None and self.late <= GROWTH * self.early

    def __str__(self) -> str:
        end = "finite" if self.diverged_at is None else f"not finite at frame {self.diverged_at}"
        return f"largest state norm {self.early:9.2f} then {self.late:9.2f}, largest logit {self.logit:6.2f}, {end}"


def stream(model: VideoSegmenter, frames: int, size: int, seed: int) -> Course:
    """Stream ``frames`` frames of noise of ``size`` pixels through a model."""
    generator = torch.Generator().manual_seed(seed)
    norms, logit = [], 0.0
    with torch.inference_mode():
        frame = torch.rand(1, 1, size, size, generator=generator)
        state = model.begin(frame)
        for number in range(frames):
            logits, state = model.step(frame, state)
            norms.append(float(_memory(state).state.norm()))
            logit = max(logit, float(logits.abs().max()))
            if not (math.isfinite(norms[-1]) and bool(logits.isfinite().all())):
                return Course(max(norms[:-1], default=math.nan), math.nan, logit, number)
            frame = torch.rand(1, 1, size, size, generator=generator)
    half = frames // 2
    return Course(max(norms[:half]), max(norms[half:]), logit, None)


def _memory(state: Any) -> Memory:
    """GDKVM's memory, however many segmenters an engine has put around the model."""
    while not isinstance(state, Memory):
        state = state.memory
    return state


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inits", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="seed of the first initialisation")
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--precisions", nargs="+", choices=("fp32", "bf16"), default=["fp32", "bf16"])
    parser.add_argument("--engine", choices=list_engines(), default="eager")
    parser.add_argument("--rule", choices=list_rules(), default="gated")
    parser.add_argument("--key-scale", choices=("bound", "none", "l2"), default="bound")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def main() -> int:
    chosen = options()
    torch.set_num_threads(chosen.threads)
    failed = 0
    for seed in range(chosen.first, chosen.first + chosen.inits):
        torch.manual_seed(seed)
        model = GDKVM(update_rule=chosen.rule, key_scale=chosen.key_scale).eval()
        for precision in chosen.precisions:
            example = torch.rand(1, 1, 1, chosen.size, chosen.size)
            executed = make_engine(chosen.engine)(model, example, precision=precision)
            course = stream(executed, chosen.frames, chosen.size, seed)
            failed += not course.bounded
            print(f"init {seed:2d} {precision}: {course}", flush=True)
    print(f"{failed} of {chosen.inits * len(chosen.precisions)} streams diverged or grew faster than by diffusion")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
