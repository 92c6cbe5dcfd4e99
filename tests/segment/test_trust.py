"""Flags: a clip like the training data raises none, one that is broken in a known way raises the flag of that way."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

import harness
from harness.clip import LABELS
from harness.data.media.frames import Region
from harness.data.video import write_avi
from harness.segment import ListedClip, Settings, segment_all
from harness.segment.readout import measure_beats
from harness.segment.trust import FLAGS, LIMITS, Observer, judge, raised, sentences, training_range
from harness.segment.trust.agreement import disagreement
from harness.segment.trust.observer import KEPT, KeptFrame
from harness.segment.trust.picture import FEATURES, distance, picture_features, precision_of
from harness.segment.trust.plausibility import hollow, scattered


def blank(height=40, width=40):
    return np.zeros((height, width), bool)


def test_pieces_and_holes_are_counted_wherever_they_lie():
    mask = blank()
    mask[5:15, 5:15] = True
    assert (scattered(mask), hollow(mask)) == (0.0, 0.0)
    mask[30:35, 38:40] = True
    assert scattered(mask) == pytest.approx(10 / 110)
    mask[8, 8] = mask[10, 5:10] = False
    assert hollow(mask) == pytest.approx(1 / 105), "a notch is no hole"
    assert math.isnan(scattered(blank()))
    assert math.isnan(hollow(blank()))


def test_the_features_tell_noise_and_darkness_and_know_nothing_of_black():
    rng = np.random.default_rng(0)
    picture = np.zeros((64, 64), np.uint8)
    picture[8:56, 8:56] = cv2.GaussianBlur(rng.integers(20, 200, (48, 48)).astype(np.uint8), (0, 0), 3)
    plain = dict(zip(FEATURES, picture_features(picture), strict=True))
    assert plain["lit"] == pytest.approx(48 * 48 / 64**2)
    noisy = np.where(picture > 3, np.clip(picture + rng.normal(0, 30, picture.shape), 4, 255), 0).astype(np.uint8)
    assert dict(zip(FEATURES, picture_features(noisy), strict=True))["grain"] > 2 * plain["grain"]
    assert picture_features(picture // 2)[0] == pytest.approx(plain["mean"] / 2, rel=0.05)
    assert np.isnan(picture_features(np.zeros((64, 64), np.uint8))).all()


def test_the_distance_is_one_for_what_is_usual_and_grows_along_a_rare_direction():
    samples = np.random.default_rng(1).normal(size=(500, 3)) @ np.array([[1, 0.9, 0], [0, 0.4, 0], [0, 0, 2]])
    mean, precision = samples.mean(0), precision_of(samples)
    usual = np.median([distance(row, mean, precision) for row in samples])
    assert usual == pytest.approx(0.9, abs=0.15)
    along, across = mean + np.array([2, 2, 0]), mean + np.array([2, -2, 0])
    assert distance(across, mean, precision) > 2 * distance(along, mean, precision)


def test_frames_are_kept_evenly_and_never_more_than_agreed():
    observer = Observer(Region(x=0, y=0, width=16, height=16))
    for frame in range(100):
        observer.take(np.zeros((16, 16), np.uint8), np.full((8, 8), frame, np.uint8))
        assert len(observer.kept) <= 2 * KEPT
    kept = [int(each.picture[0, 0]) for each in observer.kept]
    assert np.ptp(np.diff(kept)) == 0
    assert (kept[0], observer.missing, int(observer.brightest.max())) == (0, 1.0, 99)


class Memory:
    """Class 1 where a picture is dark; ``where`` limits it to the left half, so that mirrored pictures disagree."""

    def __init__(self, where=slice(None)):
        self.where = where

    def begin(self, image):
        return 0

    def step(self, image, state):
        lit = torch.full_like(image, -1.0)
        lit[..., self.where] = 0.3 - image[..., self.where]
        return torch.cat([torch.zeros_like(image), lit], 1), state + 1


def test_a_model_that_depends_on_the_side_disagrees_with_its_mirror_image():
    picture = np.full((32, 32), 200, np.uint8)
    picture[10:20, 4:12] = 0
    kept = [KeptFrame(picture, picture == 0)] * 3
    even = disagreement(Memory(), kept, 1, torch.device("cpu"))
    assert even["mirrored"] == 0
    sided = disagreement(Memory(slice(0, 16)), kept, 1, torch.device("cpu"))
    assert sided["mirrored"] == 1
    assert math.isnan(disagreement(Memory(), [], 1, torch.device("cpu"))["moved"])


@pytest.fixture(scope="module")
def drawn(data_root):
    """A tiny prepared phantom and the range of its training data."""
    tiny = {"generate.patients": (3, 1, 2), "generate.pixel_mm": 1.6}
    cache = harness.load_dataset("phantom", image_size=32, settings=tiny, progress=False, data=data_root)
    return cache, training_range(cache)


def measured(trained, cache, limits, masks, pictures, spacing=(1.0, 1.0)):
    side = pictures.shape[-1]
    observer = Observer(Region(x=0, y=0, width=side, height=side))
    for mask, picture in zip(masks, pictures, strict=True):
        observer.take(mask, picture)
    beats = measure_beats(masks, np.count_nonzero(masks == LABELS["lv"], axis=(1, 2)), spacing, None)
    return judge(observer, beats, replace(trained, range=limits), asked={}, spacing_mm=spacing, ef_sd=math.nan)


def test_reference_masks_of_the_training_data_raise_no_flag_and_changed_ones_the_right_one(trained, drawn):
    cache, limits = drawn
    clip = cache.split("train").clip(0)
    masks, pictures = np.array(clip.masks), np.array(clip.frames)
    plain = measured(trained, cache, limits, masks, pictures)
    assert raised(plain) == ()
    assert plain["area"] < 3
    assert plain["outside"] < 0
    small = np.zeros_like(masks)
    small[:, 10:21, 10:21] = masks[:, ::3, ::3]
    assert {"area", "length"} <= set(raised(measured(trained, cache, limits, small, pictures)))
    shifted = np.roll(masks, 16, axis=2)
    assert measured(trained, cache, limits, shifted, pictures)["outside"] > plain["outside"]
    noise = np.random.default_rng(0).integers(0, 256, pictures.shape).astype(np.uint8)
    assert "intensity" in raised(measured(trained, cache, limits, masks, noise))
    gone = masks.copy()
    gone[::2] = 0
    assert "missing" in raised(measured(trained, cache, limits, gone, pictures))


def test_sizes_do_not_depend_on_the_pixel_size_or_the_rectangle(trained, drawn):
    cache, limits = drawn
    clip = cache.split("test").clip(0)
    plain = measured(trained, cache, limits, np.array(clip.masks), np.array(clip.frames))
    fine = measured(trained, cache, limits, np.array(clip.masks), np.array(clip.frames), spacing=(0.3, 0.3))
    assert fine["length"] == pytest.approx(plain["length"], rel=1e-6)
    assert fine["area"] == plain["area"]


def test_flags_are_written_printed_and_joined_for_a_patient(tmp_path, trained, clip):
    broken = clip.copy()
    broken[3:8] = 200
    for name, frames in (("good", clip), ("broken", broken)):
        write_avi(tmp_path / f"{name}.avi", frames, 20.0)
    listed = [ListedClip(path=tmp_path / f"{n}.avi", name=n, patient="A") for n in ("good", "broken")]
    segment_all(listed, trained, tmp_path / "out", Settings(overlay="none"))
    table = pd.read_csv(tmp_path / "out" / "summary.csv").set_index("clip")
    assert table.loc["broken", "trust_missing"] == 0.5
    assert "missing" in table.loc["broken", "flags"].split()
    assert "missing" not in str(table.loc["good", "flags"]).split()
    assert "missing" in table[table["row"] == "patient"]["flags"].iloc[0].split()
    notes = json.loads((tmp_path / "out" / "broken" / "summary.json").read_text())["notes"]
    assert "Do not trust (missing): the LV is missing in 50% of the frames." in notes
    assert any("--data-dir" in note for note in notes), "nothing is known of the training data"


def test_every_flag_has_a_limit_and_a_sentence():
    assert set(FLAGS) == set(LIMITS)
    beyond = {name: limit + 1 for name, limit in LIMITS.items()}
    assert raised(beyond) == tuple(FLAGS)
    assert len(sentences(beyond)) == len(FLAGS)
    assert raised(LIMITS) == ()
