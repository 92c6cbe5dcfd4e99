"""Timing sums up what was timed, in the mode that its name says."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from tiny_segmenters import TinyConv

from harness.errors import ConfigError
from harness.profiling.latency import Stopwatch, latency_rows, make_frames, summarise, to_device
from harness.profiling.settings import ProfileSettings

SETTINGS = ProfileSettings(image_size=16, clip_length=4, device="cpu", warmup=2, repeats=3, patience_s=0)


def test_summary_is_the_distribution_and_frames_per_median():
    values = list(range(1, 101))
    summary = summarise(values, frames=5)
    assert summary["median_ms"] == np.median(values)
    assert (summary["p5_ms"], summary["p95_ms"]) == tuple(np.percentile(values, [5, 95]))
    assert summary["n"] == 100
    assert summary["fps"] == pytest.approx(5 * 1000 / 50.5)


def test_the_stopwatch_times_each_action():
    short, long = Stopwatch(torch.device("cpu"))([lambda: time.sleep(0.005), lambda: time.sleep(0.03)])
    assert 4 < short < 25
    assert long > 29


def test_on_cuda_events_lie_on_the_model_s_own_device(monkeypatch):
    """On cuda:1 they would else be recorded on the current device, cuda:0, whose stream has nothing to do."""
    current, recorded = [0], []

    class On:
        def __init__(self, device):
            self.index = device.index

        def __enter__(self):
            current.append(self.index)

        def __exit__(self, *exception):
            current.pop()

    class Event:
        def __init__(self, enable_timing):
            self.time = 0.0

        def record(self):
            recorded.append(current[-1])
            self.time = float(len(recorded))

        def elapsed_time(self, other):
            return other.time - self.time

    for name, value in {"device": On, "Event": Event, "synchronize": lambda device: None}.items():
        monkeypatch.setattr(torch.cuda, name, value)
    ran = []
    assert Stopwatch(torch.device("cuda", 1))([lambda: ran.append(current[-1])] * 2) == [1.0, 1.0]
    assert recorded == [1, 1, 1]
    assert ran == [1, 1]


def test_streaming_excludes_the_first_frame_and_clips_count_all_frames():
    calls = []

    class Counting(TinyConv):
        def segment(self, images):
            calls.append(len(images))
            return super().segment(images)

    rows = {row["mode"]: row for row in latency_rows(Counting().eval(), SETTINGS)}
    assert set(rows) == {"streaming", "clip", "clip_with_copy", "first_frame"}
    assert rows["streaming"]["n"] == 3 * (4 - 1)
    assert rows["clip"]["n"] == rows["clip_with_copy"]["n"] == rows["first_frame"]["n"] == 3
    assert rows["clip"]["fps"] == pytest.approx(4000 / rows["clip"]["median_ms"])
    assert calls[:2] == [4, 4], "warm-up runs whole clips"


def test_one_frame_clips_still_have_a_streaming_time():
    row = next(iter(latency_rows(TinyConv().eval(), SETTINGS.replace(clip_length=1))))
    assert row["mode"] == "streaming"
    assert row["n"] == 3


def test_frames_are_the_same_each_time_and_scaled_on_the_device():
    first, second = make_frames(SETTINGS, 3), make_frames(SETTINGS, 3)
    assert torch.equal(first, second)
    assert first.shape == (1, 3, 1, 16, 16)
    assert torch.equal(to_device(first, SETTINGS), first.float() / 255)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"device": "gpu"}, "Unknown device 'gpu'"),
        ({"precision": "fp8"}, "Unknown value 'fp8' in the profile's precision"),
        ({"engines": ("fast",)}, "Unknown engine 'fast'"),
        ({"repeats": 0}, "repeats must be greater than 0"),
    ],
)
def test_impossible_settings_are_refused(change, sentence):
    with pytest.raises(ConfigError, match=sentence):
        SETTINGS.replace(**change)


def test_a_missing_device_is_refused_with_a_way_out():
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ConfigError, match="use --device cpu"):
        SETTINGS.replace(device="cuda").resolved()


def test_the_condition_is_in_the_file_name():
    assert SETTINGS.replace(threads=2).file_stem == "profile_cpu_16px_t4_b1_fp32_2threads"
    changed = SETTINGS.replace(device="cuda", tf32=True, channels_last=True, precision="bf16")
    assert changed.file_stem == "profile_cuda_16px_t4_b1_bf16_channels-last_tf32"
