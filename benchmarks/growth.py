"""How time, memory and disk grow with the number of clips: EchoNet-like roots through check, cache, one epoch, evaluation, report.

    python benchmarks/growth.py --clips 100,1000                  (EchoNet-Dynamic has 10,024: --clips 10024)

Roots are made of a handful of phantom clips, written again under new names; reading and measuring cost what they cost with
other pixels. Processor seconds are those of the command with its workers, memory is that of its largest process.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness.data.camus_phantom import Phantom
from harness.phantom import generate
from harness.phantom.echonet_export import export_phantom
from harness.phantom.echonet_writer import EchoNetVideo, write_echonet

SPLITS = ("train",) * 6 + ("val",) + ("test",)
"""Six to one to one, as EchoNet-Dynamic's 7460, 1288 and 1276."""
HEAD = "| clips | step | processor s | s per 1000 clips | largest process MiB | disk MiB |\n|--:|---|--:|--:|--:|--:|"


def videos(phantom: Path, count: int, side: int) -> Iterator[EchoNetVideo]:
    """So many videos: the phantom's, each under many names."""
    from harness.phantom import read_manifest
    from harness.phantom.echonet_export import _videos

    dataset = Phantom(phantom, views=("4CH",))
    truth = {patient["id"]: patient for patient in read_manifest(phantom)["patients"]}
    cases = [case for split in ("train", "val", "test") for case in dataset.cases(split)]
    made = list(_videos(dataset, cases, truth, side))
    for number, (video, split) in enumerate(
        itertools.islice(zip(itertools.cycle(made), itertools.cycle(SPLITS)), count)
    ):
        yield dataclasses.replace(video, name=f"0X{number:06d}", split=split)


def measured(*arguments: str) -> tuple[float, float]:
    """``echobench ARGUMENTS``: processor seconds with all of its workers, MiB of the largest process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    told = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"echobench {' '.join(arguments)}\n{told.decode()[-2000:]}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def disk(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", default="100,1000", help="numbers of clips")
    parser.add_argument("--side", type=int, default=112, help="of videos and of the cache, in pixels")
    arguments = parser.parse_args()
    print(HEAD)
    with tempfile.TemporaryDirectory(prefix="echobench-growth-") as folder:
        work = Path(folder)
        phantom = generate(work / "phantom", patients=(6, 1, 1), pixel_mm=1.6, progress=False)
        export_phantom(phantom, work / "tried")  # a root that the exporter itself makes, for its checks
        for count in map(int, arguments.clips.split(",")):
            root, data, store = work / f"root{count}", work / f"data{count}", work / f"store{count}"
            write_echonet(root, videos(phantom, count, arguments.side))
            where = ["--dataset", "echonet", "--root", str(root), "--data-dir", str(data), "--allow-partial"]
            epoch = max(1, count * 6 // 8 // 4)
            recipe = {"image_size": arguments.side, "batch_size": 4, "iterations": epoch, "val_interval": epoch, "clip_length": 2,
                      "test_clip_length": 2, "augment": "none"}  # fmt: skip
            settings = [f"recipe.{key}={value!r}" for key, value in recipe.items()] + ["models.unet.widths=(4,8)"]
            chosen = [word for item in settings for word in ("--set", item)]
            places = ["--results-dir", str(store / "runs"), "--reports-dir", str(store / "reports")]
            bench = [
                "bench",
                *where,
                "--clip",
                "ed_es",
                "--structures",
                "lv",
                "--models",
                "unet",
                "--seeds",
                "0",
                *chosen,
                *places,
            ]
            steps = {
                "check": (["data", "check", str(root), "--dataset", "echonet"], root),
                "cache": (["data", "prepare", *where, "--clip", "ed_es", "--image-size", str(arguments.side)], data),
                "one epoch, validation, evaluation": ([*bench, "--only", "1"], store / "runs"),
                "profile and report": ([*bench, "--report-only"], store / "reports"),
            }
            for name, (command, left) in steps.items():
                cpu, memory = measured(*command)
                print(
                    f"| {count} | {name} | {cpu:.1f} | {1000 * cpu / count:.1f} | {memory:.0f} | {disk(left):.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
