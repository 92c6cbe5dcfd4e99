"""What a run was made with: code version, Python, platform, processor, packages."""

from __future__ import annotations

import functools
import os
import platform
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from harness.jobs import cores

_RECORDED_PACKAGES = ("torch", "numpy", "scipy", "pandas", "mmengine", "optuna", "fvcore", "nibabel")


@functools.cache
def code_version() -> dict[str, Any]:
    """Package version, git commit and whether the tree had uncommitted changes (None outside a checkout).

    A tree that travels without its ``.git`` has its commit in ``$ECHOBENCH_COMMIT``.

    Looked up once per process: a commit made while a suite runs is not the code that runs.
    """
    here = Path(__file__).resolve().parent
    commit = _git(here, "rev-parse", "HEAD")
    # Untracked files do not count: results and data lie in many checkouts, and none of them is code that runs.
    dirty = None if commit is None else bool(_git(here, "status", "--porcelain", "--untracked-files=no"))
    return {"version": _version("echobench"), "commit": commit or os.environ.get("ECHOBENCH_COMMIT"), "dirty": dirty}


def environment() -> dict[str, Any]:
    """Python, platform, processor, cores and the versions of the packages that decide numbers; ``cuda`` where it is used."""
    cuda = cuda_environment()
    return {
        **({"cuda": cuda} if cuda else {}),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": cores(),
        "packages": {name: _version(name) for name in _RECORDED_PACKAGES},
    }


def cuda_environment(driver: Path = Path("/proc/driver/nvidia/version")) -> dict[str, Any] | None:
    """Devices, driver, CUDA, cuDNN and whether TF32 is allowed; None where torch has no CUDA device or is not loaded.

    Args:
        driver: the file in which NVIDIA's kernel module says its version; another one in tests only.
    """
    # Listing runs must not import torch: a process that trains has it.
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    try:
        told = re.search(r"\b\d{3}\.\d+(\.\d+)?\b", driver.read_text())
    except OSError:
        told = None
    return {
        "devices": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
        "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "driver": told.group() if told else None,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "tf32": {"products": torch.backends.cuda.matmul.allow_tf32, "convolutions": torch.backends.cudnn.allow_tf32},
    }


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            # A checkout on a sleeping network disk must not keep a training from starting.
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
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
        # ``platform.processor`` is empty or "x86_64" on Linux, where the model is what a latency depends on.
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
