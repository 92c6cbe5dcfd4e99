"""Masks made elsewhere become runs of the same report as the runs that are trained here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.data import PreparedCache
from harness.errors import BenchError, ConfigError
from harness.evaluation.mask_files import MaskFolder
from harness.evaluation.scoring import AS_GIVEN, score_masks
from harness.experiments import plan_suite
from harness.experiments.external import external_spec, read_cost, score_run
from harness.store.claim import hold
from harness.store.runs import RunStore


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, tiny) -> dict[str, object]:
    """A folder with a finished run of the tiny suite (its masks are the references, eroded) and three folders of masks."""
    folder = tmp_path_factory.mktemp("external")
    plan = plan_suite(tiny(), progress=False)
    references = {clip.case.name: (clip.native_masks() == 1).astype(np.uint8) for clip in plan.cache.split("test")}
    store = RunStore(folder / "runs")
    run = store.open(plan.specs[0])
    columns = {"run": run.name, "model": "unet", "seed": 0}
    rows = score_masks(references, plan.cache.split("test"), structures="lv", run_columns=columns, progress=False)
    with hold(run):
        run.start()
        run.write_rows(rows)
        run.finish()
    for seed in range(2):
        write(folder / f"masks{seed}", plan.cache, erode=2 + seed)
    return {"folder": folder, "plan": plan, "store": store, "options": tiny()}


def write(folder: Path, cache: PreparedCache, erode: int) -> None:
    folder.mkdir()
    for clip in cache.split("test"):
        for frame in np.flatnonzero(clip.labelled):
            mask = (clip.native_masks()[frame] == 1).astype(np.uint8)
            cv2.imwrite(str(folder / f"{clip.case.name}_{frame}.png"), cv2.erode(mask, np.ones((erode, erode))))


def command(world: dict, *arguments: str) -> tuple[int, str]:
    folder, options = world["folder"], world["options"]
    sets = [part for item in options.overrides for part in ("--set", item)]
    places = [
        "--results-dir",
        f"{folder}/runs",
        "--reports-dir",
        f"{folder}/reports",
        "--data-dir",
        str(options.data_root),
    ]
    result = CliRunner().invoke(
        cli, ["score", *arguments, *sets, *places], catch_exceptions=False, standalone_mode=False
    )
    return result.return_value or 0, result.output


def test_two_trainings_stand_as_one_row_beside_the_run_that_was_trained_here(world) -> None:
    folder = world["folder"]
    cost = folder / "cost.json"
    cost.write_text(json.dumps({"fps": 12.5, "parameters": 20_600_000}))
    seeds = ["--seed", "1", f"{folder}/masks1", "--cost", str(cost)]
    _, output = command(world, f"{folder}/masks0", "--label", "Other Net", *seeds)
    runs = [run for run in world["store"].all() if run.spec.external]
    assert [(run.spec.seed, run.status) for run in runs] == [(0, "finished"), (1, "finished")]
    assert all(run.name in output for run in runs)
    (report,) = (folder / "reports").iterdir()
    table = (report / "table.csv").read_text()
    assert '"U-Net"' in table or "U-Net" in table
    assert "Other Net" in table
    assert "masks made elsewhere" in (report / "table.md").read_text()
    assert "Other Net" in (report / "index.html").read_text()
    assert report.name.startswith("phantom-2ch+4ch-half-small")
    before = {path: path.stat().st_mtime_ns for run in runs for path in run.path.glob("cases.csv")}
    masks = MaskFolder(folder / "masks0", [case.name for case in world["plan"].cache.split("test").cases])
    again = score_run(world["store"], runs[0].spec, masks, world["plan"].cache, progress=False)
    assert again.name == runs[0].name  # scored already: nothing is measured again
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(world["store"].all()) == 3
    with pytest.raises(ConfigError, match="has --first-frame auto, and --first-frame gt was asked for"):
        command(world, f"{folder}/masks0", "--label", "X", "--report", report.name, "--first-frame", "gt")
    refused = ["robustness", "run", "--runs", runs[0].name, "--results-dir", f"{folder}/runs"]
    with pytest.raises(ConfigError, match="no model to sweep"):
        CliRunner().invoke(cli, refused, catch_exceptions=False, standalone_mode=False)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--label", "u-net"], "label of a model that was trained here"),
        (["--label", "X", "--seed", "0", "elsewhere"], "the same number of a training"),
        (["--label", "X", "--report", "nothing"], "There is no report nothing"),
    ],
)
def test_what_cannot_be_scored_is_one_sentence_and_leaves_no_run(world, arguments, sentence) -> None:
    count = len(world["store"].all())
    with pytest.raises(BenchError, match=sentence):
        command(world, f"{world['folder']}/masks0", *arguments)
    assert len(world["store"].all()) == count


def test_a_cost_has_the_columns_of_a_profile(tmp_path: Path) -> None:
    path = tmp_path / "cost.json"
    path.write_text('{"fps": "fast"}')
    with pytest.raises(ConfigError, match=r"fps in .* is 'fast'; give a number"):
        read_cost(path, "X")
    path.write_text('{"speed": 3}')
    with pytest.raises(ConfigError, match="Unknown key 'speed'"):
        read_cost(path, "X")


def test_the_condition_says_whether_frame_zero_is_scored(world, tmp_path: Path) -> None:
    plan = world["plan"]
    like = replace(plan.specs[0], protocol={**plan.specs[0].protocol, "first_frame": "gt"})
    masks = MaskFolder(world["folder"] / "masks0", [case.name for case in plan.cache.split("test").cases])
    store = RunStore(tmp_path)
    run = score_run(store, external_spec("Given", 0, masks, like, AS_GIVEN), masks, plan.cache, progress=False)
    rows = run.rows()
    assert (rows[rows["metric"] == "dice"]["frame"] > 0).all()
