"""From case rows to one value per patient."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.errors import BenchError
from harness.statistics.patients import distance_unit, ef_methods, ef_pairs, patient_means
from harness.store.runs import ROW_COLUMNS


def table(*rows: tuple[str, str, int, str, str, str, float]) -> pd.DataFrame:
    """Rows given as patient, view, frame, phase, structure, metric, value."""
    return pd.DataFrame([("run", "unet", 0, "phantom", "test", *row) for row in rows], columns=list(ROW_COLUMNS))


def test_a_view_with_more_frames_weighs_no_more_than_the_other() -> None:
    rows = table(
        ("p1", "2CH", 0, "ED", "lv", "dice", 0.6),
        ("p1", "4CH", 0, "ED", "lv", "dice", 0.9),
        ("p1", "4CH", 5, "ES", "lv", "dice", 0.8),
        ("p1", "4CH", 6, "", "lv", "dice", 0.7),
    )
    assert patient_means(rows, "dice")["p1"] == pytest.approx((0.6 + 0.8) / 2)


def test_undefined_cases_are_left_out_and_a_patient_without_any_is_missing() -> None:
    rows = table(
        ("p1", "4CH", 0, "ED", "lv", "dice", np.nan),
        ("p1", "4CH", 1, "ES", "lv", "dice", 0.8),
        ("p2", "4CH", 0, "ED", "lv", "dice", np.nan),
    )
    means = patient_means(rows, "dice")
    assert means["p1"] == 0.8
    assert np.isnan(means["p2"])


def test_structure_view_and_phase_select_rows() -> None:
    rows = table(
        ("p1", "4CH", 0, "ED", "lv", "dice", 0.9),
        ("p1", "4CH", 1, "ES", "lv", "dice", 0.8),
        ("p1", "4CH", 0, "ED", "myo", "dice", 0.5),
        ("p1", "2CH", 0, "ED", "lv", "dice", 0.7),
    )
    assert patient_means(rows, "dice", structure="lv", view="4CH", phase="ED")["p1"] == 0.9
    assert patient_means(rows, "dice", structure="myo")["p1"] == 0.5
    assert patient_means(rows, "iou").empty


def test_distances_in_different_units_are_refused_in_one_sentence() -> None:
    mm, px = (table(("p1", "4CH", 0, "ED", "lv", f"hd95_{unit}", 3.0)) for unit in ("mm", "px"))
    assert distance_unit([mm, mm]) == "mm"
    assert distance_unit([px]) == "px"
    assert distance_unit([table(("p1", "4CH", 0, "ED", "lv", "dice", 0.9))]) == "mm"
    with pytest.raises(BenchError, match="different units"):
        distance_unit([mm, px])


def test_biplane_is_preferred_among_the_ef_methods() -> None:
    names = (
        "ef_single_4ch_predicted",
        "ef_zeta_predicted",
        "ef_biplane_predicted",
        "ef_biplane_reference",
        "ef_stated",
    )
    rows = table(*(("p1", "", -1, "", "lv", name, 50.0) for name in names))
    assert ef_methods(rows) == ["biplane", "single_4ch", "zeta"]


def test_ef_pairs_join_prediction_and_truth_by_patient() -> None:
    rows = table(
        ("p1", "", -1, "", "lv", "ef_biplane_predicted", 50.0),
        ("p1", "", -1, "", "lv", "ef_biplane_reference", 55.0),
        ("p1", "", -1, "", "", "ef_stated", 60.0),
        ("p2", "", -1, "", "lv", "ef_biplane_predicted", 40.0),
    )
    assert ef_pairs(rows, "biplane").loc["p1"].tolist() == [50.0, 55.0]
    assert ef_pairs(rows, "biplane", "stated").loc["p1"].tolist() == [50.0, 60.0]
    assert list(ef_pairs(rows, "biplane").index) == ["p1"]
