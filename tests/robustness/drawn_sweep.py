"""Rows of sweeps with values that are known in advance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from harness.results.arm import Arm
from harness.results.result_set import ResultSet
from harness.results.run_results import RunResults
from harness.results.sweep import patient_table
from harness.store.formats.sweep import CLEAN, SWEEP, SWEEP_COLUMNS, sweep_path
from harness.store.runs import Run, RunSpec, RunStore

NAMES = ("haze", "speckle")
SEVERITIES = (1, 2, 3, 4, 5)


def dice(patient: int, name: str, severity: int, slope: float) -> float:
    """Clean Dice 0.9 + patient / 1000; loses ``slope`` per step of severity, twice that for haze."""
    factor = 2 if name == "haze" else 1
    return 0.9 + patient / 1000 - factor * slope * severity


def rows(slope: float, patients: int = 12, seed: int = 0) -> pd.DataFrame:
    """Two views and two phases per patient; the four Dice values of a patient average to ``dice``."""
    found = []
    for name, severity in [(CLEAN, 0), *((n, s) for n in NAMES for s in SEVERITIES)]:
        for patient in range(patients):
            value = dice(patient, name, severity, slope)
            base = {
                "run": "r", "model": "m", "seed": seed, "dataset": "phantom", "split": "test", "patient": f"p{patient:02d}",
                "perturbation": name, "severity": severity, "strength": float(severity), "clip_hash": "00",
            }  # fmt: skip
            for view, phase, offset in (
                ("2CH", "ED", 0.02),
                ("2CH", "ES", -0.02),
                ("4CH", "ED", 0.01),
                ("4CH", "ES", -0.01),
            ):
                row = {**base, "view": view, "phase": phase, "frame": int(phase == "ES"), "structure": "lv"}
                found.append({**row, "metric": "dice", "value": value + offset})
            ef = {**base, "view": "", "phase": "", "frame": -1, "structure": "lv", "clip_hash": ""}
            found.append({**ef, "metric": "ef_biplane_reference", "value": 60.0})
            predicted = np.nan if severity == 5 and patient == 0 else 60.0 - severity
            found.append({**ef, "metric": "ef_biplane_predicted", "value": predicted})
    return pd.DataFrame(found, columns=list(SWEEP_COLUMNS))


def run_results(label: str, slope: float, seed: int = 0, **known: Any) -> RunResults:
    """A run that was swept."""
    return RunResults(label=label, model=label.lower(), seed=seed, swept=patient_table(rows(slope, seed=seed)), **known)


def results(plain: str = "", trainings: int = 1, **slopes: float) -> ResultSet:
    """One arm per named slope; the first one is the proposed one. The second arm saw haze in training.

    Trainings of an arm differ by a hundredth of its slope.
    """
    runs = tuple(
        run_results(
            label,
            slope * (1 + seed / 100),
            seed,
            seen=frozenset({"haze"} if number == 1 else ()),
            plain=plain if number == 1 else "",
        )
        for number, (label, slope) in enumerate(slopes.items())
        for seed in range(trainings)
    )
    return ResultSet(
        name="demo", dataset="phantom", runs=runs, reference=runs[0].label, perturbations=NAMES, severities=SEVERITIES
    )


def arm(*runs: RunResults) -> Arm:
    """Runs as seeds of one arm."""
    return Arm(label=runs[0].label, runs=runs)


PLAIN = [{"type": "PaperAugmentation", "flip": 0.0}]
AUGMENTED = [{"type": "RobustAugmentation", "perturbations": ["haze"]}, *PLAIN]


def swept_run(
    store: RunStore, label: str, slope: float, *, seed: int = 0, augmented: bool = False, **known: Any
) -> Run:
    """A finished run in a store, with the drawn rows as its sweep; nothing was trained. ``known`` are further fields of its spec."""
    spec = RunSpec(
        model={"name": label.lower(), "size": "small", "label": label, "build": {"type": label}},
        data={"dataset": "phantom", "fingerprint": "f", "image_size": 32, "mark": None},
        recipe={"augment": AUGMENTED if augmented else PLAIN, "iterations": 2},
        seed=seed,
        protocol={"first_frame": "auto", "structures": "lv"},
        **known,
    )
    run = store.open(spec)
    run.record["status"] = "finished"
    run.save()
    table = rows(slope, seed=seed)
    for name, part in table.groupby("perturbation"):
        SWEEP.write(part, sweep_path(run, str(name)))
    return run
