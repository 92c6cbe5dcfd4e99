"""A finished study without any training: rows with known effects in a results store of its own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from harness import config
from harness.experiments.study.cells import study_cells
from harness.experiments.study.collect import collect
from harness.experiments.study.job import ResolvedStudy
from harness.experiments.study.reading import load_study
from harness.experiments.study.trials import study_of
from harness.profiling.profile import profile_table
from harness.registry import load_plugins
from harness.results.result_set import ResultSet
from harness.store.formats.profile import PROFILE
from harness.store.runs import ROW_COLUMNS, RunSpec, RunStore

COSTS = [
    {"mode": "streaming", "engine": "native", "status": "ok", "median_ms": 25.0, "fps": 40.0, "device": "cpu"},
    {"mode": "clip", "engine": "eager", "status": "ok", "median_ms": 250.0, "device": "cpu"},
    {"mode": "clip", "engine": "native", "status": "ok", "median_ms": 200.0, "device": "cpu"},
    {"mode": "complexity", "status": "ok", "parameters": 9_100_000, "gmacs_per_frame_torch": 0.6},
]
EFFECTS = {"lkva": 0.02, "gdr": 0.01, "kpff": 0.005}
METRICS = ("dice", "iou", "hd_mm", "hd95_mm", "asd_mm")


def resolved_study(root: Path, name: str = "modules") -> ResolvedStudy:
    """The study's cells over a base spec of GDKVM, in a store below ``root``."""
    load_plugins()
    definition = load_study(name)
    build = {"type": "GDKVM", "update_rule": "gated", "key_scale": "bound", "value_pixel_feature": "current"}
    build |= {"key_width": 64, "heads": 8, "num_structures": 1}
    recipe = config.load("recipes", "phantom_ablation").to_dict()["recipe"]
    specs = [
        RunSpec(
            model={"name": "gdkvm", "size": "small", "label": "GDKVM", "build": dict(build), "custom_imports": ()},
            data={
                "dataset": "phantom",
                "views": ["4CH"],
                "clip": "half",
                "image_size": 96,
                "fingerprint": "x",
                "mark": None,
            },
            recipe=recipe,
            seed=seed,
            protocol={"first_frame": "auto", "structures": "lv"},
        )
        for seed in definition.seeds
    ]
    plan: Any = SimpleNamespace(specs=specs, name="phantom-4ch-half-small", cache=None, profile={})
    return ResolvedStudy(definition=definition, plan=plan, cells=study_cells(definition), store=RunStore(root))


def finish(resolved: ResolvedStudy, *, patients: int = 25, unfinished: tuple[str, ...] = ()) -> ResultSet:
    """Write rows, profiles and trials of every cell (but those of ``unfinished`` keys, which failed)."""
    rng = np.random.default_rng(0)
    difficulty = rng.normal(0.88, 0.04, size=patients)
    for cell in resolved.cells:
        gain = sum(value for name, value in EFFECTS.items() if cell.levels.get(name) == "on")
        for seed in resolved.definition.seeds:
            run = resolved.run(cell, seed)
            if cell.key in unfinished:
                run.stop("failed", "the loss is not finite")
                continue
            dice = difficulty + gain + rng.normal(0, 0.002) + rng.normal(0, 0.008, size=patients)
            run.write_rows(_rows(run.name, seed, dice))
            PROFILE.write(profile_table(COSTS, model="gdkvm", size="small", clip_length=10), run.path / PROFILE.file)
            run.finish(validation_dice=float(dice.mean()), device="cpu")
    return collect(
        resolved, study_of(resolved, "modules-phantom"), name="modules-phantom", command="echobench ablate modules"
    )


def _rows(run: str, seed: int, dice: np.ndarray) -> pd.DataFrame:
    values = {"dice": dice, "iou": dice / (2 - dice), "hd_mm": 60 * (1 - dice), "hd95_mm": 40 * (1 - dice)}
    values["asd_mm"] = 12 * (1 - dice)
    head = {"run": run, "model": "gdkvm", "seed": seed, "dataset": "phantom", "split": "test", "view": "4CH"}
    rows = [
        {
            **head,
            "patient": f"p{i:03d}",
            "frame": 0,
            "phase": "ED",
            "structure": "lv",
            "metric": metric,
            "value": values[metric][i],
        }
        for metric in METRICS
        for i in range(len(dice))
    ]
    return pd.DataFrame(rows, columns=list(ROW_COLUMNS))
