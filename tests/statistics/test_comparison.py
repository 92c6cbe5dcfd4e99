"""Comparisons of models: one estimand, crossed variance, families, verdicts, and what is never claimed."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.statistics.comparison import Measured, compare_measures
from harness.statistics.crossed import arm_spread
from harness.statistics.exact import flip_interval
from harness.statistics.moderation import floored
from harness.statistics.verdict import Comparison, interval_verdict


def compared(measured: Measured, reference: str, *, not_learned: Collection[str] = ()) -> dict[str, Comparison]:
    """One measure that is a family of its own; keys are the other arms."""
    found = compare_measures([measured], reference, not_learned=not_learned)
    return {other: comparison for (_, other), comparison in found.items()}


def arm(values: np.ndarray) -> pd.DataFrame:
    table = values if values.ndim == 2 else values[:, None]
    return pd.DataFrame(table, index=[f"p{i:03d}" for i in range(len(table))])


def simulated(
    seed: int, effects: dict[str, float], *, n: int = 40, s: int = 3, sd: float = 0.2
) -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    patients = 90 + rng.normal(0, 3, (n, 1))
    return {
        label: arm(
            patients + effect + rng.normal(0, 0.5, (n, 1)) + rng.normal(0, sd, (1, s)) + rng.normal(0, 0.8, (n, s))
        )
        for label, effect in effects.items()
    }


def test_estimate_and_variance_are_those_of_the_formulas_written_out() -> None:
    values = simulated(1, {"ours": 1.0, "a": 0.0, "b": 0.0})
    found = compared(Measured(key="dice", values=values, margin=0.5), "ours")["a"]
    means = {label: table.to_numpy().mean(axis=1) for label, table in values.items()}
    spreads = {label: arm_spread(table.to_numpy()) for label, table in values.items()}
    paired = means["ours"] - means["a"]
    between = {label: one.variance - one.rest / 40 for label, one in spreads.items()}
    pooled = np.mean(list(between.values()))
    # logs of these three variances spread less than chance: the prior has its full two degrees of freedom
    mixed = {label: max((pooled + own) / 2, pooled, 0) for label, own in between.items()}
    patients, _ = floored([(means["ours"] - means[label]).var(ddof=1) for label in ("a", "b")], [39, 39])
    assert patients > paired.var(ddof=1)
    assert found.difference == pytest.approx(paired.mean())
    assert found.estimate.parts == pytest.approx((patients / 40, mixed["ours"] / 3, mixed["a"] / 3), rel=1e-5)
    assert found.estimate.degrees == (39, *(6 if between[label] < pooled else 4 for label in ("ours", "a")))
    variances = {label: one.variance for label, one in spreads.items()}
    mean = np.mean(list(variances.values()))
    low = between["ours"] < pooled
    assert found.spread[0] ** 2 == pytest.approx(mean if low else (mean + variances["ours"]) / 2)
    assert (found.n, found.trainings, found.scope) == (40, (3, 3), "models")


@pytest.mark.parametrize(("ours", "other"), [(1, 1), (3, 1), (1, 3), (2, 2), (5, 2)])
def test_fewer_than_three_trainings_on_either_side_are_no_comparison_of_models(ours: int, other: int) -> None:
    values = simulated(2, {"ours": 20.0, "a": 0.0}, s=5)
    found = compared(
        Measured(
            key="dice", values={"ours": values["ours"].iloc[:, :ours], "a": values["a"].iloc[:, :other]}, margin=0.5
        ),
        "ours",
    )["a"]
    assert found.scope == "trainings"
    assert found.verdict == "not compared"
    assert not found.shown
    assert not found.non_inferior
    assert np.isnan([found.p, found.p_adjusted, found.p_better, found.equivalence_low]).all()
    oracle = stats.ttest_rel(values["ours"].iloc[:, :ours].mean(axis=1), values["a"].iloc[:, :other].mean(axis=1))
    # Forty nearly normal patients: the sign-flip interval is close to Student's.
    assert (found.low, found.high) == pytest.approx(tuple(oracle.confidence_interval(0.95)), abs=0.05)
    assert (found.flip.p < 0.05) == (found.low > 0 or found.high < 0)


def test_a_training_that_is_off_for_every_patient_is_no_difference_of_models() -> None:
    values = simulated(3, {"ours": 0.0, "a": 0.0}, sd=0.0)
    values["a"] = values["a"] - np.array([0.0, 0.0, 6.0])  # one of three trainings lost two points of the mean
    found = compared(Measured(key="dice", values=values, margin=0.5), "ours")["a"]
    assert found.difference == pytest.approx(2.0, abs=0.5)
    assert found.flip.p < 0.001  # these trainings do differ
    assert not found.shown
    assert found.verdict == "undecided"


def test_verdict_interval_and_probabilities_speak_of_the_mean_and_not_of_the_median() -> None:
    # One patient in twenty loses 30 points: the median difference is nothing, the mean is 1.5.
    rng = np.random.default_rng(4)
    ours = arm(93 + rng.normal(0, 0.3, (100, 3)))
    lost = np.where(np.arange(100) % 20 == 0, 30.0, 0.0)[:, None]
    other = arm(ours.to_numpy() - lost + rng.normal(0, 0.3, (100, 3)))
    found = compared(Measured(key="dice", values={"ours": ours, "a": other}, margin=0.5), "ours")["a"]
    assert found.difference == pytest.approx(1.5, abs=0.1)
    assert abs(found.median) < 0.1
    assert abs(found.shift) < 0.2
    assert found.verdict != "equivalent"
    assert found.p_better > 0.5
    assert found.worst_decile == pytest.approx(15, abs=1)


@pytest.mark.parametrize(
    ("effect", "verdict"),
    [(3.0, "superior"), (-3.0, "inferior"), (0.0, "equivalent"), (0.55, "better"), (-0.55, "worse")],
)
def test_verdicts(effect: float, verdict: str) -> None:
    values = simulated(5, {"ours": 0.0, "a": 0.0}, n=400, s=8, sd=0.02)
    centred = values["ours"] - values["ours"].to_numpy().mean() + values["a"].to_numpy().mean()
    found = compared(Measured(key="dice", values={"ours": centred + effect, "a": values["a"]}, margin=0.5), "ours")["a"]
    assert found.difference == pytest.approx(effect)
    assert found.verdict == verdict
    down = compared(
        Measured(key="hd", values={"ours": centred - effect, "a": values["a"]}, margin=0.5, higher=False), "ours"
    )["a"]
    assert down.verdict == verdict
    assert (down.p_better, down.p_worse) == pytest.approx((found.p_better, found.p_worse), abs=0.02)
    assert down.non_inferior == found.non_inferior == (effect >= 0)


def test_without_a_margin_nothing_is_equivalent_or_superior() -> None:
    values = simulated(6, {"ours": 3.0, "a": 0.0, "b": 3.0}, n=400, s=8, sd=0.01)
    found = compared(Measured(key="asd_px", values=values), "ours")
    assert found["a"].verdict == "better"
    assert found["b"].verdict in ("undecided", "better", "worse")
    assert not found["a"].non_inferior


def test_arms_that_have_not_learned_get_no_verdict() -> None:
    values = {label: arm(np.zeros((30, 3))) for label in ("ours", "a")}
    found = compared(Measured(key="dice", values=values, margin=0.5), "ours", not_learned=["a"])["a"]
    assert found.verdict == "not learned"
    assert not found.shown
    assert np.isnan(found.p)


def test_primary_and_secondary_families_are_corrected_on_their_own() -> None:
    effects = {"ours": 0.5, "a": 0.0, "b": 0.2, "c": 0.4}
    measures = [Measured(key=key, values=simulated(seed, effects)) for seed, key in enumerate(("iou", "dice", "nsd"))]
    found = compare_measures(measures, "ours", primary="dice")
    first = [one for (key, _), one in found.items() if key == "dice"]
    rest = [one for (key, _), one in found.items() if key != "dice"]
    assert {(one.tests, one.correction) for one in first} == {(3, "bonferroni")}
    assert {(one.tests, one.correction) for one in rest} == {(6, "benjamini-hochberg")}
    assert [one.p_adjusted for one in first] == pytest.approx([min(3 * one.p, 1) for one in first])
    oracle = stats.false_discovery_control([one.p for one in rest])
    assert [one.p_adjusted for one in rest] == pytest.approx(list(oracle))
    assert {one.level for one in first} == {1 - 0.05 / 3}


def test_the_prior_weight_comes_from_all_measures_and_the_pooled_variance_from_each() -> None:
    values = simulated(7, {"ours": 0.0, "a": 0.0, "b": 0.0})
    scaled = {label: 100 * table for label, table in values.items()}
    both = compare_measures([Measured(key="x", values=values), Measured(key="y", values=scaled)], "ours")
    assert both["y", "a"].spread == pytest.approx(tuple(100 * sd for sd in both["x", "a"].spread))
    assert both["y", "a"].p == pytest.approx(both["x", "a"].p)


def test_patients_without_a_value_leave_that_pair_only() -> None:
    values = simulated(8, {"ours": 0.0, "a": 0.0, "b": 0.0})
    values["a"].iloc[0, 1] = np.nan
    found = compared(Measured(key="dice", values=values), "ours")
    assert (found["a"].n, found["b"].n) == (39, 40)


def test_few_patients_have_an_estimate_and_nothing_else() -> None:
    found = compared(Measured(key="dice", values=simulated(9, {"ours": 3.0, "a": 0.0}, n=9)), "ours")["a"]
    assert np.isfinite(found.difference)
    assert np.isnan([found.low, found.p, found.p_better, found.detectable]).all()
    assert found.verdict == "undecided"


def test_ten_patients_detect_nothing_where_no_sign_flip_p_is_small_enough() -> None:
    values = simulated(9, {"ours": 0.0, "a": 0.0, "b": 0.0}, n=10)
    keys = [f"m{k}" for k in range(21)]  # two tests of the first, forty of the others: 2 / 2^10 > 0.05 / 40
    found = compare_measures([Measured(key=key, values=values) for key in keys], "ours")
    assert np.isfinite([found["m0", "a"].detectable, found["m0", "a"].low]).all()
    last = found["m20", "a"]
    assert not last.shown
    assert (last.low, last.high, last.detectable) == (-np.inf, np.inf, np.inf)


def test_arms_without_a_shared_patient_or_a_reference_have_nothing_to_compare() -> None:
    values = simulated(10, {"ours": 0.0, "a": 0.0}, n=12)
    values["a"].index = [f"q{i}" for i in range(12)]
    found = compared(Measured(key="dice", values=values), "ours")["a"]
    assert (found.scope, found.n, found.shown, found.verdict) == ("none", 0, False, "not compared")
    assert compared(Measured(key="dice", values=values), "absent") == {}
    assert compare_measures([], "ours") == {}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([10, 25]), st.sampled_from([3, 5]), st.floats(0, 1.5), st.floats(0, 0.5))
def test_a_dagger_never_stands_beside_zero_and_nothing_without_zero_is_undecided(
    seed: int, n: int, s: int, effect: float, sd: float
) -> None:
    effects = {"ours": effect, "a": 0.0, "b": effect / 2}
    measures = [
        Measured(key=key, values=simulated(seed + k, effects, n=n, s=s, sd=sd), margin=0.5)
        for k, key in enumerate(("dice", "iou", "nsd"))
    ]
    for one in compare_measures(measures, "ours").values():
        assert one.shown == (one.low > 0 or one.high < 0)
        assert one.shown <= (one.flip.p < 1 - one.level)
        assert one.p >= max(one.estimate.p, one.flip.p)
        assert (one.verdict == "undecided") <= (one.low <= 0 <= one.high)
        assert one.equivalence_low <= one.difference <= one.equivalence_high
        # Of the primary family; that of the others is Bonferroni's whatever number of them is shown.
        if one.measure == "dice":
            assert one.low <= one.equivalence_low <= one.equivalence_high <= one.high
        assert one.p_better + one.p_equivalent + one.p_worse == pytest.approx(1)
        assert isinstance(one, Comparison)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from([10, 13, 30]),
    st.sampled_from(["normal", "skewed", "rare", "tied"]),
    st.floats(-1, 1),
)
def test_p_and_interval_of_these_trainings_never_disagree(seed: int, n: int, shape: str, effect: float) -> None:
    rng = np.random.default_rng(seed)
    drawn = {
        "normal": rng.normal(effect, 1, n),
        "skewed": rng.exponential(1, n) - 1 + effect,
        "rare": np.where(rng.random(n) < 0.2, effect * rng.exponential(10, n), 0.0),
        "tied": np.round(rng.normal(effect, 1, n)),
    }
    values = {"ours": arm(90 + drawn[shape]), "a": arm(np.full(n, 90.0))}
    found = compared(Measured(key="dice", values=values, margin=0.5), "ours")["a"]
    assert (found.flip.p < 0.05) == (found.low > 0 or found.high < 0)
    assert found.low <= found.difference <= found.high


def test_a_record_holds_what_the_comparison_says() -> None:
    found = compared(Measured(key="dice", values=simulated(1, {"ours": 1.0, "a": 0.0}), margin=0.5), "ours")["a"]
    record = found.record()
    assert {key for key in record if record[key] != getattr(found, key, None)} == {"sign_flip_p", "sign_flip_error"}
    assert (record["sign_flip_p"], record["sign_flip_error"]) == (found.flip.p, found.flip.error)
    assert len(record) == 28


def test_an_arm_with_more_patients_than_its_rival_has_no_less_training_variance() -> None:
    """Its trainings' means hold less patients' noise: what is taken out is that of its own patients, not of the shared ones."""
    rng, offsets = np.random.default_rng(3), np.array([-1.0, 0.0, 1.0])
    ours, other = (arm(rng.normal(90, 3, (n, 1)) + offsets + rng.normal(0, 4, (n, 3))) for n in (200, 15))
    found = compared(Measured(key="dice", values={"ours": ours, "a": other}), "ours")["a"].estimate
    spreads = [arm_spread(table.to_numpy()) for table in (ours, other)]
    own = [spread.variance - spread.rest / spread.patients for spread in spreads]
    # Moderated, it lies between the two; the noise of 15 patients (1.1) taken from the means over 200 would leave 0.8 or less.
    assert min(own) <= 3 * found.parts[1] <= max(own)


def test_equivalence_does_not_come_with_what_other_columns_show() -> None:
    """The level of Benjamini and Hochberg grows with every difference that is shown; that of equivalence does not."""
    near = simulated(5, {"ours": 0.0, "a": 0.0}, n=30)
    far = simulated(6, {"ours": 9.0, "a": 0.0}, n=30)
    last = {}
    for shown in (0, 8):
        columns = [Measured(key=f"m{k}", values=far if k < shown else near, margin=0.5) for k in range(10)]
        found = compare_measures([Measured(key="first", values=near), *columns], "ours")
        last[shown] = found["m9", "a"]
    assert last[8].level < last[0].level  # its own interval does become narrower
    assert last[8].equivalence_low == pytest.approx(last[0].equivalence_low, rel=0.05)


def test_seen_from_the_other_model_everything_is_turned() -> None:
    values = simulated(1, {"ours": 1.0, "a": 0.0})
    values["a"] = pd.concat([values["a"], values["a"].iloc[:, :1] + 0.3], axis=1)
    one = compared(Measured(key="dice", values=values, margin=0.5), "ours")["a"]
    back = one.turned()
    assert (back.reference, back.other, back.trainings) == ("a", "ours", (4, 3))
    assert (back.difference, back.low, back.high) == (-one.difference, -one.high, -one.low)
    assert (back.equivalence_low, back.equivalence_high) == (-one.equivalence_high, -one.equivalence_low)
    assert (back.p_better, back.p_equivalent, back.p_worse) == (one.p_worse, one.p_equivalent, one.p_better)
    assert (back.p, back.p_adjusted, back.flip.p) == (one.p, one.p_adjusted, one.flip.p)
    assert back.estimate.parts == (one.estimate.parts[0], one.estimate.parts[2], one.estimate.parts[1])
    assert back.estimate.degrees == (one.estimate.degrees[0], one.estimate.degrees[2], one.estimate.degrees[1])
    assert back.spread == one.spread[::-1]
    assert (back.worst_decile, back.median, back.shift) == (-one.worst_decile, -one.median, -one.shift)
    assert (one.verdict, back.verdict) in {("better", "worse"), ("superior", "inferior")}


@pytest.mark.parametrize(
    ("low", "high", "inner", "margin", "verdict"),
    [
        (0.6, 1.0, (0.7, 0.9), 0.5, "superior"), (0.5, 1.0, (0.7, 0.9), 0.5, "better"),
        (-1.0, -0.6, (-0.9, -0.7), 0.5, "inferior"), (-1.0, -0.5, (-0.9, -0.7), 0.5, "worse"),
        (0.1, 0.4, (0.2, 0.3), 0.5, "equivalent"), (-0.6, 0.6, (-0.4, 0.4), 0.5, "equivalent"),
        (-0.6, 0.6, (-0.5, 0.4), 0.5, "undecided"), (-0.6, 0.6, (-0.4, 0.5), 0.5, "undecided"),
        (0.0, 1.0, (0.2, 0.9), 0.5, "undecided"), (-1.0, 0.0, (-0.9, -0.2), 0.5, "undecided"),
        (0.6, 1.0, (0.7, 0.9), 0.0, "better"), (-0.1, 0.1, (0.0, 0.0), 0.0, "undecided"),
    ],
)  # fmt: skip
def test_a_verdict_lies_strictly_beyond_its_limit(low, high, inner, margin, verdict) -> None:
    turned = {"superior": "inferior", "inferior": "superior", "better": "worse", "worse": "better"}
    assert interval_verdict(low, high, *inner, margin) == verdict
    assert interval_verdict(low, high, *inner, margin, higher=False) == turned.get(verdict, verdict)


def test_equivalence_is_two_one_sided_tests_at_the_level_of_bonferroni() -> None:
    values = simulated(3, {"ours": 0.4, "a": 0.0, "b": 0.1, "c": 0.2})
    for one in compared(Measured(key="dice", values=values, margin=0.5), "ours").values():
        level = 1 - 2 * 0.05 / 3
        hull = flip_interval(one.paired, level, one.estimate.interval(level))
        assert (one.equivalence_low, one.equivalence_high) == pytest.approx(hull)
        assert one.detectable == pytest.approx(one.estimate.detectable(0.05 / 3))
