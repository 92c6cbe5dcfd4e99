"""Threads beside a running trial: one gives signs of life, one hands validations to the pruner."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
from pathlib import Path
from types import TracebackType

from optuna.exceptions import OptunaError
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import Trial
from sqlalchemy.exc import SQLAlchemyError


class _Beside:
    """A thread that calls ``look`` every ``interval_s`` seconds for as long as the context lasts, and once at its end."""

    def __init__(self, interval_s: float) -> None:
        self.interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._repeat, daemon=True)

    def __enter__(self) -> _Beside:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _repeat(self) -> None:
        while True:
            self.look()
            if self._stop.wait(self.interval_s):
                return

    def look(self) -> None:
        """What is to be done again and again."""
        raise NotImplementedError


class Heartbeat(_Beside):
    """Records the heartbeat of a trial, where the storage knows heartbeats; a storage that is busy is asked again."""

    def __init__(self, storage: BaseStorage, trial: Trial, interval_s: float) -> None:
        super().__init__(interval_s)
        self.storage, self.trial = storage, trial

    def look(self) -> None:
        """One sign of life."""
        if isinstance(self.storage, RDBStorage):
            with contextlib.suppress(SQLAlchemyError, OptunaError):
                self.storage.record_heartbeat(self.trial._trial_id)


class PruningWatch(_Beside):
    """Reports the validations in a run's ``log.jsonl`` to Optuna and stops the training where the pruner says so.

    The training is stopped as by Ctrl-C, at its next safe moment and with a checkpoint; ``pruned`` tells that from a
    user's Ctrl-C. It must run in the main thread.
    """

    def __init__(self, trial: Trial, log: Path, interval_s: float = 0.5) -> None:
        super().__init__(interval_s)
        self.trial, self.log = trial, log
        self.pruned = False
        self._seen: set[int] = set()

    def look(self) -> None:
        """Report what is new."""
        for step, score in validations(self.log):
            if step not in self._seen:
                self._seen.add(step)
                self.trial.report(score, step)
        if self._seen and not self.pruned and not self._stop.is_set() and self.trial.should_prune():
            self.pruned = True
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def validations(log: Path) -> list[tuple[int, float]]:
    """(iteration, score) of every validation in a log; a torn last line and missing scores are left out."""
    if not log.is_file():
        return []
    found = []
    for line in log.read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            record = json.loads(line)
            if record.get("kind") == "val" and record.get("score") is not None:
                found.append((int(record["iteration"]), float(record["score"])))
    return found
