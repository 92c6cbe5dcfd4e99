"""The sweep perturbs what the model sees, keeps everything else, resumes, and repeats nothing."""

from __future__ import annotations

import copy
import dataclasses
import json
import shutil

import pandas as pd
import pytest
import torch

from harness.errors import BenchError, DataError
from harness.evaluation.flips import class_ids, flip_rate
from harness.experiments.sweep import sweep as sweeping
from harness.experiments.sweep.clips import pixel_aspect, prepared_of
from harness.experiments.sweep.parallel import sweep_in_parallel
from harness.experiments.sweep.sweep import (
    Sweeper,
    SweepOptions,
    limited,
    sweep_run,
)
from harness.store.claim import Busy, Held, claim
from harness.store.formats.sweep import SWEEP_COLUMNS, read_sweep, sweep_path, swept
from harness.store.runs import ROW_COLUMNS, Run

OPTIONS = SweepOptions(perturbations=("gain_up", "speckle"), severities=(1, 5), metrics=("overlap", "surface"))


@pytest.fixture
def run(finished, tmp_path) -> Run:
    """A copy of the finished run, not swept yet."""
    original = finished[0]
    shutil.copytree(original.path, tmp_path / "run", ignore=shutil.ignore_patterns("robustness"))
    return Run(tmp_path / "run", copy.deepcopy(original.record))


@pytest.fixture
def cache(finished):
    return finished[1]


def test_the_clean_rows_are_those_of_the_run_itself(run, cache):
    sweep_run(run, cache, OPTIONS)
    clean = read_sweep(sweep_path(run, "clean"))
    again = clean[clean["metric"] != "flip_rate"].loc[:, list(ROW_COLUMNS)].reset_index(drop=True)
    # A sweep measures ED and ES; a run's own rows are of every frame and of the clip in time.
    own = run.rows().merge(again[[name for name in ROW_COLUMNS if name != "value"]])[list(ROW_COLUMNS)]
    assert set(own["phase"]) == {"ED", "ES", ""}
    pd.testing.assert_frame_equal(again, own, check_exact=False, rtol=1e-6)


def test_every_condition_is_there_once_and_changes_what_the_model_sees(run, cache):
    assert sweep_run(run, cache, OPTIONS) == 1 + 2 * 2
    rows = swept(run)
    assert list(rows.columns) == list(SWEEP_COLUMNS)
    found = rows.groupby(["perturbation", "severity"]).size()
    assert set(found.index) == {("clean", 0), ("gain_up", 1), ("gain_up", 5), ("speckle", 1), ("speckle", 5)}
    assert found.nunique() == 1
    assert not rows.duplicated([*ROW_COLUMNS[:-1], "perturbation", "severity"]).any()
    seen = rows[rows["view"] != ""].groupby(["patient", "view"])["clip_hash"].nunique()
    assert (seen == 5).all()
    assert {"hd95_mm", "flip_rate", "ef_biplane_predicted"} <= set(rows["metric"])


def test_a_second_sweep_computes_nothing_and_a_wider_one_only_what_is_new(run, cache, monkeypatch):
    sweep_run(run, cache, OPTIONS)
    monkeypatch.setattr(sweeping, "load_trained", None)  # a second prediction would fail
    assert sweep_run(run, cache, OPTIONS) == 0
    assert sweep_run(run, cache, dataclasses.replace(OPTIONS, limit=1)) == 0
    monkeypatch.undo()
    assert sweep_run(run, cache, dataclasses.replace(OPTIONS, severities=(1, 2, 5))) == 2
    assert sorted(read_sweep(sweep_path(run, "speckle"))["severity"].unique()) == [1, 2, 5]


def test_a_stopped_sweep_keeps_what_is_finished(run, cache):
    def stop(name: str) -> None:
        if name == "speckle 1":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep_run(run, cache, OPTIONS, stop)
    assert sweep_run(run, cache, OPTIONS) == 1


def test_while_one_process_sweeps_a_run_no_other_may(run, cache, monkeypatch):
    rows, answers = Sweeper.rows, []

    def watched(self, condition):
        answers.append(claim(run, finished_too=True))
        return rows(self, condition)

    monkeypatch.setattr(Sweeper, "rows", watched)
    sweep_run(run, cache, dataclasses.replace(OPTIONS, perturbations=("gain_up",), severities=(5,)))
    assert answers
    assert all(isinstance(answer, Busy) for answer in answers)
    assert isinstance(claim(run, finished_too=True), Held)


def test_rows_of_fewer_patients_or_metrics_do_not_pass_for_the_whole(run, cache):
    narrow = dataclasses.replace(OPTIONS, perturbations=("gain_up",), metrics=("overlap",), limit=1)
    sweep_run(run, cache, narrow)
    assert swept(run)["patient"].nunique() == 1
    assert sweep_run(run, cache, dataclasses.replace(narrow, limit=None)) == 3
    assert swept(run)["patient"].nunique() == 2
    assert sweep_run(run, cache, dataclasses.replace(narrow, limit=None, metrics=("overlap", "surface"))) == 3


def test_another_ladder_makes_the_rows_stale(run, cache, monkeypatch):
    narrow = dataclasses.replace(OPTIONS, perturbations=("gain_up",))
    sweep_run(run, cache, narrow)
    from harness.perturbations import display

    monkeypatch.setattr(display.GainUp, "ladder", (0.1, 0.2, 0.3, 0.4, 0.5))
    assert sweep_run(run, cache, narrow) == 2


def test_the_same_bytes_whatever_the_order_and_the_selection(run, cache, finished, tmp_path):
    sweep_run(run, cache, OPTIONS)
    shutil.copytree(finished[0].path, tmp_path / "other", ignore=shutil.ignore_patterns("robustness"))
    other = Run(tmp_path / "other", finished[0].record)
    sweep_run(other, cache, dataclasses.replace(OPTIONS, perturbations=("speckle",), severities=(5,), limit=1))
    mine, theirs = (read_sweep(sweep_path(item, "speckle")) for item in (run, other))
    key = ["patient", "view", "severity"]
    hashes = [table[table["view"] != ""].groupby(key)["clip_hash"].first() for table in (mine, theirs)]
    assert len(hashes[1]) == 2
    assert hashes[0].loc[hashes[1].index].tolist() == hashes[1].tolist()


def test_an_unfinished_run_is_refused(run, cache):
    run.record["status"] = "interrupted"
    with pytest.raises(BenchError, match="is not finished"):
        sweep_run(run, cache, OPTIONS)


def test_the_data_of_a_run_is_found_by_its_fingerprint(finished, tmp_path):
    run, cache, data_root = finished
    assert prepared_of(run.spec, data_root).path == cache.path
    assert prepared_of(run.spec, tmp_path, cache.path).path == cache.path
    with pytest.raises(DataError, match="no prepared data of the run"):
        prepared_of(run.spec, tmp_path)
    foreign = dataclasses.replace(run.spec, data={**run.spec.data, "fingerprint": "0" * 16})
    with pytest.raises(DataError, match="does not hold the data of the run"):
        prepared_of(foreign, tmp_path, cache.path)


def test_a_cache_that_cannot_be_opened_is_passed_over_and_named_where_none_fits(finished, tmp_path):
    run, cache, _ = finished
    older = tmp_path / "cache" / "a-older-format"
    older.mkdir(parents=True)
    manifest = json.loads((cache.path / "manifest.json").read_text())
    (older / "manifest.json").write_text(json.dumps({**manifest, "format": 1}))
    with pytest.raises(DataError, match=r"no prepared data.*\(a-older-format cannot be opened"):
        prepared_of(run.spec, tmp_path)
    shutil.copytree(cache.path, tmp_path / "cache" / "b-fits")
    assert prepared_of(run.spec, tmp_path).path == tmp_path / "cache" / "b-fits"


@pytest.mark.slow
def test_runs_swept_at_the_same_time_have_the_rows_of_runs_swept_in_turn(run, cache, finished, tmp_path):
    narrow = dataclasses.replace(OPTIONS, perturbations=("gain_up",), severities=(1,))
    shutil.copytree(run.path, tmp_path / "twin")
    twin = Run(tmp_path / "twin", finished[0].record)
    found = list(sweep_in_parallel([(run, cache.path), (twin, cache.path)], narrow, workers=2))
    assert sorted(count for _, count in found) == [2, 2]
    shutil.copytree(finished[0].path, tmp_path / "alone", ignore=shutil.ignore_patterns("robustness"))
    alone = Run(tmp_path / "alone", finished[0].record)
    sweep_run(alone, cache, narrow)
    for other in (run, twin):
        assert swept(other).equals(swept(alone))


def test_class_ids_are_those_of_the_arg_max():
    logits = torch.randn(3, 4, 16, 16, generator=torch.Generator().manual_seed(0)).round(decimals=1)
    assert torch.equal(class_ids(logits).long(), logits.argmax(1))
    tied = torch.zeros(1, 3, 2, 2)
    assert not class_ids(tied).any()


def test_the_aspect_is_that_of_the_stretched_pixels(cache):
    clip = cache.split("test").clip(0)
    (height, width), (row_mm, column_mm) = clip.native_size, clip.spacing_mm
    assert pixel_aspect(clip) == pytest.approx(width * column_mm / (height * row_mm))


def test_a_limit_takes_whole_patients(cache):
    split = limited(cache.split("test"), 1)
    assert len({case.patient for case in split.cases}) == 1
    assert len(split) == 2


def test_a_pixel_that_changes_and_changes_back_is_a_flip_and_motion_is_not():
    still = torch.zeros(4, 8, 8, dtype=torch.long)
    still[:, 2:6, 2:6] = 1
    assert flip_rate(still) == 0.0
    moving = still.clone()
    moving[2:, 2] = 0  # the cavity shrinks and stays small
    assert flip_rate(moving) == 0.0
    flicker = still.clone()
    flicker[1, 2, 2:6] = 0  # four of sixteen pixels vanish for one frame
    assert flip_rate(flicker) == pytest.approx(4 / 32)
    assert flip_rate(still[:2]) != flip_rate(still[:2])
    assert flip_rate(torch.zeros(3, 4, 4)) != 0.0
