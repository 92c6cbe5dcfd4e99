"""Cross-validation as one suite: every patient counts once, folds are no seeds, and a pass without a fold counts for nothing."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from harness.api.benching import Benched, run_bench
from harness.cli import cli
from harness.data import Camus, Folder, prepare
from harness.errors import ConfigError, DataError
from harness.experiments import SuiteOptions
from harness.experiments.folds import fold_options
from harness.reporting.manifest import read_suite
from harness.reporting.tables.main_comparison import main_table
from harness.reporting.tables.stored import read_table
from harness.reporting.verify import verify_report
from harness.results.condition import condition_of
from harness.results.measures import DICE

PATIENTS = 7
FOLDS = 3


def write_folder(root: Path, splits: dict[int, str] | None = None) -> Path:
    """Seven patients, a clip of two frames each, with a disc that shrinks."""
    root.mkdir(exist_ok=True)
    rows, columns = np.mgrid[:32, :32]
    lines = ["clip,mask,patient,ed,es,scanner" + (",split" if splits else "")]
    for number in range(PATIENTS):
        masks = np.stack([np.hypot(rows - 16, columns - 14 - number % 3) < radius for radius in (9, 6)]).astype(
            np.uint8
        )
        noise = np.random.default_rng(number).integers(0, 60, masks.shape)
        np.savez(root / f"{number}.npz", video=(noise + 150 * masks).astype(np.uint8), mask=masks)
        lines.append(
            f"{number}.npz,{number}.npz,p{number},0,1,{'AB'[number % 2]}" + (f",{splits[number]}" if splits else "")
        )
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    (root / "labels.yaml").write_text("lv: 1\n")
    return root


def options(root: Path, place: Path, **chosen: object) -> SuiteOptions:
    chosen = {"folds": FOLDS, "models": ("unet",), "recipe": "smoke", "dataset": "folder", **chosen}
    overrides = ("models.unet.widths=(4, 8)",)
    return SuiteOptions(root=str(root), data_root=place / "data", overrides=overrides, **chosen)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def benched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Benched]:
    place = tmp_path_factory.mktemp("folds")
    root = write_folder(place / "own")
    made = run_bench(
        options(root, place), results=place / "runs", reports=place / "reports", profile=False, progress=False
    )
    return place, made


def test_every_patient_is_tested_once_and_the_table_says_what_it_is(benched: tuple[Path, Benched]) -> None:
    place, made = benched
    assert [run.status for run in made.runs] == ["finished"] * FOLDS
    (arm,) = made.results.arms
    (one,) = arm.finished
    tested = [set(run.rows()["patient"]) for run in made.runs]
    assert sorted(map(len, tested)) == [2, 2, 3]
    assert set.union(*tested) == {f"p{number}" for number in range(PATIENTS)}
    values = arm.values(DICE, made.results.main)
    assert values.shape == (PATIENTS, 1)
    rows = pd.concat([run.rows() for run in made.runs])
    dice = rows[rows["metric"] == "dice"].groupby("patient")["value"].mean()
    np.testing.assert_allclose(values.iloc[:, 0].sort_index(), 100 * dice.sort_index())
    assert set(one.test["patient"]) == set(dice.index)
    page = (made.report / "table.md").read_text()
    assert "Cross-validation over 3 folds: every patient counts once" in page
    assert "all patients of folder" in page
    assert "cross-validation over 3 folds drawn by patient with seed 0" in page
    assert "3folds" in made.report.name
    assert main_table(made.results).rows[0].cell("patients").value == PATIENTS
    assert verify_report(made.report.name, place / "reports", place / "runs").agrees
    assert (made.report / "groups.csv").read_text().splitlines()[:3] == ["patient,scanner", "p0,A", "p1,B"]
    again = read_suite(made.report.name, place / "reports", place / "runs")
    assert [arm.label for arm in again.arms] == ["U-Net"]


def test_robustness_of_a_cross_validation_counts_every_patient_once(
    benched: tuple[Path, Benched], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, made = benched
    # Figures have tests of their own and are most of the time here.
    monkeypatch.setattr("harness.reporting.report._figures", lambda *args: iter(()))
    monkeypatch.setattr("harness.reporting.report.write_paper", lambda *args: [])
    monkeypatch.setattr("harness.reporting.section_report._robustness_figures", lambda *args: iter(()))
    folders = f"--results-dir {place / 'runs'} --reports-dir {place / 'reports'}".split()
    chosen = [*f"--report {made.report.name}".split(), *folders]
    sweep = [
        "robustness",
        "run",
        "--perturbations",
        "speckle",
        "--severities",
        "5",
        "--metrics",
        "overlap",
        "--data-dir",
    ]
    for words in (
        [*sweep, str(place / "data"), *chosen],
        ["robustness", "report", *chosen],
        ["report", made.report.name, *folders],
    ):
        done = CliRunner().invoke(cli, words)
        assert done.exit_code == 0, f"{words}\n{done.output}"
    for run in made.runs:
        rows = pd.read_csv(run.path / "robustness" / "speckle.csv")
        assert set(rows["patient"]) == set(run.rows()["patient"])
    summary = read_table(made.report / "robustness" / "robustness.table.json")
    assert "Cross-validation over 3 folds: every patient counts once" in summary.caption
    assert "speckle" in (made.report / "index.html").read_text()
    assert verify_report(made.report.name, place / "reports", place / "runs").agrees


def test_the_folds_share_one_copy_of_the_clips(benched: tuple[Path, Benched]) -> None:
    place, _ = benched
    frames = sorted((place / "data/cache").glob("*/frames.u8"))
    assert len(frames) == FOLDS
    assert len({path.stat().st_ino for path in frames}) == 1


def test_a_picture_of_two_patients_is_marked_in_the_folds_that_part_them_and_prepared_once(tmp_path: Path) -> None:
    folds = 4
    root = write_folder(tmp_path / "own", {n: str(n % folds) for n in range(PATIENTS)})
    shutil.copy(root / "0.npz", root / "1.npz")
    place = tmp_path / "cache"
    caches = [
        prepare(Folder(root, fold=k), image_size=16, cache_root=place, workers=0, progress=False) for k in range(folds)
    ]
    assert len({(cache.path / "frames.u8").stat().st_ino for cache in caches}) == 1
    levels = [[finding.level for finding in cache.findings if finding.check == "duplicates"] for cache in caches]
    # Where fold 2 is the test and fold 3 validates, both train.
    assert levels == [["error"], ["error"], ["warning"], ["error"]]
    words = "pairs of clips with the same pixels in different splits: 1"
    assert [words in str(cache.mark) for cache in caches] == [True, True, False, True]


def test_a_pass_that_lacks_a_fold_counts_for_nothing_and_says_which(benched: tuple[Path, Benched]) -> None:
    _, made = benched
    results = made.results
    broken = (replace(results.runs[1], status="failed", reason="The loss is NaN."), *results.runs[::2])
    (arm,) = replace(results, runs=broken).arms
    assert not arm.finished
    assert arm.reason.startswith("seed 0 unfinished: 2 of 3 folds are finished: fold ")
    assert "failed (The loss is NaN.)" in arm.reason
    # A second seed is a second pass, and two folds of one seed are none.
    second = tuple(replace(run, seed=1) for run in results.runs)
    (arm,) = replace(results, runs=(*results.runs, *second)).arms
    assert list(arm.values(DICE, results.main).columns) == [0, 1]


def test_a_single_fold_is_another_condition_and_its_run_is_a_fold_of_the_suite(benched: tuple[Path, Benched]) -> None:
    _, made = benched
    specs = [run.spec for run in made.runs]
    whole, single = condition_of(*specs), condition_of(specs[0])
    assert (whole.folds, single.folds) == (FOLDS, 0)
    assert whole.key != single.key
    assert {condition_of(spec, pooled=True).key for spec in specs} == {whole.key}


@pytest.mark.parametrize(
    ("splits", "chosen", "sentence"),
    [
        ({n: ("train", "val", "test")[n % 3] for n in range(PATIENTS)}, {}, "in train, val and test and have no folds"),
        ({n: str(n % 4) for n in range(PATIENTS)}, {}, "divided into 4 folds, and --folds 3 was asked for"),
        (None, {"fold": 1}, "give one of the two"),
        (None, {"dataset": "phantom", "root": None}, "has no folds"),
    ],
)
def test_what_cannot_be_cross_validated_is_one_sentence(tmp_path: Path, splits, chosen, sentence: str) -> None:
    root = write_folder(tmp_path / "own", splits)
    with pytest.raises(ConfigError, match=sentence):
        fold_options(replace(options(root, tmp_path), **chosen))


def test_stated_folds_are_taken_by_their_numbers(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "own", {n: str(10 * (n % 3 + 1)) for n in range(PATIENTS)})
    assert [each.fold for each in fold_options(options(root, tmp_path))] == [10, 20, 30]


def test_a_patient_in_two_test_lists_is_refused(tmp_path: Path) -> None:
    for fold in (1, 2):
        for split, patient in (("training", "a"), ("validation", "b"), ("testing", "c")):
            (tmp_path / f"subGroup{fold}_{split}.txt").write_text(f"{patient}\n")
    with pytest.raises(DataError, match="test c in the folds 1 and 2"):
        Camus(tmp_path, fold=1, split_dir=tmp_path).fold_of_patient()
