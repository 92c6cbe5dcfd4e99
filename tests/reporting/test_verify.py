"""A report is derived again from its rows: nothing changed agrees, one changed digit anywhere does not."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from harness.cli.power import command as power
from harness.cli.verify import command as verify
from harness.errors import BenchError
from harness.reporting.figures.power import power_figure
from harness.reporting.manifest import write_manifest
from harness.reporting.report import more_tables
from harness.reporting.tables.main_comparison import main_table
from harness.reporting.tables.power import power_notes, power_table
from harness.reporting.tables.stored import SUFFIX, read_table, write_table
from harness.reporting.verify import compare_table, verify_report
from harness.results.power import power_of
from harness.results.result_set import ResultSet
from harness.results.suite import suite_results
from harness.statistics.power import detectable
from harness.store.formats.manifest import find_manifest
from harness.store.runs import RunSpec, RunStore

Maker = Callable[..., ResultSet]


@pytest.fixture
def reported(written: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Folders of reports and runs, to be damaged: copies of ``written``."""
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    return tmp_path / "reports", tmp_path / "runs"


@pytest.fixture(scope="module")
def written(make_suite: Maker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``reports`` and ``runs`` in one folder: the tables of a suite of two models with three trainings, and its manifest."""
    folder = tmp_path_factory.mktemp("written")
    reports, store = folder / "reports", RunStore(folder / "runs")
    runs = []
    for model in make_suite(patients=12, seeds=3, models=("GDKVM", "U-Net")).runs:
        spec = RunSpec(
            model={"name": model.model, "size": "small", "label": model.label},
            data={"dataset": "phantom", "mark": None, "fingerprint": "abcd"},
            recipe={}, seed=model.seed, protocol={"first_frame": "auto"},
        )  # fmt: skip
        run = store.open(spec)
        run.write_rows(model.rows)
        run.finish()
        runs.append(run)
    results = suite_results(runs, name="demo")
    tables = [main_table(results), *more_tables(results)]
    for table in tables:
        write_table(table, reports / "demo")
    write_manifest(results, reports / "demo", tuple(table.name for table in tables))
    return folder


def verb(command: object, reported: tuple[Path, Path], *arguments: str) -> tuple[int, str]:
    options = ["--reports-dir", str(reported[0]), "--results-dir", str(reported[1])]
    result = CliRunner().invoke(command, ["demo", *arguments, *options], standalone_mode=False)  # type: ignore[arg-type]
    assert result.exception is None, result.exception
    return int(result.return_value or 0), result.output


def test_an_untouched_report_agrees_and_names_its_data(reported: tuple[Path, Path]) -> None:
    code, output = verb(verify, reported)
    assert code == 0
    seen = re.search(r"(\d+) cells of \d+ tables derived again from the rows: all agree", output)
    assert seen is not None
    assert int(seen[1]) > 100
    assert "data fingerprint abcd" in output


def test_a_changed_digit_is_found_in_every_form_of_a_table(reported: tuple[Path, Path]) -> None:
    folder = reported[0] / "demo"
    table = read_table(folder / f"table{SUFFIX}")
    assert compare_table(table, folder)[1] == []
    for suffix, digit in ((".csv", "94."), (".md", "94."), (SUFFIX, '"value": 94.')):
        path = folder / f"table{suffix}"
        text = path.read_text()
        assert digit in text
        path.write_text(text.replace(digit, digit.replace("94", "95"), 1))
        assert len(compare_table(table, folder)[1]) == 1, suffix
        path.write_text(text)
    csv = folder / "table.csv"
    csv.write_text(csv.read_text().replace("94.", "95.", 1))
    code, output = verb(verify, reported)
    assert code == 1
    assert "demo/table" in output


def test_a_table_that_is_gone_or_from_nowhere_is_named(reported: tuple[Path, Path]) -> None:
    (reported[0] / "demo" / "comparisons.csv").rename(reported[0] / "demo" / "invented.csv")
    found = verify_report("demo", *reported)
    assert "demo/comparisons: not stored" in found.differences
    assert any("demo/invented: stored, but not derived" in text for text in found.differences)


def test_a_row_of_the_cases_that_was_changed_is_found(reported: tuple[Path, Path]) -> None:
    rows = next(reported[1].rglob("cases.csv*"))
    run = RunStore(reported[1]).all()[0]
    table = run.rows()
    table.loc[table["metric"] == "dice", "value"] *= 0.99
    rows.unlink()
    run.write_rows(table)
    assert not verify_report("demo", *reported).agrees


def test_a_file_that_is_not_what_it_was_is_named(reported: tuple[Path, Path]) -> None:
    tex = reported[0] / "demo" / "table.tex"
    tex.write_text(tex.read_text() + "% a remark")
    rows = next(reported[1].rglob("cases.csv"))
    rows.write_text(rows.read_text() + "\n")  # an empty line: every table stays as it is
    found = verify_report("demo", *reported).differences
    assert "demo: table.tex has changed since the report was made" in found
    assert any("cases.csv has changed since the report was made" in text for text in found)
    assert len(found) == 2


def test_a_manifest_never_holds_its_own_hash(make_suite: Maker, tmp_path: Path) -> None:
    suite = replace(make_suite(patients=12, models=("GDKVM",)), perturbations=("haze",), severities=(1,))
    (tmp_path / "robustness.csv").write_text("a\n")
    for _ in range(2):  # the second time the manifest is there, and is called like the table
        write_manifest(suite, tmp_path, ("robustness",))
        manifest = find_manifest(tmp_path, "robustness")
        assert manifest is not None
        assert list(manifest.hashes) == ["robustness.csv"]


def test_power_of_a_suite_is_what_the_library_says_of_its_components(make_suite: Maker) -> None:
    suite = make_suite(patients=14, seeds=3)
    found = power_of(suite, sizes=(0.5, 50.0))
    assert found.alpha == pytest.approx(0.05 / 4)
    assert found.present == pytest.approx(detectable(found.variances, 14, 3, alpha=0.05 / 4, arms=5))
    assert found.patients.shape == (2, 3)
    assert found.patients[1, 0] <= 10
    table = power_table(suite, found)
    assert [row.label for row in table.rows] == ["0.5 Dice points", "50 Dice points"]
    assert "14 patients, 3 trainings" in table.notes[1]


def test_the_figure_marks_margin_and_present_design_and_a_design_of_too_few_patients_says_so(make_suite: Maker) -> None:
    found = power_of(make_suite(patients=14, seeds=3))
    lines = {line.get_label(): line for line in power_figure(found, arms=5).axes[0].lines}
    assert list(lines) == [
        "3 trainings",
        "5 trainings",
        "10 trainings",
        "margin, 0.5",
        "these runs: 14 patients, 3 trainings",
    ]
    star = lines["these runs: 14 patients, 3 trainings"]
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (14, found.present)
    assert lines["margin, 0.5"].get_ydata()[0] == 0.5
    patients, shown = lines["5 trainings"].get_data()
    assert shown[3] == pytest.approx(detectable(found.variances, int(patients[3]), 5, alpha=found.alpha, arms=5))
    few = power_of(make_suite(patients=6, seeds=3, models=("GDKVM", "U-Net")))
    assert np.isinf(few.present)
    assert "6 patients are too few" in power_notes(few)[1]
    assert len(power_figure(few, arms=2).axes[0].lines) == 4


def test_one_training_needs_the_spread_from_elsewhere(suite: ResultSet) -> None:
    with pytest.raises(BenchError, match="--training-sd"):
        power_of(suite)
    found = power_of(suite, training_sd=0.5)
    assert found.variances.trainings == pytest.approx(0.5)
    assert np.isnan(found.present)


def test_the_verb_prints_and_writes_the_plan(reported: tuple[Path, Path]) -> None:
    _, output = verb(power, reported, "--difference", "1", "--write")
    assert "1 Dice points" in output
    written = {path.name for path in (reported[0] / "demo" / "power").iterdir()}
    assert {"power.csv", "power.png", "power.pdf"} <= written
