"""The examples run as a reader would run them: in an empty folder, one after the other, the notebook cell by cell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
IN_ORDER = ("bench_own_model.py", "evaluate_run.py", "compare_models.py", "score_masks.ipynb")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each example printed."""
    folder = tmp_path_factory.mktemp("reader")
    return {name: run(EXAMPLES / name, folder) for name in IN_ORDER}


def run(example: Path, folder: Path) -> str:
    """Scripts by their path; a notebook as its cells in turn from standard input, as a kernel gets them: with no file."""
    code = cells(example) if example.suffix == ".ipynb" else None
    done = subprocess.run(
        [sys.executable, "-" if code else str(example)],
        input=code,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{example.name}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def cells(notebook: Path) -> str:
    content = json.loads(notebook.read_text(encoding="utf-8"))
    assert content["nbformat"] == 4
    return "\n\n".join("".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code")


def test_every_example_is_run_here() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb")} == set(IN_ORDER)


def test_the_own_model_stands_in_the_table(outputs: dict[str, str]) -> None:
    assert "SmallestNet" in outputs["bench_own_model.py"]
    assert outputs["bench_own_model.py"].count("finished") == 2


def test_a_run_is_read_and_its_model_evaluated_on_other_patients(outputs: dict[str, str]) -> None:
    assert "with 2 iterations" in outputs["evaluate_run.py"]
    dice = float(outputs["evaluate_run.py"].rpartition("seen:")[2])
    assert 0.0 <= dice <= 1.0


def test_the_comparison_names_both_models(outputs: dict[str, str]) -> None:
    assert "SmallestNet against U-Net on phantom" in outputs["compare_models.py"]
    assert "dice: 2 patients" in outputs["compare_models.py"]


def test_the_notebook_scores_both_sets_of_masks(outputs: dict[str, str]) -> None:
    scored = outputs["score_masks.ipynb"]
    assert "eroded Dice 0." in scored
    assert "dilated Dice 0." in scored


def test_the_notebook_is_kept_without_outputs() -> None:
    content = json.loads((EXAMPLES / "score_masks.ipynb").read_text(encoding="utf-8"))
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
