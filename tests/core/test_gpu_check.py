"""The short visit to a GPU: parts that run out of time leave nothing behind, what is done stays done, the archive is small."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import sys
import tarfile
import time
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, its commands run in an empty folder."""
    spec = importlib.util.spec_from_file_location("gpu_check", ROOT / "benchmarks/gpu_check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "gpu_check", module)
    spec.loader.exec_module(module)
    return module


def test_a_part_without_time_ends_with_all_that_it_has_started(check: ModuleType, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "starts.py").write_text(
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)\ntime.sleep(60)\n"
    )
    monkeypatch.setattr(check, "ROOT", tmp_path)
    visit = check.Visit(out=tmp_path, minutes=0.15, dry=True, root=None, iterations=1)
    code, last = visit.run("part", "starts")
    assert code == 124
    time.sleep(0.2)
    stat = Path(f"/proc/{last}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_part_that_is_done_is_not_done_again_and_the_archive_leaves_checkpoints_out(
    check: ModuleType, tmp_path: Path, monkeypatch, capsys
) -> None:
    ran = []

    def part(name: str, told: str | None):
        def run(visit) -> str | None:
            ran.append(name)
            (visit.out / "results" / "checkpoints").mkdir(parents=True, exist_ok=True)
            (visit.out / "results" / "checkpoints" / "best.pth").write_bytes(b"0" * 1000)
            (visit.out / "results" / "cases.csv").write_text("a\n")
            return told

        return run

    monkeypatch.setattr(check, "PARTS", {"tests": part("tests", "exit code 0"), "training": part("training", None)})
    monkeypatch.setattr(sys, "argv", ["gpu_check.py", "--out", str(tmp_path), "--minutes", "1", "--commit", "abc"])
    monkeypatch.setenv("PYTHONPATH", "")
    assert check.main() == check.main() == 0
    assert ran == ["tests", "training", "training"]
    assert json.loads((tmp_path / "parts.json").read_text()) == {"tests": "exit code 0"}
    with tarfile.open(tmp_path / check.ARCHIVE) as stream:
        assert sorted(stream.getnames()) == ["gpu_check/parts.json", "gpu_check/results/cases.csv"]
    assert "tests: done before" in capsys.readouterr().out


def test_a_checkout_that_is_not_installed_announces_its_models(check: ModuleType, tmp_path: Path, monkeypatch) -> None:
    def absent(name: str):
        raise check.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(check.metadata, "distribution", absent)
    check.announce(tmp_path)
    (found,) = importlib.metadata.distributions(path=[str(tmp_path)])
    assert {(point.group, point.name) for point in found.entry_points} >= {
        ("echobench.plugins", "gdkvm"), ("echobench.plugins", "baselines"),
    }  # fmt: skip
    assert found.version == "0.1.0"
