"""A synthetic suite: five models on the same patients, with known differences, written in no file."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from harness.profiling.profile import profile_table
from harness.results.result_set import ResultSet
from harness.results.run_results import RunResults
from harness.store.formats.cases import ROW_COLUMNS

SKILLS = {"GDKVM": 0.94, "U-Net": 0.93, "TransUNet": 0.92, "STM": 0.925, "XMem": 0.935}


def case_rows(
    label: str, skill: float, patients: int, seed: int, structures: tuple[str, ...], unit: str
) -> pd.DataFrame:
    """Rows of one run: two views, two phases; difficulty is shared by all models, noise is the run's own."""
    shared = np.random.default_rng(99)
    own = np.random.default_rng([seed, sum(map(ord, label))])
    difficulty, truth = shared.normal(0, 0.02, patients), shared.uniform(30, 70, patients)
    rows: list[tuple[object, ...]] = []
    for index in range(patients):
        patient = f"patient{index + 1:04d}"
        head = (f"run-{label}-{seed}", label.lower(), seed, "phantom", "test", patient)
        for view in ("2CH", "4CH"):
            for frame, phase in enumerate(("ED", "ES")):
                for depth, structure in enumerate(structures):
                    dice = min(skill - 0.03 * depth + difficulty[index] + own.normal(0, 0.008), 0.999)
                    where = (*head, view, frame, phase, structure)
                    rows += [
                        (*where, "dice", dice),
                        (*where, "iou", dice / (2 - dice)),
                        (*where, f"hd_{unit}", 80 * (1 - dice)),
                        (*where, f"hd95_{unit}", 60 * (1 - dice)),
                        (*where, f"asd_{unit}", 20 * (1 - dice)),
                        (*where, "empty", 0.0),
                    ]
        predicted = truth[index] + own.normal(0, 100 * (1 - skill))
        ef = {"ef_biplane_predicted": predicted, "ef_biplane_reference": truth[index], "ef_stated": truth[index] + 1}
        rows += [(*head, "", -1, "", "lv", metric, value) for metric, value in ef.items()]
    return pd.DataFrame(rows, columns=list(ROW_COLUMNS))


def profile_rows(label: str, fps: float, parameters: int) -> pd.DataFrame:
    """A profile as the profiler writes it, from lines such as its worker sends."""
    common = {"status": "ok", "device": "cpu", "precision": "fp32", "threads": 2, "clip_length": 10}
    gmacs = parameters / 1e6 * 0.7
    lines = [
        {**common, "mode": "clip", "engine": "eager", "fps": 2 * fps, "median_ms": 500 / fps},
        {**common, "mode": "streaming", "engine": "eager", "fps": fps, "median_ms": 1000 / fps,
         "p5_ms": 900 / fps, "p95_ms": 1300 / fps},
        {**common, "mode": "streaming", "engine": "native", "fps": 2 * fps, "median_ms": 500 / fps},
        {"status": "ok", "mode": "complexity", "parameters": parameters, "gmacs_per_frame_torch": gmacs,
         "gmacs_per_frame_fvcore": 1.01 * gmacs},
        {**common, "mode": "memory_streaming", "engine": "eager", "peak_memory_mb": 100 + parameters / 1e5},
    ]  # fmt: skip
    return profile_table(lines, model=label.lower(), size="small", clip_length=10)


COSTS = {"GDKVM": (37.0, 28_600_000), "U-Net": (210.0, 1_900_000), "TransUNet": (60.0, 10_500_000), "STM": (24.0, 8_000_000), "XMem": (41.0, 13_000_000)}  # fmt: skip


def build_suite(
    patients: int = 20,
    seeds: int = 1,
    structures: tuple[str, ...] = ("lv",),
    unit: str = "mm",
    mark: str | None = None,
    models: tuple[str, ...] = tuple(SKILLS),
) -> ResultSet:
    """A suite with the given number of patients, seeds and structures."""
    runs = [
        RunResults(
            label=label,
            model=label.lower().replace("-", ""),
            seed=seed,
            rows=case_rows(label, SKILLS[label], patients, seed, structures, unit),
            profile=profile_rows(label, *COSTS[label]),
            record={"name": f"phantom/{label}-s{seed}"},
        )
        for label in models
        for seed in range(seeds)
    ]
    return ResultSet(name="demo", dataset="Phantom", mark=mark, runs=tuple(runs))


@pytest.fixture(scope="session")
def make_suite() -> Callable[..., ResultSet]:
    """The builder of synthetic suites."""
    return build_suite


@pytest.fixture(scope="session")
def suite(make_suite: Callable[..., ResultSet]) -> ResultSet:
    """Five models, twenty patients, one seed."""
    return make_suite()


@pytest.fixture(scope="session")
def pair() -> ResultSet:
    """Two models, twelve patients: enough for a whole report, quickly written."""
    return build_suite(patients=12, models=("GDKVM", "U-Net"))
