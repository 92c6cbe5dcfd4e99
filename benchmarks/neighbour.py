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
torch.manual_seed(0)
layers = [torch.nn.Conv2d(1, 32, 3, padding=1)]
for _ in range(8):
    layers += [torch.nn.BatchNorm2d(32), torch.nn.ReLU(), torch.nn.Conv2d(32, 32, 3, padding=1)]
model, frames = torch.nn.Sequential(*layers), torch.rand(4, 1, 64, 64)
def step():
    model.zero_grad()
    model(frames).square().mean().backward()
step()
began, cpu, steps = time.monotonic(), time.process_time(), 0
while time.monotonic() < began + float(sys.argv[1]):
    step()
    steps += 1
print(steps / (time.monotonic() - began), (time.process_time() - cpu) / steps)
"""
BUSY = "while True: pass"
WAYS = {
    "spinning": {"OMP_WAIT_POLICY": "ACTIVE"},
    "torch's default": {},
    "passive (ours)": {"OMP_WAIT_POLICY": "PASSIVE"},
}


def rate(way: dict[str, str], threads: int, seconds: float, neighbours: int) -> tuple[float, float]:
    """Steps per second, and processor seconds a step, of one training beside so many processes that never rest."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_"))}
    environment |= {**way, "OMP_NUM_THREADS": str(threads)}
    busy = [subprocess.Popen(["nice", "-n", "5", sys.executable, "-c", BUSY]) for _ in range(neighbours)]
    try:
        command = [sys.executable, "-c", STEP, str(seconds)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        speed, cost = map(float, done.stdout.split())
        return speed, cost
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
    print(f"load before: {os.getloadavg()[0]:.1f}; {arguments.threads} threads; median [range]")
    counts = [0, arguments.neighbours] if arguments.neighbours else [0]
    print("| waiting | neighbours planted | steps per second | processor ms a step |\n|---|--:|--:|--:|")
    for name, way in WAYS.items():
        for neighbours in counts:
            found = [rate(way, arguments.threads, arguments.seconds, neighbours) for _ in range(arguments.repeats)]
            speeds, costs = zip(*found, strict=True)
            spread = f"{statistics.median(speeds):.2f} [{min(speeds):.2f}-{max(speeds):.2f}]"
            print(f"| {name} | {neighbours} | {spread} | {1000 * statistics.median(costs):.0f} |", flush=True)


if __name__ == "__main__":
    main()
