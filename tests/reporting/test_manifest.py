"""A report can be made again from its list of runs, pictures included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from harness.cli.report import command
from harness.errors import BenchError, ConfigError
from harness.reporting import write_report
from harness.reporting.manifest import only_suite, read_suite
from harness.results.pictures import CasePicture, load_pictures, save_pictures
from harness.results.result_set import ResultSet
from harness.results.suite import suite_results
from harness.store.formats.profile import PROFILE
from harness.store.runs import RunSpec, RunStore


def picture() -> CasePicture:
    frames = np.arange(2 * 20 * 24, dtype=np.uint8).reshape(2, 20, 24)
    masks = np.zeros((2, 20, 24), np.uint8)
    masks[:, 5:12, 5:12] = 1
    return CasePicture(
        label="old", patient="p1", view="4CH", dice=90.5, frames=frames, reference=masks, predicted=masks,
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
    save_pictures(runs[0].path, [picture()])
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


def test_a_report_is_made_again_from_the_store(stored: ResultSet, tmp_path: Path) -> None:
    first = {path: path.read_bytes() for path in write_report(stored, tmp_path / "reports" / "demo")}
    again = read_suite("demo", tmp_path / "reports", tmp_path / "runs")
    assert {path: path.read_bytes() for path in write_report(again, tmp_path / "reports" / "demo")} == first
    assert (tmp_path / "reports/demo/figures/overlays_gdkvm.png").is_file()


def test_the_verb_writes_tables_and_can_leave_pictures_out(stored: ResultSet, tmp_path: Path) -> None:
    write_report(stored, tmp_path / "reports" / "demo", [])
    options = ["--results-dir", str(tmp_path / "runs"), "--reports-dir", str(tmp_path / "reports")]
    result = CliRunner().invoke(command, [*options, "--no-pictures"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "GDKVM" in result.output
    assert not (tmp_path / "reports/demo/figures/overlays_gdkvm.png").exists()


def test_unknown_or_missing_reports_are_named_in_one_sentence(stored: ResultSet, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no report"):
        only_suite(tmp_path / "reports")
    write_report(stored, tmp_path / "reports" / "demo", [])
    assert only_suite(tmp_path / "reports") == "demo"
    with pytest.raises(ConfigError, match="Did you mean 'demo'"):
        read_suite("dmo", tmp_path / "reports", tmp_path / "runs")
