"""Rows of a model, of a run, or of masks that were made elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch
from torch import nn

from harness.api.loading import load_model
from harness.data import PreparedCache
from harness.evaluation.evaluator import evaluate as evaluate_split
from harness.evaluation.metrics import DEFAULT_METRICS
from harness.evaluation.scoring import MaskFolder, Masks, Scoring, score_masks
from harness.experiments.execute import predictor, scored_clip_length
from harness.store.runs import Run
from harness.training.device import resolve_device
from harness.vocabulary import FirstFrame


def evaluate(
    model: nn.Module | Run,
    data: PreparedCache,
    *,
    split: str = "test",
    structures: str = "lv",
    clip_length: int | None = None,
    first_frame: FirstFrame = "auto",
    name: str = "",
    device: str = "auto",
    metrics: tuple[str, ...] = DEFAULT_METRICS,
    workers: int | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Predict every clip of a split and measure it.

    Args:
        model: a ``VideoSegmenter``, or a finished run; a run brings its own structures, clip length and protocol.
        data: prepared data, see ``load_dataset``; its frames must have the size that the model was trained with.
        split: ``train``, ``val`` or ``test``.
        structures: ``lv`` or ``all``.
        clip_length: frames that the model sees of each clip, None for all.
        first_frame: ``auto`` (no mask is given) or ``gt`` (the reference mask of frame 0, which is then not scored).
        name: stands in the rows as ``model``.
        device: ``auto``, ``cpu`` or ``cuda``.
        metrics: names of registered metrics.
        workers: processes that measure meanwhile; None decides by the number of clips.
        progress: show how far it is.

    Returns:
        One row per case, frame, structure and metric, then EF by view and patient: columns run, model, seed, dataset, split,
        patient, view, frame, phase, structure, metric, value. A value that cannot be computed is NaN.

    Raises:
        ConfigError: an unknown metric, structure set or device, or a run that is not finished.
        DataError: a labelled frame is lost at this clip length.

    Examples:
        >>> import harness
        >>> tiny = {"generate.patients": (3, 1, 2), "generate.pixel_mm": 1.6}
        >>> cache = harness.load_dataset("phantom", image_size=32, settings=tiny, progress=False)
        >>> untrained = harness.MODELS.build({"type": "UNet", "widths": (4, 8), "num_structures": 1})
        >>> rows = harness.evaluate(untrained, cache, name="untrained", progress=False)
        >>> sorted(rows.query("metric == 'dice'")["phase"].unique())
        ['ED', 'ES']
    """
    columns: dict[str, Any] = {"run": "", "model": name or type(model).__name__, "seed": 0}
    if isinstance(model, Run):
        spec = model.spec
        # What the run was tested with, whatever the caller says: other settings would not be its rows.
        structures, clip_length = spec.protocol["structures"], scored_clip_length(spec)
        first_frame = spec.protocol["first_frame"]
        columns = {"run": model.name, "model": name or spec.model["name"], "seed": spec.seed}
        model = load_model(model)
    return evaluate_split(
        predictor(model, torch.device(resolve_device(device))),
        data.split(split),
        structures=structures,
        clip_length=clip_length,
        first_frame=first_frame,
        run_columns=columns,
        workers=workers,
        metrics=metrics,
        progress=progress,
    )


def score(
    masks: Mapping[str, Masks] | str | Path,
    data: PreparedCache,
    *,
    split: str = "test",
    structures: str = "lv",
    name: str = "masks",
    names: str | Path | None = None,
    missing: Literal["refuse", "empty"] = "refuse",
    resize: bool = False,
    metrics: tuple[str, ...] = DEFAULT_METRICS,
    workers: int | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Measure masks that were made elsewhere against the references of a split, with the same metrics as every run.

    Args:
        masks: label maps by case name (``patient0001_4CH``): integers [T, H, W] at the native size of the clip with 0
            background, 1 LV, 2 myocardium, 3 left atrium; T is the number of frames of the clip or of its labelled frames.
            Or a folder with a file ``<case>`` or ``<case>_<frame>`` each (``.npy``, ``.npz``, ``.nii.gz``, ``.nii``, ``.png``; a frame
            is its index, ``ED`` or ``ES``).
        data, split: the references, see ``load_dataset``.
        structures: ``lv`` or ``all``: which are scored.
        name: stands in the rows as ``model``.
        names: a CSV with the columns file, case and frame, for a folder whose files are called otherwise (nnU-Net's numbers).
        missing: a case without masks is refused, or counts as ``empty`` masks.
        resize: bring masks of another size to the clip's, instead of refusing them.
        metrics, workers, progress: see ``evaluate``.

    Returns:
        Rows as ``evaluate`` makes them.

    Raises:
        DataError: a case without masks, or masks of another size, number of frames or label.

    Examples:
        The references themselves score a Dice of 1 and distances of 0:

        >>> import harness
        >>> tiny = {"generate.patients": (3, 1, 2), "generate.pixel_mm": 1.6}
        >>> cache = harness.load_dataset("phantom", image_size=32, settings=tiny, progress=False)
        >>> clips = [cache.split("test").clip(index) for index in range(len(cache.split("test")))]
        >>> rows = harness.score({clip.case.name: clip.native_masks() for clip in clips}, cache, progress=False)
        >>> {metric: float(rows.query("metric == @metric")["value"].mean()) for metric in ("dice", "hd95_mm")}
        {'dice': 1.0, 'hd95_mm': 0.0}
    """
    references = data.split(split)
    given: Mapping[str, Masks] = (
        MaskFolder(masks, [case.name for case in references.cases], names) if isinstance(masks, (str, Path)) else masks
    )
    return score_masks(
        given,
        references,
        structures=structures,
        run_columns={"run": "", "model": name, "seed": 0},
        scoring=Scoring(missing=missing, resize=resize),
        metrics=metrics,
        workers=workers,
        progress=progress,
    )
