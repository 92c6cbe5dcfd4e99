"""train: one job on one prepared cache, from the last checkpoint or from the beginning."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.hooks import Hook

from harness.data.prepared import PreparedCache
from harness.errors import ConfigError, TrainingError
from harness.modeling.precision import allow_tf32
from harness.modeling.pretrained import pretrained_parameters
from harness.registry import MODELS, load_plugins
from harness.training import checkpoints
from harness.training.averaging import build_average
from harness.training.determinism import BUILD, deterministic_kernels, reseed
from harness.training.device import resolve_device, resolve_precision
from harness.training.hooks import DueInfoHook, ProgressHook, as_hook, build_custom_hooks
from harness.training.interrupt import DeferredInterrupt
from harness.training.job import TrainingJob, TrainingSummary
from harness.training.loaders import training_loader, validation_loader
from harness.training.loops import ResumableTrainLoop, ValidationLoop
from harness.training.parameters import build_optimizer
from harness.training.precision import PrecisionOptimWrapper
from harness.training.processes import Processes, joined_processes, synchronised
from harness.training.recompute import recompute_activations
from harness.training.runner import BenchRunner
from harness.training.segmentation import ClipSegmentation
from harness.training.state import TrainingState
from harness.training.watcher import Watcher


def train(
    job: TrainingJob, cache: PreparedCache, progress: bool = True, hooks: Sequence[Hook | Watcher] = ()
) -> TrainingSummary:
    """Train a job on the ``train`` split of a ``PreparedCache`` and select on its ``val`` split.

    Goes on from ``work_dir/checkpoints/last.pth`` where there is one of the same job: whenever and however the
    run before was ended, the weights, the average, the optimiser, the best score and ``best.pth`` come out with
    the same bits as without the interruption (same machine, same number of threads). A finished job returns at
    once. Under ``torchrun`` each process takes its share of every batch.

    ``progress`` shows a bar with the remaining time where standard error is a terminal; ``hooks`` are further
    mmengine hooks or watchers, which see the ``BenchRunner``.

    Raises:
        TrainingError: a loss that is not finite (the batch is named), or a damaged or foreign checkpoint.
        ConfigError, DataError: an impossible recipe, an empty split.
        KeyboardInterrupt: Ctrl-C, after ``last.pth`` was written.
    """
    recipe = job.recipe
    # Convolutions would train at any size without complaint and report a condition that was not asked for.
    if cache.image_size != recipe.image_size:
        raise ConfigError(f"The recipe's image_size is {recipe.image_size} but the cache has {cache.image_size}.")
    device = resolve_device(recipe.device)
    with contextlib.ExitStack() as stack:
        processes = stack.enter_context(joined_processes(device))
        stack.enter_context(deterministic_kernels(recipe.deterministic, device))
        allow_tf32(False)
        interrupt = stack.enter_context(DeferredInterrupt())
        identity = job.identity(cache.fingerprint)
        resumed = checkpoints.load_last(job.checkpoints, identity)
        state = TrainingState(**resumed["state"]) if resumed else TrainingState()
        _check_best(job, state)
        if not state.finished(recipe.iterations):
            shown = [ProgressHook(str(job.build["type"]))] if progress and processes.rank == 0 else []
            custom = build_custom_hooks(recipe.custom_hooks, recipe.custom_imports)
            runner = _assemble(
                job, cache, processes, (identity, resumed, state), interrupt, [*shown, *map(as_hook, hooks), *custom]
            )
            stack.callback(runner.close)
            runner.train()
    return _summary(job, state, processes.device)


def build_model(job: TrainingJob) -> Any:
    """The job's model with the initial weights of its seed."""
    # Models are registered by entry points; without this a process that trains straight away knows none.
    load_plugins()
    # Initial weights are a function of the seed alone, whatever was computed in this process before.
    reseed(job.seed, BUILD)
    return MODELS.build(dict(job.build))


def _check_best(job: TrainingJob, state: TrainingState) -> None:
    """A resumed run must find the best weights that its checkpoint speaks of."""
    path = job.checkpoints / "best.pth"
    if state.best_iteration is not None and checkpoints.load(path)["iteration"] < state.best_iteration:
        raise TrainingError(f"The checkpoint {path} is older than last.pth says; remove both and train again.")


def _assemble(
    job: TrainingJob,
    cache: PreparedCache,
    processes: Processes,
    begun: tuple[str, dict[str, Any] | None, TrainingState],
    interrupt: DeferredInterrupt,
    hooks: list[Hook],
) -> BenchRunner:
    """The runner of a job, from the beginning or from what was ``begun``: identity, checkpoint, counters."""
    identity, resumed, state = begun
    segmentation = _segmentation(job, processes)
    loaded = pretrained_parameters(segmentation.model)
    state.pretrained_parameters = sum(p.numel() for p in segmentation.model.parameters() if id(p) in loaded)
    # Before activations are recomputed: the average is a deep copy and must not share wrapped forwards.
    average = None if job.recipe.ema is None else build_average(segmentation.model, job.recipe.ema)
    if job.recipe.activation_checkpointing:
        recompute_activations(segmentation.model)
    wrapper = _optim_wrapper(job, segmentation, processes.device)
    pin = processes.device.type == "cuda"
    return BenchRunner(
        job,
        identity=identity,
        segmentation=segmentation,
        average=average,
        optim_wrapper=wrapper,
        loaders=(
            training_loader(job, cache.split("train"), start=state.iteration, pin=pin, processes=processes),
            validation_loader(job, cache.split("val"), pin=pin),
        ),
        loops=(
            dict(type=ResumableTrainLoop, max_iters=job.recipe.iterations, val_interval=job.recipe.val_interval),
            dict(type=ValidationLoop),
        ),
        resumed=resumed,
        state=state,
        interrupt=interrupt,
        default_hooks=_default_hooks(job),
        hooks=hooks,
    )


def _segmentation(job: TrainingJob, processes: Processes) -> ClipSegmentation:
    recipe = job.recipe
    segmentation = ClipSegmentation(
        synchronised(build_model(job), processes),
        recipe.loss,
        gives_first_mask=job.gives_first_mask,
        freeze_batch_norm=recipe.batch_norm == "frozen",
    )
    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
    return segmentation.to(processes.device).to(memory_format=layout)


def _optim_wrapper(job: TrainingJob, segmentation: ClipSegmentation, device: torch.device) -> PrecisionOptimWrapper:
    return PrecisionOptimWrapper(
        build_optimizer(segmentation.model, job.recipe.optimizer),
        device=device,
        precision=resolve_precision(job.recipe.precision, device),
        max_norm=job.recipe.gradient_clip,
    )


def _default_hooks(job: TrainingJob) -> dict[str, Any]:
    """mmengine's default hooks; None where the harness does the same with exact resume (docs/decisions/0018)."""
    every = job.recipe.log_interval
    return dict(
        runtime_info=DueInfoHook(every),
        timer=dict(type="IterTimerHook"),
        # interval_exp_name repeats a name that is a process id here; a billion iterations is never.
        logger=dict(
            type="LoggerHook", interval=every, ignore_last=False, log_metric_by_epoch=False, interval_exp_name=10**9
        ),
        sampler_seed=None,
        param_scheduler=None,
        checkpoint=None,
    )


def _summary(job: TrainingJob, state: TrainingState, device: torch.device) -> TrainingSummary:
    if state.best_iteration is None or state.best_score is None:
        raise TrainingError(f"The training in {job.work_dir} ended without a validation.")
    return TrainingSummary(
        iterations=state.iteration,
        seconds=state.seconds,
        best_iteration=state.best_iteration,
        best_score=state.best_score,
        best_checkpoint=job.checkpoints / "best.pth",
        precision=resolve_precision(job.recipe.precision, device),
        device=str(device),
        pretrained_parameters=state.pretrained_parameters,
    )
