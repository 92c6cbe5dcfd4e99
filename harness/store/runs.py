"""The results store: what a run is, where it lies, and in which state it is.

Layout, one folder per run::

    <root>/<dataset>/<model>-<size>-s<seed>-<identity>/
        run.json            identity, status, resolved config, code version, environment, timings
        checkpoints/        last.pth (resume), best.pth (selected on validation)
        log.jsonl           one line per logged iteration and validation
        tensorboard/
        cases.csv           one tidy row per (case, frame, structure, metric): see ROW_COLUMNS
        profile.csv         one row per measured condition

A run is finished exactly when ``run.json`` says so; that file is replaced atomically and last.
"""

from __future__ import annotations

import datetime as dt
import functools
import glob
import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from harness.errors import BenchError
from harness.files import canonical_hash, read_json, write_json, write_text

Status = Literal["new", "running", "interrupted", "failed", "finished"]

ROW_COLUMNS = (
    "run", "model", "seed", "dataset", "split", "patient", "view", "frame", "phase", "structure", "metric", "value",
)  # fmt: skip
"""Columns of ``cases.csv``. ``frame`` is -1 and ``phase`` empty for values of a whole view or patient (EF)."""

_RECORDED_PACKAGES = ("torch", "numpy", "scipy", "pandas", "mmengine", "optuna", "fvcore", "nibabel")


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSpec:
    """Everything that decides what a run computes; its hash is the run's identity.

    Attributes:
        model: ``name``, ``size``, ``label`` (for tables) and ``build`` (the registry config).
        data: ``dataset``, ``views``, ``clip``, ``image_size``, ``fingerprint``, ``mark``.
        recipe: the resolved recipe, one for all models of a suite.
        seed: initialisation, order and augmentation.
        protocol: ``first_frame`` and ``structures``.
    """

    model: dict[str, Any]
    data: dict[str, Any]
    recipe: dict[str, Any]
    seed: int
    protocol: dict[str, Any]

    @property
    def identity(self) -> str:
        """Ten hex digits, the same for equal specs whatever the order of their keys."""
        return canonical_hash(asdict(self))

    @property
    def folder(self) -> str:
        """Path of the run below the store's root."""
        model = self.model
        return f"{self.data['dataset']}/{model['name']}-{model['size']}-s{self.seed}-{self.identity}".replace(":", "_")


class Run:
    """One run's folder. All methods that write are atomic."""

    def __init__(self, path: Path, record: dict[str, Any]) -> None:
        self.path = path
        self.record = record

    @property
    def name(self) -> str:
        """Path below the store's root: the value of the column ``run``."""
        return str(self.record["name"])

    @property
    def spec(self) -> RunSpec:
        """The spec this run was opened with."""
        return RunSpec(**self.record["spec"])

    @property
    def status(self) -> Status:
        """``running`` becomes ``interrupted`` when the process that wrote it is gone."""
        status: Status = self.record["status"]
        if status == "running" and not _alive(self.record.get("process")):
            return "interrupted"
        return status

    def start(self) -> None:
        """Mark the run as running in this process and record code version and environment."""
        self.record.update(
            status="running",
            process=_process(),
            started=_now(),
            code=dict(code_version()),
            environment=environment(),
            reason=None,
        )
        self.save()

    def finish(self, **results: Any) -> None:
        """Mark the run as finished; ``results`` (timings, counts) are stored with it."""
        self.record.setdefault("results", {}).update(results)
        self.record.update(status="finished", process=None, finished=_now())
        self.save()

    def stop(self, status: Literal["interrupted", "failed"], reason: str) -> None:
        """Mark the run as interrupted or failed and say why."""
        self.record.update(status=status, process=None, reason=reason)
        self.save()

    def save(self) -> None:
        """Write ``run.json``."""
        write_json(self.path / "run.json", self.record)

    def write_rows(self, rows: pd.DataFrame, name: str = "cases.csv") -> None:
        """Write per-case rows (columns ``ROW_COLUMNS``, in that order) as CSV with full float precision.

        Raises:
            ValueError: a column is missing or unknown.
        """
        if set(rows.columns) != set(ROW_COLUMNS):
            raise ValueError(f"rows must have the columns {ROW_COLUMNS}, got {tuple(rows.columns)}")
        write_text(self.path / name, rows.loc[:, list(ROW_COLUMNS)].to_csv(index=False))

    def rows(self, name: str = "cases.csv") -> pd.DataFrame:
        """Read per-case rows; ids stay text, a missing value is NaN."""
        path = self.path / name
        if not path.is_file():
            raise BenchError(f"The run {self.name} has no {name}; finish it first (status: {self.status}).")
        return read_rows(path)


class RunStore:
    """All runs below one folder (``results/runs`` by default)."""

    def __init__(self, root: Path | str = "results/runs") -> None:
        self.root = Path(root)

    def open(self, spec: RunSpec, create: bool = True) -> Run:
        """The run of this spec: the one on disk, else a new one with status ``new`` (written where ``create``)."""
        path = self.root / spec.folder
        if (path / "run.json").is_file():
            return Run(path, read_json(path / "run.json"))
        record = {
            "name": spec.folder,
            "identity": spec.identity,
            "spec": asdict(spec),
            "status": "new",
            "created": _now(),
        }
        run = Run(path, record)
        if create:
            run.save()
        return run

    def get(self, name: str) -> Run:
        """The run with this name: its path below the root, or its folder's name alone where that is unique.

        Raises:
            BenchError: there is none, or there are several.
        """
        records = [self.root / name / "run.json"]
        if "/" not in name and name not in ("", ".", ".."):
            records += sorted(self.root.glob(f"*/{glob.escape(name)}/run.json"))
        found = [path for path in records if path.is_file()]
        if not found:
            raise BenchError(f"There is no run {name} in {self.root}; `echobench runs` lists what is there.")
        if len(found) > 1:
            names = ", ".join(path.parent.relative_to(self.root).as_posix() for path in found)
            raise BenchError(f"The name {name} fits {len(found)} runs in {self.root}: {names}; give one of these.")
        return Run(found[0].parent, read_json(found[0]))

    def all(self) -> list[Run]:
        """Every run in the store, ordered by name."""
        return [Run(path.parent, read_json(path)) for path in sorted(self.root.glob("*/*/run.json"))]


def read_rows(path: Path) -> pd.DataFrame:
    """Read a table of per-case rows: identifiers as text, ``frame`` and ``seed`` as integers, ``value`` as float."""
    text = dict.fromkeys(("run", "model", "dataset", "split", "patient", "view", "phase", "structure", "metric"), str)
    table = pd.read_csv(
        path,
        dtype={**text, "seed": int, "frame": int, "value": float},
        keep_default_na=False,
        na_values={"value": [""]},
    )
    return table


@functools.cache
def code_version() -> dict[str, Any]:
    """Package version, git commit and whether the tree had uncommitted changes (None outside a checkout).

    Looked up once per process: a commit made while a suite runs is not the code that runs.
    """
    here = Path(__file__).resolve().parent
    commit = _git(here, "rev-parse", "HEAD")
    dirty = None if commit is None else bool(_git(here, "status", "--porcelain", "--untracked-files=no"))
    return {"version": _version("echobench"), "commit": commit, "dirty": dirty}


def environment() -> dict[str, Any]:
    """Python, platform, processor, cores and the versions of the packages that decide numbers."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "packages": {name: _version(name) for name in _RECORDED_PACKAGES},
    }


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _process() -> dict[str, Any]:
    return {"pid": os.getpid(), "host": platform.node()}


def _alive(process: dict[str, Any] | None) -> bool:
    """Whether the process that wrote a record still runs; one on another host counts as alive."""
    if not process:
        return False
    if process["host"] != platform.node():
        return True
    try:
        os.kill(process["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _now() -> str:
    return dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds")
