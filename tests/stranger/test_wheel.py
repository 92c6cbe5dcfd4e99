"""The wheel in an empty environment and another folder: every verb that a newcomer tries first."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pandas as pd
import pytest

from harness import config

pytestmark = pytest.mark.slow

SMALLEST = [
    part
    for setting in (
        *("image_width=8", "value_width=8", "width=32", "key_width=16", "heads=4", "queries=2", "blocks=1"),
        *("attention_heads=2", "feed_width=32", "decoder_widths=(16,16)"),
    )
    for part in ("--set", f"models.gdkvm.{setting}")
]
GENERATE = ("--set", "generate.patients=(1,1,1)", "--set", "generate.pixel_mm=1.6")
PROFILE = [
    part
    for setting in ("warmup=1", "repeats=1", "clip_length=2", "patience_s=0", "engines=('eager',)")
    for part in ("--set", f"profile.{setting}")
]


def test_the_wheel_holds_every_config_and_nothing_compiled_from_them(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for kind in config.KINDS:
        for name in config.list_configs(kind):
            assert f"harness/configs/{kind}/{name}.py" in names
    assert any(name.startswith("harness/configs/published/") for name in names)
    assert not [name for name in names if "__pycache__" in name or name.startswith(("tests/", "docs/"))]


def test_what_runs_is_the_wheel(stranger) -> None:
    where = stranger.run("python", "-c", "import harness, gdkvm, baselines; print(harness.__file__, gdkvm.__file__)")
    assert all(str(stranger.python.parents[1]) in path for path in where.split())


def test_the_console_script_and_the_module_are_the_same_command(stranger) -> None:
    assert stranger.run("echobench", "--help") == stranger.run("python", "-m", "harness", "--help")


def test_models_and_the_audit_of_published_tables_need_nothing_else(stranger) -> None:
    assert "gdkvm" in stranger.run("echobench", "models")
    assert "iccv2025" in stranger.run("echobench", "audit", "--published", "--brief").replace("\n", "")


def test_a_bench_runs_and_leaves_its_table_where_the_user_is(stranger) -> None:
    # One model, the cheapest: that GDKVM is found and trained from the wheel shows the study below.
    small = ("--set", "models.unet.widths=(4,8)")
    stranger.run("echobench", "bench", "--recipe", "smoke", "--models", "unet", *small, *GENERATE, *PROFILE)
    (path,) = stranger.folder.glob("reports/*/table.csv")
    assert len(pd.read_csv(path)) == 1
    assert len(list(stranger.folder.glob("results/runs/phantom/unet-*/run.json"))) == 1
    assert "finished" in stranger.run("echobench", "runs")


def test_a_study_runs(stranger) -> None:
    arguments = ("modules", "--dataset", "phantom", "--recipe", "smoke", "--seeds", "0", "--no-profile")
    stranger.run("echobench", "ablate", *arguments, *SMALLEST, *GENERATE)
    (path,) = stranger.folder.glob("reports/modules-*/ablation.csv")
    assert len(pd.read_csv(path)) == 5


def test_a_profile_is_measured(stranger) -> None:
    small = ("--image-size", "32", "--warmup", "1", "--repeats", "1", "--memory-frames", "2", "--clip-length", "2")
    small += ("--patience", "0", "--engines", "eager")
    stranger.run("echobench", "profile", "--models", "unet", *small)
    (path,) = stranger.folder.glob("results/profile/*.csv")
    assert set(pd.read_csv(path)["model"]) == {"unet"}
