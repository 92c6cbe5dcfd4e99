"""From a phantom root through its prepared cache to rows: the EF that comes out is the EF that was put in."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from harness.data import Phantom, prepare
from harness.evaluation.clinical import ejection_fraction, long_axis_profile, simpson_single_ml
from harness.evaluation.evaluator import evaluate
from harness.phantom import generate, read_manifest
from harness.statistics.agreement import agreement

RUN = {"run": "r", "model": "m", "seed": 0}


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    """A root of three test patients, its truths by patient, and its test split prepared at 96 pixels."""
    folder = tmp_path_factory.mktemp("phantom")
    root = generate(folder / "root", patients=(1, 1, 3), seed=7, pixel_mm=0.9, workers=1, progress=False)
    cache = prepare(Phantom(root), image_size=96, cache_root=folder / "cache", workers=1, progress=False)
    return {patient["id"]: patient for patient in read_manifest(root)["patients"]}, cache.split("test")


def reference_model(split):
    """A model that has seen the answer: the masks of each clip, in the order in which the evaluator asks."""
    clips = iter(split)

    def predict(frames, first_mask):
        inside = torch.from_numpy(np.array(next(clips).masks == 1)).float()
        return torch.stack([0.5 - inside, inside - 0.5], dim=1)

    return predict


@pytest.fixture(scope="module")
def rows(phantom):
    _, split = phantom
    options = {"structures": "lv", "clip_length": None, "first_frame": "auto", "run_columns": RUN, "progress": False}
    return evaluate(reference_model(split), split, all_frames=True, **options)


def metric(rows, name, view=""):
    chosen = rows[(rows["metric"] == name) & (rows["view"] == view)]
    return chosen.set_index("patient")["value"].to_dict()


def test_biplane_volumes_and_ef_of_the_reference_masks_are_the_truth(phantom, rows):
    truths, split = phantom
    volumes = {phase: metric(rows, f"{phase}_ml_biplane_reference") for phase in ("edv", "esv")}
    ef = metric(rows, "ef_biplane_reference")
    assert set(ef) == {case.patient for case in split.cases}
    for patient, value in ef.items():
        truth = truths[patient]
        assert value == pytest.approx(truth["ef_percent"], abs=1.0)
        for phase, found in volumes.items():
            assert found[patient] == pytest.approx(truth[f"{phase}_ml"], rel=0.025)


def test_the_owners_method_gives_a_smaller_ef_and_the_predicted_phases_give_the_same(rows):
    ef, owners, auto = (
        metric(rows, f"ef_{name}") for name in ("biplane_predicted", "biplane_camus_predicted", "biplane_auto")
    )
    assert set(ef) == set(owners) == set(auto)
    for patient, value in ef.items():
        assert 3 < value - owners[patient] < 15, "the end-systolic ventricle gets the length of the end-diastolic one"
        assert auto[patient] == pytest.approx(value, abs=1.5)
        lengths = [metric(rows, f"length_mm_4ch_{phase}_reference", "4CH")[patient] for phase in ("ed", "es")]
        assert lengths[0] > lengths[1] > 30


def test_predictions_at_model_size_keep_the_ef_when_resized_to_native(phantom, rows):
    truths, _ = phantom
    for patient, value in metric(rows, "ef_biplane_predicted").items():
        assert value == pytest.approx(truths[patient]["ef_percent"], abs=2.0)
    dice = rows.loc[(rows["metric"] == "dice") & rows["phase"].isin(["ED", "ES"]), "value"]
    assert dice.min() > 0.97


def test_phases_of_a_perfect_prediction_are_found_in_its_area_curve(phantom, rows):
    _, split = phantom
    for clip in split:
        for phase in ("ed", "es"):
            error = metric(rows, f"{phase}_timing_error_frames", clip.case.view)[clip.case.patient]
            assert abs(error) <= 1, "the curve is flat at its ends"


def test_the_volume_curve_of_a_whole_sequence_has_the_ef_of_the_patient(phantom):
    truths, split = phantom
    for clip in split:
        masks = clip.native_masks() == 1
        curve = np.array([simpson_single_ml(long_axis_profile(mask, clip.spacing_mm)) for mask in masks])
        truth = np.array(truths[clip.case.patient]["views"][clip.case.view]["volumes_ml"])
        assert np.corrcoef(curve, truth)[0, 1] > 0.995
        ef = ejection_fraction(curve.max(), curve.min())
        assert ef == pytest.approx(truths[clip.case.patient]["ef_percent"], abs=12), "one view, round discs"


def test_the_agreement_of_three_patients_has_figures_and_no_intervals(rows):
    predicted, stated = metric(rows, "ef_biplane_predicted"), metric(rows, "ef_stated")
    found = agreement([predicted[name] for name in stated], list(stated.values()))
    assert found.n == 3
    assert found.mae.point < 2
    assert math.isnan(found.mae.low)
