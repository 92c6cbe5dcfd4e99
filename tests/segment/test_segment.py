"""A clip of known ellipses comes back as known masks, areas and EF, whatever its length."""

from __future__ import annotations

import gc
import json
import math
import tracemalloc
from pathlib import Path

import cv2
import nibabel
import numpy as np
import pandas as pd
import pytest
import torch
from drawn_clips import ellipse_frame
from PIL import Image

from harness.errors import BenchError, DataError
from harness.segment import FrameSource, Region, segment
from harness.segment.spool import MaskSpool
from harness.segment.stream import label_stream


def source_of(frames, **known) -> FrameSource:
    return FrameSource(path=Path("a_clip.avi"), frames=lambda: iter(frames), **known)


def test_masks_areas_and_ef_of_a_beating_ellipse_are_those_of_its_geometry(tmp_path, trained, clip):
    known = source_of(clip, count=10, spacing_mm=(1.0, 1.0), frame_rate_hz=20.0)
    outcome = segment(known, trained, tmp_path)
    long, short = 0.4 * 64, 0.3 * 48
    truth_ml = 4 / 3 * math.pi * long * short**2 / 1000
    assert outcome.frames == 10
    assert [(beat.ed, beat.es) for beat in outcome.beats] == [(0, 5)]
    for estimate in outcome.estimates:
        assert estimate.edv_ml == pytest.approx(truth_ml, rel=0.05)
        assert estimate.ef_percent == pytest.approx(100 * (1 - 0.7**3), abs=2.5)
    table = pd.read_csv(tmp_path / "areas.csv")
    assert list(table) == ["frame", "time_s", "lv_cm2"]
    assert table["lv_cm2"][0] == pytest.approx(math.pi * long * short / 100, rel=0.03)
    assert table["time_s"][9] == pytest.approx(0.45)


def test_the_mask_file_overlays_the_clip_pixel_by_pixel(tmp_path, trained, clip):
    segment(source_of(clip, spacing_mm=(0.5, 0.3)), trained, tmp_path)
    image = nibabel.load(tmp_path / "masks.nii.gz")
    masks = np.asarray(image.dataobj).transpose(2, 1, 0)
    assert masks.dtype == np.uint8
    assert image.header.get_zooms()[:2] == pytest.approx((0.3, 0.5))
    assert ((masks == 1) != (clip < 85)).mean() < 0.02


def test_without_a_pixel_size_ef_remains_and_volumes_are_missing(tmp_path, trained, clip):
    outcome = segment(source_of(clip), trained, tmp_path)
    with_size = segment(source_of(clip, spacing_mm=(0.5, 0.5)), trained, tmp_path / "sized")
    for bare, sized in zip(outcome.estimates, with_size.estimates, strict=True):
        assert bare.ef_percent == pytest.approx(sized.ef_percent, abs=1e-9)
        assert math.isnan(bare.edv_ml)
        assert math.isnan(bare.esv_ml)
    assert list(pd.read_csv(tmp_path / "areas.csv")) == ["frame", "time_s", "lv_px2"]
    assert any("pixel size is unknown" in note for note in outcome.notes)
    assert json.loads((tmp_path / "summary.json").read_text())["single_view_estimates"][0]["edv_ml"] is None


def test_outside_the_region_everything_is_background(tmp_path, trained, clip):
    region = Region(x=10, y=8, width=24, height=40)
    segment(source_of(clip, region=region), trained, tmp_path)
    masks = np.asarray(nibabel.load(tmp_path / "masks.nii.gz").dataobj).transpose(2, 1, 0)
    outside = np.ones((64, 48), bool)
    outside[8:48, 10:34] = False
    assert not masks[:, outside].any()
    assert ((masks == 1) != (clip < 85))[:, ~outside].mean() < 0.03


def test_a_region_outside_the_frame_is_refused(tmp_path, trained, clip):
    with pytest.raises(DataError, match="48 x 64"):
        segment(source_of(clip, region=Region(x=30, y=0, width=30, height=10)), trained, tmp_path)


def test_the_stream_is_opened_once_and_agrees_with_the_clip_call(trained, clip):
    from harness.data.resample import resize_frames
    from harness.evaluation.prediction import label_maps

    streamed = np.stack([each.labels for each in label_stream(trained, clip, region=None, device=torch.device("cpu"))])
    assert trained.model.begun == 1
    frames = torch.from_numpy(resize_frames(clip, 32))[None, :, None].float() / 255
    with torch.inference_mode():
        np.testing.assert_array_equal(streamed, label_maps(trained.model(frames)[0], (64, 48)))


@pytest.mark.parametrize("kind", ["avi", "mp4"])
def test_the_overlay_video_has_a_coloured_picture_per_frame(tmp_path, trained, clip, kind):
    segment(source_of(clip, frame_rate_hz=20.0), trained, tmp_path, overlay=kind)
    video = cv2.VideoCapture(str(tmp_path / f"overlay.{kind}"))
    pictures = []
    while (read := video.read())[0]:
        pictures.append(read[1])
    assert len(pictures) == 10
    assert pictures[0].shape == (64, 48, 3)
    assert np.ptp(pictures[0].astype(int), axis=2).max() > 60


def test_the_gif_is_animated(tmp_path, trained, clip):
    segment(source_of(clip, frame_rate_hz=20.0), trained, tmp_path, overlay="gif")
    with Image.open(tmp_path / "overlay.gif") as gif:
        assert (gif.n_frames, gif.info["duration"]) == (10, 50)


def test_no_overlay_is_written_when_none_is_asked_for(tmp_path, trained, clip):
    outcome = segment(source_of(clip), trained, tmp_path, overlay="none")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in outcome.files)
    assert not list(tmp_path.glob("overlay*"))


def test_a_clip_without_a_ventricle_has_areas_of_zero_and_no_ef(tmp_path, trained):
    outcome = segment(source_of([np.full((20, 20), 200, np.uint8)] * 3), trained, tmp_path)
    assert (outcome.beats, outcome.estimates) == ((), ())
    assert any("no EF" in note for note in outcome.notes)
    assert pd.read_csv(tmp_path / "areas.csv")["lv_px2"].tolist() == [0, 0, 0]


def test_frames_without_a_ventricle_do_not_become_end_systole(tmp_path, trained, clip):
    clip[7] = 200
    outcome = segment(source_of(clip), trained, tmp_path)
    assert (outcome.beats[0].es, outcome.empty) == (5, 1)


def test_a_clip_without_frames_or_with_changing_frames_is_refused(tmp_path, trained, clip):
    with pytest.raises(DataError, match="no frame"):
        segment(source_of([]), trained, tmp_path / "none")
    with pytest.raises(DataError, match="change their size"):
        segment(source_of([clip[0], clip[0][:-2]]), trained, tmp_path / "two")


def test_a_model_that_is_not_finite_is_named_at_fault(tmp_path, trained, clip):
    trained.model.threshold.data.fill_(math.nan)
    with pytest.raises(BenchError, match="not finite"):
        segment(source_of(clip), trained, tmp_path)


def test_a_stopped_run_leaves_earlier_results_and_nothing_half_written(tmp_path, trained, clip):
    segment(source_of(clip), trained, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def broken():
        yield from clip[:3]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segment(FrameSource(path=Path("a.avi"), frames=broken), trained, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length_of_the_clip(tmp_path, trained, monkeypatch):
    monkeypatch.setattr("harness.segment.apply.plot_areas", lambda *arguments: None)  # slow when allocations are traced

    def peak(count: int) -> tuple[int, int]:
        """Largest allocation of Python and NumPy in bytes and tensors alive at any frame."""
        most = 0

        def frames():
            for t in range(count):
                yield ellipse_frame(t, 10, 96, 96)

        def tick():
            nonlocal most
            if tick.calls % 100 == 25:
                gc.collect()
                most = max(most, sum(issubclass(type(item), torch.Tensor) for item in gc.get_objects()))
            tick.calls += 1

        tick.calls = 0
        tracemalloc.start()
        segment(FrameSource(path=Path("a.avi"), frames=frames), trained, tmp_path / str(count), tick=tick)
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak_bytes, most

    peak(5)  # imports and caches
    (short, short_tensors), (long, long_tensors) = peak(60), peak(300)
    frame_bytes = 96 * 96
    # Some two kilobytes of measures are kept of a frame, and nothing of its nine of pixels.
    assert long - short < 75 * frame_bytes, "240 more frames were kept"
    # Mirrored and moved inputs are in flight now and then; a leak would be one of every frame.
    assert long_tensors <= short_tensors + 10


def test_spooled_label_maps_come_back_in_order(tmp_path):
    with MaskSpool(tmp_path / "s") as spool:
        for value in range(5):
            spool.append(np.full((3, 4), value, np.uint8))
        masks = spool.masks()
    assert masks.shape == (5, 3, 4)
    assert masks[:, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert isinstance(masks, np.memmap)


def test_the_spool_refuses_another_size_or_type(tmp_path):
    with MaskSpool(tmp_path / "s") as spool:
        with pytest.raises(ValueError, match="no label map"):
            spool.masks()
        spool.append(np.zeros((3, 4), np.uint8))
        for wrong in (np.zeros((4, 3), np.uint8), np.zeros((3, 4), np.int64)):
            with pytest.raises(ValueError, match="labels must be"):
                spool.append(wrong)
