"""One run, straight through: claim, train, predict, rows, finish; what is done is never done again.

Its cost is measured later, when no training disturbs it (``costs``).
"""

from __future__ import annotations

import contextlib
import math
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from harness import training
from harness.data import PreparedCache
from harness.errors import BenchError, explained, unmasked
from harness.evaluation.evaluator import evaluate
from harness.evaluation.prediction import Predict
from harness.experiments.first_mask import measured_build
from harness.experiments.identity import code_roots
from harness.experiments.trained import WEIGHTS_HASH, load_trained, predictor, recorded_build
from harness.files import check_fence, sha256_file, write_text
from harness.leftovers import remove_half_written
from harness.modeling.precision import allow_tf32
from harness.profiling import profile_model
from harness.store.claim import hold
from harness.store.formats.profile import PROFILE
from harness.store.lease import LeaseLostError
from harness.store.runs import Run, RunSpec
from harness.training import Recipe, TrainingJob, TrainingSummary, Watcher

Keep = Callable[[Run, Predict, PreparedCache], None]


def execute(
    run: Run,
    cache: PreparedCache,
    *,
    maker: Run | None = None,
    keep: Keep | None = None,
    progress: bool = True,
) -> None:
    """Claim a run and bring it to ``finished``; see ``carry_out``.

    Raises:
        BenchError: another process works on it, it is finished, or it failed; ``run.json`` says why.
        KeyboardInterrupt: stopped by the user; the run is marked as interrupted.
    """
    with hold(run):
        carry_out(run, cache, maker=maker, keep=keep, progress=progress)


def carry_out(
    run: Run,
    cache: PreparedCache,
    *,
    maker: Run | None = None,
    keep: Keep | None = None,
    vis_backends: list[dict[str, Any]] | None = None,
    watchers: Sequence[Watcher] = (),
    progress: bool = True,
) -> None:
    """Bring a run that this process holds to ``finished``; training resumes from its last checkpoint.

    Args:
        run: a claimed run.
        cache: prepared data of the run's dataset.
        maker: under ``auto_unet`` the finished run whose model makes the first masks; it is recorded by its name.
        keep: called with the run, its predictor and the data once the rows are written, to keep more of the model.
        vis_backends: where the training sends its curves; None is the recipe's default.
        watchers: look on at the training.
        progress: show progress bars.

    Raises:
        BenchError: the run failed; ``run.json`` says why.
        LeaseLostError: the run is no longer ours; nothing is written.
        KeyboardInterrupt: stopped by the user; the run is marked as interrupted.
    """
    # Where the hash began to follow imports: without it nobody could say later which file has changed.
    facts: dict[str, Any] = {"code_roots": code_roots(run.spec)} if run.spec.code else {}
    if maker is not None:
        facts["first_mask_run"] = maker.name
    allow_tf32(False)  # before the start: the record says under which settings the run was made
    # Of an earlier process that was killed while writing; nobody holds them, so nobody is disturbed.
    remove_half_written(run.path)
    run.start(**facts)
    with _told_in(run):
        seconds: dict[str, float] = {}
        job = training_job(run, vis_backends)
        summary = training.train(job, cache, progress=progress, hooks=[LeaseWatcher(run.path), *watchers])
        seconds["train"] = round(summary.seconds, 1)
        # So that a checkpoint which is exchanged later is noticed (``trained.load_trained``).
        weights = sha256_file(summary.best_checkpoint)
        with _timed(seconds, "evaluate"):
            predict = predictor(load_trained(run, summary.best_checkpoint), torch.device(summary.device))
            run.write_rows(evaluate_run(run, predict, cache, progress=progress))
            if keep is not None:
                keep(run, predict, cache)
        run.finish(seconds=seconds, **_remembered(summary), **{WEIGHTS_HASH: weights})


@contextlib.contextmanager
def _told_in(run: Run) -> Iterator[None]:
    """Whatever ends a run before its finish is told in its record."""
    try:
        yield
    except LeaseLostError:
        raise  # the record belongs to whoever has taken the run over
    except BaseException as error:
        happened = unmasked(error)
        if isinstance(happened, KeyboardInterrupt):
            run.stop("interrupted", "stopped by Ctrl-C")
            # Unwrapped: libraries bring a Ctrl-C back as an error of their own, which would read as a failed run.
            raise happened from None
        if not isinstance(happened, Exception):
            raise
        told = explained(happened)
        # A record that cannot be written any more leaves the run as it is: unfinished, and free for the next attempt.
        with contextlib.suppress(OSError, BenchError):
            _told_as_failed(run, told, error)
        if told is not None:
            raise told from error
        raise


def _told_as_failed(run: Run, told: BenchError | None, error: BaseException) -> None:
    if told is not None:
        run.stop("failed", str(told))
        return
    write_text(run.path / ERROR_FILE, "".join(traceback.format_exception(error)))
    reason = (str(error).splitlines() or [""])[0]
    # By its place in the run's folder: a record travels, and names no folders of this machine.
    run.stop("failed", f"{type(error).__name__}: {reason} (traceback: {ERROR_FILE} of the run)")


ERROR_FILE = "error.txt"


def _remembered(summary: TrainingSummary) -> dict[str, Any]:
    """What ``run.json`` remembers of a training; a validation that scored nothing has no Dice."""
    return {
        "iterations": summary.iterations,
        "best_iteration": summary.best_iteration,
        "validation_dice": None if math.isnan(summary.best_score) else summary.best_score,
        "precision": summary.precision,
        "device": summary.device,
        "pretrained_parameters": summary.pretrained_parameters,
    }


class LeaseWatcher(Watcher):
    """Stops a training whose run is no longer ours before it does, logs or saves anything more."""

    priority = "HIGHEST"

    def __init__(self, folder: Path) -> None:
        self.file = folder / "run.json"

    def before_training(self, runner: Any) -> None:
        """At the start of the session."""
        check_fence(self.file)

    def after_step(self, runner: Any) -> None:
        """Before the step is logged; a process that was stopped for minutes most likely goes on here."""
        check_fence(self.file)

    def after_validation(self, runner: Any, scores: Mapping[str, float]) -> None:
        """Before the validation is logged."""
        check_fence(self.file)


@contextlib.contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[stage] = round(time.perf_counter() - started, 1)


def evaluate_run(run: Run, predict: Predict, cache: PreparedCache, progress: bool = True) -> pd.DataFrame:
    """Case rows of the run's test split under its own protocol."""
    spec = run.spec
    return evaluate(
        predict,
        cache.split("test"),
        structures=spec.protocol["structures"],
        clip_length=scored_clip_length(spec),
        first_frame=spec.protocol["first_frame"],
        run_columns={"run": run.name, "model": spec.model["name"], "seed": spec.seed},
        all_frames=True,
        progress=progress,
    )


def scored_clip_length(spec: RunSpec) -> int | None:
    """Frames of a test clip: the recipe's ``test_clip_length``, else its ``clip_length``; None for all of them."""
    return Recipe.from_dict(spec.recipe).frames_at_test


def profile_run(run: Run, settings: dict[str, Any]) -> None:
    """Measure the model of a run at its image size and write the run's ``profile.csv``; no weights are needed.

    Args:
        run: the run's folder and record.
        settings: arguments of ``profile_model``, without the image size.
    """
    model = run.spec.model
    # Imports the user's module: the worker that measures is another process and is told its name only.
    recorded_build(run)
    table = profile_model(
        measured_build(run.spec),
        model=model["name"],
        size=model["size"],
        custom_imports=model.get("custom_imports", ()),
        image_size=run.spec.recipe["image_size"],
        **settings,
    )
    PROFILE.write(table, run.path / PROFILE.file)


def training_job(run: Run, vis_backends: list[dict[str, Any]] | None = None) -> TrainingJob:
    """The training of a run, in the run's folder; its curves go to ``vis_backends`` (None: to the recipe's default)."""
    spec = run.spec
    shown = {} if vis_backends is None else {"vis_backends": vis_backends}
    return TrainingJob(
        model_build=spec.model["build"],
        recipe=Recipe.from_dict({**spec.recipe, **shown}),
        seed=spec.seed,
        first_frame=spec.protocol["first_frame"],
        structures=spec.protocol["structures"],
        work_dir=run.path,
    )
