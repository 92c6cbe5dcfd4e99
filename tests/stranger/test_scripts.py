"""A script without ``if __name__ == "__main__":``, the documented example among them, and code typed into a notebook."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow

TINY = 'cache = harness.load_dataset("camus", root=ROOT, image_size=32, clip="ed_es", allow_partial=True)'
SPLIT = 64
"""Clips of the test split that make the evaluation start workers by itself."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with the weights that the example of docs/models.md loads, and data in CAMUS's layout."""
    from harness.phantom import generate
    from harness.registry import MODELS, load_plugins

    load_plugins()
    place = tmp_path_factory.mktemp("script")
    build = {"type": "UNet", "widths": (4, 8), "num_structures": 1}
    torch.save({"build": build, "model": MODELS.build(dict(build)).state_dict()}, place / "ours.pth")
    root = generate(place / "root", patients=(1, 1, 1), pixel_mm=3.0, workers=1, progress=False)
    more_test_patients(root, SPLIT // 2)
    return place


def more_test_patients(root: Path, count: int) -> None:
    """So many test patients of two views each, all with the pictures of the first: what they show is not looked at here."""
    images, listed = root / "database_nifti", root / "database_split" / "subgroup_testing.txt"
    (first,) = listed.read_text().split()
    names = [first, *(f"patient{number:04d}" for number in range(100, 99 + count))]
    for name in names[1:]:
        (images / name).mkdir()
        for file in (images / first).iterdir():
            shutil.copy(file, images / name / file.name.replace(first, name))
    listed.write_text("".join(f"{name}\n" for name in names))


def example(root: Path) -> str:
    """The last Python block of docs/models.md as it stands, on the phantom in the place of CAMUS."""
    code = re.findall(r"```python\n(.*?)```", (ROOT / "docs/models.md").read_text(encoding="utf-8"), re.DOTALL)[-1]
    changed, count = re.subn(r"^cache = .*$", f"ROOT = {str(root)!r}\n{TINY}", code, flags=re.MULTILINE)
    assert count == 1
    return changed.replace("clip_length=10", "clip_length=None")


def run(arguments: list[str], folder: Path, typed: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LOKY_MAX_CPU_COUNT": "2", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        input=typed,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_the_documented_example_runs_as_a_script_without_a_guard(folder: Path) -> None:
    code = example(folder / "root")
    assert "__main__" not in code
    (folder / "example.py").write_text(
        f"{code}\nprint('cases', rows[['patient', 'view']].drop_duplicates().shape[0])\n"
    )
    done = run(["example.py"], folder)
    assert done.returncode == 0, done.stderr
    assert "dice" in done.stdout
    assert int(re.findall(r"cases (\d+)", done.stdout)[0]) >= SPLIT


def test_the_same_works_where_there_is_no_file_at_all(folder: Path) -> None:
    """As in a notebook or a console: the main module is what was typed, and so is a metric of one's own."""
    own = """
from harness.registry import METRICS

@METRICS.register_module(name="area")
def area(prediction, reference, spacing):
    return {"area_px": float(prediction.sum())}
"""
    code = example(folder / "root").replace(
        'name="published")', 'name="published", metrics=("overlap", "area"), workers=2, progress=False)'
    )
    done = run(["-"], folder, typed=f"{own}\n{code}")
    assert done.returncode == 0, done.stderr
    assert "area_px" in done.stdout
