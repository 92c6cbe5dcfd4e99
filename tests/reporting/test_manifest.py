"""A report can be made again from its list of runs, pictures included."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from harness import reporting
from harness.cli.report import command
from harness.errors import BenchError, ConfigError
from harness.reporting import write_report
from harness.reporting.growing import begin_report
from harness.reporting.manifest import only_suite, read_results, read_suite, report_is_of, write_manifest
from harness.results.pictures import CasePicture, load_pictures, save_pictures
from harness.results.result_set import ResultSet
from harness.results.suite import suite_results
from harness.statistics.margins import Criteria
from harness.store.formats.cases import CASES
from harness.store.formats.profile import PROFILE
from harness.store.runs import RunSpec, RunStore


def picture(label: str = "old") -> CasePicture:
    frames = np.arange(2 * 20 * 24, dtype=np.uint8).reshape(2, 20, 24)
    masks = np.zeros((2, 20, 24), np.uint8)
    masks[:, 5:12, 5:12] = 1
    return CasePicture(
        label=label, patient="p1", view="4CH", dice=90.5, frames=frames, reference=masks, predicted=masks,
        frame=1, role="best", spacing_mm=(0.3, 0.2),
    )  # fmt: skip


@pytest.fixture
def stored(pair: ResultSet, tmp_path: Path) -> ResultSet:
    store = RunStore(tmp_path / "runs")
    runs = []
    for model in pair.runs:
        spec = RunSpec(
            model={"name": model.model, "size": "small", "label": model.label},
            data={"dataset": "phantom", "mark": None},
            recipe={},
            seed=0,
            protocol={"first_frame": "auto"},
        )
        run = store.open(spec)
        run.write_rows(model.rows)
        assert model.profile is not None
        PROFILE.write(model.profile, run.path / PROFILE.file)
        run.finish()
        runs.append(run)
    for run in runs:
        save_pictures(run.path, [picture()])
    return suite_results(runs, name="demo", dataset="Phantom", reference="gdkvm", command="make bench")


def test_pictures_come_back_as_they_were(tmp_path: Path) -> None:
    save_pictures(tmp_path, [picture()])
    back = load_pictures(tmp_path)[0]
    np.testing.assert_array_equal(back.frames, picture().frames)
    np.testing.assert_array_equal(back.predicted, picture().predicted)
    assert (back.frame, back.role, back.spacing_mm, back.dice) == (1, "best", (0.3, 0.2), 90.5)
    assert load_pictures(tmp_path / "nowhere") == []


def test_the_reference_may_be_given_by_its_registry_name(stored: ResultSet) -> None:
    assert stored.reference == "GDKVM"


def test_the_verb_makes_a_report_again_from_the_store_to_the_byte(stored: ResultSet, tmp_path: Path) -> None:
    first = {path: path.read_bytes() for path in write_report(stored, tmp_path / "reports" / "demo")}
    options = ["--results-dir", str(tmp_path / "runs"), "--reports-dir", str(tmp_path / "reports")]
    result = CliRunner().invoke(command, options, catch_exceptions=False)
    assert result.exit_code == 0
    assert "GDKVM" in result.output
    assert {path: path.read_bytes() for path in first} == first
    # One picture of cases for each model, under the label of its row and not under that of an earlier report.
    names = {path.relative_to(tmp_path / "reports/demo").as_posix() for path in first}
    assert {"table.md", "table.csv", "table.tex", "index.html", "paper.tex", "suite.json"} <= names
    charts = ("dice_against_fps", "overlays_gdkvm", "overlays_u-net")
    assert {f"figures/{name}.{kind}" for name in charts for kind in ("png", "pdf")} <= names


def test_the_verb_can_leave_pictures_out(stored: ResultSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_manifest(stored, tmp_path / "reports" / "demo", ("table",))
    given: list[object] = []
    monkeypatch.setattr(reporting, "write_report", lambda results, folder, pictures: given.append(pictures) or [])
    options = ["--results-dir", str(tmp_path / "runs"), "--reports-dir", str(tmp_path / "reports"), "--no-pictures"]
    assert CliRunner().invoke(command, options, catch_exceptions=False).exit_code == 0
    assert given == [()]  # None would take those that lie with the runs


def test_unknown_or_missing_reports_are_named_in_one_sentence(stored: ResultSet, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no report"):
        only_suite(tmp_path / "reports")
    write_manifest(stored, tmp_path / "reports" / "demo", ("table",))
    assert only_suite(tmp_path / "reports") == "demo"
    with pytest.raises(ConfigError, match="Did you mean 'demo'"):
        read_suite("dmo", tmp_path / "reports", tmp_path / "runs")


CRITERIA = Criteria.read({"endpoint": "hd95_mm"})


def spec(label: str, **recipe: object) -> RunSpec:
    return RunSpec(
        model={"name": label.lower().replace("-", ""), "size": "small", "label": label, "build": {}},
        data={"dataset": "elsewhere", "views": ["4CH"], "clip": "half", "fingerprint": "f", "mark": None},
        recipe={"iterations": 5, **recipe},
        seed=0,
        protocol={"first_frame": "auto", "structures": "lv"},
    )


def bench(folder: Path, *specs: RunSpec, finish: bool = True, name: str = "", rows: pd.DataFrame | None = None) -> str:
    """What the verb does around the training: begin the report, finish the runs."""
    store = RunStore(folder / "runs")
    begun = begin_report(
        folder / "reports",
        name or "elsewhere-4ch-half-small",
        specs,
        store,
        named=bool(name),
        reference="gdkvm",
        command="c",
        criteria=CRITERIA,
    )
    for one in specs:
        run = store.open(one)
        if finish:
            run.write_rows(CASES.empty() if rows is None else rows)
            run.finish()
    if finish:
        made = begun.runs([store.open(one) for one in specs])
        results = suite_results(made, name=begun.name, reference="gdkvm", criteria=CRITERIA)
        write_manifest(results, folder / "reports" / begun.name, ("table",))
    return begun.name


def test_a_report_keeps_the_suites_criteria_whether_its_runs_are_made_or_not(tmp_path: Path) -> None:
    for folder, finish in ((tmp_path / "begun", False), (tmp_path / "made", True)):
        name = bench(folder, spec("GDKVM"), finish=finish)
        assert read_suite(name, folder / "reports", folder / "runs").criteria == CRITERIA


def shown(folder: Path, name: str) -> list[str]:
    return [run.label for run in read_suite(name, folder / "reports", folder / "runs").runs]


def test_one_more_model_adds_its_row_and_replaces_nothing(tmp_path: Path) -> None:
    name = bench(tmp_path, spec("U-Net"))
    assert bench(tmp_path, spec("GDKVM")) == name
    assert shown(tmp_path, name) == ["U-Net", "GDKVM"]
    (tmp_path / "reports" / name / "suite.json").unlink()
    bench(tmp_path, spec("STM"))
    assert shown(tmp_path, name) == ["STM", "GDKVM", "U-Net"]  # found in the store, whatever reports there were


def test_another_condition_never_takes_a_report_over(tmp_path: Path) -> None:
    name = bench(tmp_path, spec("U-Net"))
    other = bench(tmp_path, spec("U-Net", iterations=9))
    assert other.startswith(f"{name}-")
    assert (shown(tmp_path, name), shown(tmp_path, other)) == (["U-Net"], ["U-Net"])
    mine = bench(tmp_path, spec("U-Net"), name="mine")
    assert (mine, shown(tmp_path, mine)) == ("mine", ["U-Net"])
    with pytest.raises(ConfigError, match="of another condition"):
        bench(tmp_path, spec("U-Net", iterations=9), name="mine")


def test_a_named_report_keeps_to_the_runs_that_were_asked_for(tmp_path: Path) -> None:
    bench(tmp_path, spec("U-Net"))
    bench(tmp_path, spec("STM"), name="mine")
    assert shown(tmp_path, "mine") == ["STM"]
    bench(tmp_path, spec("GDKVM"), name="mine")
    assert shown(tmp_path, "mine") == ["STM", "GDKVM"]


def test_a_killed_bench_leaves_a_report_that_can_be_read(tmp_path: Path) -> None:
    name = bench(tmp_path, spec("U-Net"), spec("GDKVM"), finish=False)
    results = read_suite(name, tmp_path / "reports", tmp_path / "runs")
    assert [run.status for run in results.runs] == ["new", "new"]
    assert not report_is_of(results, tmp_path / "reports" / name)


def test_a_report_is_made_from_the_store_by_its_condition_alone(pair: ResultSet, tmp_path: Path) -> None:
    store, rows = RunStore(tmp_path / "runs"), pair.runs[0].rows
    for label, iterations in (("U-Net", 5), ("GDKVM", 5), ("STM", 9)):
        run = store.open(spec(label, iterations=iterations))
        run.write_rows(rows)
        run.finish()
    only = store.open(spec("STM", iterations=9))
    shutil.rmtree(only.path)
    (results,) = read_results("elsewhere-4ch-half-small", tmp_path / "reports", tmp_path / "runs").values()
    assert sorted(run.label for run in results.runs) == ["GDKVM", "U-Net"]
    assert results.reference == "GDKVM"
    with pytest.raises(ConfigError, match="Did you mean 'elsewhere-4ch-half-small'"):
        read_results("elsewhere-4ch-half-smal", tmp_path / "reports", tmp_path / "runs")
