"""The evaluator turns predictions into tidy rows that do not depend on how they were computed."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from beating_split import FakeSplit, beating_clip, fake_split, predict_brightness

from harness.errors import BenchError, ConfigError, DataError
from harness.evaluation.evaluator import evaluate
from harness.evaluation.metrics import list_metrics
from harness.store.runs import ROW_COLUMNS

RUN = {"run": "r", "model": "m", "seed": 0}


def run(split, predict=predict_brightness, **options):
    settings = {"structures": "lv", "clip_length": None, "first_frame": "auto", "run_columns": RUN, "progress": False}
    return evaluate(predict, split, **{**settings, **options})


def value(rows: pd.DataFrame, **where) -> float:
    chosen = rows[np.logical_and.reduce([rows[name] == wanted for name, wanted in where.items()])]
    assert len(chosen) == 1, f"{len(chosen)} rows for {where}"
    return float(chosen["value"].iloc[0])


def constant(logit: float):
    """A model that answers the same everywhere: background for a negative logit, structure for a positive one."""
    return lambda frames, first: torch.tensor([0.0, logit]).view(1, 2, 1, 1).expand(len(frames), 2, *frames.shape[-2:])


def test_rows_have_the_store_columns_and_name_their_unit():
    rows = run(fake_split(1))
    assert list(rows.columns) == list(ROW_COLUMNS)
    segmentation = rows[rows["frame"] >= 0]
    assert set(segmentation["metric"]) == {
        *("dice", "iou", "precision", "recall", "hd_mm", "hd95_mm", "asd_mm", "nsd_mm", "empty"),
    }
    assert set(segmentation["phase"]) == {"ED", "ES"}
    assert not rows.duplicated(["patient", "view", "frame", "structure", "metric"]).any()


def test_a_good_prediction_scores_well_at_native_resolution():
    rows = run(fake_split(1))
    assert value(rows, view="4CH", phase="ED", metric="dice") > 0.95
    assert value(rows, view="4CH", phase="ED", metric="hd_mm") < 6
    assert value(rows, view="4CH", phase="ED", metric="empty") == 0


def test_the_stated_image_quality_is_a_row_of_its_view():
    split = fake_split(1)
    split.clips[0].quality, split.clips[1].quality = "Good", "unheard of"
    rows = run(split).query("metric == 'image_quality'")
    assert rows[["view", "frame", "structure", "value"]].values.tolist() == [[split.cases[0].view, -1, "", 3.0]]
    assert run(fake_split(1)).query("metric == 'image_quality'").empty


def test_the_unit_is_pixels_where_no_spacing_is_known():
    split = FakeSplit([beating_clip("1", "4CH", spacing=None)])
    rows = run(split)
    assert {"hd_px", "hd95_px", "asd_px", "nsd_px"} <= set(rows["metric"])
    assert not rows["metric"].str.contains("_mm").any()
    assert math.isfinite(value(rows, metric="ef_single_4ch_predicted"))
    assert not rows["metric"].str.contains("_ml").any()


def test_a_missed_structure_is_penalised_and_counted():
    rows = run(fake_split(1), constant(-1.0))
    assert value(rows, view="2CH", phase="ES", metric="dice") == 0
    assert value(rows, view="2CH", phase="ES", metric="hd95_mm") == pytest.approx(math.hypot(63 * 1.5, 95))
    assert value(rows, view="2CH", phase="ES", metric="empty") == 2
    assert math.isnan(value(rows, metric="ef_biplane_predicted"))
    assert math.isfinite(value(rows, metric="ef_biplane_reference"))


def test_both_empty_is_missing_and_counted():
    split = fake_split(1)
    for clip in split.clips:
        clip.native[:] = 0
        clip.masks[:] = 0
    rows = run(split, constant(-1.0))
    assert math.isnan(value(rows, view="4CH", phase="ED", metric="dice"))
    assert value(rows, view="4CH", phase="ED", metric="empty") == 1


def test_ejection_fraction_of_prediction_reference_and_owner_stand_side_by_side():
    rows = run(fake_split(2))
    ef = 100 * (1 - 0.8**3)
    for patient in ("0001", "0002"):
        assert value(rows, patient=patient, view="", metric="ef_biplane_reference") == pytest.approx(ef, abs=2)
        assert value(rows, patient=patient, view="", metric="ef_biplane_predicted") == pytest.approx(ef, abs=4)
        assert value(rows, patient=patient, view="4CH", metric="ef_single_4ch_reference") == pytest.approx(ef, abs=2)
        assert value(rows, patient=patient, view="", metric="ef_stated") == 47.0
        volume = value(rows, patient=patient, view="", metric="edv_ml_biplane_reference")
        assert volume == pytest.approx(4 / 3 * math.pi * 30 * 16**2 / 1000 / 1.5 * 1.0, rel=0.6)


def test_one_view_gives_no_biplane_rows():
    rows = run(FakeSplit([beating_clip("1", "4CH")]))
    assert not rows["metric"].str.contains("biplane").any()
    assert {"ef_single_4ch_predicted", "ef_area_length_4ch_predicted"} <= set(rows["metric"])


def test_the_ground_truth_protocol_gives_the_first_mask_and_does_not_score_its_frame():
    seen = []

    def predict(frames, first):
        seen.append(first)
        return predict_brightness(frames, first)

    split = fake_split(1)
    rows = run(split, predict, first_frame="gt")
    assert set(rows.loc[rows["frame"] >= 0, "phase"]) == {"ES"}
    assert seen[0].dtype == torch.int64
    assert torch.equal(seen[0], torch.from_numpy((split.clip(0).masks[0] == 1).astype(np.int64)))
    assert math.isfinite(value(rows, metric="ef_biplane_predicted"))


def test_no_mask_is_given_in_the_automatic_protocol():
    def predict(frames, first):
        assert first is None
        return predict_brightness(frames, first)

    assert len(run(fake_split(1), predict)) > 0


@pytest.mark.parametrize("length", [2, 3, 6, 11])
def test_the_model_sees_a_resampled_clip_with_both_ends(length):
    shapes = []

    def predict(frames, first):
        shapes.append(tuple(frames.shape))
        return predict_brightness(frames, first)

    rows = run(fake_split(1), predict, clip_length=length)
    assert shapes == [(length, 1, 32, 32)] * 2
    assert set(rows.loc[rows["frame"] >= 0, "frame"]) == {0, 5}


def test_a_clip_too_short_for_its_labelled_frames_is_refused():
    with pytest.raises(DataError, match=r"labelled frame 5 of 0001_2CH .* choose a longer clip"):
        run(fake_split(1), clip_length=1)


def test_interpolated_frames_are_scored_apart_and_only_when_asked():
    assert "interp" not in set(run(fake_split(1))["phase"])
    rows = run(fake_split(1), all_frames=True)
    frames = rows[(rows["metric"] == "dice") & (rows["view"] == "4CH")]
    assert frames.set_index("frame")["phase"].to_dict() == {0: "ED", 5: "ES", **dict.fromkeys(range(1, 5), "interp")}
    for name in ("frame_to_frame_dice_predicted", "frame_to_frame_dice_reference", "area_jitter_percent_predicted"):
        assert math.isfinite(value(rows, view="4CH", metric=name))
    assert value(rows, view="4CH", metric="ed_timing_error_frames") == 0
    assert value(rows, view="4CH", metric="es_timing_error_ms") == 0


def test_rows_do_not_depend_on_workers():
    split = fake_split(3)
    pd.testing.assert_frame_equal(run(split, workers=0), run(split, workers=2))


def test_all_structures_are_scored_by_name():
    def predict(frames, first):
        grey = (frames[:, 0] * 255).round()
        return torch.stack([(grey == level).float() for level in (0, 60, 120, 180)], dim=1)

    rows = run(fake_split(1), predict, structures="all")
    assert value(rows, view="4CH", phase="ED", structure="la", metric="dice") > 0.9
    assert value(rows, view="4CH", phase="ED", structure="myo", metric="empty") == 1


def test_model_resolution_rescales_the_spacing_per_axis():
    rows = run(fake_split(1), constant(-1.0), resolution="model")
    diagonal = math.hypot(31 * 1.5 * 64 / 32, 31 * 1.0 * 96 / 32)
    assert value(rows, view="4CH", phase="ED", metric="hd_mm") == pytest.approx(diagonal)


def test_compatibility_columns_come_only_when_asked():
    assert not {"dice_rowwise", "hd95_pooled_mm"} & set(run(fake_split(1))["metric"])
    rows = run(fake_split(1), metrics=("overlap", "surface", "hd95_pooled", "dice_rowwise"))
    dice, rowwise = (value(rows, view="4CH", phase="ED", metric=name) for name in ("dice", "dice_rowwise"))
    assert rowwise != dice
    assert "hd95_pooled_mm" in set(rows["metric"])


def test_an_unknown_metric_names_the_nearest():
    assert {"overlap", "surface", "hd95_pooled", "dice_rowwise"} <= set(list_metrics())
    with pytest.raises(ConfigError, match="Did you mean 'surface'"):
        run(fake_split(1), metrics=("surfac",))


def test_output_that_is_not_finite_ends_with_a_sentence():
    with pytest.raises(BenchError, match="output for 0001_2CH is not finite"):
        run(fake_split(1), constant(float("nan")))


def test_logits_of_the_wrong_shape_are_refused():
    with pytest.raises(ValueError, match="predict must return logits"):
        run(fake_split(1), lambda frames, first: torch.zeros(len(frames), 3, 32, 32))
