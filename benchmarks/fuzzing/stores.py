"""Readers of a results store and of reports: records, leases, manifests, archives of studies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fuzzing.reader import Reader, unet_spec
from harness.reporting.manifest import list_reports, read_suite
from harness.reporting.sections import find_sections
from harness.results.run_list import list_runs
from harness.results.run_results import read_run
from harness.results.study import archived_study
from harness.store.formats.archive import ArchivedRun, StudyArchive
from harness.store.formats.cases import CASES
from harness.store.formats.manifest import Manifest, find_manifest
from harness.store.formats.study import Cell, Factor, StudyDefinition
from harness.store.lease import FOLDER, Watch, acquire, look
from harness.store.runs import RunStore
from harness.store.spec import RunSpec


def _consistent(data: bytes) -> bytes:
    """A record whose name and identity are those of its changed spec: what somebody would do who forges one."""
    try:
        record = json.loads(data)
        spec = RunSpec(**record["spec"])
        record |= {"name": spec.folder, "identity": spec.identity}
        return json.dumps(record).encode("utf-8", "surrogatepass")
    except Exception:
        return data


def stores(folder: Path) -> list[Reader]:
    """All of them, with their files below a folder that holds those of ``tables``."""
    store = RunStore(folder / "runs")
    runs = [store.open(unet_spec(seed=seed)) for seed in (0, 1)]
    for run in runs:
        (folder / "tables" / "cases.csv").rename(run.path / "cases.csv") if run is runs[0] else None
        run.finish(best_iteration=1, device="cpu", precision="fp32")
    (folder / "tables" / "cases.csv").write_bytes((runs[0].path / "cases.csv").read_bytes())
    names = tuple(run.name for run in runs)
    reports = folder / "reports"
    suite = Manifest(
        kind="suite", name="s", dataset="phantom", runs=names, tables=("table",), captions={"a": "A"}
    ).write(reports / "s")
    sweep = Manifest(kind="study", name="w", dataset="phantom", runs=names, tables=("t",)).write(reports / "w")
    (reports / "w" / "t.table.json").write_bytes((folder / "tables" / "t.table.json").read_bytes())
    archive = _archive(folder / "archive", runs[0].record)

    def listed() -> None:
        list_runs(store.all()), store.damaged(), [read_run(run) for run in store.opened(names)[0]]

    def reported() -> None:
        list_reports(reports), find_manifest(reports / "s"), read_suite("s", reports, store.root)

    def leased() -> None:
        look(runs[1].path)
        lease = acquire(runs[1].path, Watch(), limit_s=60)
        lease.release() if hasattr(lease, "release") else None
        for path in (runs[1].path / FOLDER).glob("*.json"):
            path.unlink() if path != claim else None

    held = acquire(runs[1].path, Watch(), limit_s=60)
    claim = next((runs[1].path / FOLDER).glob("*.json"))
    held.release() if hasattr(held, "release") else None
    return [
        Reader(name="run.json", file=runs[0].path / "run.json", kind="json", read=listed),
        Reader(name="run.json, forged", file=runs[0].path / "run.json", kind="json", read=listed, pack=_consistent),
        Reader(name="suite.json", file=suite, kind="json", read=reported),
        Reader(name="study.json beside", file=sweep, kind="json", read=lambda: find_sections(reports / "s", "phantom")),
        Reader(name="archive.json", file=archive / "archive.json", kind="json", read=lambda: archived_study(archive)),
        Reader(name="runs.json", file=archive / "runs.json", kind="json", read=lambda: archived_study(archive)),
        Reader(name="lease", file=claim, kind="json", read=leased),
    ]


def _archive(folder: Path, record: dict[str, Any]) -> Path:
    levels: dict[str, dict[str, Any]] = {"8": {}, "6": {"models.unet.widths": [4, 6]}}
    factor = Factor(name="width", label="Width", levels=levels)
    study = StudyDefinition(name="tiny", kind="grid", model="unet", seeds=(0,), factors=(factor,))
    cells = (Cell(levels={"width": "8"}, overrides={}),)
    run = ArchivedRun(cell=cells[0].key, seed=0, record=record, rows=CASES.empty(), profile=None)
    trial = {
        "state": "COMPLETE",
        "value": 0.5,
        "params": {},
        "distributions": {},
        "user_attrs": {},
        "intermediate_values": {"1": 0.5},
    }
    facts: dict[str, Any] = {"name": "tiny", "command": "echobench ablate", "dataset": "phantom", "mark": None}
    StudyArchive(**facts, definition=study, cells=cells, runs=(run,), trials=(trial,)).write(folder)
    return folder
