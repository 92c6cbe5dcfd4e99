"""Faults that pass act in their window alone, and are measured inside it, after it and against the same frames without them."""

from __future__ import annotations

import copy
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from harness.data import PreparedCache
from harness.errors import ConfigError, DataError
from harness.experiments.sweep.sweep import Sweeper, SweepOptions, conditions, sweep_run
from harness.perturbations.sector import find_sector
from harness.perturbations.window import Window, pass_over, place_window, window_length
from harness.registry import PERTURBATIONS, list_perturbations
from harness.reporting.report import write_report
from harness.reporting.tables.passing import passing_tables
from harness.results.passing import PASSING, around_window, passing_results, passing_table
from harness.results.pictures import FAULT, load_pictures, stored_pictures
from harness.results.result_set import ResultSet
from harness.results.run_results import RunResults
from harness.store.formats.sweep import CLEAN, HELD, SWEEP, sweep_path
from harness.store.runs import Run

WINDOW = Window(start=4, stop=7, count=12)


def build(name: str):
    return PERTURBATIONS.build({"type": name})


@pytest.fixture(scope="module")
def clip(fan_clip) -> Tensor:
    return fan_clip(frames=12, size=64)


def test_a_window_is_placed_by_the_case_and_leaves_clean_frames_on_both_sides():
    windows = {case: place_window(case, 15, 4) for case in map(str, range(60))}
    assert windows["7"] == place_window("7", 15, 4)
    starts = {window.start for window in windows.values()}
    assert starts == set(range(3, 9)), "everywhere with two clean frames and an edge before, an edge and two after"
    assert {window.stop - window.start for window in windows.values()} == {4}
    with pytest.raises(DataError, match="has 8 frames; a fault of 4 frames needs 10"):
        place_window("short", 8, 4)


@pytest.mark.parametrize("word", ["sometimes", "passing", "passing:0", "passing:two"])
def test_another_word_than_always_and_passing_is_answered(word):
    assert window_length("always") is None
    assert window_length("passing:4") == 4
    with pytest.raises(ConfigError, match="use always, or passing:N"):
        window_length(word)


@pytest.mark.parametrize("name", list_perturbations(passing=True))
def test_every_perturbation_can_pass(name, clip):
    out = pass_over(build(name), clip, 5, "case", WINDOW)
    touched = [frame for frame in range(12) if not torch.equal(out[frame], clip[frame])]
    assert set(touched) <= set(range(3, 8)), "the window and its edges"
    assert len(touched) >= 1
    alone = build(name)(clip[3:8], 5, "case", find_sector(clip))
    torch.testing.assert_close(out[4:7], alone[1:4])


def test_edges_are_half_of_the_fault_and_blank_frames_are_black(clip):
    out = pass_over(build("blank_frames"), clip, 5, "case", WINDOW)
    inside = find_sector(clip).mask
    assert float(out[4:7][:, inside].max()) == 0
    torch.testing.assert_close(out[3][inside], clip[3][inside] / 2)
    assert torch.equal(pass_over(build("blank_frames"), clip, 0, "case", WINDOW), clip)


def test_repeated_frames_show_the_last_one_before_the_fault(clip):
    out = pass_over(build("repeated_frames"), clip, 5, "case", WINDOW)
    inside = find_sector(clip).mask
    assert all(torch.equal(out[frame][inside], clip[3][inside]) for frame in (3, 4, 5, 6))
    assert torch.equal(out[7], clip[7]), "half a repeated frame would be a double exposure"


def test_a_rib_wanders_and_a_lifted_probe_comes_back(clip):
    sector = find_sector(clip)
    columns = torch.arange(64.0)
    rib = (clip - build("rib_shadow")(clip, 5, "case", sector))[:, 40].clamp_min(0)
    centres = (rib * columns).sum(1) / rib.sum(1)
    assert abs(float(centres[-1] - centres[0])) > 10
    grey = build("probe_lift_off").at_strength(clip, 0.8, "case", sector)[:, sector.mask & (sector.depth > 0.3)].mean(1)
    assert float(grey[6]) < 0.6 * float(grey[0])
    assert float(grey[-1]) > 0.8 * float(grey[0])


def drawn(values: dict[str, list[float]]) -> pd.DataFrame:
    """Dice rows of one view of one patient: frames 0..9, the window is 3..4 with edges 2 and 5."""
    window = Window(start=3, stop=5, count=10)
    return pd.DataFrame(
        {"perturbation": name, "severity": 0 if name == "clean" else 5, "patient": "p", "view": "4CH", "frame": frame,
         "window": window.position(frame), "value": value}
        for name, line in values.items() for frame, value in enumerate(line)
    )  # fmt: skip


def test_inside_after_loss_and_recovery_are_counted_from_the_rows():
    clean = [0.9] * 10
    slow = [0.9, 0.9, 0.8, 0.4, 0.6, 0.8, 0.7, 0.84, 0.86, 0.9]
    never = [0.9] * 3 + [0.0] * 7
    table = passing_table(drawn({"clean": clean, "haze": slow, "blank_frames": never})).set_index("perturbation")
    assert table.loc["haze", "dice_inside"] == pytest.approx(50)
    assert table.loc["haze", "loss_inside"] == pytest.approx(40)
    assert table.loc["haze", "dice_after"] == pytest.approx(100 * np.mean([0.7, 0.84, 0.86, 0.9]))
    assert table.loc["haze", "recovery"] == 2, "0.86 is within five points of 0.9, the third frame after the edge"
    assert table.loc["clean", ["loss_inside", "loss_after", "recovery"]].eq(0).all()
    assert table.loc["blank_frames", "recovery"] == 4, "all frames after the window"


def test_limits_of_dice_and_of_recovery_stay_where_values_can_lie():
    """Two trainings that differ have limits far beyond a hundred percent and below no frame at all; a loss may be a gain."""
    rng = np.random.default_rng(0)
    runs = []
    for seed, level in enumerate((95.0, 75.0)):
        columns = {one.name: level + rng.normal(0, 1, 12) for one in PASSING}
        columns["recovery"] = 1 + 8 * seed + rng.random(12)
        conditions = [(CLEAN, 0), (HELD, 0), ("haze", 5)]
        lines = [
            pd.DataFrame({"perturbation": name, "severity": severity, "patient": range(12), **columns})
            for name, severity in conditions
        ]
        runs.append(RunResults(label="U-Net", model="unet", seed=seed, swept=pd.concat(lines)))
    results = ResultSet(
        name="demo", dataset="phantom", runs=tuple(runs), reference="U-Net", perturbations=("haze",), severities=(5,),
        window=4,
    )  # fmt: skip
    main, by_severity = passing_tables(results)
    (row,) = main.rows
    for key in ("clean", "held", "dice_inside", "dice_after"):
        assert (row.cell(key).low, row.cell(key).high) == (0.0, 100.0)
    assert row.cell("recovery").low == 0.0
    assert row.cell("loss_inside").low < 0
    assert row.cell("loss_inside").high > 100
    assert not row.cell("loss_inside").unranked
    blind = replace(
        results.runs[0], label="blind", swept=results.runs[0].swept.assign(**{one.name: 0.0 for one in PASSING})
    )
    main, by_severity = passing_tables(replace(results, runs=(*results.runs, blind)))
    assert [row.cell("loss_inside").unranked for row in main.rows] == [False, True]
    assert [row.cell("severity_5").unranked for row in by_severity.rows] == [False, True]
    assert main.notes == (
        "blind has not learned the task: most patients fail on clean frames, so that it is not ranked.",
    )


def by_memory_of_pictures(cache: PreparedCache):
    """A per-frame model that knows every clean frame's mask by heart and answers background to all others."""
    split = cache.split("test")
    known = {clip.frames[t].tobytes(): clip.masks[t] == 1 for clip in split for t in range(len(clip))}

    def predict(frames: Tensor, first: Tensor | None) -> Tensor:
        grey = (frames[:, 0] * 255).round().to(torch.uint8).numpy()
        none = np.zeros(grey.shape[1:], bool)
        inside = torch.from_numpy(np.stack([known.get(frame.tobytes(), none) for frame in grey])).float()
        return torch.stack([0.5 - inside, inside - 0.5], dim=1)

    return predict


@pytest.fixture(scope="module")
def whole(finished, tmp_path_factory) -> tuple[Run, PreparedCache]:
    """The finished run as if it were tested on whole clips, swept with a model that knows its frames by heart."""
    original, cache, _ = finished
    path = tmp_path_factory.mktemp("whole") / "run"
    shutil.copytree(original.path, path, ignore=shutil.ignore_patterns("robustness"))
    record = copy.deepcopy(original.record)
    record["spec"]["recipe"]["test_clip_length"] = "whole"
    run = Run(path, record)
    sweeper = Sweeper(run, cache.split("test"), ("overlap",))
    sweeper.__dict__["predict"] = by_memory_of_pictures(cache)
    options = SweepOptions(perturbations=("blank_frames",), severities=(5,), window=4)
    for condition in conditions(options, "phantom"):
        place = sweep_path(run, condition.name, 4)
        place.parent.mkdir(parents=True, exist_ok=True)
        SWEEP.write(sweeper.rows(condition), place)
    return run, cache


def test_holding_the_last_mask_beats_a_per_frame_model_on_blank_frames(whole, tmp_path):
    results = passing_results([whole[0]], 4, name="demo")
    row = passing_tables(results)[0].rows[0]
    assert row.group == "blank frames"
    assert row.cell("clean").value > 90
    assert row.cell("dice_inside").value == 0
    assert row.cell("held").value > 60
    assert row.cell("loss_after").value == pytest.approx(0)
    assert row.cell("recovery").value == 0
    curve = around_window(results, "blank_frames", 5).set_index(["model", "offset"])["dice"]
    assert curve["U-Net", 0] == 0
    assert curve["U-Net", -3] == curve["U-Net, clean", -3] > 90
    written = write_report(results, tmp_path / "passing-4")
    assert {path.name for path in written} >= {"passing.csv", "passing_by_severity.tex", "passing_blank_frames.png"}


def test_the_words_of_the_tables_of_passing_faults(whole, same_words):
    same_words("passing", *passing_tables(passing_results([whole[0]], 4, name="demo")))


def test_a_picture_under_the_fault_is_kept_and_stands_on_the_suite_s_page(whole):
    run, cache = whole
    sweeper = Sweeper(run, cache.split("test"), ("overlap",))
    sweeper.__dict__["predict"] = by_memory_of_pictures(cache)
    asked = conditions(SweepOptions(perturbations=("haze", "blank_frames"), severities=(1, 5), window=4), "phantom")
    sweeper.keep_picture(asked)
    (kept,) = load_pictures(sweep_path(run, "blank_frames", 4).parent)
    assert (kept.role, kept.fault) == (FAULT, "blank_frames")
    assert kept.window is not None
    first, stop = kept.window
    assert kept.frames[first:stop].mean() < 0.1 * kept.frames[first - 2].mean(), (
        "black, but for a rim beyond the sector"
    )
    assert not kept.predicted[first:stop].any(), "a per-frame model sees nothing there"
    arm = RunResults(label="renamed", model="unet", rows=run.rows(), folder=run.path)
    shown = stored_pictures(ResultSet(name="demo", dataset="phantom", runs=(arm,)))
    assert [(item.label, item.window) for item in shown if item.role == FAULT] == [("renamed", kept.window)]


def test_rows_say_where_a_frame_lies_and_frames_before_the_fault_are_as_without_it(whole):
    run, _ = whole
    clean, blank = (SWEEP.read(sweep_path(run, name, 4)) for name in ("clean", "blank_frames"))
    assert set(clean.loc[clean["frame"] >= 0, "window"]) == {"before", "edge", "inside", "after"}
    keys = ["patient", "view", "frame", "metric"]
    both = clean.merge(blank, on=keys, suffixes=("", "_blank"))
    before = both[(both["window"] == "before") & (both["metric"] == "dice")]
    assert (before["value"] == before["value_blank"]).all()
    assert len(before) > 4


def test_a_run_that_saw_only_some_frames_is_refused(finished, tmp_path: Path):
    run, cache, _ = finished
    options = SweepOptions(perturbations=("blank_frames",), severities=(5,), window=2)
    with pytest.raises(DataError, match=r"and 4 are seen; use .* recipe\.test_clip_length=whole"):
        sweep_run(run, cache, options)
