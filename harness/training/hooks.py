"""What mmengine's hooks need from this harness: log values only where a line is due, and the progress display."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from mmengine.hooks import Hook, RuntimeInfoHook
from mmengine.registry import HOOKS

from harness.errors import ConfigError
from harness.jobs import Progress
from harness.modules import import_modules
from harness.registry import build_registered
from harness.training.runner import BenchRunner
from harness.training.watcher import Watcher


class DueInfoHook(RuntimeInfoHook):
    """mmengine's ``RuntimeInfoHook``, which puts losses and rates into the message hub only where a line is due.

    Reading a loss makes the CPU wait for the GPU, and the hub copies its whole history at each new value; both would
    be paid in every iteration. Also adds ``grad_norm`` and ``frames_per_second``: training frames since the line
    before, validation left out.
    """

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.frames, self.clock = 0, 0.0

    def before_train(self, runner: BenchRunner) -> None:
        """Start the clock."""
        super().before_train(runner)
        self.clock = time.perf_counter()

    def before_train_iter(self, runner: BenchRunner, batch_idx: int, data_batch: Any = None) -> None:
        """Note the iteration; the learning rate where a line is due."""
        if self._due(runner, batch_idx):
            super().before_train_iter(runner, batch_idx, data_batch)
        else:
            runner.message_hub.update_info("iter", runner.iter)

    def after_train_iter(
        self, runner: BenchRunner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Note losses, gradient norm and speed where a line is due."""
        self.frames += data_batch["labelled"].numel() * runner.world_size
        if not self._due(runner, batch_idx):
            return
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        wrapper: Any = runner.optim_wrapper
        seconds = time.perf_counter() - self.clock
        runner.message_hub.update_scalar("train/grad_norm", float(wrapper.grad_norm))
        runner.message_hub.update_scalar("train/frames_per_second", self.frames / seconds)
        self.frames, self.clock = 0, time.perf_counter()

    def after_val_epoch(self, runner: BenchRunner, metrics: dict[str, float] | None = None) -> None:
        """Note a validation, and leave its time out of the training speed."""
        super().after_val_epoch(runner, metrics)
        self.clock += (metrics or {}).get("seconds", 0.0)

    def _due(self, runner: BenchRunner, batch_idx: int) -> bool:
        return (batch_idx + 1) % self.interval == 0 or batch_idx + 1 == runner.max_iters


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


class WatcherHook(Hook):
    """A ``Watcher`` as a hook of mmengine's runner."""

    def __init__(self, watcher: Watcher) -> None:
        self.watcher, self.priority = watcher, watcher.priority

    def before_train(self, runner: BenchRunner) -> None:
        """See ``Watcher``."""
        self.watcher.before_training(runner)

    def after_train_iter(
        self, runner: BenchRunner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """See ``Watcher``."""
        self.watcher.after_step(runner)

    def after_val_epoch(self, runner: BenchRunner, metrics: dict[str, float] | None = None) -> None:
        """See ``Watcher``."""
        self.watcher.after_validation(runner, metrics or {})


def as_hook(hook: Hook | Watcher) -> Hook:
    """A watcher wrapped for mmengine's runner; a hook as it is."""
    return WatcherHook(hook) if isinstance(hook, Watcher) else hook


def build_custom_hooks(configs: Iterable[Mapping[str, Any]], imports: Iterable[str] = ()) -> list[Hook]:
    """The hooks of a recipe: classes that are registered in mmengine's registry ``HOOKS``.

    Args:
        configs: ``custom_hooks`` of the recipe; ``priority`` may stand in each as for mmengine's Runner.
        imports: modules to import first, which register hooks (or visualisation backends).

    Raises:
        ConfigError: a module that cannot be imported, an unknown hook or wrong arguments.
    """
    for module in imports:
        try:
            import_modules([module])
        except ImportError as error:
            raise ConfigError(
                f"The recipe's custom_imports names the module {module}, which cannot be imported ({error}); "
                "put it beside the recipe's file or install it."
            ) from error
    return [_build(dict(config)) for config in configs]


def _build(config: dict[str, Any]) -> Hook:
    # mmengine's Runner takes the priority out of a config in the same way (Runner.register_hook).
    priority = config.pop("priority", None)
    try:
        hook: Hook = build_registered(HOOKS, config)
    except Exception as error:  # a hook's constructor may raise anything
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"The recipe's custom_hooks entry {config} cannot be built: {reason}; correct its type or arguments."
        ) from error
    if priority is not None:
        hook.priority = priority
    return hook
