"""Recorded steps: what is recorded when, that outputs belong to the caller, what happens where recording fails."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from test_model import clip, tiny

from gdkvm.graphed import MOST_RECORDINGS, GraphedStep, Outputs
from gdkvm.inference import InferenceGDKVM

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


class FakeGraphs:
    """Records as CUDA does, without CUDA: a replay runs the call again and writes into the first call's outputs."""

    def __init__(self, works: bool = True) -> None:
        self.works, self.recorded, self.replayed = works, 0, 0

    def __call__(self, run: Callable[[], Outputs]) -> tuple[Callable[[], None], Outputs]:
        if not self.works:
            raise RuntimeError("operation not permitted when stream is capturing")
        self.recorded += 1
        outputs = run()

        def replay() -> None:
            self.replayed += 1
            logits, memory = run()
            outputs[0].copy_(logits)
            for name in ("state", "hidden", "masks", "summaries", "pixel"):
                if getattr(outputs[1], name) is not None:
                    getattr(outputs[1], name).copy_(getattr(memory, name))

        return replay, outputs


def stream(step: GraphedStep, model: InferenceGDKVM, frames: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    memory, logits = model._begin(frames[:, 0], mask), []
    with torch.no_grad():
        for frame in frames.unbind(1):
            output, memory = step(frame, memory)
            logits.append(output)
    return torch.stack(logits, 1)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("pixel", ["stale", "current"])
def test_recorded_steps_equal_plain_ones_and_their_outputs_stay(given: bool, pixel: str) -> None:
    model = InferenceGDKVM(tiny(num_structures=2, value_pixel_feature=pixel).eval()).eval()
    frames, mask = clip(length=4), torch.randint(0, 3, (2, 32, 32)) if given else None
    graphs = FakeGraphs()
    recorded = stream(GraphedStep(model.model._step, graphs), model, frames, mask)
    torch.testing.assert_close(recorded, model(frames, mask), atol=1e-4, rtol=0)
    assert (graphs.recorded, graphs.replayed) == (2, 4)


def test_a_second_clip_of_the_same_size_records_nothing_and_another_size_does() -> None:
    model, graphs = InferenceGDKVM(tiny().eval()).eval(), FakeGraphs()
    step = GraphedStep(model.model._step, graphs)
    for size, recorded in ((32, 2), (32, 2), (48, 4), (32, 4)):
        frames = clip(size=size)
        torch.testing.assert_close(stream(step, model, frames, None), model(frames), atol=1e-4, rtol=0)
        assert graphs.recorded == recorded


def test_the_oldest_recordings_make_room() -> None:
    model, graphs = InferenceGDKVM(tiny().eval()).eval(), FakeGraphs()
    step = GraphedStep(model.model._step, graphs)
    for batch in range(1, MOST_RECORDINGS + 2):
        stream(step, model, clip(length=1, batch=batch), None)
    assert len(step.recordings) == MOST_RECORDINGS
    stream(step, model, clip(length=1, batch=1), None)
    assert graphs.recorded == MOST_RECORDINGS + 2


def test_where_recording_fails_one_warning_says_so_and_the_steps_run_plainly() -> None:
    model = InferenceGDKVM(tiny().eval()).eval()
    step, frames = GraphedStep(model.model._step, FakeGraphs(works=False)), clip()
    with pytest.warns(UserWarning, match="without CUDA graphs, because recording failed: operation not permitted"):
        first = stream(step, model, frames, None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = stream(step, model, frames, None)
    torch.testing.assert_close(first, model(frames), atol=1e-4, rtol=0)
    assert torch.equal(first, again)


def test_half_precision_is_refused_on_the_cpu() -> None:
    with pytest.raises(ValueError, match="fp16 needs a model on a CUDA device"):
        tiny().compile_for_inference("fp16")


@needs_cuda
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_on_cuda_the_replayed_frames_equal_the_eager_ones(precision: str) -> None:
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    model = tiny(num_structures=2).eval().cuda()
    fast, frames = model.compile_for_inference(precision), clip(length=5, size=64).cuda()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("error")
        eager = model(frames)
        torch.testing.assert_close(fast(frames), eager, atol=1e-3 if precision == "fp32" else 0.2, rtol=0)
        state = fast.begin(frames[:, 0])
        for t in range(5):
            logits, state = fast.step(frames[:, t], state)
            torch.testing.assert_close(logits, fast(frames)[:, t], atol=1e-3, rtol=0)
    assert len(fast.graphed.recordings) == 2
