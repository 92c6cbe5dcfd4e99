"""How long does a report take? Fabricates a finished suite (no model, no training) and writes its report, step by step.

    python benchmarks/report.py --models 5 --seeds 3 --patients 100        (about half a minute on one core)
    python benchmarks/report.py --models 5 --seeds 5 --patients 1000 --tables      (the tables alone: every statistic of a report)

Every patient has two views with two labelled frames each; rows, profiles, logs and pictures are random numbers with the
shapes of real ones. ``--keep FOLDER`` leaves store and report behind, to be looked at.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from harness.files import write_text
from harness.profiling.profile import profile_table
from harness.reporting.report import write_report
from harness.reporting.tables.ejection_fraction import ef_table
from harness.reporting.tables.main_comparison import main_table
from harness.reporting.tables.paired_comparisons import comparison_table
from harness.reporting.tables.parts import part_tables
from harness.reporting.tables.ranks import rank_table
from harness.reporting.tables.subgroups import subgroup_table
from harness.results.comparisons import all_comparisons
from harness.results.pictures import CasePicture, save_pictures
from harness.results.ranks import ranking
from harness.results.result_set import ResultSet
from harness.results.suite import suite_results
from harness.statistics.bootstrap import mean_interval
from harness.statistics.ranks import rank_stability
from harness.store.formats.profile import PROFILE
from harness.store.runs import Run, RunSpec, RunStore

T = TypeVar("T")
LABELS = ("GDKVM", "U-Net", "TransUNet", "STM", "XMem", "Model 6", "Model 7", "Model 8")
METRICS = ("dice", "iou", "precision", "recall", "hd_mm", "hd95_mm", "asd_mm", "nsd_mm", "empty")


def rows(run: Run, patients: int, structures: tuple[str, ...], skill: float) -> pd.DataFrame:
    """Rows of one run: two views x ED and ES x structures x nine metrics per patient, and ejection fractions."""
    own, shared = np.random.default_rng([run.spec.seed, round(1e4 * skill)]), np.random.default_rng(7)
    difficulty, truth = shared.exponential(0.04, patients), shared.uniform(25, 70, patients)
    head = {
        "run": run.name,
        "model": run.spec.model["name"],
        "seed": run.spec.seed,
        "dataset": "phantom",
        "split": "test",
    }
    grid = pd.MultiIndex.from_product(
        [range(patients), ("2CH", "4CH"), (0, 9), structures], names=["patient", "view", "frame", "structure"]
    ).to_frame(index=False)
    dice = np.clip(skill - difficulty[grid["patient"]] + own.normal(0, 0.01, len(grid)), 0.05, 0.99)
    values = (dice, dice / (2 - dice), dice, dice, 80 * (1 - dice), 60 * (1 - dice), 20 * (1 - dice), dice**2, 0 * dice)
    overlap = [grid.assign(metric=metric, value=value) for metric, value in zip(METRICS, values, strict=True)]
    predicted = truth + own.normal(0, 100 * (1 - skill), patients)
    ef = {"ef_biplane_predicted": predicted, "ef_biplane_reference": truth, "ef_stated": np.round(truth)}
    clinical = [
        pd.DataFrame({"patient": range(patients), "view": "", "frame": -1, "structure": "lv", "metric": m, "value": v})
        for m, v in ef.items()
    ]
    table = pd.concat([*overlap, *clinical], ignore_index=True).assign(**head)
    table["phase"] = table["frame"].map({0: "ED", 9: "ES", -1: ""})
    table["patient"] = table["patient"].map("patient{:04d}".format)
    return table


def profile(run: Run, fps: float) -> pd.DataFrame:
    """A streaming condition and the peak memory at five clip lengths."""
    common = {"status": "ok", "device": "cpu", "precision": "fp32", "threads": 2, "image_size": 128}
    cost = {"parameters": 9e6 * 40 / fps, "gmacs_per_frame_torch": 40 / fps, "fps": fps, "median_ms": 1000 / fps}
    memory = [
        {**common, "mode": "memory_streaming", "clip_length": length, "peak_memory_mb": 20 + 400 * length / fps / fps}
        for length in (4, 8, 16, 32, 64)
    ]
    lines = [{**common, **cost, "mode": "streaming", "peak_memory_mb": 20 + 400 / fps}, *memory]
    return profile_table(lines, model=run.spec.model["name"], size="small", clip_length=10)


def log(seed: int, pace: float) -> str:
    """Three hundred lines of training and ten validations; the loss has halved after ``pace`` iterations."""
    noise = np.random.default_rng(seed).normal(0, 0.02, 301)
    train = [{"kind": "train", "iteration": i, "loss": 1 / (1 + i / pace) + noise[i]} for i in range(1, 301)]
    checks = [
        {"kind": "val", "iteration": i, "score": 0.9 - 1 / (3 + i / pace) + 0.1 * noise[i]} for i in range(30, 301, 30)
    ]
    return "\n".join(json.dumps(line) for line in [*train, *checks]) + "\n"


def pictures(label: str, frames: int = 10) -> list[CasePicture]:
    """Best, median and worst case of one run: noise with a disc in it, 500 x 600 pixels."""
    y, x = np.mgrid[:500, :600]
    masks = np.stack([((y - 250) ** 2 + (x - 300) ** 2 < (90 + 5 * t) ** 2).astype(np.uint8) for t in range(frames)])
    pixels = np.random.default_rng(0).integers(0, 120, masks.shape).astype(np.uint8)
    return [
        CasePicture(
            label=label,
            role=role,
            patient=f"patient{index:04d}",
            view="4CH",
            phase="ES",
            dice=dice,
            frames=pixels,
            reference=masks,
            predicted=np.roll(masks, 9 * index, 2),
            frame=3,
            spacing_mm=(0.3, 0.2),
        )
        for index, (role, dice) in enumerate((("best", 97.0), ("median", 93.0), ("worst", 61.0)))
    ]


def fabricate(folder: Path, models: int, seeds: int, patients: int, structures: tuple[str, ...]) -> list[Run]:
    """Write a store of finished runs below ``folder``."""
    store, found = RunStore(folder), []
    for index, label in enumerate(LABELS[:models]):
        for seed in range(seeds):
            name = label.lower().replace(" ", "")
            model = {"name": name, "size": "small", "label": label, "build": {"type": name}}
            data = {
                "dataset": "phantom",
                "fingerprint": "0" * 16,
                "mark": None,
                "views": ["2CH", "4CH"],
                "clip": "half",
            }
            protocol = {"first_frame": "auto", "structures": "lv" if len(structures) == 1 else "all"}
            run = store.open(RunSpec(model=model, data=data, recipe={}, seed=seed, protocol=protocol))
            run.start()
            run.write_rows(rows(run, patients, structures, 0.965 - 0.004 * index + 0.002 * seed))
            PROFILE.write(profile(run, 30.0 + 12 * index), run.path / PROFILE.file)
            write_text(run.path / "log.jsonl", log(seed, 20.0 + 10 * index))
            save_pictures(run.path, pictures(label))
            run.finish(seconds={"train": 1.0})
            found.append(run)
    return found


def timed(name: str, make: Callable[[], T]) -> T:
    """Call and print wall and processor seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    made = make()
    print(f"{name:48s} {time.perf_counter() - wall:7.2f} s wall {time.process_time() - cpu:7.2f} s cpu", flush=True)
    return made


def statistics(patients: int = 50, models: int = 5) -> None:
    """10,000 resamples over a 5 x 50 table: an interval per model, and the stability of the ranking."""
    table = pd.DataFrame(np.random.default_rng(0).normal(0.9, 0.05, (patients, models)))
    timed(f"intervals of a {models} x {patients} table", lambda: [mean_interval(table[k]) for k in table])
    timed(f"rank stability of a {models} x {patients} table", lambda: rank_stability(table))


def tables(results: ResultSet) -> None:
    """Every test, interval and rank of a suite's report: rows in memory to finished tables."""
    for arm in results.arms:
        arm.tables  # noqa: B018  reading the rows is not what is measured

    def everything() -> None:
        timed("all comparisons", lambda: all_comparisons(results))
        timed("main table", lambda: main_table(results))
        timed("comparison table", lambda: comparison_table(results))
        timed("subgroups", lambda: subgroup_table(results))
        timed("ranks", lambda: rank_table(results))
        timed("rank stability", lambda: ranking(results))
        timed("views and phases", lambda: part_tables(results))
        timed("ejection fraction", lambda: ef_table(results))

    timed("together", everything)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("models", 5), ("seeds", 3), ("patients", 100)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--structures", default="lv", help="lv, or lv,myo,la")
    parser.add_argument("--tables", action="store_true", help="make the tables one by one and nothing else")
    parser.add_argument("--keep", type=Path, help="folder for store and report")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.keep or Path(scratch)
        structures = tuple(given.structures.split(","))
        runs = fabricate(folder / "results/runs", given.models, given.seeds, given.patients, structures)
        print(f"{len(runs)} runs, {given.patients} patients, {len(runs[0].rows()):,} rows each")
        if given.tables:
            tables(suite_results(runs, name="fabricated"))
            return
        statistics()
        results = timed("reading the store", lambda: suite_results(runs, name="fabricated"))
        timed("writing the report", lambda: write_report(results, folder / "reports/fabricated"))


if __name__ == "__main__":
    main()
