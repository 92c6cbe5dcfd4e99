"""Generating a phantom root: in parallel, with a progress bar, all or nothing."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from threadpoolctl import threadpool_limits

from harness.errors import BenchError, DataError
from harness.files import read_json, write_json
from harness.phantom.layout import write_patient, write_splits
from harness.phantom.parameters import PhantomParameters

MANIFEST = "phantom.json"


def generate(
    root: Path | str,
    *,
    patients: tuple[int, int, int] = (60, 15, 25),
    seed: int = 0,
    pixel_mm: float = 0.462,
    workers: int | None = None,
    progress: bool = True,
) -> Path:
    """Generate a phantom root in the CAMUS NIfTI layout and return its path.

    The root appears under its name only when it is complete; until then it grows in a hidden neighbour folder that is
    removed on any failure, Ctrl-C included. A finished root of the same parameters and generator version is left as it is.

    Args:
        root: folder to make.
        patients: numbers of training, validation and testing patients.
        seed: with the patient's index it decides every pixel; ``workers`` decides nothing but the time.
        pixel_mm: pixel size in mm.
        workers: processes; None for one per available core.
        progress: show a progress bar with the remaining time on stderr.

    Raises:
        ConfigError: impossible parameters.
        DataError: the folder exists and is not a phantom of these parameters.
        BenchError: the disk is full, or a process was killed.
    """
    parameters = PhantomParameters(patients=patients, seed=seed, pixel_mm=pixel_mm)
    root = Path(root)
    if _finished(root, parameters):
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    growing = Path(tempfile.mkdtemp(prefix=f".{root.name}.", suffix=".partial", dir=root.parent))
    try:
        _fill(growing, parameters, workers or _cores(), progress)
        growing.chmod(0o755)
        _publish(growing, root, parameters)
    except OSError as error:
        raise BenchError(
            f"The phantom {root} could not be written: {error.strerror or error}; see to it and run again."
        ) from error
    finally:
        shutil.rmtree(growing, ignore_errors=True)
    return root


def read_manifest(root: Path | str) -> dict[str, Any]:
    """Manifest of a finished phantom root: ``parameters`` and, per patient, the true volumes (ml) and EF (%).

    Raises:
        DataError: the folder holds no finished phantom.
    """
    path = Path(root) / MANIFEST
    if not path.is_file():
        raise DataError(
            f"{root} is not a finished phantom: it has no {MANIFEST}; generate it with `echobench phantom`."
        )
    manifest: dict[str, Any] = read_json(path)
    return manifest


def _finished(root: Path, parameters: PhantomParameters) -> bool:
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    if not (root / MANIFEST).is_file():
        raise DataError(f"{root} exists and is not a phantom; choose another folder or remove it.")
    if read_manifest(root)["parameters"] != parameters.manifest():
        raise DataError(
            f"{root} holds a phantom of other parameters or of another generator version; choose another folder or remove it."
        )
    return True


def _publish(growing: Path, root: Path, parameters: PhantomParameters) -> None:
    try:
        os.replace(growing, root)
    except OSError:
        if not _finished(root, parameters):  # else another process has finished the same root meanwhile
            raise


def _fill(folder: Path, parameters: PhantomParameters, workers: int, progress: bool) -> None:
    count = sum(parameters.patients)
    truths: list[dict[str, Any]] = []
    with _bar(count, progress) as advance:
        for truth in _truths(folder, parameters, min(workers, count)):
            truths.append(truth)
            advance()
    write_splits(folder, parameters)
    truths.sort(key=lambda truth: truth["id"])
    write_json(folder / MANIFEST, {"parameters": parameters.manifest(), "patients": truths})


def _truths(folder: Path, parameters: PhantomParameters, workers: int) -> Iterator[dict[str, Any]]:
    indices = range(sum(parameters.patients))
    if workers == 1:
        with threadpool_limits(1):
            yield from (write_patient(folder, parameters, index) for index in indices)
        return
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start_worker)
    try:
        for job in as_completed([pool.submit(write_patient, folder, parameters, index) for index in indices]):
            yield job.result()
    except BrokenProcessPool as error:
        raise BenchError(
            "A process that generated the phantom was killed (out of memory?); use fewer workers."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(1)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _bar(total: int, shown: bool) -> Iterator[Any]:
    columns = (TextColumn("phantom"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not shown) as bar:
        task = bar.add_task("phantom", total=total)
        yield lambda: bar.advance(task)
