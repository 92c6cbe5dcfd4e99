"""The results store: where a run lies, and in which state it is.

Layout, one folder per run::

    <root>/<dataset>/<model>-<size>-s<seed>-<identity>/
        run.json            identity, status, resolved config, code version, environment, timings
        checkpoints/        last.pth (resume), best.pth (selected on validation)
        log.jsonl           one line per logged iteration and validation
        tensorboard/
        cases.csv           one tidy row per (case, frame, structure, metric): see formats/cases.py
        profile.csv         one row per measured condition
        .claim/             who works on it (store/lease.py)

A run is finished exactly when ``run.json`` says so; that file is replaced atomically and last.
"""

from __future__ import annotations

import glob
import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from harness.errors import BenchError, DataError, explained, without_secrets
from harness.files import create_text, write_json
from harness.store.code import code_hash
from harness.store.environment import code_version, environment
from harness.store.formats.cases import CASES, ROW_COLUMNS
from harness.store.formats.record import read_record
from harness.store.lease import look
from harness.store.process import now
from harness.store.spec import RunSpec

__all__ = ["ROW_COLUMNS", "Run", "RunSpec", "RunStore", "code_version", "environment"]

Status = Literal["new", "running", "interrupted", "failed", "finished"]


class Run:
    """One run's folder. All methods that write are atomic, and refused to whoever has lost the run's lease."""

    accepted: str | None = None
    """Why a run of other code stands for one of today's (``--accept-code``): a mark of everything made from it."""

    def __init__(self, path: Path, record: dict[str, Any], asked: RunSpec | None = None) -> None:
        self.path = path
        self.record = record
        self._asked = asked

    @property
    def name(self) -> str:
        """Path below the store's root: the value of the column ``run``."""
        return str(self.record["name"])

    @property
    def store(self) -> RunStore:
        """The store that the run lies in: its name is its path below the root."""
        depth = len(Path(self.name).parts)
        parents = self.path.resolve().parents
        return RunStore(parents[min(depth, len(parents)) - 1])

    @property
    def spec(self) -> RunSpec:
        """The spec this run was opened with."""
        return RunSpec(**self.record["spec"])

    @property
    def status(self) -> Status:
        """What the record says; an unfinished run that a living process holds is ``running``, and only such a one."""
        status: Status = self.record["status"]
        if status == "finished":
            return status
        if look(self.path) is not None:
            return "running"
        return "interrupted" if status == "running" else status

    def accept(self, mark: str, code: str) -> None:
        """Let a run of other code stand for one of ``code``, with a mark; the run's folder stays as it is."""
        spec, results = self.spec, self.record.get("results", {})
        device = spec.device or str(results.get("device", "")).partition(":")[0]
        facts = {"device": device, "precision": spec.precision or str(results.get("precision", "")), "generation": 0}
        self.accepted = mark
        self.record = {**self.record, "spec": {**self.record["spec"], **facts, "code": code}}

    @property
    def other_code(self) -> bool:
        """Whether a finished run was made by code that is not today's; False where its record does not say by which."""
        roots: list[str] = self.record.get("code_roots") or []
        return bool(roots) and self.status == "finished" and code_hash(roots) != self.spec.code

    def read(self) -> None:
        """Take the record from ``run.json``, where there is one."""
        if (self.path / "run.json").is_file():
            self.record = read_record(self.path / "run.json")
        if self._asked is not None and self.record["status"] != "finished":
            # Where a user's files lie is no part of an identity: the code to run is what was asked for now, not what
            # the folder says.
            self.record["spec"] = asdict(self._asked)

    def start(self, **facts: Any) -> None:
        """Mark the run as running and record code version and environment, and further ``facts``."""
        self.record.update(
            status="running",
            attempts=self.record.get("attempts", 0) + 1,
            started=now(),
            code=dict(code_version()),
            environment=environment(),
            reason=None,
            **facts,
        )
        self.save()

    def finish(self, **results: Any) -> None:
        """Mark the run as finished; ``results`` (timings, counts) are stored with it."""
        self.record.setdefault("results", {}).update(results)
        self.record.update(status="finished", finished=now())
        self.save()

    def stop(self, status: Literal["interrupted", "failed"], reason: str) -> None:
        """Mark the run as interrupted or failed and say why, without passwords and folders of this machine."""
        here = f"{self.store.root}/"
        for folder in {here, f"{Path(here).resolve()}/", f"{Path.home()}/"} - {"/", "./", "//"}:
            reason = reason.replace(folder, "")
        self.record.update(status=status, reason=without_secrets(reason))
        self.save()

    def delete(self) -> None:
        """Remove the run's folder with all that is in it; who deletes has made sure that nobody works on it."""
        # The record first: a deletion that is stopped leaves no run that looks finished.
        (self.path / "run.json").unlink(missing_ok=True)
        shutil.rmtree(self.path)

    def save(self) -> None:
        """Write ``run.json``."""
        write_json(self.path / "run.json", self.record)

    def write_rows(self, rows: pd.DataFrame) -> None:
        """Write per-case rows (columns ``ROW_COLUMNS``, in that order) as CSV with full float precision.

        Raises:
            ValueError: a column is missing or unknown.
        """
        CASES.write(rows, self.path / CASES.file)

    def rows(self) -> pd.DataFrame:
        """Read per-case rows; ids stay text, a missing value is NaN."""
        path = CASES.stored(self.path)
        if path is None:
            raise BenchError(f"The run {self.name} has no {CASES.file}; finish it first (status: {self.status}).")
        return CASES.read(path)


class RunStore:
    """All runs below one folder (``results/runs`` by default)."""

    def __init__(self, root: Path | str = "results/runs") -> None:
        self.root = Path(root)

    def holds(self, spec: RunSpec) -> bool:
        """Whether there is a run of this spec, in whatever state."""
        return (self.root / spec.folder / "run.json").is_file()

    def open(self, spec: RunSpec, create: bool = True) -> Run:
        """The run of this spec: the one on disk, else a new one with status ``new`` (written where ``create``).

        Raises:
            DataError: what lies there is not the record of this spec.
        """
        path = self.root / spec.folder
        record = {
            "name": spec.folder,
            "identity": spec.identity,
            "spec": asdict(spec),
            "status": "new",
            "created": now(),
        }
        run = Run(path, record, asked=spec)
        # Created, never replaced: another process may have begun, or even finished, the run a moment ago.
        if create and not (path / "run.json").is_file():
            create_text(path / "run.json", json.dumps(record, indent=2, sort_keys=True, allow_nan=False) + "\n")
        run.read()
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
        return Run(found[0].parent, read_record(found[0]))

    def find(self, name: str) -> Run | None:
        """The run at this path below the root, None where there is none."""
        path = self.root / name
        return Run(path, read_record(path / "run.json")) if (path / "run.json").is_file() else None

    def opened(self, names: Iterable[str]) -> tuple[list[Run], dict[str, str]]:
        """The runs of these names, and of those whose record is damaged the sentence about it: the others go on without them.

        Raises:
            BenchError: a run is not in the store, or all of them are damaged.
        """
        runs: list[Run] = []
        damaged: dict[str, str] = {}
        for name in names:
            try:
                runs.append(self.get(name))
            except DataError as error:
                # Reports travel: the folder of this machine's store does not.
                damaged[name] = str(error).replace(f"{self.root}/", "")
        if damaged and not runs:
            raise BenchError(next(iter(damaged.values())))
        return runs, damaged

    def all(self) -> list[Run]:
        """Every run in the store whose record can be read, ordered by name; ``damaged`` names the others."""
        return self._read()[0]

    def damaged(self) -> dict[str, str]:
        """Folders below the root whose record cannot be read, with the sentence about it."""
        return self._read()[1]

    def _read(self) -> tuple[list[Run], dict[str, str]]:
        runs, damaged = [], {}
        for path in sorted(self.root.glob("*/*/run.json")):
            # One damaged record must not keep all others from being listed or reported.
            try:
                runs.append(Run(path.parent, read_record(path)))
            except (BenchError, OSError) as error:
                damaged[path.parent.relative_to(self.root).as_posix()] = str(explained(error) or error)
        return runs, damaged
