"""A model is measured in a process of its own, and what goes wrong there ends as a row or a sentence."""

from __future__ import annotations

import signal
import weakref

import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from tiny_segmenters import TinyAttention, TinyConv

from harness.engines.contract import weight_bytes
from harness.errors import BenchError
from harness.profiling import PROFILE_COLUMNS, memory, profile_model
from harness.profiling.memory import memory_row, streaming_peaks
from harness.profiling.profile import collect
from harness.profiling.settings import ProfileSettings
from harness.profiling.worker import Subject, _too_much, failed_row

TINY = {"image_size": 32, "clip_length": 3, "device": "cpu", "threads": 1, "warmup": 1, "repeats": 2, "patience_s": 0}
EAGER = ("eager",)


def profiled(**options):
    build = {"type": "TinyConv", "num_structures": 1, "fail": options.pop("fail", "")}
    options.setdefault("engines", EAGER)
    options.setdefault("custom_imports", ("tiny_segmenters",))
    return profile_model(build, model="tiny", size="small", **TINY | options)


def test_one_process_gives_a_row_per_quantity_headline_first():
    table = profiled()
    assert list(table.columns) == list(PROFILE_COLUMNS)
    headline = table.iloc[0]
    assert (headline["model"], headline["mode"], headline["engine"]) == ("tiny", "streaming", "eager")
    assert headline["parameters"] == 24
    assert headline["gmacs_per_frame_torch"] == pytest.approx(9 * 2 * 32 * 32 / 1e9)
    assert headline["peak_memory_mb"] > 0
    assert headline["fps"] > 0
    modes = "clip clip_with_copy complexity first_frame first_frame_cold memory_clip memory_streaming streaming"
    assert sorted(table["mode"]) == modes.split()
    assert set(table["status"]) == {"ok"}
    for column, value in (("device", "cpu"), ("threads", 1), ("precision", "fp32"), ("image_size", 32)):
        assert set(table[column]) == {value}


@pytest.fixture(scope="module")
def several() -> pd.DataFrame:
    """Three engines in one process, of which one cannot execute anything on a machine without CUDA."""
    return profiled(engines=("bf16twin", "cuda_graph", "eager"), complexity=False)


def test_every_engine_has_its_rows_and_the_first_one_is_the_headline(several):
    table = several
    headline = table.iloc[0]
    assert (headline["mode"], headline["engine"]) == ("streaming", "bf16twin")
    assert headline["peak_memory_mb"] > 0
    assert {"bf16twin", "eager"} <= set(table["engine"])
    twin = table[table["engine"] == "bf16twin"]
    assert set(twin["mode"]) == {
        "streaming",
        "clip",
        "clip_with_copy",
        "first_frame",
        "memory_streaming",
        "memory_clip",
    }
    assert twin["fps"].max() > 0


def test_what_an_engine_cannot_execute_is_a_row_that_says_why(several):
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    rows = several[several["engine"] == "cuda_graph"]
    assert rows["mode"].tolist() == ["streaming"], "no memory is measured of what does not run"
    assert "needs a CUDA device" in rows["status"].item()
    assert rows["fps"].isna().all()


def test_one_form_of_the_model_is_held_at_a_time_each_with_its_weights_once():
    settings = ProfileSettings(**TINY, engines=EAGER).resolved()
    subject = Subject({"type": "TinyConv", "num_structures": 1}, settings)
    plain = weakref.ref(subject.plain())
    assert subject.executed_by("eager") is plain(), "eager is the model itself"
    assert weight_bytes(subject.executed_by("eager")) == weight_bytes(TinyConv())
    assert subject.executed_by("bf16twin") is not plain()
    assert plain() is None, "the eager model is gone when another engine is measured"
    assert subject.executed_by("bf16twin") is subject.executed_by("bf16twin")
    again = subject.executed_by("eager")
    assert isinstance(again, TinyConv)


@pytest.mark.parametrize(("pools", "peak"), [(False, 3.0), (True, 8.0)])
def test_on_cuda_the_memory_of_graphs_is_what_is_reserved_after_recording_anew(pools, peak, monkeypatch):
    """The bookkeeping, on counters of our own: no GPU is needed to see which of them is read when."""
    events = []
    for name, value in {
        "synchronize": None, "empty_cache": None, "reset_peak_memory_stats": None,
        "max_memory_allocated": 3 * 2**20, "max_memory_reserved": 8 * 2**20,
    }.items():  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, lambda *_, name=name, value=value: events.append(name) or value)

    class Graphed(TinyConv):
        holds_pools = pools

        def forget(self):
            events.append("forget")

    row = memory._cuda_peak(Graphed(), lambda: events.append("run"), ProfileSettings(device="cuda"))
    assert (row["peak_memory_mb"], row["peak_reserved_mb"]) == (peak, 8.0)
    assert ("reserved" in row["memory_method"]) == pools
    assert events.index("reset_peak_memory_stats") < events.index("run") < events.index("max_memory_allocated")
    assert ("forget" in events) == pools
    if pools:
        assert events.index("forget") < events.index("reset_peak_memory_stats")


def test_running_out_of_memory_is_a_row():
    table = profiled(fail="memory", complexity=False, memory_lengths=(1, 3))
    broken = table[table["status"] != "ok"]
    assert set(broken["status"]) == {"out of memory"}
    assert {"streaming", "memory_clip"} <= set(broken["mode"])
    assert "memory_streaming" in set(table.loc[table["status"] == "ok", "mode"])


def test_a_killed_process_leaves_a_row_for_what_it_was_doing_and_no_guess_at_the_reason():
    table = profiled(fail="killed")
    assert table[["mode", "status"]].to_numpy().tolist() == [["first_frame_cold", "the process was ended by SIGKILL"]]


def test_memory_is_the_reason_where_the_kernel_says_so():
    lines = [{"begin": "complexity"}]
    (row,) = collect(lines, -signal.SIGKILL, "", "m", out_of_memory=True)
    assert row["status"] == "out of memory (process killed)"
    with pytest.raises(BenchError, match="Profiling m failed: exit code -11"):
        collect(lines, -signal.SIGSEGV, "", "m", out_of_memory=True)


def test_a_fault_of_the_model_ends_with_its_own_sentence():
    with pytest.raises(BenchError, match="Profiling TinyConv failed: ValueError: the layer does not fit"):
        profiled(fail="bug")


def test_rows_written_before_a_kill_are_kept():
    lines = [
        {"begin": "first_frame_cold"},
        {"mode": "first_frame_cold", "device": "cpu", "precision": "fp32", "image_size": 8, "batch_size": 1},
        {"begin": "memory_clip:eager:300"},
    ]
    rows = collect(lines, -signal.SIGKILL, "", "m")
    assert [row["mode"] for row in rows] == ["first_frame_cold", "memory_clip"]
    assert rows[1]["clip_length"] == 300
    assert rows[1]["device"] == "cpu"


@pytest.mark.parametrize(
    ("part", "row"),
    [
        ("latency:eager", {"mode": "streaming", "engine": "eager"}),
        ("memory_streaming:native:32", {"mode": "memory_streaming", "engine": "native", "clip_length": 32}),
        ("complexity", {"mode": "complexity"}),
    ],
)
def test_the_part_that_did_not_fit_is_named(part, row):
    assert failed_row(part) == {**row, "status": "out of memory"}


def test_memory_grows_with_a_memory_that_grows_and_holds_the_weights():
    settings = ProfileSettings(image_size=256, device="cpu", threads=1)
    model = TinyAttention(width=64).eval()
    row = memory_row(model, settings, 4, "memory_streaming")
    assert row["peak_memory_mb"] * 2**20 >= weight_bytes(model)
    clips = [memory_row(TinyConv().eval(), settings, length, "memory_clip")["peak_memory_mb"] for length in (4, 64)]
    assert clips[1] > clips[0] + 30, "64 frames of two float32 channels at 256 px take 32 MiB more"


def test_the_peaks_of_one_stream_rise_with_what_the_stream_keeps():
    settings = ProfileSettings(image_size=256, device="cpu", threads=1)
    growing, even = (
        streaming_peaks(model.eval(), settings, (4, 40)) for model in (TinyAttention(width=64), TinyConv())
    )
    assert growing[1] > growing[0] + 5
    assert even[0] <= even[1] < even[0] + 3


def test_a_clip_that_cannot_fit_is_not_tried():
    settings = ProfileSettings(device="cpu")
    assert _too_much(settings, 300, {}) is None
    assert _too_much(settings, 300, {10: 1.0}) is None
    assert _too_much(settings, 300, {10: 1e9}) == pytest.approx(3e10)


def test_the_verb_writes_a_table_whose_name_carries_the_condition(tmp_path):
    from harness.cli.profile import command

    arguments = ["--models", "unet", "--image-size", "32", "--clip-length", "2", "--device", "cpu", "--threads", "1"]
    arguments += [
        "--engines",
        "eager",
        "--warmup",
        "1",
        "--repeats",
        "1",
        "--memory-frames",
        "2",
        "--patience",
        "0",
        "--out",
        str(tmp_path),
    ]
    result = CliRunner().invoke(command, arguments, standalone_mode=False)
    assert result.exception is None
    path = tmp_path / "profile_cpu_32px_t2_b1_fp32_1threads_small.csv"
    table = pd.read_csv(path)
    assert set(table["model"]) == {"unet"}
    assert table.loc[0, "parameters"] > 1e6
