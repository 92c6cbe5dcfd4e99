"""BenchRunner: mmengine's Runner with our checkpoints, on any device, in one process or several."""

from __future__ import annotations

import itertools
import logging
import os
import time
from typing import Any, cast

import torch
from mmengine.config import Config
from mmengine.dist import get_dist_info
from mmengine.hooks import Hook
from mmengine.logging import MessageHub, MMLogger
from mmengine.model import MMDistributedDataParallel
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from torch import distributed, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from harness.clip import structure_names
from harness.modeling import VideoSegmenter
from harness.training import checkpoints
from harness.training.interrupt import DeferredInterrupt
from harness.training.job import TrainingJob
from harness.training.precision import PrecisionOptimWrapper
from harness.training.segmentation import ClipSegmentation
from harness.training.state import TrainingState
from harness.training.tracking import build_visualizer
from harness.training.validation import PatientDice, improves

_names = itertools.count()
_MODEL = "model."  # prefix of the segmenter's weights inside ClipSegmentation


class BenchRunner(Runner):
    """Runs a ``TrainingJob``.

    Loops, checkpoints, moving average and schedule are ours, because a resumed training must end with the bits of an
    undisturbed one; hooks, message hub, log and visualisation are mmengine's. Which is which, and why:
    docs/decisions/0018-training-on-mmengine.md.

    Args:
        job: what to train.
        identity: the job's hash with its data.
        segmentation: the model with its loss, on its device.
        average: moving average of the weights or None.
        optim_wrapper: optimiser with precision.
        loaders: of training and validation.
        loops: configs of the loops that run on them.
        resumed: content of the checkpoint to go on from, or None.
        state: counters, those of ``resumed`` where there is one.
        interrupt: pending Ctrl-C.
        default_hooks: hooks by mmengine's names for them; None leaves one out.
        hooks: custom hooks.
    """

    def __init__(
        self,
        job: TrainingJob,
        *,
        identity: str,
        segmentation: ClipSegmentation,
        average: AveragedModel | None,
        optim_wrapper: PrecisionOptimWrapper,
        loaders: tuple[DataLoader, DataLoader],
        loops: tuple[dict[str, Any], dict[str, Any]],
        resumed: dict[str, Any] | None,
        state: TrainingState,
        interrupt: DeferredInterrupt,
        default_hooks: dict[str, Any],
        hooks: list[Hook],
    ) -> None:
        self.job, self.identity, self.state, self.interrupt = job, identity, state, interrupt
        self.segmentation, self.average, self.resumed = segmentation, average, resumed
        self.device, self.precision = optim_wrapper.device, optim_wrapper.precision
        self.saved = state.iteration
        self._clock = time.perf_counter()
        every = job.recipe.log_interval
        super().__init__(
            model=segmentation,
            work_dir=str(job.work_dir),
            train_dataloader=loaders[0],
            train_cfg=loops[0],
            val_dataloader=loaders[1],
            val_cfg=loops[1],
            val_evaluator=PatientDice(structure_names(job.structures)),
            optim_wrapper=optim_wrapper,
            default_hooks=default_hooks,
            custom_hooks=hooks,
            default_scope=None,
            randomness=dict(seed=job.seed),
            # Losses are those of the logged iteration; only times are averages over the iterations since the last line.
            log_processor=dict(
                by_epoch=False,
                window_size=1,
                log_with_hierarchy=True,
                custom_cfg=[
                    dict(data_src=name, method_name="mean", window_size=every) for name in ("time", "data_time")
                ],
            ),
            experiment_name=f"training-{os.getpid()}-{next(_names)}",
            cfg=Config(_described(job)),
        )
        self._resume = resumed is not None  # what EMAHook asks before it takes up its weights
        self._timestamp = "curves"  # LoggerHook names a file of LocalVisBackend by it

    def close(self) -> None:
        """Close the log and take this runner out of mmengine's global tables, which would keep it for ever.

        A suite trains dozens of models in one process; each would leave an open file and its whole history behind.
        """
        for handler in self.logger.handlers:
            handler.close()
        for table in (MMLogger, MessageHub, Visualizer):
            table._instance_dict.pop(self._experiment_name, None)  # there is no public way to forget one

    # -- validation and checkpoints -----------------------------------------------------------------------

    def best_candidate(self) -> VideoSegmenter:
        """The weights that are validated and kept as best: the moving average where there is one."""
        return cast(VideoSegmenter, self.segmentation.model if self.average is None else self.average.module)

    def validate(self) -> dict[str, float]:
        """Validate, keep the best weights, and tell the hooks; with several processes the first one does it."""
        self.call_hook("before_val")
        self.call_hook("before_val_epoch")
        metrics = [self.val_loop.run() if self.rank == 0 else None]
        if self.world_size > 1:
            distributed.broadcast_object_list(metrics, src=0)
        result: dict[str, float] = metrics[0]  # type: ignore[assignment]
        # Before after_val_epoch, because an EMAHook has its average inside the model until then; and the file before
        # the counters, because a checkpoint must never speak of best weights that are not on the disk.
        if improves(result["score"], self.state.best_score):
            self._save_best(self.state.iteration, result["score"])
            self.state.best_score, self.state.best_iteration = result["score"], self.state.iteration
        self.state.validated = self.state.iteration
        self.call_hook("after_val_epoch", metrics=result)
        self.call_hook("after_val")
        return result

    def _save_best(self, iteration: int, score: float) -> None:
        if self.rank == 0:
            content = {"model": self.best_candidate().state_dict(), "iteration": iteration, "score": score}
            checkpoints.save(self.job.checkpoints / "best.pth", content)

    def save_last(self) -> None:
        """Write everything that a resumed run needs as ``last.pth``."""
        now = time.perf_counter()
        self.state.seconds += now - self._clock
        self._clock, self.saved = now, self.state.iteration
        content = self._content()
        if self.rank == 0:
            checkpoints.save_last(self.job.checkpoints, content)

    def _content(self) -> dict[str, Any]:
        wrapper: Any = self.optim_wrapper
        # Hooks see the shape that mmengine gives them: weights under state_dict, and room for what is theirs.
        seen: dict[str, Any] = {"state_dict": self.segmentation.state_dict()}
        self.call_hook("before_save_checkpoint", checkpoint=seen)
        weights = seen.pop("state_dict")
        return {
            "format": checkpoints.FORMAT,
            "job": self.identity,
            "state": self.state.to_dict(),
            "model": {name.removeprefix(_MODEL): value for name, value in weights.items()},
            "average": None if self.average is None else self.average.state_dict(),
            "optimizer": wrapper.optimizer.state_dict(),
            "scaler": wrapper.scaler.state_dict(),
            "hooks": seen,
        }

    def load_or_resume(self) -> None:
        """Take up the weights, the average, the optimiser and the scaler of the resumed checkpoint."""
        if self.resumed is None:
            return
        wrapper: Any = self.optim_wrapper
        weights = {_MODEL + name: value for name, value in self.resumed["model"].items()}
        seen = {"state_dict": weights, **self.resumed.get("hooks", {})}
        self.call_hook("after_load_checkpoint", checkpoint=seen)
        self.segmentation.load_state_dict(seen["state_dict"])
        wrapper.optimizer.load_state_dict(self.resumed["optimizer"])
        wrapper.scaler.load_state_dict(self.resumed["scaler"])
        if self.average is not None:
            self.average.load_state_dict(self.resumed["average"])
        self.resumed = None

    # -- what mmengine does differently -------------------------------------------------------------------

    def setup_env(self, env_cfg: dict) -> None:
        """Take rank and world size as they are; folders get no time stamp, and no process settings change."""
        self._rank, self._world_size = get_dist_info()
        self._timestamp = ""

    def set_randomness(self, seed: int, diff_rank_seed: bool = False, deterministic: bool = False) -> None:
        """Only remember the seed: the loop seeds every iteration."""
        self._seed, self._deterministic = seed, deterministic

    def build_logger(self, log_level: int | str = "INFO", log_file: str | None = None, **kwargs: Any) -> MMLogger:
        """mmengine's log as ``training.log``, continued by a resumed run; the terminal shows errors alone.

        (The terminal belongs to the progress display.)
        """
        path = str(self.job.work_dir / "training.log")
        logger = MMLogger.get_instance(self._experiment_name, log_level=log_level, log_file=path, file_mode="a")
        logger.handlers[0].setLevel(logging.ERROR)
        return logger

    def build_visualizer(self, visualizer: Any = None) -> Visualizer:
        """``log.jsonl`` and the recipe's ``vis_backends``; in other processes than the first nothing is written."""
        conditions = {"device": str(self.device), "precision": self.precision, "processes": self.world_size}
        return build_visualizer(
            self._experiment_name,
            self.job.work_dir,
            self.job.recipe.vis_backends if self.rank == 0 else (),
            iteration=self.state.iteration,
            conditions={**conditions, "threads": torch.get_num_threads()},
        )

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """Wrap for several processes; on CPU without device ids."""
        if self.world_size == 1:
            return model
        ids = None if self.device.type == "cpu" else [self.device.index]
        # XMem's update of its sensory memory takes part in no loss of clips of two frames: without the search for unused
        # parameters the processes would wait for its gradients.
        return MMDistributedDataParallel(model, device_ids=ids, broadcast_buffers=True, find_unused_parameters=True)

    def dump_config(self) -> None:
        """Nothing: the run's record holds the resolved config."""

    def _log_env(self, env_cfg: dict) -> None:
        """Nothing: the run's record holds the environment."""


def _described(job: TrainingJob) -> dict[str, Any]:
    """The job as the config that visualisation backends record; MLflow's collects artifacts below ``work_dir``."""
    return {
        "model": job.build,
        "recipe": job.recipe.to_dict(),
        "seed": job.seed,
        "first_frame": job.first_frame,
        "structures": job.structures,
        "work_dir": str(job.work_dir),
    }
