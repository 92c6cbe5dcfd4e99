"""The table of patients says what the rows say, travels without them, and gives the same report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from drawn_sweep import dice, rows, swept_run

from harness.cli import cli
from harness.errors import BenchError, ConfigError
from harness.results.export import export
from harness.results.measures import DICE
from harness.results.sweep import patient_table, patients_of, sweep_results, unanswered
from harness.store.formats.sweep import PATIENTS, sweep_files, swept
from harness.store.runs import RunStore


@pytest.fixture
def store(tmp_path) -> RunStore:
    """A plain and an augmented GDKVM and a U-Net of two seeds, swept."""
    found = RunStore(tmp_path / "runs")
    swept_run(found, "GDKVM", 0.02)
    swept_run(found, "GDKVM", 0.01, augmented=True)
    for seed in (0, 1):
        swept_run(found, "UNet", 0.02 + 0.01 * seed, seed=seed)
    return found


def test_a_line_per_condition_and_patient_the_clean_ones_first():
    table = patient_table(rows(0.02))
    assert len(table) == (1 + 2 * 5) * 12
    assert table["perturbation"].iloc[0] == "clean"
    line = table.set_index(["perturbation", "severity", "patient"]).loc[("speckle", 2, "p03")]
    assert line["dice"] == pytest.approx(100 * dice(3, "speckle", 2, 0.02), abs=1e-4)
    assert line["ef_error"] == 2.0
    assert line["failure"] == 0.0
    assert line["strength"] == 2.0
    assert line["clip_hash"] == "00+00"
    assert table["hd95_mm"].isna().all()


def test_an_ef_without_an_answer_counts_as_the_worst_and_a_missing_distance_stays_missing(tmp_path):
    table = patient_table(rows(0.02))
    PATIENTS.write(table, tmp_path / PATIENTS.file)
    again = PATIENTS.read(tmp_path / PATIENTS.file)
    pd.testing.assert_frame_equal(again, table, check_dtype=False)
    assert again["hd95_mm"].isna().all()
    unanswered = again[(again["severity"] == 5) & (again["patient"] == "p00")]
    # The true EF is 60: nothing between 0 and 100 is further away than 60 points.
    assert unanswered["ef_error"].tolist() == [60.0, 60.0]


def test_the_copy_holds_no_rows_and_the_same_values(store, tmp_path):
    export(sweep_results(store.all(), name="demo"), tmp_path / "copy", mixed=True)
    for run in store.all():
        copy = RunStore(tmp_path / "copy").get(run.name)
        assert sorted(path.name for path in copy.path.iterdir()) == [PATIENTS.file, "run.json"]
        assert copy.spec == run.spec
        pd.testing.assert_frame_equal(patients_of(copy), patients_of(run), check_dtype=False)
        size = (copy.path / PATIENTS.file).stat().st_size
        assert size < 0.2 * sum(path.stat().st_size for path in sweep_files(run))


def test_rows_win_over_a_stored_table(store, tmp_path):
    run = store.all()[0]
    PATIENTS.write(PATIENTS.empty(), run.path / PATIENTS.file)
    assert len(patients_of(run)) > 0


def test_a_run_without_a_sweep_is_answered_in_a_sentence(store):
    run = store.all()[0]
    for path in sweep_files(run):
        path.unlink()
    with pytest.raises(BenchError, match="was not swept yet"):
        patients_of(run)


def test_the_committed_tables_give_the_report_of_the_rows_to_the_byte(store, tmp_path, monkeypatch):
    """Figures are left out here: they are drawn from the same values and take most of the time."""
    monkeypatch.setattr("harness.reporting.section_report.save", lambda figure, folder, name: [])
    names = ",".join(run.name for run in store.all())

    def command(*arguments: str) -> None:
        done = CliRunner().invoke(cli, arguments)
        assert done.exit_code == 0, done.output

    place = ("--results-dir", str(store.root), "--reports-dir", str(tmp_path / "a"))
    command("robustness", "report", "--runs", names, "--as", "demo", *place)
    command("export", "demo", "--mixed", *place, "--to", str(tmp_path / "kept"), "--report-to", str(tmp_path / "b"))
    exported = content(tmp_path / "b")
    assert exported == content(tmp_path / "a")
    for path in (tmp_path / "b").rglob("*.csv"):
        path.unlink()
    command("report", "demo", "--results-dir", str(tmp_path / "kept" / "demo"), "--reports-dir", str(tmp_path / "b"))
    assert content(tmp_path / "b") == exported
    assert "robustness_augmentation.tex" in exported
    manifest = json.loads((tmp_path / "b" / "demo" / "robustness" / "robustness.json").read_text())
    assert sorted(manifest["runs"]) == sorted(names.split(","))


def content(folder: Path) -> dict[str, bytes]:
    """Everything of a report but its manifest, which names the command."""
    return {path.name: path.read_bytes() for path in folder.rglob("*.*") if path.name != "robustness.json"}


def test_a_run_that_is_named_twice_counts_once_in_a_sentence(store):
    runs = store.all()
    results = sweep_results([*runs, runs[0], runs[0]], name="demo")
    assert [len(arm.runs) for arm in results.arms] == [len(arm.runs) for arm in sweep_results(runs, name="demo").arms]
    assert results.notes == (f"{runs[0].name} was named 3 times and counts once.",)


def test_a_training_that_was_made_again_is_no_second_training(tmp_path):
    found = RunStore(tmp_path / "again")
    runs = [swept_run(found, "UNet", 0.02, code="c", generation=number) for number in (0, 1)]
    assert runs[0].name != runs[1].name
    with pytest.raises(ConfigError, match=r"are of one model with one seed \(0\) and would count as several"):
        sweep_results(runs, name="demo")


def test_an_arm_that_never_gave_an_ef_is_at_its_worst_in_an_old_table_too(store):
    run = store.all()[0]
    clean = swept(run)
    clean = clean[clean["perturbation"] == "clean"]
    stored = patients_of(run).assign(ef_error=np.nan)
    silent = clean.assign(value=clean["value"].mask(clean["metric"] == "ef_biplane_predicted"))
    # The true EF is 60 for everyone: nothing between 0 and 100 is further away than 60 points.
    assert set(unanswered(stored, silent)["ef_error"]) == {60.0}
    assert unanswered(stored, clean)["ef_error"].isna().all(), "who answered on clean images was swept without EF"
    assert unanswered(stored, clean[clean["metric"] == "dice"])["ef_error"].isna().all()


def test_several_seeds_are_averaged_per_patient_and_not_pooled(store):
    results = sweep_results(store.all(), name="demo")
    (unet,) = [arm for arm in results.arms if arm.label == "UNet"]
    assert len(unet.runs) == 2
    wide = unet.under(DICE)
    assert len(wide) == 12
    expected = np.mean([dice(4, "haze", 3, 0.02), dice(4, "haze", 3, 0.03)])
    assert wide.loc["p04", ("haze", 3)] == pytest.approx(100 * expected, abs=1e-3)
    single = unet.runs[0].by_patient(DICE, results.main)
    assert wide.index.equals(single.index)


def test_arms_and_reference_are_told_apart(store):
    results = sweep_results(store.all(), name="demo")
    assert {arm.label: arm.plain for arm in results.arms} == {"GDKVM": "", "GDKVM (augmented)": "GDKVM", "UNet": ""}
    assert results.reference == "GDKVM"
    assert results.notes == ()


def test_runs_that_saw_other_bytes_are_noted(store):
    path = sweep_files(store.all()[0])[1]
    path.write_text(path.read_text().replace(",00\n", ",11\n"))
    (note,) = sweep_results(store.all(), name="demo").notes
    assert note.startswith("The runs did not see the same bytes in 60 of 132 cases")


def test_a_perturbation_that_one_run_lacks_is_left_out_and_named(store):
    (path,) = [path for path in sweep_files(store.all()[-1]) if path.stem == "haze"]
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table[table["severity"] != "5"].to_csv(path, index=False)
    results = sweep_results(store.all(), name="demo")
    assert results.perturbations == ("speckle",)
    assert results.notes == ("Left out because a sweep is not complete: haze (UNet).",)
