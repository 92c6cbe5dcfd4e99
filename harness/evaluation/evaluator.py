"""The evaluator: a predict function and a prepared split go in, tidy rows come out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd
import torch

from harness.data.prepared import PreparedClip, PreparedSplit
from harness.evaluation.casework import CaseWork, Row
from harness.evaluation.measuring import Measuring, default_workers
from harness.evaluation.metrics import DEFAULT_METRICS, metric_functions
from harness.evaluation.prediction import Predict, Resolution, Transform, predict_clip
from harness.evaluation.volumes import Patient, patient_rows
from harness.jobs import Progress
from harness.store.runs import ROW_COLUMNS
from harness.vocabulary import IMAGE_QUALITY, FirstFrame


def evaluate(
    predict: Predict,
    split: PreparedSplit,
    *,
    structures: str,
    clip_length: int | None,
    first_frame: FirstFrame,
    run_columns: Mapping[str, Any],
    workers: int | None = None,
    metrics: tuple[str, ...] = DEFAULT_METRICS,
    all_frames: bool = False,
    resolution: Resolution = "native",
    transform: Transform | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Predict every clip of a split and measure it.

    Args:
        predict: frames float [T, 1, S, S] in [0, 1] and class ids [S, S] of frame 0 (``gt`` only, else None)
            → logits [T, K+1, S, S]. It is called once per clip, in order, without gradients.
        split: clips of a prepared cache.
        structures: name in ``STRUCTURE_SETS``.
        clip_length: frames that the model sees of each clip (``rint(linspace)`` over it), None for all.
        first_frame: with ``gt`` the reference mask of frame 0 is given and frame 0 is not scored; its output still
            enters the volumes. Any other protocol gives no mask (``auto_unet`` is the business of ``predict``).
        run_columns: ``run``, ``model`` and ``seed`` of the rows.
        workers: processes that measure while the model predicts; None decides by the size of the split, 0 for none.
            The rows do not depend on it.
        metrics: names of registered per-case metrics.
        all_frames: score every frame that has a mask and add the temporal metrics: besides ED and ES those whose mask is
            true (phase ``"labelled"``) and those whose mask the owners interpolated (``"interp"``).
        resolution: ``native``, or ``model`` with the spacing rescaled per axis.
        transform: changes the frames [T, 1, S, S] of a clip before the model sees them; masks stay as they are.
        progress: show how far it is, on stderr.

    Returns:
        Columns ``ROW_COLUMNS``: segmentation rows in the order of the cases, then clinical rows by patient.
        ``value`` is NaN where a metric cannot be computed; ``empty`` rows count why.

    Raises:
        ConfigError: unknown metric or structure set. DataError, BenchError: see ``predict_clip``.
    """
    functions = metric_functions(metrics)

    def works() -> Iterator[CaseWork]:
        for index in range(len(split)):
            clip = split.clip(index)
            yield predict_clip(
                predict,
                clip,
                structures=structures,
                clip_length=clip_length,
                first_frame=first_frame,
                resolution=resolution,
                all_frames=all_frames,
                transform=transform,
                key=case_key(clip, run_columns),
                functions=functions,
            )

    # Around the generator, which calls the model while clips are being measured.
    with torch.inference_mode():
        return measure_split(works(), split, run_columns=run_columns, workers=workers, progress=progress)


def measure_split(
    works: Iterable[CaseWork],
    split: PreparedSplit,
    *,
    run_columns: Mapping[str, Any],
    workers: int | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Measure the clips of a split, one ``CaseWork`` for each in its order, as they come.

    Args:
        works: masks beside their references, made while earlier ones are measured.
        split, run_columns, workers, progress: see ``evaluate``.

    Returns:
        Columns ``ROW_COLUMNS``, see ``evaluate``.
    """
    count = default_workers(len(split)) if workers is None else workers
    patients: dict[str, Patient] = {}
    rows: list[Row] = []
    label = f"evaluating {run_columns['model']}, seed {run_columns['seed']}"
    with Measuring(count) as measuring, Progress(label, len(split), shown=progress, unit="clips") as bar:
        for work in works:
            measuring.submit(work)
            bar.advance()
        for index, outcome in enumerate(measuring.outcomes()):
            rows += [*outcome.rows, *_quality_rows(split.clip(index), run_columns)]
            # A patient's volumes need all views, so that they are made when the last clip is in.
            if outcome.profiles:
                _note(patients, split.clip(index), run_columns).views[split.cases[index].view] = outcome
    for patient in patients.values():
        rows += patient_rows(patient)
    # With the columns given: a split without rows keeps its columns.
    return pd.DataFrame(rows, columns=list(ROW_COLUMNS))


def _quality_rows(clip: PreparedClip, run_columns: Mapping[str, Any]) -> list[Row]:
    """The view's stated image quality, by which subgroups are made; nothing where the dataset states none."""
    value = IMAGE_QUALITY.get((clip.quality or "").lower())
    if value is None:
        return []
    where = {"frame": -1, "phase": "", "structure": ""}
    return [{**case_key(clip, run_columns), **where, "metric": "image_quality", "value": float(value)}]


def case_key(clip: PreparedClip, run_columns: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that are the same in every row of a clip."""
    case = clip.case
    named = {name: run_columns[name] for name in ("run", "model", "seed")}
    return {**named, "dataset": case.dataset, "split": case.split, "patient": case.patient, "view": case.view}


def _note(patients: dict[str, Patient], clip: PreparedClip, run_columns: Mapping[str, Any]) -> Patient:
    """The record of this clip's patient; the EF stated by the first view that states one is kept."""
    patient = patients.setdefault(
        clip.case.patient, Patient(key={k: v for k, v in case_key(clip, run_columns).items() if k != "view"})
    )
    if patient.stated_ef is None:
        patient.stated_ef = clip.ef_percent
    # Millilitres only where every view has its pixel size.
    patient.metric_units &= clip.spacing_mm is not None
    return patient
