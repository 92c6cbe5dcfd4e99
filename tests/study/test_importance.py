"""The caveat of the documentation, shown: Optuna's default importance cannot rank factors of a full factorial."""

from __future__ import annotations

import itertools

import optuna
import pytest
from optuna.distributions import CategoricalDistribution

from harness.statistics.importance import importances

TRUE = {"a": 0.02, "b": 0.01, "c": 0.005}


@pytest.fixture
def factorial() -> optuna.Study:
    study = optuna.create_study(direction="maximize")
    for levels in itertools.product(("on", "off"), repeat=3):
        params = dict(zip(TRUE, levels, strict=True))
        value = 0.9 + sum(TRUE[name] for name, level in params.items() if level == "on")
        distributions = dict.fromkeys(TRUE, CategoricalDistribution(["on", "off"]))
        study.add_trial(optuna.create_trial(params=params, distributions=distributions, value=value))
    return study


def test_shares_of_variance_are_those_of_the_true_effects(factorial):
    shares = importances(factorial)["variance"]
    total = sum(effect**2 for effect in TRUE.values())
    for name, effect in TRUE.items():
        assert shares[name] == pytest.approx(effect**2 / total, abs=1e-9)


def test_fanova_ranks_the_true_effects(factorial):
    fanova = importances(factorial)["fanova"]
    assert list(fanova.index) == ["a", "b", "c"]
    assert fanova["a"] > 0.7
    assert 0.05 < fanova["b"] < 0.25
    assert fanova["c"] < 0.1


def test_the_default_importance_cannot_tell_them_apart(factorial):
    default = optuna.importance.get_param_importances(factorial)
    assert list(importances(factorial)["ped_anova"]) == pytest.approx([1 / 3] * 3, abs=0.02)
    assert list(default.values()) == pytest.approx([1 / 3] * 3, abs=0.02)


def test_a_study_of_too_few_trials_has_no_importance():
    assert importances(optuna.create_study()).empty


def test_rows_are_called_by_their_parameter(factorial):
    assert importances(factorial).index.name == "parameter"
