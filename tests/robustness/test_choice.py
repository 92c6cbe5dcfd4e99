"""Which runs a command is about: by name, or those that `make bench` with the same options made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from drawn_sweep import swept_run

from harness.cli._sweeps import Chosen, chosen_runs
from harness.errors import BenchError, ConfigError
from harness.experiments import SuiteOptions, suite_name
from harness.store.formats.manifest import Kind, Manifest
from harness.store.runs import Run, RunStore

PLAIN, ROBUST = "phantom-2ch+4ch-half-small", "phantom-2ch+4ch-half-small-robust"


@pytest.fixture
def store(tmp_path) -> RunStore:
    """The reports of a plain suite of two models and of one augmented model."""
    found = RunStore(tmp_path / "runs")
    plain = [swept_run(found, "GDKVM", 0.02), swept_run(found, "UNet", 0.02)]
    robust = [swept_run(found, "GDKVM", 0.01, augmented=True)]
    manifest(tmp_path, PLAIN, plain)
    manifest(tmp_path, ROBUST, robust)
    return found


def manifest(folder: Path, name: str, runs: list[Run], kind: Kind = "suite", below: str = "") -> None:
    content = Manifest(kind=kind, name=name, dataset="phantom", runs=tuple(run.name for run in runs))
    content.write(folder / "reports" / name / below)


def choose(store: RunStore, **asked: Any) -> Chosen:
    nothing = dict.fromkeys(("reports", "runs", "dataset", "augment"))
    return chosen_runs(**{**nothing, **asked}, results_dir=store.root, reports_dir=store.root.parent / "reports")


def models(chosen: Chosen) -> list[tuple[str, bool]]:
    return [(run.spec.model["name"], len(run.spec.recipe["augment"]) > 1) for run in chosen.runs]


def test_a_dataset_stands_for_the_suite_that_bench_made_of_it(store):
    chosen = choose(store, dataset="phantom")
    assert chosen.name == PLAIN
    assert models(chosen) == [("gdkvm", False), ("unet", False)]


def test_the_augmented_runs_stand_beside_the_plain_ones_of_the_same_models(store):
    chosen = choose(store, dataset="phantom", augment="robust")
    assert chosen.name == f"{PLAIN}-augmentation"
    assert models(chosen) == [("gdkvm", False), ("gdkvm", True)]


def test_suites_and_runs_are_joined_and_each_run_is_taken_once(store):
    names = [run.name for run in store.all()]
    chosen = choose(store, reports=(PLAIN, ROBUST), runs=(names[0],), dataset="phantom")
    assert len(chosen.runs) == 3
    assert chosen.name == "phantom-robustness"
    assert choose(store, reports=(ROBUST,)).name == ROBUST


def test_a_report_of_robustness_alone_is_read_again_by_its_own_list(store):
    manifest(store.root.parent, "mine", store.all(), "robustness", "robustness")
    assert len(choose(store, reports=("mine",)).runs) == 3


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({}, "name some with --dataset, --report or --runs"),
        ({"dataset": "phantom", "views": ("4CH",)}, "Unknown report 'phantom-4ch-half-small'"),
        ({"dataset": "phanton"}, "Did you mean 'phantom'"),
        ({"reports": ("phantom",)}, f"Valid: {PLAIN}, {ROBUST}"),
        ({"runs": ("phantom/none",)}, "There is no run phantom/none"),
    ],
)
def test_a_wrong_choice_is_one_sentence(store, asked, sentence):
    with pytest.raises((BenchError, ConfigError)) as caught:
        choose(store, **asked)
    assert sentence in str(caught.value)


def test_an_unfinished_run_is_left_out_of_a_suite_and_refused_by_name(store):
    (run,) = choose(store, reports=(ROBUST,)).runs
    run.stop("interrupted", "for the test")
    assert models(choose(store, reports=(PLAIN, ROBUST))) == [("gdkvm", False), ("unet", False)]
    with pytest.raises(ConfigError, match="is interrupted; only finished runs can be swept"):
        choose(store, runs=(run.name,))


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({}, PLAIN),
        ({"dataset": "camus", "views": ("4CH",), "clip": "ed_es"}, "camus-4ch-ed_es-small"),
        ({"dataset": "camus", "views": ("4CH", "2CH")}, "camus-2ch+4ch-half-small"),
        ({"dataset": "echonet", "size": "paper"}, "echonet-4ch-half-paper"),
        ({"structures": "all", "first_frame": "gt"}, f"{PLAIN}-all-gt"),
        ({"name": "mine"}, "mine"),
    ],
)
def test_the_default_name_is_known_without_opening_any_data(options, name):
    assert suite_name(SuiteOptions(**options)) == name


def test_the_name_is_the_one_that_a_plan_has(finished):
    _, cache, _ = finished
    assert suite_name(SuiteOptions(dataset="phantom")) == PLAIN
    assert suite_name(SuiteOptions(dataset="phantom", root=str(cache.path))) == PLAIN
    assert suite_name(SuiteOptions(), augmented=True) == ROBUST
