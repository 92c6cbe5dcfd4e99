"""The sweep: a finished run, predicted again under every perturbation and severity; no training.

Rows are kept in the run's folder as ``robustness/<perturbation>.csv`` (``robustness/clean.csv`` for severity 0). A file
is replaced atomically after each severity, and a severity that is in it, with the strength, patients and metrics asked
for, is not computed again.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from harness.data import PreparedCache, PreparedClip, PreparedSplit
from harness.errors import BenchError, DataError
from harness.evaluation.evaluator import evaluate
from harness.evaluation.flips import class_ids, flip_rate
from harness.evaluation.prediction import Predict
from harness.experiments.execute import scored_clip_length
from harness.experiments.sweep.clips import pixel_aspect
from harness.experiments.sweep.fault_picture import keep_fault_picture, shown_fault
from harness.experiments.trained import load_trained, predictor
from harness.files import write_text
from harness.modules import file_of, import_modules
from harness.perturbations.base import SEVERITIES, Perturbation, clip_hash
from harness.perturbations.sector import Sector, find_sector
from harness.perturbations.window import Window, pass_over, place_window
from harness.registry import PERTURBATIONS
from harness.store.claim import hold
from harness.store.code import code_hash
from harness.store.formats.sweep import CLEAN, HELD, SWEEP, SWEEP_COLUMNS, read_sweep, sweep_path
from harness.store.runs import Run

NEEDED = {"overlap": "dice", "surface": "hd95_"}
"""Beginning of a metric's name that shows a metric function was used."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepOptions:
    """What is swept.

    Attributes:
        perturbations: registered names.
        severities: among 1..5.
        metrics: registered metric functions; EF, emptiness and the flip rate come with any of them.
        limit: number of patients (the first ones of the test split), None for all.
        window: frames of a fault that passes; None for one that is always there.
        files: of users' own, that register some of the perturbations.
    """

    perturbations: tuple[str, ...]
    severities: tuple[int, ...] = SEVERITIES
    metrics: tuple[str, ...] = ("overlap",)
    limit: int | None = None
    window: int | None = None
    files: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """One perturbation at one severity; ``perturbation`` None is the clean image (severity 0, strength 0).

    With ``window`` it passes in so many frames. ``holds``: on clean frames, the model's last mask before the window stands for
    all frames of the window and its edges, which is what a memory could do at least.
    """

    perturbation: Perturbation | None
    severity: int
    window: int | None = None
    holds: bool = False

    @property
    def name(self) -> str:
        """The value of the column ``perturbation``."""
        return (HELD if self.holds else CLEAN) if self.perturbation is None else self.perturbation.name

    @property
    def strength(self) -> float:
        """In the perturbation's own unit."""
        return 0.0 if self.perturbation is None else self.perturbation.strength(self.severity)


def conditions(options: SweepOptions, reference: str) -> list[Condition]:
    """The clean condition, then every perturbation at every severity on the ladders of a reference dataset."""
    # On the ladder of these data: severity 3 then costs the same similarity on every dataset.
    import_modules(options.files)  # a worker process has not seen the command line
    built = (PERTURBATIONS.build({"type": name, "reference": reference}) for name in options.perturbations)
    window = options.window
    swept = [
        Condition(perturbation=item, severity=severity, window=window)
        for item in built
        for severity in options.severities
    ]
    held = [Condition(perturbation=None, severity=0, window=window, holds=True)] if window else []
    return [Condition(perturbation=None, severity=0, window=window), *held, *swept]


def sweep_run(
    run: Run,
    cache: PreparedCache,
    options: SweepOptions,
    tick: Callable[[str], None] = lambda name: None,
    device: str | None = None,
) -> int:
    """Bring a finished run's sweep to what the options ask for; returns how many conditions were computed.

    The run is held meanwhile; another process that sweeps it is waited for, and what it adds is kept.

    Args:
        run: a finished run with its best checkpoint.
        cache: the prepared data that it was made with.
        tick: called with the condition's name after each condition, computed or found.
        device: CUDA device of a run that was trained on one, where several runs are swept at once; None for the current.

    Raises:
        BenchError: the run is not finished, or its checkpoint cannot be used.
    """
    if run.status != "finished":
        raise BenchError(f"The run {run.name} is not finished (status: {run.status}); run it first.")
    with hold(run, finished_too=True, wait=True):
        return _sweep(run, cache, options, tick, device)


def _sweep(
    run: Run, cache: PreparedCache, options: SweepOptions, tick: Callable[[str], None], device: str | None
) -> int:
    split = limited(cache.split("test"), options.limit)
    patients = {case.patient for case in split.cases}
    sweeper = Sweeper(run, split, options.metrics, device)
    computed, asked = 0, conditions(options, cache.name)
    # One file per perturbation: a sweep that is stopped keeps what is whole.
    for name, group in itertools.groupby(asked, key=lambda item: item.name):
        path = sweep_path(run, name, options.window)
        wanted = list(group)
        _forget_other_code(path, wanted[0].perturbation)
        earlier = read_sweep(path)
        for condition in wanted:
            if not covers(earlier, condition, patients, options.metrics):
                rows = sweeper.rows(condition)
                # Read again: while this condition was computed another process may have added others.
                earlier = _replaced(read_sweep(path), condition.severity, rows)
                path.parent.mkdir(parents=True, exist_ok=True)
                SWEEP.write(earlier, path)
                computed += 1
            tick(f"{name} {condition.severity}")
    if computed and options.window is not None:
        sweeper.keep_picture(asked)
    return computed


def _forget_other_code(path: Path, perturbation: Perturbation | None) -> None:
    """Remove the rows of a user's own perturbation whose file was edited since: they are of something else."""
    file = None if perturbation is None else file_of(type(perturbation))
    if file is None:
        return
    code, told = code_hash([str(file)]), path.with_suffix(".code")
    if not told.is_file() or told.read_text(encoding="utf-8") != code:
        path.unlink(missing_ok=True)
        write_text(told, code)


def _replaced(earlier: pd.DataFrame, severity: int, rows: pd.DataFrame) -> pd.DataFrame:
    """The table with the rows of one severity replaced, in the order of severities."""
    others = earlier[earlier["severity"] != severity]
    parts = [part for part in (others, rows) if len(part)]
    return pd.concat(parts, ignore_index=True).sort_values("severity", kind="stable", ignore_index=True)


class Sweeper:
    """A run's loaded model, and the sectors of the clips detected so far.

    Args:
        run: a finished run.
        split: the clips to predict.
        metrics: registered metric functions.
        device: see ``sweep_run``.
    """

    def __init__(self, run: Run, split: PreparedSplit, metrics: Sequence[str], device: str | None = None) -> None:
        self.run, self.split, self.metrics = run, split, tuple(metrics)
        recorded = run.record.get("results", {}).get("device", "cpu")
        # The run's device by its kind: cuda:3 of the machine that trained it may be cuda:0 of this one.
        kind = recorded.partition(":")[0] if torch.cuda.is_available() else "cpu"
        self.device = torch.device(device if device and kind == "cuda" else kind)
        self.sectors: dict[str, Sector] = {}

    @functools.cached_property
    def predict(self) -> Predict:
        """The run's predictor; its checkpoint is only read when it is needed."""
        return predictor(load_trained(self.run), self.device)

    def rows(self, condition: Condition) -> pd.DataFrame:
        """Rows with ``SWEEP_COLUMNS`` of every clip under one condition."""
        spec = self.run.spec
        seen = _Seen(self, condition)
        table = evaluate(
            seen.predict,
            self.split,
            structures=spec.protocol["structures"],
            clip_length=scored_clip_length(spec),
            first_frame=spec.protocol["first_frame"],
            run_columns={"run": self.run.name, "model": spec.model["name"], "seed": spec.seed},
            metrics=self.metrics,
            # Of a fault that passes, every frame tells: what it does, and how it is got over.
            all_frames=condition.window is not None,
            transform=seen.perturb,
            progress=False,
        )
        table = pd.concat([table, *self._flips(table, seen)], ignore_index=True)
        hashes = [seen.hashes.get(key, "") for key in zip(table["patient"], table["view"], strict=True)]
        table = table.assign(perturbation=condition.name, severity=condition.severity, strength=condition.strength)
        places = zip(table["patient"], table["view"], table["frame"], strict=True)
        where = [seen.position(patient, view, frame) for patient, view, frame in places]
        return table.assign(clip_hash=hashes, window=where).loc[:, list(SWEEP_COLUMNS)]

    def keep_picture(self, asked: Sequence[Condition]) -> None:
        """Keep what the model makes of the split's middle case under one of the faults, at the highest severity swept."""
        fault = shown_fault([item.name for item in asked if item.perturbation is not None])
        if fault is None:
            return
        condition = max((item for item in asked if item.name == fault), key=lambda item: item.severity)
        clip, seen = self.split.clip(len(self.split) // 2), _Seen(self, condition)
        assert condition.window is not None
        window = _window(clip, len(clip), condition.window)
        folder = sweep_path(self.run, fault, condition.window).parent
        keep_fault_picture(folder, self.run.spec, clip, seen.predict, seen.perturb, fault, window)

    def _flips(self, table: pd.DataFrame, seen: _Seen) -> list[pd.DataFrame]:
        """Rows ``flip_rate`` of every clip that has three frames or more."""
        earlier = {key: value for key, value in seen.flips.items() if not math.isnan(value)}
        heads = table.drop_duplicates(["patient", "view"]).set_index(["patient", "view"])
        if not earlier:
            return []
        rows = heads.loc[list(earlier)].reset_index()
        return [rows.assign(frame=-1, phase="", structure="", metric="flip_rate", value=list(earlier.values()))]


class _Seen:
    """What the model saw and answered under one condition: hashes and flip rates by (patient, view)."""

    def __init__(self, sweeper: Sweeper, condition: Condition) -> None:
        self._sweeper, self._condition = sweeper, condition
        self._current = ("", "")
        self.hashes: dict[tuple[str, str], str] = {}
        self.flips: dict[tuple[str, str], float] = {}
        self.windows: dict[tuple[str, str], Window] = {}

    def position(self, patient: str, view: str, frame: int) -> str:
        """Where a frame of a clip lies to the window; empty where there is none, and for values of whole clips."""
        window = self.windows.get((patient, view))
        return "" if window is None or frame < 0 else window.position(frame)

    def perturb(self, frames: Tensor, clip: PreparedClip) -> Tensor:
        """frames float [T, 1, S, S] → perturbed, on the model's device."""
        images = frames[:, 0].to(self._sweeper.device)
        perturbation, case = self._condition.perturbation, clip.case
        self._current = (case.patient, case.view)
        if self._condition.window is not None:
            self.windows[self._current] = _window(clip, len(images), self._condition.window)
        if perturbation is not None:
            sectors = self._sweeper.sectors
            if case.name not in sectors:
                sectors[case.name] = find_sector(images, pixel_aspect(clip))
            sector, severity = sectors[case.name], self._condition.severity
            if window := self.windows.get(self._current):
                images = pass_over(perturbation, images, severity, case.name, window, sector)
            else:
                images = perturbation(images, severity, case.name, sector)
        self.hashes[self._current] = clip_hash(images)
        return images.unsqueeze(1)

    def predict(self, frames: Tensor, first_mask: Tensor | None) -> Tensor:
        """The run's predictor, with an eye on flicker."""
        logits = self._sweeper.predict(frames, first_mask)
        if self._condition.holds:
            window = self.windows[self._current]
            logits = logits.clone()  # made under inference mode, where it may not be written to
            logits[window.start - 1 : window.stop + 1] = logits[window.start - 2]
        self.flips[self._current] = flip_rate(class_ids(logits)) if len(logits) > 2 else math.nan
        return logits


def _window(clip: PreparedClip, seen: int, length: int) -> Window:
    """The window of a clip, whose every frame must have been seen and have a true mask.

    Raises:
        DataError: frames are skipped or have no mask, or the clip is too short.
    """
    if seen != len(clip) or not clip.labelled.all():
        raise DataError(
            f"A fault that passes is measured on every frame, and of {clip.case.name} "
            f"{int(clip.labelled.sum())} of {len(clip)} frames have a true mask and {seen} are seen; use the phantom, cine "
            "clips or data with a mask on every frame, and runs with recipe.test_clip_length=whole."
        )
    return place_window(clip.case.name, len(clip), length)


def covers(earlier: pd.DataFrame, condition: Condition, patients: set[str], metrics: Sequence[str]) -> bool:
    """Whether rows already hold a condition for all these patients, at this strength and with these metrics."""
    rows = earlier[earlier["severity"] == condition.severity]
    if rows.empty or not ((rows["strength"] - condition.strength).abs() < 1e-9).all():
        return False
    names = set(rows["metric"])
    measured = all(any(name.startswith(NEEDED.get(item, item)) for name in names) for item in metrics)
    return measured and patients <= set(rows["patient"])


def limited(split: PreparedSplit, patients: int | None) -> PreparedSplit:
    """The clips of the first ``patients`` patients of a split; all for None."""
    if patients is None:
        return split
    wanted = set(list(dict.fromkeys(case.patient for case in split.cases))[:patients])
    records = [record for record in split.cache.records if record.case.split == split.name]
    return PreparedSplit(split.cache, split.name, [record for record in records if record.case.patient in wanted])
