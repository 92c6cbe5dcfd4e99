"""The list of runs: whole names, scores, what sets runs apart, and deletion that asks."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import cli
from harness.errors import ConfigError
from harness.store.claim import hold
from harness.store.formats.cases import ROW_COLUMNS
from harness.store.runs import RunSpec, RunStore


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """Two finished U-Nets that differ in the learning rate, and a failed GDKVM."""
    import pandas as pd

    made = RunStore(tmp_path / "runs")
    for name, lr, dice in (("unet", 0.1, [0.8, 0.9]), ("unet", 0.2, [0.6, 0.7]), ("gdkvm", 0.1, None)):
        spec = RunSpec(
            model={"name": name, "size": "small", "label": name.upper(), "build": {}},
            data={
                "dataset": "phantom",
                "views": ["4CH"],
                "clip": "half",
                "fingerprint": "f",
                "image_size": 32,
                "mark": None,
            },
            recipe={"optimizer": {"lr": lr}, "device": "cpu"},
            seed=0,
            protocol={"first_frame": "auto", "structures": "lv"},
        )
        run = made.open(spec)
        with hold(run):
            run.start()
            if dice is None:
                run.stop("failed", "The loss is not finite.\nat iteration 3")
                continue
            rows = [
                (run.name, name, 0, "phantom", "test", f"p{i}", "4CH", 0, "ED", "lv", metric, value)
                for i, score in enumerate(dice)
                for metric, value in (("dice", score), ("hd95_mm", 10 * (1 - score)))
            ]
            run.write_rows(pd.DataFrame(rows, columns=list(ROW_COLUMNS)))
            run.finish()
    return made


def call(store: RunStore, *arguments: str, answer: str | None = None) -> str:
    options = ["runs", *arguments, "--results-dir", str(store.root)]
    return CliRunner().invoke(cli, options, input=answer, catch_exceptions=False, standalone_mode=False).output


def test_a_hash_is_enough_to_name_a_run_in_a_diff(store: RunStore) -> None:
    first, second = (run.name.rpartition("-")[2] for run in store.all() if "unet" in run.name)
    assert "recipe.optimizer.lr" in call(store, "diff", first, second)
    with pytest.raises(ConfigError, match="2 runs have unet in their names"):
        call(store, "diff", "unet", second)


def test_names_are_whole_and_scores_stand_beside_them(store: RunStore) -> None:
    output = call(store)
    assert all(run.name in output for run in store.all())
    first, second = (line for line in output.splitlines() if "phantom/unet" in line and "finished" in line)
    assert "85.00" in first + second
    assert "65.00" in first + second
    assert "recipe.optimizer.lr=0.1" in output
    assert "recipe.optimizer.lr=0.2" in output
    assert "The loss is not finite." in output
    assert "at iteration 3" not in output


def test_json_and_csv_hold_the_same(store: RunStore) -> None:
    listed = json.loads(call(store, "unet", "--json"))
    assert sorted((row["dice"], row["hd95_mm"], row["patients"]) for row in listed) == [
        (pytest.approx(65.0), pytest.approx(3.5), 2),
        (pytest.approx(85.0), pytest.approx(1.5), 2),
    ]
    assert {row["differs"]["recipe.optimizer.lr"] for row in listed} == {0.1, 0.2}
    rows = list(csv.DictReader(io.StringIO(call(store, "failed", "--csv"))))
    assert [(row["model"], row["status"], row["dice"]) for row in rows] == [("GDKVM", "failed", "")]


def test_diff_names_the_settings_that_two_runs_do_not_share(store: RunStore) -> None:
    first, second = (run.name for run in store.all() if "unet" in run.name)
    lines = call(store, "diff", first, second).splitlines()
    assert len(lines) == 2
    assert lines[1].split()[0] == "recipe.optimizer.lr"
    assert sorted(lines[1].split()[1:]) == ["0.1", "0.2"]
    with pytest.raises(ConfigError, match="Name two runs"):
        call(store, "diff", first)


def test_deletion_asks_names_what_goes_and_leaves_the_rest(store: RunStore) -> None:
    assert "Nothing was deleted" in call(store, "failed", "--delete", answer="n\n")
    assert len(store.all()) == 3
    with pytest.raises(ConfigError, match="Say which runs"):
        call(store, "--delete", "--yes")
    output = call(store, "failed", "--delete", answer="y\n")
    assert "phantom/gdkvm" in output
    assert {run.spec.model["name"] for run in store.all()} == {"unet"}
    with hold(store.all()[0], finished_too=True):
        pass
