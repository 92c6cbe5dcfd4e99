"""Recorded steps: what is recorded when, that outputs belong to the caller, what happens where recording fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from baselines.stm import STM
from gdkvm.model import GDKVM
from harness.engines import EngineError, make_engine
from harness.engines import cuda_graph as module
from harness.engines.cuda_graph import MOST_RECORDINGS, GraphedSegmenter
from harness.engines.static import Outputs
from harness.engines.tree import tensors_in
from harness.modeling import VideoSegmenter

TINY = dict(
    image_depth=18, image_width=8, value_depth=18, value_width=8, width=32, key_width=16, heads=4, queries=4,
    blocks=1, attention_heads=2, feed_width=32, decoder_widths=(16, 16),
)  # fmt: skip


class FakeGraphs:
    """Records as CUDA does, without CUDA: a replay runs the call again and writes into the first call's outputs."""

    def __init__(self, works: bool = True) -> None:
        self.works, self.recorded, self.replayed = works, 0, 0

    def __call__(self, run: Callable[[], Outputs]) -> tuple[Callable[[], None], Outputs]:
        if not self.works:
            raise RuntimeError("operation not permitted when stream is capturing.\nMore lines follow")
        self.recorded += 1
        outputs = run()

        def replay() -> None:
            self.replayed += 1
            for old, new in zip(tensors_in(outputs), tensors_in(run()), strict=True):
                if old is not new:
                    old.copy_(new)

        return replay, outputs


def gdkvm(**options: Any) -> GDKVM:
    torch.manual_seed(0)
    return GDKVM(**{**TINY, **options}).eval()


def stm(**options: Any) -> STM:
    torch.manual_seed(0)
    return STM(depth=18, width=8, key_channels=8, value_channels=16, decoder_width=8, memory_every=2, **options).eval()


def clip(length: int = 3, batch: int = 2, size: int = 32) -> Tensor:
    return torch.rand(batch, length, 1, size, size, generator=torch.Generator().manual_seed(length))


@torch.no_grad()
def stream(model: VideoSegmenter, frames: Tensor, mask: Tensor | None = None) -> Tensor:
    state, logits = model.begin(frames[:, 0], mask), []
    for frame in frames.unbind(1):
        output, state = model.step(frame, state)
        logits.append(output)
    return torch.stack(logits, 1)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("pixel", ["stale", "current"])
def test_recorded_steps_equal_plain_ones_and_their_outputs_stay(given: bool, pixel: str) -> None:
    model, graphs = gdkvm(num_structures=2, value_pixel_feature=pixel), FakeGraphs()
    frames, mask = clip(length=4), torch.randint(0, 3, (2, 32, 32)) if given else None
    graphed = GraphedSegmenter(model, graphs)
    torch.testing.assert_close(stream(graphed, frames, mask), stream(model, frames, mask), atol=1e-5, rtol=0)
    assert (graphs.recorded, graphs.replayed) == (2, 4)
    torch.testing.assert_close(graphed(frames, mask), stream(model, frames, mask), atol=1e-5, rtol=0)
    assert graphs.recorded == 2


def test_a_memory_that_grows_has_a_graph_for_each_of_its_sizes_and_a_second_clip_records_nothing() -> None:
    model, graphs = stm(), FakeGraphs()
    graphed, frames, others = GraphedSegmenter(model, graphs), clip(length=6), 1 - clip(length=6)
    for expected in (frames, others, frames):
        torch.testing.assert_close(stream(graphed, expected), stream(model, expected), atol=1e-5, rtol=0)
        assert graphs.recorded == 6


def test_sizes_that_the_stride_does_not_divide_are_padded_inside_of_the_graph() -> None:
    model, frames = gdkvm(), clip(size=40)
    torch.testing.assert_close(GraphedSegmenter(model, FakeGraphs())(frames), stream(model, frames), atol=1e-5, rtol=0)


def test_another_size_is_recorded_anew_and_the_first_one_is_kept() -> None:
    model, graphs = gdkvm(), FakeGraphs()
    graphed = GraphedSegmenter(model, graphs)
    for size, recorded in ((32, 2), (32, 2), (48, 4), (32, 4)):
        graphed(clip(size=size))
        assert graphs.recorded == recorded


def test_the_oldest_recordings_make_room() -> None:
    graphs = FakeGraphs()
    graphed = GraphedSegmenter(gdkvm(), graphs)
    for batch in range(1, MOST_RECORDINGS + 2):
        stream(graphed, clip(length=1, batch=batch))
    assert len(graphed.recorded.prepared) == MOST_RECORDINGS
    stream(graphed, clip(length=1, batch=1))
    assert graphs.recorded == MOST_RECORDINGS + 2
    graphed.forget()
    assert not graphed.recorded.prepared


def test_what_is_recorded_in_inference_mode_is_recorded_again_outside_of_it() -> None:
    model, graphs = gdkvm(), FakeGraphs()
    graphed, frames = GraphedSegmenter(model, graphs), clip()
    with torch.inference_mode():
        graphed(frames)
    assert graphs.recorded == 2
    torch.testing.assert_close(graphed(frames), stream(model, frames), atol=1e-5, rtol=0)
    assert graphs.recorded == 4


def test_what_a_step_hands_on_unchanged_is_not_copied() -> None:
    model = stm()
    graphed, frames = GraphedSegmenter(model, FakeGraphs()), clip(length=6)
    with torch.no_grad():
        state = graphed.begin(frames[:, 0])
        for frame in frames[:, :4].unbind(1):
            _, state = graphed.step(frame, state)
        _, following = graphed.step(frames[:, 4], state)
    before, after = (value.memory.memory.memory.kept for value in (state, following))
    assert after.key is before.key or after.key.shape != before.key.shape


def test_where_recording_fails_a_sentence_says_so_and_nothing_runs_under_a_wrong_name() -> None:
    graphed = GraphedSegmenter(gdkvm(), FakeGraphs(works=False))
    with pytest.raises(
        EngineError, match=r"cannot record this model \(operation not permitted when stream is capturing\)"
    ):
        graphed(clip())


def test_graphs_are_recorded_and_replayed_on_the_frame_s_device(monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[torch.device] = []
    on = module._on
    monkeypatch.setattr(module, "_on", lambda device: entered.append(device) or on(device))
    stream(GraphedSegmenter(gdkvm(), FakeGraphs()), clip(length=2))
    assert entered == [torch.device("cpu")] * 4, "recording and replay of two forms"


def test_without_a_cuda_device_the_engine_says_so() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(EngineError, match="needs a CUDA device, and torch finds none; use the engine eager"):
        make_engine("cuda_graph")(gdkvm(), clip())


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("build", [gdkvm, stm], ids=["gdkvm", "stm"])
def test_on_cuda_the_replayed_frames_equal_the_eager_ones(build: Callable[..., VideoSegmenter], precision: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    model, frames = build(num_structures=2).cuda(), clip(length=5, size=64).cuda()
    tf32 = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        graphed = make_engine("cuda_graph")(model, frames, precision=precision)
        with torch.inference_mode():
            expected = make_engine("eager")(model, frames, precision=precision)(frames)
            for _ in range(2):
                torch.testing.assert_close(graphed(frames), expected, atol=1e-3 if precision == "fp32" else 0.2, rtol=0)
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = tf32
