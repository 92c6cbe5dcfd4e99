"""The main job from the command line, on a tiny phantom."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from harness.cli import cli

TINY = (
    "generate.patients=(3,1,2)",
    "generate.pixel_mm=1.6",
    "recipe.image_size=32",
    "recipe.iterations=2",
    "recipe.val_interval=2",
    "recipe.clip_length=2",
    "recipe.test_clip_length=2",
    "recipe.batch_size=2",
    "models.unet.widths=(4,8)",
    "profile.warmup=1",
    "profile.repeats=1",
    "profile.patience_s=0",
    "profile.engines=('eager',)",
)


ARGUMENTS = ["bench", "--models", "unet", "--report", "tiny", *(part for item in TINY for part in ("--set", item))]
pytestmark = pytest.mark.slow


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), catch_exceptions=False, standalone_mode=False)


@pytest.fixture(scope="module")
def arguments(data_root: Path) -> list[str]:
    """The main job's."""
    return [*ARGUMENTS, "--data-dir", str(data_root)]


@pytest.fixture(scope="module")
def benched(arguments: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the main job was called once."""
    folder, before = tmp_path_factory.mktemp("benched"), Path.cwd()
    os.chdir(folder)
    try:
        assert call(*arguments).return_value == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def there(benched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, times of files included, as the working directory."""
    shutil.copytree(benched, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_main_job_writes_a_table_and_its_second_call_repeats_nothing(there: Path, arguments: list[str]) -> None:
    report = Path("reports/tiny")
    for name in ("table.md", "table.csv", "table.tex", "index.html", "figures/dice_against_fps.png"):
        assert (report / name).is_file(), name
    assert list(report.glob("figures/overlays_*.png"))
    assert "U-Net" in (report / "table.md").read_text()
    before = {path: path.stat().st_mtime_ns for path in Path("results").rglob("*") if path.is_file()}
    second = call(*arguments)
    assert second.return_value == 0
    assert "Nothing was left to do" in second.output
    assert "U-Net" in second.output
    assert before == {path: path.stat().st_mtime_ns for path in Path("results").rglob("*") if path.is_file()}


def test_a_finished_suite_is_measured_again_without_touching_anything_else(there: Path) -> None:
    (profile,) = Path("results").rglob("profile.csv")
    # the files of claims come and go with whoever holds the run
    before = {p: p.read_bytes() for p in profile.parent.rglob("*") if p.is_file() and ".claim" not in p.parts}
    quick = ["--patience", "0", "--engines", "eager", "--repeats", "2", "--warmup", "1", "--memory-frames", "3"]
    result = call("profile", "--report", "tiny", "--clip-length", "3", *quick)
    assert "Measured 1 run anew" in result.output
    rows = pd.read_csv(profile)
    assert set(rows["clip_length"]) == {3}
    assert set(rows["image_size"]) == {32}
    assert set(rows.loc[rows["mode"] == "clip", "n"]) == {2}
    changed = {path for path, content in before.items() if path.read_bytes() != content}
    assert changed == {profile}
