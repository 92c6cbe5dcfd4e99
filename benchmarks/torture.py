"""Kills at random moments: verbs are killed and started again until they end, and their files are compared byte by byte.

    python benchmarks/torture.py --kills 100 --minutes 60                                     (make torture)
    python benchmarks/torture.py --kills 20 --minutes 5                                       (make torture-quick)
    python benchmarks/torture.py --kills 3 --minutes 1 --verbs bench --processes 1            (in CI)

The verbs run undisturbed first, each in the folder that the one before it has left. Then rounds: a folder as it was before
the verb, so many processes of the same command on its one store, each of which gets SIGKILL (its whole group, or every third
time its main process alone) after a random part of the undisturbed time and is started again. A round ends when all of them
have ended by themselves; after the last kill nobody is killed any more. After every kill the store is read, and no record in
it may be damaged; after every round the files are compared and what was left over is removed and counted.

Compared is what a command computes: weights, rows, pictures, sweeps, masks, tables and figures. What is measured in seconds
differs between any two runs, and whatever shows it is left out. Exit code 1 where a file differs or a verb fails.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nibabel
import numpy as np

from harness.leftovers import in_folders, remove
from harness.store.formats.cases import CASES
from harness.store.runs import RunStore

TINY = [
    *("generate.patients=(3,1,2)", "generate.pixel_mm=1.6", "recipe.image_size=32", "recipe.iterations=6"),
    *("recipe.val_interval=2", "recipe.checkpoint_interval=1", "recipe.batch_size=2", "recipe.precision=fp32"),
    *("models.unet.widths=(4,8)", "profile.warmup=1", "profile.repeats=1", "profile.patience_s=0"),
]
SET = " ".join(f"--set {shlex.quote(item)}" for item in TINY)
STUDY = """study = dict(
    kind="grid",
    model="unet",
    seeds=[0],
    factors=dict(
        width=dict(label="Width", levels={"8": {}, "6": {"models.unet.widths": (4, 6)}}),
        rate=dict(label="Rate", levels={"high": {}, "low": {"recipe.optimizer.lr": 1e-4}}),
    ),
)
"""
VERBS = {
    "bench": f"bench --models unet --recipe smoke --seeds 0,1 --report torture {SET}",
    "ablate": f"ablate tiny_study.py --recipe smoke --study-name tiny --no-profile {SET}",
    "robustness": "robustness run --report torture --perturbations gain_down,haze --severities 1,3 --limit 1",
    "segment": "segment clip.nii.gz --run unet-small-s0 --overlay none --frame-rate 30 --out segmented/clip",
    "report": "report torture",
}
WEIGHTS_AND_ROWS = ("best.pth", "cases.csv", "pictures.npz", "masks.nii.gz", "areas.csv", "summary.json")
TIMED = ("profile.csv", "cost", "log.jsonl", "table.csv", "trade_off")
"""Words in names of files that hold seconds."""


@dataclass(kw_only=True, slots=True)
class Tally:
    """What happened to one verb with so many processes."""

    verb: str
    processes: int
    seconds: float
    kills: int = 0
    rounds: int = 0
    compared: int = 0
    leftovers: int = 0
    differing: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def line(self) -> str:
        """A row of the printed table."""
        wrong = [
            *self.failures[:2],
            *([f"{len(self.differing)} differ: {self.differing[:3]}"] if self.differing else []),
        ]
        cells = (
            self.verb,
            self.processes,
            self.kills,
            self.rounds,
            self.compared,
            self.leftovers,
            "; ".join(wrong) or "equal",
        )
        return f"| {' | '.join(map(str, cells))} |"


def start(verb: str, folder: Path) -> subprocess.Popen[bytes]:
    """One process of a verb in a folder, in a group of its own."""
    command = [sys.executable, "-m", "harness", *shlex.split(VERBS[verb])]
    # A killed process must be found dead within the round; nobody else works on these stores.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ECHOBENCH_LEASE_S": "20"}
    with open(folder / f"{verb}.log", "ab") as log:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)


def kill(process: subprocess.Popen[bytes], group: bool = True) -> None:
    """SIGKILL to the whole group, or to the main process alone, whose children then see to themselves."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL) if group else os.kill(process.pid, signal.SIGKILL)
    process.wait()


def write_inputs(folder: Path) -> None:
    """The study, and a clip of twelve frames: a bright sector with a dark cavity that changes its size."""
    (folder / "tiny_study.py").write_text(STUDY)
    rows, columns = np.mgrid[0:64, 0:64]
    sizes = 14 - 4 * np.sin(np.linspace(0, np.pi, 12))
    frames = [np.where((rows - 34) ** 2 / (1.8 * s * s) + (columns - 32) ** 2 / (s * s) < 1, 30, 140) for s in sizes]
    image = nibabel.Nifti1Image(np.stack(frames).astype(np.uint8).transpose(2, 1, 0), np.diag([-0.5, -0.5, 1.0, 1.0]))
    image.header.set_xyzt_units("mm", "unknown")
    nibabel.save(image, folder / "clip.nii.gz")


def undisturbed(verbs: Sequence[str], root: Path) -> dict[str, tuple[Path, Path, float]]:
    """Run every verb once; returns its folder before, its folder after, and the seconds that it took."""
    made = {}
    before = root / "before"
    before.mkdir()
    write_inputs(before)
    for verb in VERBS:
        # The later verbs need the runs of `bench`; `ablate` is needed by nobody.
        if verb not in (*verbs, "bench"):
            continue
        after = shutil.copytree(before, root / f"after-{verb}")
        began = time.monotonic()
        code = start(verb, after).wait()
        if code:
            raise SystemExit(
                f"The undisturbed {verb} ended with {code}:\n{(after / f'{verb}.log').read_text()[-2000:]}"
            )
        made[verb] = (before, after, time.monotonic() - began)
        before = before if verb == "ablate" else after
    return made


def torture(tally: Tally, kills: int, made: tuple[Path, Path, float], root: Path, until: float) -> None:
    """Rounds with kills until so many are spent or the time is over."""
    before, after, _ = made
    while tally.kills < kills and time.monotonic() < until and not tally.failures:
        folder = shutil.copytree(before, root / "round")
        try:
            play(tally, kills, folder, until)
            if not tally.failures:
                compare(tally, after, folder)
                clean(tally, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def play(tally: Tally, kills: int, folder: Path, until: float) -> None:
    """One round: every process is killed at a moment of its own and started again, until all of them have ended."""
    tally.rounds += 1
    started: list[subprocess.Popen[bytes]] = []
    begun: dict[int, float] = {}

    def begin() -> tuple[subprocess.Popen[bytes], float]:
        started.append(start(tally.verb, folder))
        begun[started[-1].pid] = time.monotonic()
        # Several processes share the cores: their moments lie as far apart as their work does.
        return started[-1], time.monotonic() + random.uniform(0.03, 1.0) * tally.seconds * tally.processes

    running = [begin() for _ in range(tally.processes)]
    try:
        while running and not tally.failures:
            time.sleep(0.02)
            going = []
            for process, moment in running:
                code = process.poll()
                if code is None and time.monotonic() > moment and tally.kills < kills and time.monotonic() < until:
                    tally.kills += 1
                    kill(process, group=tally.kills % 3 > 0)
                    tally.failures += damaged(folder)
                    going.append(begin())
                elif code is None:
                    going.append((process, moment))
                elif code == 0:
                    # A busy machine may have been slow when the verb ran undisturbed: kills after its end are none.
                    tally.seconds = min(tally.seconds, time.monotonic() - begun[process.pid])
                else:
                    log = (folder / f"{tally.verb}.log").read_text(errors="replace")
                    tally.failures.append(f"exit code {code}: {log[-300:]!r}")
            running = going
    finally:
        for process in started:
            kill(process)


def damaged(folder: Path) -> list[str]:
    """Sentences about records and rows that cannot be read."""
    store = RunStore(folder / "results" / "runs")
    sentences = list(store.damaged().values())
    for run in store.all():
        path = run.path / CASES.file
        try:
            CASES.read(path) if path.is_file() else None
        except Exception as error:
            sentences.append(str(error))
    return sentences


def compared(folder: Path, verb: str) -> Iterator[Path]:
    """Files of a folder that the verb computes and that hold no seconds, as paths below it."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        timed = verb != "report" and any(word in path.name for word in TIMED)
        if not path.is_file() or timed or path.name in ("profile.csv", "log.jsonl") or relative.parts[0] == "data":
            continue
        sweep = path.suffix in (".csv", ".gz") and "robustness" in relative.parts
        # `report` has the same runs before it, with the same seconds in them; others measured them anew.
        report = relative.parts[0] == "reports" and path.suffix in (".csv", ".png", ".pdf", ".tex", ".md", ".html")
        figures = report and verb == "report"
        if path.name in WEIGHTS_AND_ROWS or sweep or figures or (report and path.suffix == ".csv"):
            yield relative


def compare(tally: Tally, expected: Path, got: Path) -> None:
    """Compare the files of two folders by their bytes."""
    for relative in compared(expected, tally.verb):
        tally.compared += 1
        other = got / relative
        if not other.is_file() or other.read_bytes() != (expected / relative).read_bytes():
            tally.differing.append(relative.as_posix())


def clean(tally: Tally, folder: Path) -> None:
    """What ``echobench runs --clean`` does in the round's folder; nothing may be left after it."""
    results, data = folder / "results", folder / "data"
    for path in (left := [path for path in in_folders(results, data) if folder in path.parents]):
        remove(path)
    tally.leftovers += len(left)
    stay = [path for path in folder.rglob("*") if path.name.endswith((".tmp", ".partial"))]
    tally.differing += [path.relative_to(folder).as_posix() for path in stay]


def main() -> None:
    """Print a table with a row per verb and number of processes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbs", default=",".join(VERBS))
    parser.add_argument("--processes", default="1,3")
    chosen = parser.parse_args()
    random.seed(chosen.seed)
    began = time.monotonic()
    verbs, counts = chosen.verbs.split(","), [int(text) for text in chosen.processes.split(",")]
    tallies = []
    with tempfile.TemporaryDirectory(prefix="echobench-torture-") as root:
        made = undisturbed(verbs, Path(root))
        print(f"undisturbed: {', '.join(f'{verb} {s:.0f} s' for verb, (_, _, s) in made.items())}\n")
        print("| verb | processes | kills | rounds | files compared | leftovers removed | outcome |")
        print("|:--|--:|--:|--:|--:|--:|:--|", flush=True)
        plan = [(verb, processes) for verb in verbs for processes in counts]
        for index, (verb, processes) in enumerate(plan):
            tally = Tally(verb=verb, processes=processes, seconds=made[verb][2])
            left = 60 * chosen.minutes - (time.monotonic() - began)
            # What is left of the kills and of the time, in equal parts: a slow verb does not take those of the others.
            share = -(-(chosen.kills - sum(item.kills for item in tallies)) // (len(plan) - index))
            torture(tally, share, made[verb], Path(root), time.monotonic() + left / (len(plan) - index))
            tallies.append(tally)
            print(tally.line(), flush=True)
    sums = [sum(getattr(tally, name) for tally in tallies) for name in ("kills", "rounds", "compared")]
    print(
        f"\n{sums[0]} kills in {sums[1]} rounds, {sums[2]} files compared, {(time.monotonic() - began) / 60:.0f} minutes"
    )
    sys.exit(1 if any(tally.differing or tally.failures for tally in tallies) else 0)


if __name__ == "__main__":
    main()
