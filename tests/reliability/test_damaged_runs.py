"""One damaged run never keeps a list or a report of the others from being made: it is named where it stood."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from harness.cli.ablate import command as ablate
from harness.cli.report import command as report
from harness.cli.runs import command as runs
from harness.errors import BenchError
from harness.reporting.manifest import list_reports, read_results, read_suite, write_manifest
from harness.reporting.sections import find_sections
from harness.reporting.tables.main_comparison import main_table
from harness.results.result_set import ResultSet
from harness.results.run_results import damaged_run
from harness.results.suite import suite_results
from harness.store.formats.archive import ArchivedRun, StudyArchive
from harness.store.formats.cases import CASES
from harness.store.formats.manifest import Manifest, read_manifest
from harness.store.formats.study import Cell, Factor, StudyDefinition
from harness.store.formats.sweep import PATIENTS
from harness.store.runs import Run, RunStore

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from fuzzing.reader import unet_spec

MODELS = (("gdkvm", "GDKVM", 0), ("unet", "U-Net", 0), ("unet", "U-Net", 1), ("stm", "STM", 0))
DAMAGE = ["", "{", "[]", "\x00\xff", '{"name": "phantom/unet-small-s0-0000000000"}']


def case_rows(run: Run) -> pd.DataFrame:
    """Dice and distance of four patients, another number for every run."""
    skill = 0.8 + 0.02 * MODELS.index((run.spec.model["name"], run.spec.model["label"], run.spec.seed))
    head = {
        "run": run.name,
        "model": run.spec.model["name"],
        "seed": run.spec.seed,
        "dataset": "phantom",
        "split": "test",
    }
    rows = [
        {**head, "patient": f"p{patient}", "view": "4CH", "frame": frame, "phase": phase, "structure": "lv", "metric": metric, "value": value}
        for patient in range(4)
        for frame, phase in enumerate(("ED", "ES"))
        for metric, value in (("dice", skill + 0.01 * patient), ("iou", 0.7), ("hd95_mm", 4.0), ("hd_mm", 5.0), ("asd_mm", 1.0), ("empty", 0.0))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def new_run(store: RunStore, name: str, label: str, seed: int) -> Run:
    run = store.open(unet_spec(name, label, seed))
    run.write_rows(case_rows(run))
    run.finish(best_iteration=1)
    return run


@pytest.fixture
def suite(tmp_path: Path) -> list[Run]:
    """Four finished runs in ``tmp_path/runs``, and their report's manifest in ``tmp_path/reports/s``."""
    store = RunStore(tmp_path / "runs")
    made = [new_run(store, *model) for model in MODELS]
    results = suite_results(made, name="s")
    write_manifest(results, tmp_path / "reports" / "s", ("table",))
    return made


def read(tmp_path: Path) -> ResultSet:
    return read_suite("s", tmp_path / "reports", tmp_path / "runs")


@pytest.mark.parametrize("content", DAMAGE)
def test_a_report_goes_on_with_the_others_and_names_the_damaged_run(
    content: str, suite: list[Run], tmp_path: Path
) -> None:
    whole = {row.label: row.cells for row in main_table(read(tmp_path)).rows}
    (suite[2].path / "run.json").write_text(content)
    results = read(tmp_path)
    assert [run.status for run in results.runs] == ["finished", "finished", "damaged", "finished"]
    table = main_table(results)
    rows = {row.label: row.cells for row in table.rows}
    assert list(rows) == ["GDKVM", "U-Net", "STM"]
    for label in ("GDKVM", "STM"):
        assert rows[label]["dice"].value == whole[label]["dice"].value > 0
    (note,) = [note for note in table.notes if "damaged" in note]
    assert note.startswith("U-Net: seed 1 damaged: ")
    assert f"{suite[2].name}/run.json" in note
    assert str(tmp_path) not in note
    # The name stays in the manifest: the run may be mended.
    path = write_manifest(results, tmp_path / "reports" / "s", ("table",))
    assert read_manifest(path).runs == tuple(run.name for run in suite)


def test_the_only_run_of_a_model_keeps_its_row_without_figures(suite: list[Run], tmp_path: Path) -> None:
    (suite[3].path / "run.json").write_text("{")
    table = main_table(read(tmp_path))
    assert [row.label for row in table.rows] == ["GDKVM", "U-Net", "stm"]
    assert np.isnan(table.rows[2].cell("dice").value)


def test_a_report_of_damaged_runs_alone_is_one_sentence(suite: list[Run], tmp_path: Path) -> None:
    for run in suite:
        (run.path / "run.json").write_text("{")
    with pytest.raises(BenchError, match=r"run\.json is not valid JSON"):
        read(tmp_path)


def test_a_run_that_is_gone_is_told_as_before(suite: list[Run], tmp_path: Path) -> None:
    suite[0].delete()
    with pytest.raises(BenchError, match="There is no run"):
        read(tmp_path)


def test_the_command_report_writes_what_it_can(suite: list[Run], tmp_path: Path) -> None:
    (suite[2].path / "run.json").write_text("[]")
    (suite[3].path / "cases.csv").write_text("a,b\n1,2\n")
    options = ["--results-dir", str(tmp_path / "runs"), "--reports-dir", str(tmp_path / "reports"), "--no-pictures"]
    outcome = CliRunner().invoke(report, ["s", *options], catch_exceptions=False)
    assert outcome.exit_code == 0
    text = (tmp_path / "reports" / "s" / "table.md").read_text()
    assert "U-Net: seed 1 damaged" in text
    assert "STM: seed 0 damaged" in text
    assert "GDKVM" in (tmp_path / "reports" / "s" / "index.html").read_text()


def test_the_command_runs_lists_the_others_and_names_both_damages(suite: list[Run], tmp_path: Path) -> None:
    (suite[1].path / "run.json").write_text("{")
    (suite[3].path / "cases.csv").write_text("")
    outcome = CliRunner().invoke(runs, ["--results-dir", str(tmp_path / "runs"), "--csv"], catch_exceptions=False)
    assert outcome.exit_code == 0
    assert f"{suite[1].name}: damaged:" in outcome.stderr
    rows = {line.split(",")[0]: line for line in outcome.stdout.splitlines()[1:]}
    assert list(rows) == sorted(run.name for run in (suite[0], suite[2], suite[3]))
    assert ",damaged," in rows[suite[3].name]
    assert ",finished," in rows[suite[0].name]


def test_a_sweep_leaves_a_damaged_run_out_and_says_so(suite: list[Run], tmp_path: Path) -> None:
    conditions = [("clean", 0), ("haze", 1), ("haze", 3)]
    for run in suite:
        rows = [{"perturbation": name, "severity": level, "strength": 0.1, "patient": f"p{p}", "dice": 80.0 - level, "clip_hash": "0"}
                for name, level in conditions for p in range(4)]  # fmt: skip
        PATIENTS.write(
            PATIENTS.empty().reindex(range(len(rows))).assign(**pd.DataFrame(rows)), run.path / PATIENTS.file
        )
    folder = tmp_path / "reports" / "s" / "robustness"
    Manifest(kind="robustness", name="s", dataset="phantom", runs=tuple(run.name for run in suite)).write(folder)
    (suite[2].path / "run.json").write_text("{")
    results = read_results("s", tmp_path / "reports", tmp_path / "runs")[folder]
    assert [run.name for run in results.runs] == [run.name for run in suite if run is not suite[2]]
    assert f"Left out is the run {suite[2].name}, which is damaged" in " ".join(results.notes)
    assert set(read_manifest(write_manifest(results, folder)).runs) == {run.name for run in suite}


def test_a_study_names_a_damaged_run_in_its_row(suite: list[Run], tmp_path: Path) -> None:
    factor = Factor(name="width", label="Width", levels={"8": {}, "6": {}})
    cells = (Cell(levels={"width": "8"}, overrides={}), Cell(levels={"width": "6"}, overrides={}))
    stored = [
        ArchivedRun(cell=cell.key, seed=run.spec.seed, record=run.record, rows=CASES.empty(), profile=None)
        for cell, run in zip((cells[0], cells[1]), suite[:2], strict=True)
    ]
    definition = StudyDefinition(name="t", kind="grid", model="unet", seeds=(0,), factors=(factor,))
    facts: dict[str, Any] = {"name": "t", "command": "", "dataset": "phantom", "mark": None, "trials": ()}
    folder = tmp_path / "reports" / "t"
    StudyArchive(**facts, definition=definition, cells=cells, runs=tuple(stored)).write_design(folder)
    Manifest(kind="study", name="t", dataset="phantom", runs=tuple(run.name for run in suite[:2])).write(folder)
    (suite[1].path / "run.json").write_text("{")
    results = read_results("t", tmp_path / "reports", tmp_path / "runs")[folder]
    assert [(run.label, run.status) for run in results.runs] == [("full", "finished"), ("6", "damaged")]


@pytest.mark.parametrize("name", ["../../x", "/abs", "a\nb", ".."])
def test_the_name_of_an_archived_study_leads_nowhere_else(name: str, suite: list[Run], tmp_path: Path) -> None:
    definition = StudyDefinition(
        name="t",
        kind="grid",
        model="unet",
        seeds=(0,),
        factors=(Factor(name="w", label="W", levels={"8": {}, "6": {}}),),
    )
    cell = Cell(levels={"w": "8"}, overrides={})
    stored = ArchivedRun(cell=cell.key, seed=0, record=suite[1].record, rows=case_rows(suite[1]), profile=None)
    facts: dict[str, Any] = {"command": "", "dataset": "phantom", "mark": None, "trials": ()}
    archive = tmp_path / "archive"
    StudyArchive(name=name, definition=definition, cells=(cell,), runs=(stored,), **facts).write(archive)
    reports = tmp_path / "a" / "b" / "reports"
    outcome = CliRunner().invoke(ablate, [str(archive), "--reports-dir", str(reports)])
    assert isinstance(outcome.exception, BenchError)
    assert "which may not become a path" in str(outcome.exception)
    assert not (tmp_path / "a").exists()


def test_damaged_manifests_keep_neither_a_list_nor_a_page_from_being_made(suite: list[Run], tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    for name, content in (("a", "{"), ("b", json.dumps({"name": "b", "dataset": "phantom", "runs": 5}))):
        (reports / name).mkdir()
        (reports / name / "study.json").write_text(content)
        (reports / name / "suite.json").write_text(content)
    assert list_reports(reports) == ["a", "b", "s"]
    assert find_sections(reports / "s", "phantom") == []
    with pytest.raises(BenchError, match=r"suite\.json"):
        read_suite("b", reports, tmp_path / "runs")


@pytest.mark.parametrize("name", ["phantom/unet-small-s3-0123456789", "camus/mmseg_u-net-paper-s12-abcdef0123"])
def test_the_name_of_a_damaged_run_says_model_size_and_seed(name: str) -> None:
    run = damaged_run(name, "cut")
    assert f"{name.partition('/')[0]}/{run.model}-{run.size}-s{run.seed}-" in name
    assert (run.name, run.status, run.finished) == (name, "damaged", False)


def test_a_storage_that_does_not_answer_is_told_before_data_are_made(tmp_path: Path) -> None:
    folders = [f"--{kind}-dir={tmp_path / kind}" for kind in ("data", "results", "reports")]
    url = "postgresql://u:S3cret@localhost:1/x"
    outcome = CliRunner().invoke(ablate, ["modules", "--recipe", "smoke", "--storage", url, *folders])
    assert isinstance(outcome.exception, BenchError)
    assert str(outcome.exception).startswith("The storage postgresql://u:***@localhost:1/x ")
    assert not (tmp_path / "data").exists()
