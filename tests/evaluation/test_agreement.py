"""The clinical report holds the textbook figures, and nothing is dropped silently."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from harness.evaluation.agreement import bland_altman_points, clinical_pairs, clinical_report, determination
from harness.store.runs import ROW_COLUMNS

PREDICTED = [55.0, 61.0, 48.0, 70.0, 95.0, 33.0, 58.0, math.nan, 41.0, 66.0, 52.0, 39.0]
REFERENCE = [50.0, 63.0, 45.0, 66.0, 60.0, 30.0, 61.0, 52.0, 44.0, 64.0, 50.0, 42.0]
STATED = [51.0, 60.0, 44.0, 66.0, 62.0, 31.0, 60.0, 50.0, 45.0, 62.0, 51.0, 40.0]


@pytest.fixture
def rows() -> pd.DataFrame:
    """Clinical rows of twelve patients, one of whom has no predicted EF."""
    named = {"ef_biplane_predicted": PREDICTED, "ef_biplane_reference": REFERENCE, "ef_stated": STATED}
    named |= {"edv_ml_biplane_predicted": [100.0 + i for i in range(12)], "edv_ml_biplane_reference": [100.0] * 12}
    lines = [
        {
            "patient": f"p{index}",
            "view": "",
            "frame": -1,
            "phase": "",
            "structure": "lv",
            "metric": metric,
            "value": value,
        }
        for metric, values in named.items()
        for index, value in enumerate(values)
    ]
    fixed = {"run": "r", "model": "m", "seed": 0, "dataset": "d", "split": "test"}
    return pd.DataFrame([{**fixed, **line} for line in lines], columns=list(ROW_COLUMNS))


def test_figures_are_those_of_scipy_and_of_the_definitions(rows):
    report = clinical_report(rows, resamples=200).set_index(["quantity", "against"])
    line = report.loc["ef", "reference"]
    kept = np.isfinite(PREDICTED)
    p, r = np.array(PREDICTED)[kept], np.array(REFERENCE)[kept]
    difference = p - r
    assert line["n"] == 11
    assert line["mae"] == pytest.approx(np.abs(difference).mean())
    assert line["rmse"] == pytest.approx(math.sqrt((difference**2).mean()))
    assert line["r"] == pytest.approx(stats.pearsonr(p, r)[0])
    assert line["bias"] == pytest.approx(difference.mean())
    assert line["sd"] == pytest.approx(stats.tstd(difference))
    assert line["lower_limit"] == pytest.approx(difference.mean() - 1.96 * stats.tstd(difference))
    assert line["upper_limit"] == pytest.approx(difference.mean() + 1.96 * stats.tstd(difference))
    assert line["r2"] == pytest.approx(1 - (difference**2).sum() / ((r - r.mean()) ** 2).sum())
    assert line["r2"] != pytest.approx(line["r"] ** 2)
    assert line["slope"] == pytest.approx(stats.linregress(r, p).slope)
    for name in ("mae", "bias", "sd"):
        assert line[f"{name}_low"] < line[name] < line[f"{name}_high"]


def test_every_quantity_is_compared_with_all_that_it_can_be_compared_with(rows):
    report = clinical_report(rows, resamples=50)
    found = set(report[["quantity", "method", "against"]].itertuples(index=False, name=None))
    assert found == {
        ("ef", "biplane", "reference"),
        ("ef", "biplane", "stated"),
        ("edv_ml", "biplane", "reference"),
    }


def test_implausible_and_missing_predictions_are_listed_and_not_dropped(rows):
    line = clinical_report(rows, resamples=50).set_index(["quantity", "against"]).loc["ef", "stated"]
    assert line["implausible"] == "p4 (95 %)"
    assert (line["missing"], line["n_missing"]) == ("p7", 1)
    assert line["mae"] > 33 / 11, "the implausible patient is in the mean"


def test_references_without_spread_have_no_determination(rows):
    line = clinical_report(rows, resamples=50).set_index("quantity").loc["edv_ml"]
    assert math.isnan(line["r2"])
    assert line["bias"] == pytest.approx(5.5)


def test_a_prediction_worse_than_the_mean_has_negative_determination():
    assert determination([3, 2, 1], [1, 2, 3]) == pytest.approx(-3)
    assert determination([1, 2, 3], [1, 2, 3]) == 1
    assert math.isnan(determination([1.0], [2.0]))


def test_bland_altman_points_are_mean_and_prediction_minus_reference():
    mean, difference = bland_altman_points([60, math.nan, 50], [50, 40, 55])
    assert mean.tolist() == [55, 52.5]
    assert difference.tolist() == [10, -5]


def test_pairs_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="equally long"):
        determination([1, 2], [1])


def test_rows_without_clinical_values_give_an_empty_report(rows):
    assert clinical_pairs(rows[rows["metric"] == "dice"]).empty
    assert clinical_report(rows[rows["metric"] == "dice"]).empty
