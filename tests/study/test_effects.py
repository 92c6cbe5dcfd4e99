"""Effects on tables whose true effects are known."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from harness.statistics.effects import contrasts, crossed_test, main_effects
from harness.statistics.matching import MOOT

LEVELS = dict.fromkeys("abc", ("on", "off"))
LABELS = {name: name.upper() for name in "abc"}
TRUE = {"a": 0.02, "b": 0.01, "c": 0.005}


def key(levels):
    return ",".join(f"{name}={level}" for name, level in levels.items())


def factorial(rng, *, patients=40, seeds=3, noise=0.004, interaction=0.0, seed_spread=0.0):
    """A 2 x 2 x 2 factorial on patients of very different difficulty."""
    difficulty = rng.normal(0.9, 0.05, size=(patients, 1))
    cells, scores = {}, {}
    for chosen in itertools.product(("on", "off"), repeat=3):
        levels = dict(zip("abc", chosen, strict=True))
        mean = sum(TRUE[name] for name, level in levels.items() if level == "on")
        mean += interaction if levels["a"] == levels["b"] == "on" else 0
        shift = rng.normal(0, seed_spread, size=(1, seeds))
        cells[key(levels)] = levels
        scores[key(levels)] = pd.DataFrame(
            difficulty + mean + shift + rng.normal(0, noise, size=(patients, seeds)),
            index=[f"p{i:02d}" for i in range(patients)],
        )
    return scores, cells


def test_main_effects_find_the_true_ones_within_their_intervals():
    scores, cells = factorial(np.random.default_rng(0))
    found = {e.name: e for e in main_effects(scores, cells, LEVELS, LABELS)}
    for name, true in TRUE.items():
        effect = found[name.upper()]
        assert effect.point == pytest.approx(true, abs=0.002)
        assert effect.low < true < effect.high
        assert effect.p_adjusted < 0.05
        assert effect.pairs == 4
    for name in ("A x B", "A x C", "B x C"):
        assert found[name].low < 0 < found[name].high
        assert found[name].p_adjusted > 0.05


def test_an_interaction_is_the_difference_of_two_simple_effects():
    scores, cells = factorial(np.random.default_rng(1), interaction=0.03)
    found = {e.name: e for e in main_effects(scores, cells, LEVELS, LABELS)}
    assert found["A x B"].point == pytest.approx(0.03, abs=0.003)
    assert found["A"].point == pytest.approx(TRUE["a"] + 0.015, abs=0.003)
    assert abs(found["A x C"].point) < 0.003


def test_contrasts_are_the_mean_differences_of_the_tables_themselves():
    scores, cells = factorial(np.random.default_rng(2))
    full = "a=on,b=on,c=on"
    found = contrasts(scores, full, {name: name for name in cells})
    assert len(found) == 7
    for effect in found:
        expected = (scores[full].to_numpy() - scores[effect.name].to_numpy()).mean()
        assert effect.point == pytest.approx(expected, abs=1e-12)
        assert effect.p_adjusted >= effect.p


def test_pairing_removes_what_patients_share():
    scores, _ = factorial(np.random.default_rng(3))
    effect = contrasts(scores, "a=on,b=on,c=on", {"a=on,b=on,c=off": "no C"})[0]
    unpaired = scores["a=on,b=on,c=on"].to_numpy().std() / np.sqrt(40)
    assert effect.high - effect.low < unpaired


def test_a_factor_without_meaning_in_a_cell_is_matched_with_every_level():
    patients = [f"p{i}" for i in range(12)]
    values = {"on,on": 0.9, "on,off": 0.8, "off,moot": 0.5}
    cells = {name: dict(zip("ab", name.split(","), strict=True)) for name in values}
    assert cells["off,moot"]["b"] == MOOT
    scores = {name: pd.DataFrame(value, index=patients, columns=[0, 1]) for name, value in values.items()}
    levels = {"a": ("on", "off"), "b": ("on", "off")}
    found = {e.name: e for e in main_effects(scores, cells, levels, {"a": "A", "b": "B"})}
    assert set(found) == {"A", "B"}
    assert found["A"].point == pytest.approx(0.85 - 0.5)
    assert found["B"].point == pytest.approx(0.1)


def test_only_shared_seeds_and_patients_count():
    full = pd.DataFrame([[1.0, 2.0, 3.0]] * 11, columns=[0, 1, 2], index=range(11))
    other = pd.DataFrame([[1.0, 1.0]] * 12, columns=[1, 7], index=range(1, 13))
    effect = contrasts({"f": full, "o": other}, "f", {"o": "o"})[0]
    assert (effect.patients, effect.seeds, effect.point) == (10, 1, 1.0)


def test_too_few_patients_give_a_point_and_no_interval():
    tables = {name: pd.DataFrame([[value]] * 5) for name, value in (("f", 0.9), ("o", 0.8))}
    effect = contrasts(tables, "f", {"o": "o"})[0]
    assert effect.point == pytest.approx(0.1)
    assert np.isnan([effect.low, effect.high, effect.p]).all()


def test_without_the_full_model_there_is_no_contrast():
    assert contrasts({"o": pd.DataFrame([[1.0]])}, "f", {"o": "o"}) == []


def test_the_crossed_test_keeps_its_level_where_seeds_differ():
    """True difference zero, seeds spread as much as patients: a test over patients alone would reject half the time."""
    rng = np.random.default_rng(4)
    rejected, naive = 0, 0
    for _ in range(400):
        values = rng.normal(0, 1, (30, 1)) + rng.normal(0, 1, (1, 3)) + rng.normal(0, 1, (30, 3))
        rejected += crossed_test(values).p < 0.05
        means = values.mean(1)
        naive += abs(means.mean()) / (means.std(ddof=1) / np.sqrt(30)) > 2.045
    assert rejected / 400 < 0.08
    assert naive / 400 > 0.3


def test_the_crossed_test_without_seed_variance_is_nearly_the_paired_t_test():
    from scipy import stats

    rng = np.random.default_rng(5)
    values = rng.normal(0.2, 1, (200, 1)) + rng.normal(0, 0.05, (200, 4))
    expected = stats.ttest_1samp(values.mean(1), 0).pvalue
    assert crossed_test(values).p == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(("value", "p"), [(0.0, 1.0), (0.1, 0.0)])
def test_values_without_spread(value, p):
    assert crossed_test(np.full((4, 3), value)).p == p


def test_the_interval_of_the_crossed_test_excludes_zero_exactly_where_p_is_small():
    rng = np.random.default_rng(6)
    for _ in range(50):
        test = crossed_test(rng.normal(0.4, 1, (20, 1)) + rng.normal(0, 0.2, (20, 3)))
        assert (test.p < 0.05) == (test.low > 0 or test.high < 0)
