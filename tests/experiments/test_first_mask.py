"""``auto_unet``: the first mask of a test clip is predicted by the U-Net of the same split, and its cost is counted."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from rich.console import Console

from harness.errors import BenchError, ConfigError, TrainingError
from harness.experiments import SuiteOptions, SuitePlan, plan_suite
from harness.experiments.bench import SuiteOutcome, run_suite
from harness.experiments.execute import training_job
from harness.experiments.first_mask import maker_spec, measured_build
from harness.experiments.sweep.sweep import SweepOptions, sweep_run
from harness.experiments.trained import best_weights, load_trained
from harness.experiments.worklist import tasks_of
from harness.modeling import FirstMaskSegmenter
from harness.registry import MODELS
from harness.store.formats.sweep import swept
from harness.store.runs import Run, RunStore

execution = importlib.import_module("harness.experiments.execute")

SMALL_STM = (
    "models.stm.depth=18", "models.stm.width=8", "models.stm.key_channels=8", "models.stm.value_channels=16",
    "models.stm.decoder_width=16",
)  # fmt: skip
Tiny = Callable[..., SuiteOptions]


def planned(tiny: Tiny, *more: str, **chosen: object) -> SuitePlan:
    options = {"models": ("stm",), "first_frame": "auto_unet", **chosen}
    return plan_suite(tiny(*SMALL_STM, *more, **options), progress=False)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def outcome(tiny: Tiny, results: Path) -> SuiteOutcome:
    """A finished suite of one STM whose first masks a U-Net makes."""
    return run_suite(planned(tiny), results, console=Console(quiet=True))


@pytest.fixture(scope="module")
def runs(outcome: SuiteOutcome, results: Path) -> tuple[Run, Run]:
    """The STM's run, and the U-Net's."""
    (run,) = outcome.runs
    return run, RunStore(results).get(maker_spec(run.spec).folder)


def of_frame_0(rows: pd.DataFrame) -> pd.Series:
    """Values of the segmentation metrics at frame 0, by case and metric."""
    first = rows[rows.frame == 0]
    return first.set_index(["patient", "view", "structure", "metric"]).value.sort_index()


def test_a_plan_has_the_u_net_of_each_seed_as_the_run_that_an_auto_suite_would_train(
    tiny: Tiny, tmp_path: Path
) -> None:
    plan = planned(tiny, seeds=(0, 1))
    alone = plan_suite(tiny(seeds=(0, 1)), progress=False)
    assert [spec.model["name"] for spec in plan.specs] == ["stm", "stm"]
    tasks = tasks_of(RunStore(tmp_path), plan.specs, create=False)
    assert [task.run.name for task in tasks[:2]] == [spec.folder for spec in alone.specs]
    assert [task.maker for task in tasks[2:]] == [task.run for task in tasks[:2]]
    assert "-auto_unet" in plan.name


def test_each_protocol_has_runs_of_its_own_and_another_u_net_makes_another_run(tiny: Tiny) -> None:
    both = ("stm", "unet")
    specs = [planned(tiny, models=both, first_frame=protocol).specs[0] for protocol in ("auto", "gt", "auto_unet")]
    specs.append(planned(tiny, "models.unet.widths=(4, 12)").specs[0])
    assert len({spec.identity for spec in specs}) == 4


def test_models_that_take_no_mask_are_left_out_with_a_sentence(tiny: Tiny) -> None:
    plan = planned(tiny, models=("unet", "stm"))
    assert [spec.model["name"] for spec in plan.specs] == ["stm"]
    assert plan.notes == ["Left out, because a model without memory takes no first mask: U-Net (see auto)."]
    with pytest.raises(ConfigError, match=r"No model of the suite can take a first mask \(U-Net\); use --first-frame"):
        plan_suite(tiny(first_frame="auto_unet"), progress=False)


def test_frame_0_is_scored_and_is_the_u_net_s_and_later_frames_are_not(runs: tuple[Run, Run]) -> None:
    ours, theirs = (run.rows() for run in runs)
    pd.testing.assert_series_equal(of_frame_0(ours), of_frame_0(theirs))
    assert len(of_frame_0(ours)) > 0
    assert set(ours[ours.metric == "dice"].frame) == set(theirs[theirs.metric == "dice"].frame)
    later = [rows[(rows.frame > 0) & (rows.metric == "dice")].value.tolist() for rows in (ours, theirs)]
    assert later[0] != later[1]


def test_training_gives_the_reference_mask(runs: tuple[Run, Run]) -> None:
    assert [training_job(run).gives_first_mask for run in runs] == [True, False]


def test_the_profile_counts_both_networks(runs: tuple[Run, Run]) -> None:
    profiles = [pd.read_csv(run.path / "profile.csv") for run in runs]
    stm = sum(p.numel() for p in MODELS.build(dict(runs[0].spec.model["build"])).parameters())
    both, first = (profile.loc[0, "parameters"] for profile in profiles)
    assert both == stm + first
    costs = [profile.loc[0, "gmacs_per_clip_torch"] for profile in profiles]
    assert costs[0] > costs[1] / 2  # two frames a clip: the U-Net sees one of them


def test_the_table_has_the_model_alone_and_nothing_is_repeated(
    outcome: SuiteOutcome, tiny: Tiny, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [run.spec.model["name"] for run in outcome.runs] == ["stm"]
    monkeypatch.setattr(execution.training, "train", None)  # a second training would fail
    again = run_suite(planned(tiny), results, console=Console(quiet=True))
    assert (again.executed, again.failed) == (0, [])


def test_a_sweep_shows_the_u_net_the_perturbed_frame(
    runs: tuple[Run, Run], tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []
    original = FirstMaskSegmenter._first_logits
    monkeypatch.setattr(
        FirstMaskSegmenter, "_first_logits", lambda self, frame: seen.append(frame) or original(self, frame)
    )
    cache = planned(tiny).cache
    options = SweepOptions(perturbations=("gain_up",), severities=(5,))
    tables = []
    for run in runs:
        sweep_run(run, cache, options)
        tables.append({name: of_frame_0(rows) for name, rows in swept(run).groupby("perturbation")})
    for name in ("clean", "gain_up"):
        pd.testing.assert_series_equal(tables[0][name], tables[1][name])
    clips = len(cache.split("test"))
    assert len(seen) == 2 * clips
    assert all(not torch.equal(*pair) for pair in zip(seen[:clips], seen[clips:], strict=True))


def test_a_run_whose_u_net_failed_says_so(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise TrainingError("The loss is not finite.")

    monkeypatch.setattr(execution.training, "train", broken)
    outcome = run_suite(planned(tiny), tmp_path, console=Console(quiet=True))
    (run,) = outcome.runs
    assert len(outcome.failed) == 2
    assert outcome.failed[1] == run.name
    assert run.status == "failed"
    assert run.record["reason"].startswith(f"The run {outcome.failed[0]}, which makes its first masks, failed")


def test_without_the_u_net_s_run_the_sentence_names_it(tiny: Tiny, tmp_path: Path, runs: tuple[Run, Run]) -> None:
    alone = RunStore(tmp_path).open(runs[0].spec)
    (alone.path / "checkpoints").mkdir()
    (alone.path / "checkpoints" / "best.pth").write_bytes(best_weights(runs[0]).read_bytes())
    with pytest.raises(BenchError, match=r"come from the run phantom/unet-small-s0-\w+, which is not finished"):
        load_trained(alone)


def test_what_is_measured_is_what_is_run(runs: tuple[Run, Run]) -> None:
    loaded = load_trained(runs[0])
    built = MODELS.build(measured_build(runs[0].spec))
    assert isinstance(loaded, FirstMaskSegmenter)
    assert loaded.state_dict().keys() == built.state_dict().keys()
    assert measured_build(runs[1].spec) == runs[1].spec.model["build"]
