"""Effects, their standard errors and intervals against statsmodels, which knows nothing of this code."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from statsmodels.stats.anova import anova_lm

from harness.statistics.effects import contrasts, main_effects
from harness.statistics.moderation import floored, moderate

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


def test_the_variance_is_that_of_two_way_analyses_of_variance_of_every_cell(long_table):
    values, cells = scores(long_table)
    effect = contrasts(values, "a=on,b=on,c=on", {key: key for key in cells})[0]
    other = effect.name
    variances, rests = {}, {}
    for key, table in values.items():
        flat = table.stack().rename("y").reset_index()
        mean_squares = anova_lm(smf.ols("y ~ C(patient) + C(seed)", flat).fit())["mean_sq"]
        variances[key], rests[key] = mean_squares["C(seed)"] / 14, mean_squares["Residual"]
    weight = moderate([[value] for value in variances.values()], [2] * len(variances)).prior_degrees
    expected = []
    for key in ("a=on,b=on,c=on", other):
        pooled = np.mean(list(variances.values())) - np.mean(list(rests.values())) / 14
        mixed = (weight * pooled + 2 * (variances[key] - rests[key] / 14)) / (weight + 2)
        expected.append(max(mixed, pooled, 0) / 3)
    full = values["a=on,b=on,c=on"]
    differences = {key: (full - table).mean(axis=1) for key, table in values.items() if table is not full}
    difference = differences[other]
    patients = floored([one.var(ddof=1) for one in differences.values()], [13] * len(differences))
    own = dict(zip(differences, patients, strict=True))[other]
    assert own >= difference.var(ddof=1)
    assert effect.estimate.parts == pytest.approx((own / 14, *expected), rel=1e-8)
    reach = effect.estimate.quantile(0.05 / 7 / 2) * np.sqrt(sum(effect.estimate.parts))
    assert (effect.low, effect.high) == pytest.approx((difference.mean() - reach, difference.mean() + reach))
