"""Effects on tables whose true effects are known."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from harness.statistics.crossed import arm_spread
from harness.statistics.effects import cell_spreads, contrasts, interaction_weights, main_effects, main_weights
from harness.statistics.exact import flip_interval, sign_flip
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


def test_shared_patients_and_all_trainings_of_either_cell_count():
    full = pd.DataFrame([[1.0, 2.0, 3.0]] * 11, columns=[0, 1, 2], index=range(11))
    other = pd.DataFrame([[1.0, 1.0]] * 12, columns=[1, 7], index=range(1, 13))
    effect = contrasts({"f": full, "o": other}, "f", {"o": "o"})[0]
    assert (effect.patients, effect.seeds, effect.point) == (10, 2, 1.0)
    assert not effect.tested


def test_too_few_patients_give_a_point_and_no_interval():
    tables = {name: pd.DataFrame([[value]] * 5) for name, value in (("f", 0.9), ("o", 0.8))}
    effect = contrasts(tables, "f", {"o": "o"})[0]
    assert effect.point == pytest.approx(0.1)
    assert np.isnan([effect.low, effect.high, effect.p]).all()


def test_without_the_full_model_there_is_no_contrast():
    assert contrasts({"o": pd.DataFrame([[1.0]])}, "f", {"o": "o"}) == []


@pytest.mark.parametrize(("seeds", "tested"), [(1, False), (2, False), (3, True)])
def test_a_contrast_of_fewer_than_three_trainings_claims_nothing(seeds, tested):
    rng = np.random.default_rng(4)
    scores, cells = factorial(rng, seeds=seeds, noise=0.0005)
    for effect in contrasts(scores, "a=on,b=on,c=on", {name: name for name in cells}):
        assert effect.tested == tested
        assert np.isnan(effect.p_adjusted) != tested
        assert effect.shown == tested
        assert effect.low < effect.point < effect.high


def test_a_main_effect_of_two_trainings_per_cell_rests_on_eight_of_either_side():
    scores, cells = factorial(np.random.default_rng(5), seeds=2)
    assert all(effect.tested for effect in main_effects(scores, cells, LEVELS, LABELS))


def test_one_training_per_cell_tests_nothing_however_many_cells():
    scores, cells = factorial(np.random.default_rng(5), seeds=1)
    effects = main_effects(scores, cells, LEVELS, LABELS)
    assert not any(effect.tested or effect.shown for effect in effects)
    assert all(np.isnan(effect.seed_sd) for effect in effects)


def test_trainings_that_agree_by_chance_in_one_contrast_do_not_make_it_certain():
    rng = np.random.default_rng(6)
    scores, cells = factorial(rng, seeds=3, seed_spread=0.01)
    full, other = scores["a=on,b=on,c=on"], scores["a=on,b=on,c=off"]
    for table in (full, other):  # means of the trainings of these two cells agree to the last digit
        table -= table.mean(axis=0) - table.to_numpy().mean()
    effect = next(e for e in contrasts(scores, "a=on,b=on,c=on", {n: n for n in cells}) if e.name == "a=on,b=on,c=off")
    alone = contrasts({k: scores[k] for k in ("a=on,b=on,c=on", effect.name)}, "a=on,b=on,c=on", {effect.name: "c"})[0]
    assert effect.high - effect.low > 2 * (alone.high - alone.low)


def test_the_crossed_test_keeps_its_level_where_seeds_differ():
    """True difference zero, seeds spread as much as patients: a test over patients alone would reject half the time."""
    rng = np.random.default_rng(4)
    rejected, naive = 0, 0
    for _ in range(300):
        cells = {
            k: pd.DataFrame(rng.normal(0, 0.7, (30, 1)) + rng.normal(0, 0.7, (1, 3)) + rng.normal(0, 0.7, (30, 3)))
            for k in "fo"
        }
        rejected += contrasts(cells, "f", {"o": "o"})[0].p < 0.05
        means = (cells["f"] - cells["o"]).mean(axis=1)
        naive += abs(means.mean()) / (means.std(ddof=1) / np.sqrt(30)) > 2.045
    assert rejected / 300 < 0.08
    assert naive / 300 > 0.3


def test_an_effect_is_shown_exactly_where_its_interval_leaves_zero_out():
    rng = np.random.default_rng(7)
    for _ in range(15):
        scores, cells = factorial(rng, patients=15, noise=0.02, seed_spread=0.004)
        for effect in main_effects(scores, cells, LEVELS, LABELS):
            assert effect.shown == (effect.low > 0 or effect.high < 0)
            assert effect.low <= effect.equivalence_low <= effect.point <= effect.equivalence_high <= effect.high


def test_a_contrast_that_few_patients_carry_is_not_shown():
    """Four of 25 patients differ, all to one side: 2 of 16 signs are as extreme, whatever a t test says."""
    values = np.repeat(np.where(np.arange(25) < 4, 91.0, 90.0)[:, None], 3, axis=1)
    full, other = (
        pd.DataFrame(table, index=[f"p{i}" for i in range(25)]) for table in (values, np.full((25, 3), 90.0))
    )
    (found,) = contrasts({"full": full, "v": other}, "full", {"full": "full", "v": "variant"})
    assert found.estimate.p < 0.05
    assert found.p == pytest.approx(0.125)
    assert not found.shown
    assert found.low <= 0 < found.high


def test_a_difference_that_every_patient_shares_has_the_smallest_p_of_ten_signs():
    index = [f"p{i}" for i in range(10)]
    full, other = (pd.DataFrame(np.full((10, 3), level), index=index) for level in (91.0, 90.0))
    (found,) = contrasts({"full": full, "v": other}, "full", {"full": "full", "v": "variant"})
    assert found.p == pytest.approx(2 / 2**10)
    assert found.shown


def test_a_contrast_written_out():
    """Estimate, parts of the variance, correction and intervals of two contrasts, from the tables themselves."""
    rng = np.random.default_rng(8)
    difficulty, seeds = rng.normal(90, 3, (20, 1)), {"f": 3, "o": 3, "w": 4}
    scores = {
        k: pd.DataFrame(difficulty + rng.normal(0, 0.6, (1, count)) + rng.normal(0, 0.9, (20, count)))
        for k, count in seeds.items()
    }
    known = cell_spreads(scores)
    first, second = contrasts(scores, "f", {"f": "full", "o": "without O", "w": "without W"})
    assert [(e.kind, e.name, e.factors, e.pairs) for e in (first, second)] == [
        ("contrast", "without O", (), 1), ("contrast", "without W", (), 1),
    ]  # fmt: skip
    for effect, other in ((first, "o"), (second, "w")):
        values = (scores["f"].mean(axis=1) - scores[other].mean(axis=1)).to_numpy()
        assert effect.values == pytest.approx(values)
        assert (effect.point, effect.patients, effect.seeds) == (pytest.approx(values.mean()), 20, 3)
        assert (effect.cells, effect.leverage) == (("f", other), 2.0)
        assert effect.seed_sd == pytest.approx(np.sqrt(known["f"][0] + known[other][0]))
        assert effect.estimate.degrees == (19.0, known["f"][1], known[other][1])
        between = [max(known[k][0] - known[k][2], 0) / seeds[k] for k in ("f", other)]
        assert effect.estimate.parts[1:] == pytest.approx(between)
        # Moderated over both contrasts: never below the patients' own variance.
        assert effect.estimate.parts[0] >= values.var(ddof=1) / 20 - 1e-12
        p = max(effect.estimate.p, sign_flip(values).p)
        assert (effect.p, effect.p_adjusted, effect.level) == pytest.approx((p, min(1, 2 * p), 0.975))
        hulls = [flip_interval(values, level, effect.estimate.interval(level)) for level in (0.975, 0.95)]
        assert (effect.low, effect.high) == hulls[0]
        assert (effect.equivalence_low, effect.equivalence_high) == hulls[1]


def test_cells_that_have_not_learned_are_not_tested_and_do_not_count():
    scores, cells = factorial(np.random.default_rng(9))
    full, names = "a=on,b=on,c=on", {name: name for name in cells}
    failed = "a=off,b=on,c=on"
    found = {e.name: e for e in contrasts(scores, full, names, not_learned=[failed])}
    assert (found[failed].learned, found[failed].tested) == (False, False)
    assert np.isnan(found[failed].p_adjusted)
    others = [e for name, e in found.items() if name != failed]
    assert all(e.learned and e.level == pytest.approx(1 - 0.05 / 6) for e in others)
    assert found[failed].level == pytest.approx(0.95)
    main = {e.name: e for e in main_effects(scores, cells, LEVELS, LABELS, not_learned=[failed])}
    assert not any(e.tested for e in main.values()), "every effect of a full factorial has all cells in it"


def test_a_factor_of_three_levels_has_an_effect_and_an_interaction_of_each():
    levels = {"a": ("on", "off"), "b": ("x", "y", "z")}
    worth = {"on": 4.0, "off": 0.0, "x": 3.0, "y": 2.0, "z": 0.0}
    cells, scores = {}, {}
    rng = np.random.default_rng(10)
    for chosen in itertools.product(*levels.values()):
        name = ",".join(chosen)
        cells[name] = dict(zip("ab", chosen, strict=True))
        extra = 1.0 if chosen == ("on", "x") else 0.0
        mean = sum(worth[level] for level in chosen) + extra
        scores[name] = pd.DataFrame(mean + rng.normal(0, 0.01, (12, 1)) + np.zeros((12, 3)))
    found = {e.name: e for e in main_effects(scores, cells, levels, {"a": "A", "b": "B"})}
    assert {name: round(e.point, 1) for name, e in found.items()} == {
        "A": 4.3, "B: x vs y": 1.5, "B: x vs z": 3.5, "A x B y": 1.0, "A x B z": 1.0,
    }  # fmt: skip
    assert {name: (e.kind, e.factors, e.pairs) for name, e in found.items()} == {
        "A": ("main", ("a",), 3), "B: x vs y": ("main", ("b",), 2), "B: x vs z": ("main", ("b",), 2),
        "A x B y": ("interaction", ("a", "b"), 1), "A x B z": ("interaction", ("a", "b"), 1),
    }  # fmt: skip
    weights, quads = interaction_weights(cells, ("a", "on", "off"), ("b", "x", "z"))
    assert (weights, quads) == ({"on,x": 1, "on,z": -1, "off,x": -1, "off,z": 1}, 1)
    assert main_weights(cells, "a", "on", "off")[0]["off,z"] == pytest.approx(-1 / 3)
    del scores["off,z"]
    fewer = {e.name: e for e in main_effects(scores, cells, levels, {"a": "A", "b": "B"})}
    assert set(fewer) == {"A", "B: x vs y", "B: x vs z", "A x B y"}, "a quadruple without a corner is none"
    assert (fewer["A"].pairs, fewer["B: x vs z"].pairs) == (2, 1)
    assert set(fewer["A"].cells) == {"on,x", "on,y", "off,x", "off,y"}


def test_the_spread_of_a_cell_is_that_of_the_trainings_on_complete_patients():
    rng = np.random.default_rng(11)
    tables = {k: pd.DataFrame(rng.normal(0, 1, (12, 3)) + rng.normal(0, 1, (1, 3))) for k in "ab"}
    gap = tables["a"].copy()
    gap.loc[0, 1] = np.nan
    whole, missing = (cell_spreads({"a": one, "b": tables["b"]}) for one in (tables["a"].iloc[1:], gap))
    assert missing == whole
    variances = [arm_spread(table.to_numpy()).variance for table in tables.values()]
    assert cell_spreads(tables)["a"][0] >= np.mean(variances) - 1e-12
