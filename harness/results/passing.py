"""Faults that pass: what each does in its window, after it, and how long it takes to get over, per patient.

Every figure is of the frames whose mask is true, and is held against the same frames of the same clip without the fault.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from harness.errors import ConfigError
from harness.results.frames import TRUE
from harness.results.labels import each_training_once, run_labels, seen_perturbations
from harness.results.measures import WHOLE, Measure
from harness.results.result_set import ResultSet, shared_structure
from harness.results.run_results import read_run
from harness.results.suite import reference_label
from harness.statistics.failures import rate_of
from harness.store.formats.sweep import CLEAN, CONDITION, HELD, swept
from harness.store.runs import Run

RECOVERED = 0.05
"""A frame is recovered when its Dice is at most this below that of the same frame without the fault."""
INSIDE = Measure(name="dice_inside", header="Dice inside", unit="%", direction="up", digits=1, metrics=("dice",))
AFTER = Measure(name="dice_after", header="Dice after", unit="%", direction="up", digits=1, metrics=("dice",))
LOSS_INSIDE = Measure(name="loss_inside", header="Loss inside", unit="points", direction="down", digits=1, signed=True)
LOSS_AFTER = Measure(name="loss_after", header="Loss after", unit="points", direction="down", digits=1, signed=True)
RECOVERY = Measure(name="recovery", header="Recovery", unit="frames", direction="down", digits=1)
PASSING = (INSIDE, AFTER, LOSS_INSIDE, LOSS_AFTER, RECOVERY)
_CLIP = ["patient", "view"]
_FRAME = [*_CLIP, "frame"]


def passing_results(
    runs: Sequence[Run], window: int, *, name: str, reference: str = "gdkvm", command: str = ""
) -> ResultSet:
    """Runs that were swept under faults that pass in ``window`` frames; what all of them were swept under is compared.

    Raises:
        BenchError: a run was not swept so. ConfigError: the runs come from different data or share no fault, or two are one
            training made again.
    """
    runs, repeated = each_training_once(runs)
    if len({run.spec.data["fingerprint"] for run in runs}) > 1:
        raise ConfigError("The runs were made with different data; report them one by one.")
    labels = run_labels(runs)
    structure = shared_structure(runs)
    read = []
    for run, label in zip(runs, labels, strict=True):
        rows = _dice(swept(run, window), structure)
        seen = seen_perturbations(run.spec.recipe)
        read.append(read_run(run, label=label, seen=seen, rows=rows, swept=passing_table(rows)))
    conditions = [set(zip(one.swept["perturbation"], one.swept["severity"], strict=True)) for one in read]  # type: ignore[index]
    shared = {item for item in set.intersection(*conditions) if item[0] not in (CLEAN, HELD)}
    severities = tuple(sorted({severity for _, severity in shared}))
    names = sorted({item for item, _ in shared})
    kept = tuple(item for item in names if all((item, severity) in shared for severity in severities))
    if not kept:
        raise ConfigError("The runs share no fault that passes; sweep all of them with the same options.")
    chosen = reference_label(read, reference)
    return ResultSet(
        name=name,
        dataset=runs[0].spec.data["dataset"],
        mark=runs[0].spec.data.get("mark"),
        runs=tuple(read),
        reference=chosen if chosen in labels else labels[0],
        command=command,
        perturbations=kept,
        severities=severities,
        window=window,
        notes=repeated,
    )


def _dice(rows: pd.DataFrame, structure: str) -> pd.DataFrame:
    return rows[(rows["metric"] == "dice") & (rows["structure"] == structure) & rows["phase"].isin(TRUE)]


def passing_table(rows: pd.DataFrame) -> pd.DataFrame:
    """One line per (perturbation, severity, patient): the columns of ``PASSING`` in percent, points and frames.

    Args:
        rows: Dice of every frame of one run, with ``window`` (before, edge, inside, after); the clean ones among them.

    Views of a patient are averaged. A clip that never recovers counts with all of its frames after the window.
    """
    clean = rows[rows["perturbation"] == CLEAN].set_index(_FRAME)["value"]
    tables: dict[tuple[str, int], pd.DataFrame] = {}
    for name, severity in rows[CONDITION].drop_duplicates().itertuples(index=False):
        group = rows[(rows["perturbation"] == name) & (rows["severity"] == severity)]
        table = group[[*_FRAME, "window", "value"]].join(clean.rename("clean"), on=_FRAME)
        tables[str(name), int(severity)] = _by_patient(table)
    return pd.concat(tables, names=CONDITION).reset_index()[
        [*CONDITION, "patient", *(measure.name for measure in PASSING)]
    ]


def _by_patient(table: pd.DataFrame) -> pd.DataFrame:
    """[patients, measures] of one condition."""
    lost = table.assign(lost=table["clean"] - table["value"])
    means = {
        f"{what}_{where}": 100 * lost[lost["window"] == where].groupby(_CLIP)[column].mean()
        for where in ("inside", "after")
        for what, column in (("dice", "value"), ("loss", "lost"))
    }
    means[RECOVERY.name] = lost[lost["window"] == "after"].groupby(_CLIP)[["frame", "lost"]].apply(_recovery)
    return pd.DataFrame(means).groupby(level="patient").mean()


def _recovery(frames: pd.DataFrame) -> float:
    """Frames after the window until one is recovered: 0 where the first is."""
    lost = frames.sort_values("frame")["lost"].to_numpy(float)
    within = np.flatnonzero(lost <= RECOVERED)
    return float(within[0]) if len(within) else float(len(lost))


def not_learned(results: ResultSet) -> list[str]:
    """Arms that fail in most patients on the clean frames of the windows: with nothing to lose they lose least."""
    return [arm.label for arm in results.finished if not rate_of(arm.values(INSIDE, WHOLE), scale=INSIDE.scale).learned]


def around_window(results: ResultSet, perturbation: str, severity: int) -> pd.DataFrame:
    """Mean Dice [%] by frame from the fault's first frame: columns ``model``, ``offset``, ``dice``.

    Of the fault and of the clean clip (``model`` ends with ", clean"); offsets that fewer than half of the clips have are left out.
    """
    lines = []
    for arm in results.arms:
        rows = pd.concat([run.rows for run in arm.finished])
        start = rows[rows["window"] == "inside"].groupby(_CLIP)["frame"].min().rename("start")
        for name, level, label in (
            (perturbation, severity, arm.label),
            (CLEAN, 0, f"{arm.label}, clean"),
        ):
            own = rows[(rows["perturbation"] == name) & (rows["severity"] == level)].join(start, on=_CLIP)
            offset = own["frame"] - own["start"]
            curve = own.groupby(offset)["value"].agg(["mean", "count"])
            curve = curve[2 * curve["count"] >= curve["count"].max()]
            lines.append(pd.DataFrame({"model": label, "offset": curve.index, "dice": 100 * curve["mean"].to_numpy()}))
    return pd.concat(lines, ignore_index=True)
