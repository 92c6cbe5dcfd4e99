"""Finished runs are measured on other data, by other metrics and from kept masks, and nothing is trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from harness.api.transferring import Transferred, run_evaluate
from harness.errors import BenchError, ConfigError
from harness.experiments import plan_suite
from harness.experiments.source import dataset_config, open_dataset
from harness.experiments.transfer import EvaluateOptions, evaluate_on, keep_masks, run_predictor
from harness.registry import MODELS, load_plugins
from harness.reporting.tables.transfer import transfer_tables
from harness.results import transfer as transfers
from harness.results.result_set import shared_structure
from harness.store.claim import hold
from harness.store.runs import Run, RunStore


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, tiny, data_root: Path) -> dict:
    """A finished run with untrained weights, its options, and the root of other patients."""
    plan = plan_suite(tiny(), progress=False)
    store = RunStore(tmp_path_factory.mktemp("transfer"))
    run = store.open(plan.specs[0])
    load_plugins()
    torch.manual_seed(0)
    model = MODELS.build(dict(run.spec.model["build"]))
    (run.path / "checkpoints").mkdir()
    torch.save({"model": model.state_dict()}, run.path / "checkpoints" / "best.pth")
    with hold(run):
        run.start()
        run.finish(device="cpu")
    home = evaluate_on(run, EvaluateOptions(data={}, data_root=data_root), progress=False)
    with hold(run, finished_too=True):
        run.write_rows(home.rows)
    cfg = dataset_config("phantom", {})
    cfg["generate"] |= {"patients": (1, 1, 2), "pixel_mm": 1.6, "seed": 5}
    other = open_dataset("phantom", cfg, data_root, progress=False).root
    return {"run": run, "home": home, "plan": plan, "data_root": data_root, "other": other}


def options(world: dict, **changes) -> EvaluateOptions:
    return EvaluateOptions(**{"data": {}, "data_root": world["data_root"], **changes})


def means(rows: pd.DataFrame, metric: str) -> pd.Series:
    return rows[rows["metric"] == metric].set_index(["patient", "view", "frame"])["value"].sort_index()


def test_metrics_that_are_asked_for_are_measured_and_time_comes_with_all_frames(world) -> None:
    chosen = options(world, metrics=("overlap", "hd95_pooled", "dice_rowwise"), all_frames=True)
    found = evaluate_on(world["run"], chosen, progress=False)
    metrics = set(found.rows["metric"])
    assert {
        "dice",
        "hd95_pooled_mm",
        "dice_rowwise",
        "frame_to_frame_dice_predicted",
        "area_jitter_percent_predicted",
    } <= metrics
    assert "hd95_mm" not in metrics
    again = evaluate_on(world["run"], chosen, progress=False)
    assert (found.fresh, again.fresh) == (True, False)
    pd.testing.assert_frame_equal(again.rows, found.rows)
    assert world["home"].what.key != found.what.key


def test_kept_masks_give_the_rows_of_the_model_that_made_them(world) -> None:
    run: Run = world["run"]
    chosen = options(world, metrics=("overlap", "surface", "hd95_pooled"))
    with pytest.raises(BenchError, match="keeps no such masks"):
        evaluate_on(run, replace(chosen, from_masks=True, split="val"), progress=False)
    path = keep_masks(run, run_predictor(run), world["plan"].cache)
    frames = sum(int(clip.labelled.sum()) for clip in world["plan"].cache.split("test"))
    assert path.stat().st_size < 400 * frames  # bytes: compressed, not pixels
    rows = evaluate_on(run, replace(chosen, from_masks=True), progress=False).rows
    kept, home = means(rows, "dice"), means(world["home"].rows, "dice")
    pd.testing.assert_series_equal(kept.loc[home.index], home)
    assert means(rows, "hd95_pooled_mm").notna().any()
    # The model and its kept masks are two sources of rows.
    keys = {evaluate_on(run, replace(chosen, from_masks=flag), progress=False).what.key for flag in (False, True)}
    assert len(keys) == 2


def test_time_is_not_measured_on_kept_masks_with_gaps(world) -> None:
    run: Run = world["run"]
    path = keep_masks(run, run_predictor(run), world["plan"].cache)
    chosen = options(world, from_masks=True, all_frames=True)
    with np.load(path) as held:
        arrays = dict(held)
    arrays.pop(next(iter(arrays)))
    np.savez_compressed(path, **arrays)
    with pytest.raises(ConfigError, match="kept the masks of only some frames"):
        evaluate_on(run, chosen, progress=False)


def test_kept_masks_hold_label_ids(world, monkeypatch) -> None:
    run: Run = world["run"]
    spec = run.record["spec"]
    monkeypatch.setattr(
        run, "record", {**run.record, "spec": {**spec, "protocol": {**spec["protocol"], "structures": "la"}}}
    )

    def everything(frames: torch.Tensor, first: torch.Tensor | None) -> torch.Tensor:
        return torch.stack([torch.zeros_like(frames[:, 0]), torch.ones_like(frames[:, 0])], dim=1)

    with np.load(keep_masks(run, everything, world["plan"].cache)) as held:
        assert {int(held[name].max()) for name in held.files} == {3}


@pytest.fixture(scope="module")
def elsewhere(world, tmp_path_factory: pytest.TempPathFactory) -> tuple[Transferred, Path]:
    """The run measured on other patients, and the folder of the tables."""
    chosen, folder = options(world, dataset="phantom", data={"root": str(world["other"])}), tmp_path_factory.mktemp("t")
    return run_evaluate([world["run"]], chosen, folder, progress=False), folder


def test_the_words_of_the_tables_of_a_transfer(elsewhere, same_words) -> None:
    same_words("transfer", *elsewhere[0].tables)


def test_other_patients_stand_in_a_column_of_their_own_with_the_loss(world, elsewhere) -> None:
    made, folder = elsewhere
    (evaluation,) = made.evaluations
    assert not evaluation.home
    assert set(evaluation.rows["patient"]) != set(world["home"].rows["patient"])
    matrix = next(table for table in made.tables if table.name == "transfer_dice")
    assert [column.header for column in matrix.columns] == [
        "tested on phantom (2CH+4CH, half)",
        "tested on phantom (2CH+4CH, half), other data",
    ]
    (row,) = matrix.rows
    home, away = (row.cell(column.key).value for column in matrix.columns)
    losses = next(table for table in made.tables if table.name == "transfer_losses")
    first = losses.rows[0]
    assert first.group == "Dice [%]"
    assert first.cell("loss").value == pytest.approx(home - away)
    assert (first.cell("n").value, first.cell("n_home").value) == (2, 2)
    assert (folder / "transfer_losses.tex").is_file()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"metrics": ("fisch",)}, "Unknown metric 'fisch'"),
        ({"data": {"root": "elsewhere"}}, "Name the dataset with --dataset"),
        ({"dataset": "phantom", "data": {"root": "elsewhere"}}, "root elsewhere is not a folder"),
    ],
)
def test_what_does_not_fit_a_run_is_one_sentence(world, changes, sentence) -> None:
    with pytest.raises(BenchError, match=sentence):
        evaluate_on(world["run"], options(world, **changes), progress=False)


def test_a_view_that_a_run_has_never_seen_is_refused_until_it_is_named(world, monkeypatch) -> None:
    run = world["run"]
    seen = {**run.record["spec"], "data": {**run.record["spec"]["data"], "views": ["2CH"]}}
    monkeypatch.setattr(run, "record", {**run.record, "spec": seen})
    with pytest.raises(ConfigError, match="was trained on 2CH, which echonet does not have"):
        evaluate_on(run, options(world, dataset="echonet", data={"root": "anywhere"}), progress=False)


def test_rows_of_home_and_of_all_its_frames_are_two_columns_and_no_loss(world, tmp_path: Path) -> None:
    run, what = world["run"], world["home"].what
    rows = [
        (run, None, world["home"].rows),
        *(
            (run, replace(what, **how), world["home"].rows)
            for how in ({"all_frames": True}, {"metrics": ("hd95_pooled",)})
        ),
    ]
    tested = transfers.tested_arms(rows)
    assert [len(one.arm.runs) for one in tested] == [1, 1, 1]
    assert [one.tested_on.partition("half")[2] for one in tested] == [")", ", all frames)", ", hd95_pooled)"]
    assert transfers.drops(tested) == []


def two_sided(world, seeds: int, away: int, level: float = 0.9) -> list[tuple[Run, object, pd.DataFrame]]:
    """Rows of ``seeds`` trainings at home (Dice ``level``) and of ``away`` of them on other data, 20 points lower."""
    what = replace(world["home"].what, fingerprint="elsewhere")
    rng, rows = np.random.default_rng(0), []
    for seed in range(seeds):
        spec = {**world["run"].record["spec"], "seed": seed}
        run = Run(world["run"].path, {**world["run"].record, "spec": spec, "name": f"phantom/unet-s{seed}"})
        for here, mean in ((None, level), *(((what, level - 0.2),) if seed < away else ())):
            dice = mean + rng.normal(0, 0.02, 12)
            table = pd.DataFrame({"patient": range(12), "view": "4CH", "frame": 0, "phase": "ED", "structure": "lv",
                                  "metric": "dice", "value": dice, "split": "test"})  # fmt: skip
            rows.append((run, here, table))
    return rows


@pytest.mark.parametrize(
    ("seeds", "away", "level", "tested"),
    [(3, 3, 0.9, True), (2, 2, 0.9, False), (3, 2, 0.9, False), (1, 1, 0.9, False), (3, 3, 0.4, False)],
    ids=["three on both sides", "two", "three at home and two elsewhere", "one", "not learned at home"],
)
def test_a_loss_is_shown_from_three_trainings_on_both_sides(world, seeds, away, level, tested) -> None:
    rows = two_sided(world, seeds, away, level)
    (drop,) = transfers.drops(transfers.tested_arms(rows))
    assert drop.loss.difference == pytest.approx(20, abs=3)
    assert drop.low > 0, "these trainings do lose"
    assert drop.shown is tested
    assert bool(np.isnan(drop.p)) is not tested
    losses = next(table for table in transfer_tables(transfers.tested_arms(rows)) if table.name == "transfer_losses")
    assert losses.rows[0].cell("loss").dagger is tested


def test_rows_of_one_training_that_come_twice_count_once(world) -> None:
    rows = two_sided(world, 1, 1)
    home, away = transfers.tested_arms([*rows, rows[1], rows[1]])
    assert [len(one.arm.runs) for one in (home, away)] == [1, 1]
    assert away.notes[-1] == "rows of one training were given twice, each training counts once"
    assert home.notes == ()
    again = Run(rows[0][0].path, {**rows[0][0].record, "name": "phantom/unet-again"})
    with pytest.raises(ConfigError, match="would count as several trainings"):
        transfers.tested_arms([*rows, (again, None, rows[0][2])])


def test_limits_of_every_metric_stay_where_its_values_can_lie(world) -> None:
    rows = two_sided(world, 2, 0)
    rows[1] = (*rows[1][:2], rows[1][2].assign(value=0.1))
    distances = [(*one[:2], one[2].assign(metric="asd_mm", value=one[2]["value"] * 10)) for one in rows]
    both = [
        (run, what, pd.concat([dice, other])) for (run, what, dice), (_, _, other) in zip(rows, distances, strict=True)
    ]
    table = next(t for t in transfer_tables(transfers.tested_arms(both)) if t.name.startswith("metrics_"))
    cells = {row.label: next(iter(row.cells.values())) for row in table.rows}
    assert (cells["lv dice"].low, cells["lv dice"].high) == (0.0, 1.0)
    assert cells["lv asd_mm"].low == 0.0
    assert cells["lv asd_mm"].high > 10


def test_tables_are_of_the_first_structure_that_all_runs_share(world) -> None:
    def segmenting(structures: str) -> Run:
        record = world["run"].record
        spec = {**record["spec"], "protocol": {**record["spec"]["protocol"], "structures": structures}}
        return Run(world["run"].path, {**record, "spec": spec})

    assert shared_structure([segmenting("la")]) == "la"
    assert shared_structure([segmenting("all"), segmenting("la+myo")]) == "myo"
    with pytest.raises(ConfigError, match="segment lv and la and share no structure"):
        shared_structure([segmenting("lv"), segmenting("la")])
