"""Finished runs measured on other data (zero-shot), on another split, or by other metrics; nothing is trained."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from harness.clip import structure_names
from harness.data import PreparedCache
from harness.errors import BenchError, ConfigError
from harness.evaluation.evaluator import evaluate
from harness.evaluation.mask_files import MaskFolder
from harness.evaluation.metrics import DEFAULT_METRICS, metric_functions
from harness.evaluation.prediction import Predict, predict_clip
from harness.evaluation.scoring import Scoring, score_masks
from harness.experiments.execute import scored_clip_length
from harness.experiments.source import dataset_config, open_data, short_name
from harness.experiments.sweep.clips import prepared_of
from harness.experiments.trained import load_trained, predictor
from harness.files import write_bytes
from harness.registry import DATASETS, load_plugins
from harness.store.claim import hold
from harness.store.code import code_hash
from harness.store.formats.cases import CASES
from harness.store.formats.evaluation import Evaluated
from harness.store.runs import Run

KEPT = "masks"
"""Folder, in a run's, of the label maps that it predicted."""
ROOTS = ("harness.evaluation.evaluator", "harness.evaluation.metrics")


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateOptions:
    """On what, and how, finished runs are measured.

    Attributes:
        dataset: a dataset's config; None for the data that a run was made with.
        data: its options (root, views, clip, allow_partial, split_dir); None as the run has them where that fits.
        split: ``train``, ``val`` or ``test``.
        metrics: registered metric functions.
        all_frames: also score interpolated frames, and add the metrics of time.
        from_masks: measure the masks that were kept with the run, without its model.
        limit: only the first so many patients of each split.
        data_root: folder of phantoms and prepared caches.
    """

    dataset: str | None = None
    data: Mapping[str, Any]
    split: str = "test"
    metrics: tuple[str, ...] = DEFAULT_METRICS
    all_frames: bool = False
    from_masks: bool = False
    limit: int | None = None
    data_root: Path = Path("data")


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """Rows of a run, and what they are of; ``fresh`` where they were made now."""

    run: Run
    what: Evaluated
    rows: pd.DataFrame
    fresh: bool

    @property
    def home(self) -> bool:
        """Whether the run was trained on these data."""
        return self.what.fingerprint == self.run.spec.data["fingerprint"]


def evaluate_on(run: Run, options: EvaluateOptions, progress: bool = True) -> Evaluation:
    """The rows of a finished run on the data asked for: measured now, or as they lie in its folder.

    Raises:
        ConfigError: the run has no model, or the data do not fit it: a view or structure it has never seen, one sentence.
        DataError: data that are missing or wrong, or a labelled frame that the run's clip length leaves out.
    """
    _refuse(run)
    load_plugins()  # a metric may be that of an installed package
    metric_functions(options.metrics)
    cache, notes = _data_for(run, options, progress)
    what = Evaluated(
        dataset=cache.name if options.dataset is None else short_name(options.dataset),
        views=tuple(cache.manifest["options"]["views"]),
        clip=cache.manifest["options"]["clip"],
        fingerprint=cache.fingerprint,
        mark=cache.mark,
        split=options.split,
        metrics=options.metrics,
        all_frames=options.all_frames,
        from_masks=options.from_masks,
        # Of what measures alone: another model's code would change no row.
        code=code_hash([*ROOTS, *(name for name in options.metrics if name.endswith(".py"))]),
        notes=notes,
    )
    stored = what.folder(run.path) / CASES.file
    if stored.is_file():
        return Evaluation(run=run, what=what, rows=CASES.read(stored), fresh=False)
    rows = _kept_rows(run, cache, options) if options.from_masks else _rows(run, cache, options, progress)
    with hold(run, finished_too=True, wait=True):
        CASES.write(rows, stored)
        what.write(run.path)
    return Evaluation(run=run, what=what, rows=rows, fresh=True)


def _refuse(run: Run) -> None:
    if run.status != "finished":
        raise ConfigError(f"The run {run.name} is {run.status}; finish it or choose another.")
    if run.spec.external:
        raise ConfigError(
            f"The run {run.name} holds scores of masks made elsewhere; score its masks of the other data."
        )


def _data_for(run: Run, options: EvaluateOptions, progress: bool) -> tuple[PreparedCache, tuple[str, ...]]:
    """The prepared data at the run's image size, and how differences were handled."""
    spec = run.spec
    chosen = {key: value for key, value in options.data.items() if value is not None}
    if options.dataset is None:
        if chosen or options.limit:
            raise ConfigError(f"Name the dataset with --dataset where {', '.join(chosen) or 'limit'} is given.")
        return prepared_of(spec, options.data_root), ()
    cfg = dataset_config(options.dataset, chosen)
    build, notes = cfg["dataset"], []
    reader = DATASETS.get(build["type"])
    if "views" not in chosen:
        shared = [view for view in reader.all_views if view in spec.data["views"]]
        if not shared:
            raise ConfigError(
                f"The run {run.name} was trained on {' and '.join(spec.data['views'])}, which {options.dataset} does not have "
                f"(it has {', '.join(reader.all_views)}); name views with --views to measure views it has never seen."
            )
        # Only views that the model has seen, unless others are asked for: an unseen view measures something else.
        build["views"] = tuple(shared)
    if "clip" not in chosen:
        fits = spec.data["clip"] in reader.all_clips
        build["clip"] = spec.data["clip"] if fits else build["clip"]
        if not fits:
            notes.append(f"clips are {build['clip']} there, the run was trained on {spec.data['clip']}")
    cache = open_data(options.dataset, cfg, spec.data["image_size"], options.data_root, progress, options.limit)
    missing = [name for name in structure_names(spec.protocol["structures"]) if name not in cache.structures]
    if missing:
        raise ConfigError(
            f"The run {run.name} segments {', '.join(missing)}, of which {options.dataset} has no masks; "
            "choose a run with --structures lv."
        )
    return cache, tuple(notes)


def _rows(run: Run, cache: PreparedCache, options: EvaluateOptions, progress: bool) -> pd.DataFrame:
    spec = run.spec
    return evaluate(
        run_predictor(run),
        cache.split(options.split),
        structures=spec.protocol["structures"],
        clip_length=_clip_length(run, options),
        first_frame=spec.protocol["first_frame"],
        run_columns=_columns(run),
        metrics=options.metrics,
        all_frames=options.all_frames,
        progress=progress,
    )


def _clip_length(run: Run, options: EvaluateOptions) -> int | None:
    """Time is measured on every frame; else a clip has the frames that the run's recipe says."""
    return None if options.all_frames else scored_clip_length(run.spec)


def _columns(run: Run) -> dict[str, Any]:
    return {"run": run.name, "model": run.spec.model["name"], "seed": run.spec.seed}


def run_predictor(run: Run) -> Predict:
    """The predictor of a finished run, on the device that it was trained on where that is there."""
    recorded = str(run.record.get("results", {}).get("device", "cpu"))
    # The device of the training: rows of one run must not mix two kinds of arithmetic unasked.
    return predictor(load_trained(run), torch.device(recorded if torch.cuda.is_available() else "cpu"))


def keep_masks(run: Run, predict: Predict, cache: PreparedCache) -> Path:
    """Store the label maps of every test clip that the model saw, as ``masks/test.npz``; returns the path.

    Arrays are uint8 [H, W] at native size by ``<case>_<frame>``, compressed: ``echobench score`` reads the folder as well.
    """
    spec = run.spec
    arrays: dict[str, Any] = {}
    with torch.inference_mode():
        for clip in cache.split("test"):
            work = predict_clip(
                predict, clip, structures=spec.protocol["structures"], clip_length=scored_clip_length(spec),
                first_frame=spec.protocol["first_frame"], all_frames=True, key={}, functions=(),
            )  # fmt: skip
            # Label ids, as every reader of masks expects them: the classes of a run are another numbering.
            labels = np.array(
                [0, *(clip.labels[name] for name in structure_names(spec.protocol["structures"]))], np.uint8
            )
            for frame, mask in zip(work.frames, work.predicted, strict=True):
                arrays[f"{clip.case.name}_{frame}"] = labels[mask]
    stream = io.BytesIO()
    # Compressed: label maps are mostly long runs of one value.
    np.savez_compressed(stream, **arrays)
    path = run.path / KEPT / "test.npz"
    write_bytes(path, stream.getvalue())
    return path


def _kept_rows(run: Run, cache: PreparedCache, options: EvaluateOptions) -> pd.DataFrame:
    """Rows of the masks that were kept with the run."""
    if not (run.path / KEPT).is_dir() or options.dataset is not None or options.split != "test":
        raise BenchError(
            f"The run {run.name} keeps no such masks; they are kept of its own test split by `bench --keep-masks`."
        )
    split = cache.split("test")
    masks = MaskFolder(run.path / KEPT, [case.name for case in split.cases])
    if options.all_frames and (
        cut := [clip.case.name for clip in split if len(masks.get(clip.case.name, ())) < len(clip.frames)]
    ):
        raise ConfigError(
            f"The run {run.name} kept the masks of only some frames of {cut[0]}, as its clip length has it; leave --all-frames "
            "out, or leave --from-masks out and the model sees every frame."
        )
    scoring = Scoring(missing="unseen", first_frame=run.spec.protocol["first_frame"])
    return score_masks(
        masks, split,
        structures=run.spec.protocol["structures"], run_columns=_columns(run), metrics=options.metrics,
        all_frames=options.all_frames, scoring=scoring, progress=False,
    )  # fmt: skip
