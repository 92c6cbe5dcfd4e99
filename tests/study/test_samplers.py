"""Samplers of a search: each trial has a seed of its own, whoever asks, and a search can be repeated."""

from __future__ import annotations

import optuna

from harness.experiments.study.samplers import SeededByTrial

STARTING_UP = {"type": "TPESampler", "seed": 3, "n_startup_trials": 20}


def process(storage: optuna.storages.BaseStorage, options: dict[str, object]) -> optuna.Study:
    """The study as one more process opens it."""
    sampler = SeededByTrial(options)
    return optuna.create_study(study_name="s", storage=storage, sampler=sampler, load_if_exists=True)


def rates(processes: int) -> list[float]:
    """What processes draw that all ask before any of them has told."""
    storage = optuna.storages.InMemoryStorage()
    studies = [process(storage, STARTING_UP) for _ in range(processes)]
    return [study.ask().suggest_float("rate", 0, 1) for study in studies for _ in range(4 // processes)]


def test_processes_that_ask_at_once_draw_different_points() -> None:
    assert len(set(rates(4))) == 4


def test_the_points_depend_on_the_trial_alone_and_can_be_drawn_again() -> None:
    assert rates(1) == rates(1) == rates(2)


def test_a_grid_still_ends_its_study() -> None:
    grid = {"type": "GridSampler", "search_space": {"rate": [0.1, 0.2]}}
    study = process(optuna.storages.InMemoryStorage(), grid)
    study.optimize(lambda trial: trial.suggest_float("rate", 0, 1), n_trials=10)
    assert sorted(trial.params["rate"] for trial in study.trials) == [0.1, 0.2]
