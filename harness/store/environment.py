"""What a run was made with: code version, Python, platform, processor, packages."""

from __future__ import annotations

import functools
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from harness.jobs import cores

_RECORDED_PACKAGES = ("torch", "numpy", "scipy", "pandas", "mmengine", "optuna", "fvcore", "nibabel")


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
        "cores": cores(),
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
