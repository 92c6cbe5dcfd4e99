"""What a neighbour on the processor costs a training: steps per second with and without planted ones, by way of waiting.

OpenMP's threads wait for each other at the end of every parallel piece of work. By default they wait by spinning; when a
neighbour has taken the core of one of them, the others burn theirs until it comes back. ``OMP_WAIT_POLICY=PASSIVE``, which
the command line sets, lets them sleep.

    python benchmarks/neighbour.py --seconds 10
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys

STEP = """
import sys, time, torch
from harness.registry import MODELS, load_plugins
load_plugins()
torch.manual_seed(0)
model = MODELS.build(dict(type="UNet", widths=(16, 32, 64, 128, 128))).train()
frames = torch.rand(2, 2, 1, 96, 96)
def step():
    model.zero_grad()
    model.forward_train(frames).logits.square().mean().backward()
step()
began, steps = time.monotonic(), 0
while time.monotonic() < began + float(sys.argv[1]):
    step()
    steps += 1
print(steps / (time.monotonic() - began), time.process_time())
"""
BUSY = "while True: pass"
WAYS = {
    "spinning": {"OMP_WAIT_POLICY": "ACTIVE"},
    "torch's default": {},
    "passive (ours)": {"OMP_WAIT_POLICY": "PASSIVE"},
}


def rate(way: dict[str, str], threads: int, seconds: float, neighbours: int) -> float:
    """Steps per second of one training beside so many low-priority processes that never rest."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_"))}
    environment |= {**way, "OMP_NUM_THREADS": str(threads)}
    busy = [subprocess.Popen(["nice", "-n", "5", sys.executable, "-c", BUSY]) for _ in range(neighbours)]
    try:
        command = [sys.executable, "-c", STEP, str(seconds)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return float(done.stdout.split()[0])
    finally:
        for process in busy:
            process.kill()
            process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--neighbours", type=int, default=(os.cpu_count() or 1) + 1)
    arguments = parser.parse_args()
    print(f"load before: {os.getloadavg()[0]:.1f}; {arguments.threads} threads; steps per second, median [range]")
    print(f"| waiting | alone | beside {arguments.neighbours} neighbours | left of the speed |\n|---|--:|--:|--:|")
    for name, way in WAYS.items():
        cells, medians = [], []
        for neighbours in (0, arguments.neighbours):
            rates = [rate(way, arguments.threads, arguments.seconds, neighbours) for _ in range(arguments.repeats)]
            medians.append(statistics.median(rates))
            cells.append(f"{medians[-1]:.1f} [{min(rates):.1f}-{max(rates):.1f}]")
        print(f"| {name} | {cells[0]} | {cells[1]} | {100 * medians[1] / medians[0]:.0f} % |", flush=True)


if __name__ == "__main__":
    main()
