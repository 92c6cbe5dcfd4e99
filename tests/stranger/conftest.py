"""What a stranger has: a wheel in an environment of its own, and no checkout."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Stranger:
    """An environment with the wheel, and a folder to work in.

    Attributes:
        python: the environment's interpreter.
        folder: working directory, empty at first.
    """

    python: Path
    folder: Path

    def run(self, *command: str, code: int = 0) -> str:
        """Run a program of the environment (``python``, ``echobench``) and return what it said; the code must be right."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV", "ECHOBENCH"))}
        program = self.python.with_name(command[0])
        done = subprocess.run(
            [str(program), *command[1:]],
            cwd=self.folder,
            env={**environment, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: leftovers of an earlier build in the checkout would get into it."""
    copy = tmp_path_factory.mktemp("source") / "echobench"
    for source in ("pyproject.toml", "README.md", "LICENSE", "harness", "gdkvm", "baselines", "kernels"):
        if (ROOT / source).is_dir():
            compiled = shutil.ignore_patterns("__pycache__", "*.so", "build", "*.egg-info")
            shutil.copytree(ROOT / source, copy / source, ignore=compiled)
        elif (ROOT / source).is_file():
            copy.mkdir(exist_ok=True)
            shutil.copy(ROOT / source, copy)
    out = tmp_path_factory.mktemp("wheel")
    # the build's own requirements are in this environment already; nothing is downloaded
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    done = subprocess.run(
        [*pip, "wheel", str(copy), "--no-deps", "--no-build-isolation", "--wheel-dir", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (built,) = out.glob("echobench-*.whl")
    return built


@pytest.fixture(scope="session")
def stranger(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Stranger:
    """A fresh environment that sees the dependencies of this one, has the wheel, and cannot see the checkout.

    The dependencies come in by a path file. Python does not read the path files of a folder that came in that way, so
    the editable installation of the checkout stays invisible.
    """
    folder = tmp_path_factory.mktemp("stranger")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "env")], check=True)
    python = folder / "env" / "bin" / "python"
    (site,) = (folder / "env" / "lib").glob("python*/site-packages")
    dependencies = [entry for entry in sys.path if Path(entry).name == "site-packages"]
    # The kernels are announced there too where they are installed in editable form: their folder must be visible then.
    kernels = importlib.util.find_spec("echobench_kernels")
    if kernels is not None and kernels.origin is not None:
        dependencies.append(str(Path(kernels.origin).parents[1]))
    (site / "dependencies.pth").write_text("\n".join(dependencies))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--python", str(python)]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--ignore-installed", str(wheel)], check=True)
    (folder / "work").mkdir()
    return Stranger(python=python, folder=folder / "work")
