"""Kills at random moments: every verb is killed and started again until it ends, and its files are compared byte by byte.

    python benchmarks/torture.py --kills 100 --minutes 60        (make torture)
    python benchmarks/torture.py --kills 10 --minutes 5          (the short version)

The same commands run undisturbed first. Then each of them is started with 1 and with 3 processes on one store, the whole
process group gets SIGKILL after a random part of the undisturbed time, and is started again, until the kills of its share
are spent; the last start may end. Compared are weights, rows, pictures, sweeps, masks and tables of accuracy; what is
measured in seconds differs between any two runs and is left out. Exit code 1 where a file differs or a verb fails.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import nibabel
import numpy as np

TINY = [
    *("generate.patients=(3,1,2)", "generate.pixel_mm=1.6", "recipe.image_size=32", "recipe.iterations=6"),
    *("recipe.val_interval=2", "recipe.checkpoint_interval=1", "recipe.batch_size=2", "recipe.precision=fp32"),
    *("models.unet.widths=(4,8)", "profile.warmup=1", "profile.repeats=1"),
]
SET = " ".join(f"--set {shlex.quote(item)}" for item in TINY)
VERBS = {
    "bench": f"bench --models unet --recipe smoke --seeds 0,1 --report torture {SET}",
    "robustness": "robustness run --report torture --perturbations gain_down,haze --severities 1,3 --limit 1",
    "segment": "segment clip.nii.gz --run unet-small-s0 --overlay none --frame-rate 30 --out segmented/clip",
    "report": "report torture",
}
COMPARED = ("best.pth", "cases.csv", "pictures.npz", "masks.nii.gz", "areas.csv", "table.csv")
SWEPT = "robustness"


@dataclass(kw_only=True, slots=True)
class Tally:
    """What happened to one verb with so many processes."""

    verb: str
    processes: int
    kills: int = 0
    compared: int = 0
    differing: list[str] = field(default_factory=list)
    failure: str = ""

    def line(self) -> str:
        """A row of the printed table."""
        outcome = self.failure or (f"{len(self.differing)} differ: {self.differing[:3]}" if self.differing else "equal")
        return f"| {self.verb} | {self.processes} | {self.kills} | {self.compared} | {outcome} |"


def start(verb: str, folder: Path) -> subprocess.Popen[bytes]:
    """One process of a verb in a folder, in a group of its own."""
    command = [sys.executable, "-m", "harness", *shlex.split(VERBS[verb])]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ECHOBENCH_LEASE_S": "20"}
    log = open(folder / f"{verb}.log", "ab")  # noqa: SIM115  (the process keeps it)
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to the whole group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def write_clip(path: Path) -> None:
    """Twelve frames of a bright sector with a dark cavity that changes its size."""
    rows, columns = np.mgrid[0:64, 0:64]
    sizes = 14 - 4 * np.sin(np.linspace(0, np.pi, 12))
    frames = [np.where((rows - 34) ** 2 / (1.8 * s * s) + (columns - 32) ** 2 / (s * s) < 1, 30, 140) for s in sizes]
    image = nibabel.Nifti1Image(np.stack(frames).astype(np.uint8).transpose(2, 1, 0), np.diag([-1.0, -1.0, 1.0, 1.0]))
    image.header.set_xyzt_units("mm", "unknown")
    nibabel.save(image, path)


def undisturbed(folder: Path) -> dict[str, float]:
    """Run every verb once; returns the seconds that each took."""
    seconds = {}
    for verb in VERBS:
        began = time.monotonic()
        code = start(verb, folder).wait()
        if code:
            raise SystemExit(f"The undisturbed {verb} ended with {code}; see {folder / f'{verb}.log'}.")
        seconds[verb] = time.monotonic() - began
    return seconds


def tortured(verb: str, processes: int, kills: int, seconds: float, folder: Path, until: float) -> Tally:
    """Start, kill and start a verb again until its kills are spent and it ended."""
    tally = Tally(verb=verb, processes=processes)
    while tally.kills < kills and time.monotonic() < until:
        running = [start(verb, folder) for _ in range(processes)]
        time.sleep(random.uniform(0.05, 1.0) * seconds)
        for process in running:
            tally.kills += process.poll() is None
            kill(process)
    codes = [process.wait() for process in [start(verb, folder) for _ in range(processes)]]
    if any(codes):
        tally.failure = f"exit codes {codes}"
    return tally


def compare(tally: Tally, expected: Path, got: Path) -> None:
    """Compare the files of two folders by their bytes."""
    for path in sorted(expected.rglob("*")):
        relative = path.relative_to(expected)
        if path.is_file() and (path.name in COMPARED or (path.suffix == ".csv" and SWEPT in relative.parts)):
            tally.compared += 1
            other = got / relative
            if not other.is_file() or other.read_bytes() != path.read_bytes():
                tally.differing.append(relative.as_posix())
    leftovers = list(got.rglob("*.tmp"))
    if leftovers and tally.verb == "report":
        tally.differing += [path.relative_to(got).as_posix() for path in leftovers]


def main() -> None:
    """Print a table with a row per verb and number of processes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    random.seed(chosen.seed)
    until = time.monotonic() + 60 * chosen.minutes
    with tempfile.TemporaryDirectory(prefix="echobench-torture-") as root:
        expected = Path(root, "undisturbed")
        expected.mkdir()
        write_clip(expected / "clip.nii.gz")
        seconds = undisturbed(expected)
        print(f"undisturbed: {', '.join(f'{verb} {s:.0f} s' for verb, s in seconds.items())}\n")
        print("| verb | processes | kills | files compared | outcome |\n|:--|--:|--:|--:|:--|", flush=True)
        tallies = []
        for processes in (1, 3):
            got = Path(root, f"killed-{processes}")
            got.mkdir()
            write_clip(got / "clip.nii.gz")
            for verb in VERBS:
                share = max(1, chosen.kills // (2 * len(VERBS)))
                tally = tortured(verb, processes, share, seconds[verb], got, until)
                compare(tally, expected, got) if verb == "report" else None
                tallies.append(tally)
                print(tally.line(), flush=True)
        print(
            f"\n{sum(tally.kills for tally in tallies)} kills, {sum(tally.compared for tally in tallies)} files compared"
        )
    sys.exit(1 if any(tally.differing or tally.failure for tally in tallies) else 0)


if __name__ == "__main__":
    main()
