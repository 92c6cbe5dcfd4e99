"""BenchRunner: mmengine's Runner with our checkpoints, on any device, in one process or several."""

from __future__ import annotations

import itertools
import os
import time
from typing import Any, cast

from mmengine.dist import get_dist_info
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.model import MMDistributedDataParallel
from mmengine.runner import Runner
from torch import distributed, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from harness.clip import STRUCTURE_SETS
from harness.modeling import VideoSegmenter
from harness.training import checkpoints
from harness.training.interrupt import DeferredInterrupt
from harness.training.job import TrainingJob
from harness.training.precision import PrecisionOptimWrapper
from harness.training.segmentation import ClipSegmentation
from harness.training.state import TrainingState
from harness.training.validation import PatientDice, improves

_names = itertools.count()


class BenchRunner(Runner):
    """Runs a ``TrainingJob``.

    mmengine's own checkpoint files cannot be read with ``weights_only=True``; this class writes and reads ours
    instead (``training/checkpoints.py``). Hooks are given as for any mmengine Runner.

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
        hooks: list[Hook],
    ) -> None:
        self.job, self.identity, self.state, self.interrupt = job, identity, state, interrupt
        self.segmentation, self.average, self.resumed = segmentation, average, resumed
        self.device, self.precision = optim_wrapper.device, optim_wrapper.precision
        self.saved = state.iteration
        self._clock = time.perf_counter()
        super().__init__(
            model=segmentation,
            work_dir=str(job.work_dir),
            train_dataloader=loaders[0],
            train_cfg=loops[0],
            val_dataloader=loaders[1],
            val_cfg=loops[1],
            val_evaluator=PatientDice(STRUCTURE_SETS[job.structures]),
            optim_wrapper=optim_wrapper,
            default_hooks=dict.fromkeys(
                ("runtime_info", "timer", "sampler_seed", "logger", "param_scheduler", "checkpoint")
            ),
            custom_hooks=hooks,
            default_scope=None,
            randomness=dict(seed=job.seed),
            experiment_name=f"training-{os.getpid()}-{next(_names)}",
        )

    @property
    def unfinished(self) -> bool:
        """False where the resumed checkpoint is the end of the job."""
        return self.state.iteration < self.job.recipe.iterations or self.state.validated != self.state.iteration

    # -- validation and checkpoints -----------------------------------------------------------------------

    def best_candidate(self) -> VideoSegmenter:
        """The weights that are validated and kept as best: the moving average where there is one."""
        return cast(VideoSegmenter, self.segmentation.model if self.average is None else self.average.module)

    def validate(self) -> dict[str, float]:
        """Validate, keep the best weights, and tell the hooks; with several processes the first one does it."""
        metrics = [self.val_loop.run() if self.rank == 0 else None]
        if self.world_size > 1:
            distributed.broadcast_object_list(metrics, src=0)
        result: dict[str, float] = metrics[0]  # type: ignore[assignment]
        self.state.validated = self.state.iteration
        if improves(result["score"], self.state.best_score):
            self.state.best_score, self.state.best_iteration = result["score"], self.state.iteration
            self._save_best()
        self.call_hook("after_val_epoch", metrics=result)
        return result

    def _save_best(self) -> None:
        if self.rank == 0:
            content = {
                "model": self.best_candidate().state_dict(),
                "iteration": self.state.best_iteration,
                "score": self.state.best_score,
            }
            checkpoints.save(self.job.checkpoints / "best.pth", content)

    def save_last(self) -> None:
        """Write everything that a resumed run needs as ``last.pth``; nothing if it is there already."""
        now = time.perf_counter()
        self.state.seconds += now - self._clock
        self._clock, self.saved = now, self.state.iteration
        if self.rank == 0:
            checkpoints.save_last(self.job.checkpoints, self._content())

    def _content(self) -> dict[str, Any]:
        wrapper: Any = self.optim_wrapper
        return {
            "format": checkpoints.FORMAT,
            "job": self.identity,
            "state": self.state.to_dict(),
            "model": self.segmentation.model.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "optimizer": wrapper.optimizer.state_dict(),
            "scaler": wrapper.scaler.state_dict(),
        }

    def load_or_resume(self) -> None:
        """Take up the weights, the average, the optimiser and the scaler of the resumed checkpoint."""
        if self.resumed is None:
            return
        wrapper: Any = self.optim_wrapper
        self.segmentation.model.load_state_dict(self.resumed["model"])
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
        """No file and errors only: the hooks write the log."""
        return MMLogger.get_instance(self._experiment_name, log_level="ERROR")

    def build_visualizer(self, visualizer: Any = None) -> Any:
        """None: nothing is drawn during training."""
        return None

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """Wrap for several processes; on CPU without device ids."""
        if self.world_size == 1:
            return model
        ids = None if self.device.type == "cpu" else [self.device.index]
        return MMDistributedDataParallel(model, device_ids=ids, broadcast_buffers=True)

    def dump_config(self) -> None:
        """Nothing: the run's record holds the resolved config."""

    def _log_env(self, env_cfg: dict) -> None:
        """Nothing: the run's record holds the environment."""
