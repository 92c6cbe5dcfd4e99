"""What a design can see, differences per subgroup, ranks under other aggregations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from harness.statistics.power import Components, components, design_estimate, detectable, patients_needed, power_table
from harness.statistics.ranks import ranks_by_aggregation
from harness.statistics.subgroups import ef_class, subgroups, within_patients


def table(rng: np.random.Generator, n: int, s: int, patient: float, training: float, rest: float) -> pd.DataFrame:
    return pd.DataFrame(rng.normal(0, patient, (n, 1)) + rng.normal(0, training, (1, s)) + rng.normal(0, rest, (n, s)))


def test_components_are_recovered_on_average() -> None:
    rng = np.random.default_rng(0)
    found = [components(table(rng, 30, 4, 1.0, 0.5, 2.0), table(rng, 30, 4, 1.0, 0.5, 2.0)) for _ in range(300)]
    assert np.mean([one.patients for one in found]) == pytest.approx(2.0, rel=0.1)
    assert np.mean([one.trainings for one in found]) == pytest.approx(0.5, rel=0.15)
    assert np.mean([one.rest for one in found]) == pytest.approx(8.0, rel=0.03)


def test_patients_needed_are_those_of_the_paired_t_test_where_trainings_do_not_vary() -> None:
    oracle = TTestPower().solve_power(effect_size=0.5, power=0.8, alpha=0.05)
    assert patients_needed(Components(4.0, 0.0, 0.0), 1.0, 3) == pytest.approx(np.ceil(oracle), abs=1)


def test_the_patients_needed_are_the_fewest() -> None:
    variances = Components(3.0, 0.02, 1.0)
    fewest = patients_needed(variances, 0.8, 3)
    assert fewest is not None
    assert detectable(variances, fewest, 3) <= 0.8 < detectable(variances, fewest - 1, 3)


def test_nothing_is_promised_of_patients_too_few_for_the_sign_flip_test() -> None:
    certain = Components(1e-6, 0.0, 0.0)
    assert patients_needed(certain, 1.0, 3) == 10
    assert patients_needed(certain, 1.0, 3, alpha=0.05 / 60) == 12  # 2 of 2^11 signs are more than that, of 2^12 fewer
    assert detectable(certain, 9, 3) == detectable(certain, 11, 3, alpha=0.05 / 60) == np.inf
    assert detectable(certain, 10, 3) < 0.01


def test_no_number_of_patients_replaces_trainings() -> None:
    variances = Components(4.0, 1.0, 0.0)
    assert patients_needed(variances, 0.5, 3) is None
    more = patients_needed(variances, 0.5, 100)
    assert more is not None
    found = power_table(variances, [0.5, 4.0], (3, 100))
    assert np.isnan(found.loc[0.5, 3])
    assert found.loc[0.5, 100] == more


def test_an_unknown_spread_of_trainings_promises_nothing() -> None:
    rng = np.random.default_rng(1)
    variances = components(table(rng, 30, 1, 1.0, 0.5, 2.0), table(rng, 30, 3, 1.0, 0.5, 2.0))
    assert np.isnan(variances.trainings)
    assert np.isfinite(variances.patients)
    assert patients_needed(variances, 5.0, 3) is None
    assert np.isnan([detectable(variances, 50, 3), detectable(variances, 9, 3)]).all()


def test_a_simulated_design_has_the_promised_power() -> None:
    rng = np.random.default_rng(2)
    variances, n = Components(2.0, 0.0, 0.0), 40
    size = detectable(variances, n, 3)
    hits = [stats.ttest_1samp(rng.normal(size, np.sqrt(2.0), n), 0).pvalue < 0.05 for _ in range(600)]
    assert np.mean(hits) == pytest.approx(0.8, abs=0.05)


def test_subgroups_have_students_intervals_at_the_corrected_level_and_an_interaction() -> None:
    rng = np.random.default_rng(3)
    groups = pd.Series(["good"] * 30 + ["poor"] * 20 + ["odd"] * 4)
    values = pd.Series(np.r_[rng.normal(0, 1, 30), rng.normal(2, 2, 20), np.zeros(4)])
    found = subgroups(values, groups)
    assert [group.name for group in found.groups] == ["good", "poor", "odd"]
    assert [group.small for group in found.groups] == [False, False, True]
    oracle = stats.ttest_1samp(values[:30], 0).confidence_interval(0.975)
    assert (found.groups[0].low, found.groups[0].high) == pytest.approx(tuple(oracle))
    assert found.corrected == pytest.approx(0.975)
    assert found.p == pytest.approx(stats.alexandergovern(values[:30], values[30:50]).pvalue)
    assert np.isnan(found.groups[2].low)


def test_one_large_group_has_no_interaction_and_missing_groups_are_left_out() -> None:
    found = subgroups(pd.Series(np.arange(15.0)), pd.Series(["a"] * 12 + [None] * 3))
    assert np.isnan(found.p)
    assert found.groups[0].n == 12


def test_ef_classes_meet_without_a_gap() -> None:
    assert ef_class(pd.Series([39.99, 40.0, 49.99, 50.0, np.nan])).tolist()[:4] == [
        *("EF below 40 %", "EF 40 to 50 %", "EF 40 to 50 %", "EF 50 % and more"),
    ]
    assert ef_class(pd.Series([np.nan])).isna().all()


def test_ranks_depend_on_the_aggregation_and_say_by_how_much() -> None:
    steady, brittle, poor = np.full(30, 90.0), np.r_[np.full(27, 92.0), np.full(3, 10.0)], np.full(30, 80.0)
    dice = pd.DataFrame({"steady": steady, "brittle": brittle, "poor": poor})
    hd = pd.DataFrame({"poor": np.full(30, 9.0), "steady": np.full(30, 2.0), "brittle": np.full(30, 1.0)})
    found = ranks_by_aggregation({"Dice": (dice, True), "HD95": (hd, False)})
    assert found.index.tolist() == ["mean Dice", "median Dice", "worst decile Dice", "mean HD95"]
    assert found.loc["mean Dice", ["steady", "brittle", "poor"]].tolist() == [1, 2, 3]
    assert found.loc["median Dice", ["steady", "brittle", "poor"]].tolist() == [2, 1, 3]
    assert found.loc["worst decile Dice", ["steady", "brittle", "poor"]].tolist() == [1, 3, 2]
    assert found.loc["mean HD95", ["steady", "brittle", "poor"]].tolist() == [2, 1, 3]
    assert found["tau"].tolist() == pytest.approx([1, 1 / 3, 1 / 3, 1 / 3])


def test_the_rest_is_averaged_over_trainings_and_patients() -> None:
    found = design_estimate(Components(3.0, 0.6, 6.0), 20, 3)
    assert found.parts == pytest.approx(((3.0 + 6.0 / 3) / 20, 0.6 / 6, 0.6 / 6))
    assert found.degrees == (19.0, 4.0, 10.0)  # of the prior and the arm's own, and of all five arms


def test_level_power_and_number_of_models_reach_every_answer() -> None:
    variances = Components(3.0, 0.02, 1.0)
    usual = patients_needed(variances, 0.8, 3)
    assert usual is not None
    for changed in ({"alpha": 0.01}, {"power": 0.95}, {"arms": 2}):
        size = detectable(variances, usual, 3, **changed)
        assert size > detectable(variances, usual, 3)
        assert patients_needed(variances, size, 3, **changed) == usual
        assert size == design_estimate(variances, usual, 3, arms=changed.get("arms", 5)).detectable(
            changed.get("alpha", 0.05), changed.get("power", 0.8)
        )
    strict = power_table(variances, [0.8], (3,), alpha=0.01, power=0.95)
    assert strict.loc[0.8, 3] == patients_needed(variances, 0.8, 3, alpha=0.01, power=0.95) > usual
    assert strict.index.name == "difference"
    assert strict.dtypes.tolist() == [float]


def test_views_of_the_same_patients_are_compared_within_the_patient() -> None:
    rng = np.random.default_rng(4)
    shared = rng.normal(0, 3, 20)
    table = pd.DataFrame({"2CH": shared + 1, "4CH": shared + rng.normal(0, 0.3, 20)})
    table.loc[19, "2CH"] = np.nan
    found, kept = within_patients(table), table.iloc[:19]
    assert [(group.name, group.n) for group in found.groups] == [("2CH", 19), ("4CH", 19)]
    assert found.corrected == pytest.approx(0.975)
    for group, name in zip(found.groups, kept, strict=True):
        oracle = stats.ttest_1samp(kept[name], 0).confidence_interval(0.975)
        assert group.difference == pytest.approx(kept[name].mean())
        assert (group.low, group.high) == pytest.approx(tuple(oracle))
    assert found.p == pytest.approx(stats.ttest_rel(kept["2CH"], kept["4CH"]).pvalue)
    three = within_patients(kept.assign(PLAX=shared[:19]), level=0.9)
    assert np.isnan(three.p)
    assert three.corrected == pytest.approx(1 - 0.1 / 3)
    few = within_patients(kept.iloc[:9])
    assert np.isnan([few.p, few.groups[0].low]).all()
    assert few.corrected == pytest.approx(0.95)
    assert within_patients(kept.iloc[:0]).groups == ()
    same = pd.DataFrame({"a": shared, "b": shared})
    assert (within_patients(same).p, within_patients(same.assign(b=shared + 1.0)).p) == (
        1.0,
        pytest.approx(0, abs=1e-9),
    )
