"""mmengine loops: iterations that can be resumed exactly, and the validation that selects the best weights."""

from __future__ import annotations

import time
from typing import Any

import torch
from mmengine.registry import LOOPS
from mmengine.runner import IterBasedTrainLoop
from mmengine.runner.base_loop import BaseLoop
from torch import Tensor
from torch.utils.data import DataLoader

from harness.errors import TrainingError
from harness.training.determinism import VALIDATION, reseed, reseed_iteration
from harness.training.device import autocast
from harness.training.parameters import set_learning_rate
from harness.training.precision import NonFiniteError
from harness.training.runner import BenchRunner
from harness.training.schedule import learning_rate_factor


@LOOPS.register_module()
class ResumableTrainLoop(IterBasedTrainLoop):
    """Iterations whose every draw is a function of (seed, iteration); validation before the checkpoint.

    At a validation point the order is: validate, write ``best.pth`` if the score improved, write ``last.pth``
    with the best score inside. Killed in between, a resumed run repeats the iterations since ``last.pth`` with
    the same bits and writes the same ``best.pth`` again.
    """

    def __init__(self, runner: BenchRunner, dataloader: DataLoader, max_iters: int, val_interval: int) -> None:
        # Not IterBasedTrainLoop.__init__: it opens the loader's workers at once, even where nothing is left to train.
        BaseLoop.__init__(self, runner, dataloader)
        self.state = runner.state
        self._max_iters, self.val_interval, self.val_begin = max_iters, val_interval, 1
        self._max_epochs, self._epoch, self.stop_training = 1, 0, False
        self.settled = True

    @property
    def iter(self) -> int:
        """Optimiser steps done; inside ``after_train_iter`` still without the step of that iteration (mmengine's rule)."""
        return self.state.iteration

    def run(self) -> Any:
        """Train to the end, or until a hook sets ``stop_training``.

        Raises:
            TrainingError: a loss or gradient that is not finite.
            KeyboardInterrupt: Ctrl-C, after ``last.pth`` was written; a second Ctrl-C inside a step writes nothing.
        """
        runner, batches = self.runner, None
        runner.call_hook("before_train")
        runner.call_hook("before_train_epoch")
        runner.model.train()
        try:
            self._settle()
            while not self._ended():
                batches = iter(self.dataloader) if batches is None else batches
                self.settled = False
                self.run_iter(next(batches))
                self.settled = True
                self._settle()
            runner.call_hook("after_train_epoch")
        except KeyboardInterrupt:
            # In the middle of a step the weights belong to no iteration; the checkpoint before it is the right one.
            if self.settled:
                runner.save_last()
            raise
        finally:
            del batches  # ends the loader's workers
            runner.call_hook("after_train")
        return runner.model

    def run_iter(self, data_batch: dict[str, Tensor]) -> None:
        """One optimiser step on a batch."""
        runner, k = self.runner, self.iter
        recipe = runner.job.recipe
        # Before the hooks: RuntimeInfoHook reads the rate of this iteration from the optimiser.
        set_learning_rate(runner.optim_wrapper.optimizer, learning_rate_factor(recipe.schedule, k, recipe.iterations))
        runner.call_hook("before_train_iter", batch_idx=k, data_batch=data_batch)
        # After the hooks: whatever they drew, this iteration's numbers are a function of (seed, k, rank).
        reseed_iteration(runner.seed, k, runner.rank)
        try:
            outputs = runner.model.train_step(data_batch, optim_wrapper=runner.optim_wrapper)
        except NonFiniteError as error:
            raise self._explain(error, data_batch) from None
        if runner.average is not None:
            runner.average.update_parameters(runner.segmentation.model)
        runner.call_hook("after_train_iter", batch_idx=k, data_batch=data_batch, outputs=outputs)
        self.state.iteration = k + 1

    def _explain(self, error: NonFiniteError, batch: dict[str, Tensor]) -> TrainingError:
        cases = self.dataloader.dataset.split.cases
        names = ", ".join(cases[index].name for index in batch["index"].tolist())
        return TrainingError(
            f"Training stopped in iteration {self.iter}: {error} on the batch of the cases {names}; "
            "look at these cases, or lower the recipe's optimizer.lr or use precision=fp32."
        )

    def _ended(self) -> bool:
        return self.iter >= self._max_iters or self.state.stopped

    def _settle(self) -> None:
        """What is due between two iterations: validation, checkpoint, Ctrl-C."""
        runner, k, recipe = self.runner, self.iter, self.runner.job.recipe
        self.state.stopped |= self.stop_training
        validates = k > 0 and (k % self.val_interval == 0 or self._ended()) and self.state.validated != k
        if validates:
            runner.validate()
            self.state.stopped |= self.stop_training  # an EarlyStoppingHook decides on the validation
        if validates or (k % recipe.checkpoint_interval == 0 and k != runner.saved):
            runner.save_last()
        runner.interrupt.check()


@LOOPS.register_module()
class ValidationLoop(BaseLoop):
    """All cases of the validation split by the weights that would be kept as best."""

    def __init__(self, runner: BenchRunner, dataloader: DataLoader, evaluator: Any) -> None:
        super().__init__(runner, dataloader)
        self.evaluator = evaluator

    @torch.inference_mode()
    def run(self) -> dict[str, float]:
        """``score``, one value per structure, and ``seconds``."""
        runner, began = self.runner, time.perf_counter()
        self.evaluator.records.clear()
        reseed(runner.seed, VALIDATION)
        model = runner.best_candidate().eval()
        for index, batch in enumerate(self.dataloader):
            runner.call_hook("before_val_iter", batch_idx=index, data_batch=batch)
            logits = self._score(model, batch)
            runner.call_hook("after_val_iter", batch_idx=index, data_batch=batch, outputs=[logits])
            runner.interrupt.check()
        runner.model.train()
        return {**self.evaluator.compute(), "seconds": time.perf_counter() - began}

    def _score(self, model: Any, batch: dict[str, Tensor]) -> Tensor:
        segmentation, frames = self.runner.segmentation, batch["labelled"].shape[1]
        data = segmentation.data_preprocessor(batch)
        with autocast(self.runner.device, self.runner.precision):
            logits = segmentation.predict(model, **data)
        cases = self.dataloader.dataset.split.cases
        owners = [cases[index].patient for index in batch["index"].tolist()]
        patients = [owners[k // frames] for k in data["supervised"].tolist()]
        self.evaluator.add(patients, logits, data["masks"].flatten(0, 1)[data["supervised"]])
        return logits
