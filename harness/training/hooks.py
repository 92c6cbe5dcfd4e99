"""mmengine hooks: JSON lines, TensorBoard and a progress bar."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook

from harness.files import write_text
from harness.jobs import Progress
from harness.training.runner import BenchRunner


def keep_lines(path: Path, iteration: int) -> None:
    """Drop the log lines after ``iteration`` and a torn last line: what follows is computed again."""
    if not path.is_file():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if record.get("iteration", 0) <= iteration:
            kept.append(line + "\n")
    write_text(path, "".join(kept))


class LogHook(Hook):
    """Writes ``log.jsonl`` and TensorBoard scalars every ``interval`` iterations and at each validation.

    A line has ``kind`` (``start``, ``train``, ``val``) and ``iteration``. Losses are those of that iteration
    alone, ``frames_per_second`` counts training frames since the line before (validation left out), a value
    that is not finite is null.
    """

    priority = "BELOW_NORMAL"

    def __init__(self, work_dir: Path, interval: int) -> None:
        self.work_dir, self.interval = work_dir, interval
        self.frames, self.clock = 0, 0.0
        self.board: Any = None

    def before_train(self, runner: BenchRunner) -> None:
        """Open the log and note the conditions of this session."""
        from torch.utils.tensorboard import SummaryWriter

        iteration = runner.state.iteration
        keep_lines(self.work_dir / "log.jsonl", iteration)
        self.board = SummaryWriter(str(self.work_dir / "tensorboard"), purge_step=iteration + 1)
        conditions = {"device": str(runner.device), "precision": runner.precision, "processes": runner.world_size}
        self._write({"kind": "start", "iteration": iteration, **conditions, "threads": torch.get_num_threads()})
        self.clock = time.perf_counter()

    def after_train_iter(
        self, runner: BenchRunner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Log the losses of this iteration where it is due."""
        self.frames += data_batch["labelled"].numel() * runner.world_size
        if (batch_idx + 1) % self.interval and batch_idx + 1 != runner.job.recipe.iterations:
            return
        wrapper: Any = runner.optim_wrapper
        values = {name: value.item() for name, value in (outputs or {}).items()}
        values["grad_norm"] = float(wrapper.grad_norm)
        values["lr"] = max(group["lr"] for group in wrapper.optimizer.param_groups)
        values["frames_per_second"] = self.frames / (time.perf_counter() - self.clock)
        self._record("train", batch_idx + 1, values)
        self.frames, self.clock = 0, time.perf_counter()

    def after_val_epoch(self, runner: BenchRunner, metrics: dict[str, float] | None = None) -> None:
        """Log a validation."""
        values = metrics or {}
        self._record("val", runner.state.iteration, values)
        self.clock += values.get("seconds", 0.0)

    def after_train(self, runner: BenchRunner) -> None:
        """Close TensorBoard's file."""
        self.board.close()

    def _record(self, kind: str, iteration: int, values: dict[str, float]) -> None:
        self._write({"kind": kind, "iteration": iteration, **values})
        for name, value in values.items():
            self.board.add_scalar(f"{kind}/{name}", value, iteration)

    def _write(self, record: dict[str, Any]) -> None:
        finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()}
        with open(self.work_dir / "log.jsonl", "a", encoding="utf-8") as stream:
            stream.write(json.dumps(finite, allow_nan=False) + "\n")


class ProgressHook(Hook):
    """Loss, best score and remaining time: a bar, or a line every half minute where there is no terminal."""

    priority = "LOW"

    def __init__(self, label: str) -> None:
        self.label = label
        self.progress: Progress | None = None

    def before_train(self, runner: BenchRunner) -> None:
        """Start at the resumed iteration."""
        total, done = runner.job.recipe.iterations, runner.state.iteration
        self.progress = Progress(f"training {self.label}", total, done=done, unit="iterations").__enter__()

    def after_train_iter(
        self, runner: BenchRunner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Advance; the loss is read from the device only when something is shown."""

        def text() -> str:
            best = runner.state.best_score
            return f"loss {(outputs or {})['loss'].item():.3f}" + ("" if best is None else f", val Dice {best:.3f}")

        if self.progress is not None:
            self.progress.at(batch_idx + 1, text)

    def after_train(self, runner: BenchRunner) -> None:
        """Take the bar down, also after an error."""
        if self.progress is not None:
            self.progress.done = runner.state.iteration
            self.progress.__exit__(None, None, None)
