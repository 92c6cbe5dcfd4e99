"""Effects, their standard errors and intervals against statsmodels, which knows nothing of this code."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.stats.anova import anova_lm

from harness.statistics.effects import contrasts, crossed_test, main_effects, variance_parts

LEVELS = dict.fromkeys("abc", ("on", "off"))


@pytest.fixture(scope="module")
def long_table():
    """A 2 x 2 x 2 factorial with effects, an interaction, and spread of patients, seeds and cells."""
    rng = np.random.default_rng(11)
    patients, seeds = rng.normal(88, 4, 14), rng.normal(0, 0.4, 3)
    rows = []
    for a, b, c in itertools.product(("on", "off"), repeat=3):
        gain = 2.0 * (a == "on") + 1.0 * (b == "on") + 0.5 * (c == "on") + 0.8 * (a == b == "on")
        for p, s in itertools.product(range(14), range(3)):
            rows.append((a, b, c, p, s, patients[p] + seeds[s] + gain + rng.normal(0, 0.7)))
    return pd.DataFrame(rows, columns=[*"abc", "patient", "seed", "y"])


def scores(table):
    cells = {}
    for levels, own in table.groupby(list("abc"), sort=False):
        key = ",".join(f"{name}={level}" for name, level in zip("abc", levels, strict=True))
        cells[key] = (dict(zip("abc", levels, strict=True)), own.pivot(index="patient", columns="seed", values="y"))
    return {key: one[1] for key, one in cells.items()}, {key: one[0] for key, one in cells.items()}


def test_main_effects_and_interactions_are_those_of_a_linear_model_with_patients_and_seeds(long_table):
    coded = long_table.assign(**{name: np.where(long_table[name] == "on", 0.5, -0.5) for name in "abc"})
    fit = smf.ols("y ~ (a + b + c)**2 + C(patient) + C(seed)", coded).fit()
    values, cells = scores(long_table)
    found = {effect.name: effect.point for effect in main_effects(values, cells, LEVELS, {n: n for n in "abc"})}
    for name in ("a", "b", "c"):
        assert found[name] == pytest.approx(fit.params[name], abs=1e-9)
    for one, two in itertools.combinations("abc", 2):
        assert found[f"{one} x {two}"] == pytest.approx(fit.params[f"{one}:{two}"], abs=1e-9)


def test_the_test_is_that_of_the_variance_parts_of_a_two_way_analysis_of_variance(long_table):
    values, _ = scores(long_table)
    difference = values["a=on,b=on,c=on"] - values["a=on,b=on,c=off"]
    n, s = difference.shape
    flat = difference.stack().rename("d").reset_index()
    table = anova_lm(smf.ols("d ~ C(patient) + C(seed)", flat).fit())
    rows, columns, rest = (table.loc[name, "mean_sq"] for name in ("C(patient)", "C(seed)", "Residual"))
    parts = max(rows - rest, 0), columns
    error = np.sqrt(sum(parts) / (n * s))
    reach = np.average([stats.t.ppf(0.975, n - 1), stats.t.ppf(0.975, s - 1)], weights=parts) * error
    mean = flat["d"].mean()
    test = crossed_test(difference.to_numpy())
    assert (test.low, test.high) == pytest.approx((mean - reach, mean + reach), rel=1e-9)
    at_p = [stats.t.isf(test.p / 2, n - 1), stats.t.isf(test.p / 2, s - 1)]
    assert np.average(at_p, weights=parts) == pytest.approx(abs(mean) / error, rel=1e-6)


def test_point_and_spread_agree_with_a_mixed_model_of_crossed_patients_and_seeds():
    rng = np.random.default_rng(5)
    n, s = 20, 4
    values = 0.8 + rng.normal(0, 1.0, (n, 1)) + rng.normal(0, 0.6, (1, s)) + rng.normal(0, 0.3, (n, s))
    flat = pd.DataFrame(values).rename_axis("patient").reset_index().melt("patient", var_name="seed", value_name="d")
    crossed = {"patient": "0 + C(patient)", "seed": "0 + C(seed)"}
    fit = smf.mixedlm("d ~ 1", flat.assign(all=1), groups="all", vc_formula=crossed).fit()
    zero = pd.DataFrame(np.zeros((n, s)))
    effect = contrasts({"full": pd.DataFrame(values), "other": zero}, "full", {"full": "full", "other": "other"})[0]
    assert effect.point == pytest.approx(fit.params["Intercept"], abs=1e-6)
    patients, seeds = variance_parts(values)
    assert fit.bse["Intercept"] == pytest.approx(np.sqrt(patients + seeds), rel=1e-3)
