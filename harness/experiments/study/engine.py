"""Running a study with one or several workers on this machine; further machines join with the same command."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness.experiments.study.job import ResolvedStudy, StudyJob
from harness.experiments.study.worker import Tell, Worker

logger = logging.getLogger(__name__)


def run_study(job: StudyJob, resolved: ResolvedStudy, *, workers: int = 1, tell: Tell = logger.info) -> None:
    """Work on a study until nothing is left of it.

    Args:
        job: what to run.
        resolved: the same with its data (``resolve``); with several workers each of them resolves it again.
        workers: processes; 1 works in this one.
        tell: receives one line per trial.

    Raises:
        KeyboardInterrupt: Ctrl-C; every worker stopped at a safe moment, its trial is queued again.
    """
    if workers == 1:
        Worker(job, resolved, tell=tell).run()
        return
    Worker(job, resolved, tell=tell).prepare()
    with tempfile.TemporaryDirectory(prefix="echobench-ablate-") as folder:
        file = Path(folder) / "job.json"
        file.write_text(job.to_json(), encoding="utf-8")
        processes = [start_worker(file, workers) for _ in range(workers)]
        try:
            _wait(processes, tell)
        except KeyboardInterrupt:
            for process in processes:
                if process.poll() is None:
                    process.send_signal(signal.SIGINT)
            for process in processes:
                process.wait()
            raise


def start_worker(job: Path, share: int = 1) -> subprocess.Popen[bytes]:
    """Start a worker process on a job file; ``share`` workers divide the cores that we may use (``OMP_NUM_THREADS`` wins).

    It is no member of the terminal's foreground group: whoever started it decides when it is interrupted.
    """
    threads = str(max(1, cores() // share))
    environment = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, **os.environ}
    return subprocess.Popen(
        [sys.executable, "-m", "harness.experiments.study", str(job)], env=environment, start_new_session=True
    )


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _wait(processes: list[subprocess.Popen[bytes]], tell: Tell) -> None:
    """Until every worker has ended; one that was killed is told, its trial is taken up by the others."""
    waiting = dict(enumerate(processes))
    while waiting:
        for number, process in list(waiting.items()):
            if process.poll() is not None:
                del waiting[number]
                if process.returncode:
                    tell(f"worker {number} ended with code {process.returncode}")
        time.sleep(0.2)
