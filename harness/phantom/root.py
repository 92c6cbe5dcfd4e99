"""Generating a phantom root: in parallel, all or nothing."""

from __future__ import annotations

import contextlib
import functools
import os
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from harness.errors import BenchError, DataError
from harness.files import read_json, sync_folder, write_json
from harness.jobs import map_ordered
from harness.leftovers import drop_private, make_private
from harness.phantom.layout import write_patient, write_splits
from harness.phantom.parameters import PhantomParameters

MANIFEST = "phantom.json"


def generate(
    root: Path | str,
    *,
    patients: tuple[int, int, int] = (60, 15, 25),
    seed: int = 0,
    pixel_mm: float = 0.462,
    beats: int = 0,
    arrhythmia: float = 0.0,
    defects: float = 0.0,
    foreshortened: float = 0.0,
    breathing_mm: float = 0.0,
    probe_mm: float = 0.0,
    frame_rate_hz: tuple[float, float] | None = None,
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
        beats, arrhythmia, defects, foreshortened, breathing_mm, probe_mm, frame_rate_hz: whole cycles and what else a patient may
            have (see ``PhantomParameters``); without them every file is what it always was.
        workers: processes; None for one per available core (at most eight).
        progress: show how far it is and the time left, on stderr.

    Raises:
        ConfigError: impossible parameters.
        DataError: the folder exists and is not a phantom of these parameters.
        BenchError: the disk is full, or a process was killed.
    """
    parameters = PhantomParameters(
        patients=patients, seed=seed, pixel_mm=pixel_mm, beats=beats, arrhythmia=arrhythmia, defects=defects,
        foreshortened=foreshortened, breathing_mm=breathing_mm, probe_mm=probe_mm, frame_rate_hz=frame_rate_hz,
    )  # fmt: skip
    root = Path(root)
    if _finished(root, parameters):
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    # Beside the root and not in /tmp: a rename is atomic within one file system only.
    growing = make_private(root.parent, f".{root.name}.", ".partial")
    try:
        _fill(growing, parameters, workers, progress)
        growing.chmod(0o755)
        _publish(growing, root, parameters)
    except OSError as error:
        raise BenchError(
            f"The phantom {root} could not be written: {error.strerror or error}; see to it and run again."
        ) from error
    finally:
        drop_private(growing)
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
    manifest = read_json(path)
    if not isinstance(manifest, dict) or not {"parameters", "patients"} <= set(manifest):
        raise DataError(f"{path} is damaged: it has no parameters or no patients; remove {root} and generate it again.")
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
        sync_folder(root.parent)
    except OSError:
        if not _finished(root, parameters):  # else another process has finished the same root meanwhile
            raise


def _fill(folder: Path, parameters: PhantomParameters, workers: int | None, progress: bool) -> None:
    write = functools.partial(write_patient, folder, parameters)
    indices = range(sum(parameters.patients))
    with threadpool_limits(1):  # a product over several threads adds in another order: the pixels would depend on it
        written = map_ordered(
            write, indices, workers=workers, progress=progress, label="generating the phantom", worth=8
        )
        with contextlib.closing(written) as truths:
            # Processes finish in any order; the manifest does not.
            records = sorted(truths, key=lambda truth: truth["id"])
    write_splits(folder, parameters)
    write_json(folder / MANIFEST, {"parameters": parameters.manifest(), "patients": records})
