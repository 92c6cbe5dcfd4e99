"""A finished study in four small files: every table and figure can be made from them, without data."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))
from synthetic import finish, resolved_study

from harness.cli.ablate import command
from harness.errors import BenchError
from harness.experiments.study.collect import collect
from harness.reporting import write_report
from harness.results.study import archive_study, archived_study, stored_study, write_design
from harness.store.formats.archive import long, wide
from harness.store.runs import RunStore

FAILED = "lkva=on,gdr=off,kpff=on"


@pytest.fixture
def _without_figures(monkeypatch):
    """What is compared are tables, twice; figures are most of a report's time, and the command below draws them from an export."""
    monkeypatch.setattr("harness.reporting.section_report.study_figures", lambda results: iter(()))


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A study of which one variant failed."""
    return finish(resolved_study(tmp_path_factory.mktemp("runs")), unfinished=(FAILED,))


@pytest.fixture(scope="module")
def folder(original, tmp_path_factory):
    place = tmp_path_factory.mktemp("export")
    archive_study(original, place)
    return place


@pytest.mark.usefixtures("_without_figures")
def test_what_is_read_back_gives_the_same_tables_to_the_last_digit(original, folder, tmp_path):
    write_report(original, tmp_path / "before")
    write_report(archived_study(folder), tmp_path / "after")
    before = {path.name: path.read_bytes() for path in (tmp_path / "before").glob("*.*")}
    after = {path.name: path.read_bytes() for path in (tmp_path / "after").glob("*.*")}
    assert before.pop("archive.json")  # the design of a study in the store; an archive has it already
    for files in (
        before,
        after,
    ):  # the rows of an archive are other files than those of a store, and so are their hashes
        files["study.json"] = {k: v for k, v in json.loads(files["study.json"]).items() if k != "hashes"}
    assert before == after
    assert "ablation.csv" in before


def test_the_export_is_small_and_holds_every_case_of_the_tables(original, folder):
    assert sum(path.stat().st_size for path in folder.iterdir()) < 2_000_000
    cases = pd.read_csv(folder / "cases.csv.xz")
    runs = [run for run in original.runs if run.finished]
    assert len(cases) == sum(run.rows["patient"].nunique() for run in runs)
    first = runs[0].rows.query("metric == 'dice'").set_index("patient")["value"]
    own = cases[cases["run"] == runs[0].record["name"]].set_index("patient")["dice"]
    pd.testing.assert_series_equal(own, first, check_names=False)


def test_wide_and_long_are_inverse_and_values_of_whole_views_are_left_out(original):
    rows = original.runs[0].rows
    ef = rows.iloc[[0]].assign(frame=-1, phase="", metric="ef_stated", value=60.0)
    back = long(wide([pd.concat([rows, ef])]))
    pd.testing.assert_frame_equal(back.reset_index(drop=True), rows, check_dtype=False)


def test_a_study_that_is_not_finished_is_not_exported(tmp_path):
    resolved = resolved_study(tmp_path)
    results = finish(resolved)
    resolved.run(resolved.cells[0], 0).stop("interrupted", "stopped by Ctrl-C")
    halted = collect(resolved, results.design.study, name="x")
    with pytest.raises(BenchError, match="is interrupted"):
        archive_study(halted, tmp_path / "out")


def test_a_folder_without_the_files_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(BenchError, match=r"has no archive\.json"):
        archived_study(tmp_path)


def test_a_report_keeps_the_design_and_is_made_again_from_the_store(original, tmp_path):
    write_design(original, tmp_path)
    again = stored_study(tmp_path, RunStore(original.runs[0].folder.parents[1]))
    assert again.design.names == original.design.names
    assert [run.status for run in again.runs] == [run.status for run in original.runs]
    pd.testing.assert_frame_equal(again.design.trials(), original.design.trials())


def test_the_command_reports_from_an_export(folder, tmp_path):
    ended = CliRunner().invoke(
        command, [str(folder), "--reports-dir", str(tmp_path)], catch_exceptions=False, standalone_mode=False
    )
    assert ended.return_value == 1  # a variant failed
    assert "no LKVA" in ended.output
    assert (tmp_path / "modules-phantom" / "ablation.tex").is_file()
