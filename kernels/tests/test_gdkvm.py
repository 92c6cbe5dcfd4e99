"""The packed copy computes the same function, keeps nothing of past frames and cannot be trained."""

from __future__ import annotations

import gc
import resource
from pathlib import Path

import pytest
import torch
from echobench_kernels.gdkvm_model import InferenceGDKVM
from torch import Tensor

from gdkvm.model import GDKVM

TINY = dict(
    image_depth=18, image_width=8, value_depth=18, value_width=8, width=32, key_width=16, heads=4, queries=4,
    blocks=1, attention_heads=2, feed_width=32, decoder_widths=(16, 16),
)  # fmt: skip


def tiny(seed: int = 0, **options: object) -> GDKVM:
    torch.manual_seed(seed)
    return GDKVM(**{**TINY, **options})


def clip(length: int = 3, batch: int = 2, size: int = 32) -> Tensor:
    return torch.rand(batch, length, 1, size, size, generator=torch.Generator().manual_seed(length))


def packed(model: GDKVM, precision: str = "fp32") -> InferenceGDKVM:
    return InferenceGDKVM(model, precision).eval()


def warmed(**options: object) -> GDKVM:
    """A tiny model whose batch norms have statistics of their own."""
    model = tiny(**options)
    with torch.no_grad():
        for _ in range(3):
            model(clip(length=2, batch=4))
    return model.eval()


@pytest.mark.parametrize(
    "options",
    [
        {},
        dict(num_structures=2),
        dict(image_depth=50),
        dict(value_pixel_feature="stale", key_scale="none"),
        dict(lkva=False),
        dict(kpff=False),
        dict(update_rule="token"),
        dict(update_rule="livos"),
    ],
    ids=str,
)
def test_compiled_logits_equal_the_eager_ones(options: dict[str, object]) -> None:
    model = warmed(**options)
    fast = packed(model, "fp32")
    frames = clip(length=5, size=48)
    with torch.no_grad():
        torch.testing.assert_close(fast(frames), model(frames), atol=1e-3, rtol=0)


def test_compiled_streaming_equals_the_compiled_clip_and_takes_a_first_mask() -> None:
    fast = packed(warmed(num_structures=2))
    frames, mask = clip(length=4), torch.randint(0, 3, (2, 32, 32))
    whole = fast(frames, mask)
    state = fast.begin(frames[:, 0], mask)
    for t in range(4):
        logits, state = fast.step(frames[:, t], state)
        torch.testing.assert_close(logits, whole[:, t], atol=1e-4, rtol=0)


def test_packed_weights_serve_other_sizes_and_batches() -> None:
    model = warmed()
    fast = packed(model)
    for size, batch in ((32, 1), (64, 2), (40, 3)):
        frames = clip(length=2, batch=batch, size=size)
        with torch.no_grad():
            torch.testing.assert_close(fast(frames), model(frames), atol=1e-3, rtol=0)


def test_bf16_labels_nearly_as_fp32_and_keeps_the_state_in_float32() -> None:
    model = warmed()
    fast = packed(model, "bf16")
    frames = clip(length=3, size=64)
    with torch.no_grad():
        reference, low = model(frames), fast(frames)
    agree = (reference.argmax(2) == low.argmax(2))[(reference[:, :, 0] - reference[:, :, 1]).abs() > 0.2]
    assert agree.float().mean() > 0.99
    state = fast.begin(frames[:, 0])
    _, state = fast.step(frames[:, 0], state)
    assert {state.memory.state.dtype, state.memory.hidden.dtype, state.memory.masks.dtype} == {torch.float32}


def test_compiling_leaves_the_model_as_it_was_and_free_to_train() -> None:
    model = warmed()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    packed(model)(clip(length=2))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    model.train().forward_train(clip(length=2)).logits.mean().backward()


def test_a_packed_model_refuses_training() -> None:
    fast = packed(warmed())
    with pytest.raises(ValueError, match="cannot be trained"):
        fast.train()
    with pytest.raises(ValueError, match="cannot be trained"):
        fast.forward_train(clip())


def test_half_precision_is_refused_on_the_cpu() -> None:
    with pytest.raises(ValueError, match="fp16 needs a model on a CUDA device"):
        packed(tiny(), "fp16")


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ValueError, match="precision must be one of fp32, bf16, fp16, got 'fp8'"):
        packed(tiny(), "fp8")


def tensor_bytes() -> int:
    """Bytes of all living tensors, each storage once."""
    gc.collect()
    storages = {}
    for thing in gc.get_objects():
        if type(thing) is torch.Tensor and thing.layout is torch.strided and thing.device.type == "cpu":
            storages[thing.untyped_storage().data_ptr()] = thing.untyped_storage().nbytes()
    return sum(storages.values())


@pytest.mark.filterwarnings("ignore")
def test_a_stream_of_many_frames_holds_no_more_than_a_short_one() -> None:
    fast = packed(tiny().eval())
    frame = clip(length=1, batch=1)[:, 0]
    held = {}
    state = fast.begin(frame)
    for t in range(1, 61):
        _, state = fast.step(frame, state)
        held[t] = tensor_bytes() if t in (10, 60) else 0
    assert held[60] - held[10] <= 1024


def resident_mb() -> float:
    """Resident memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc to read the resident memory")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", ["eager", "fp32", "bf16"])
def test_three_hundred_frames_take_less_than_20_mb_more_than_ten(path: str) -> None:
    model = tiny().eval()
    stream = model if path == "eager" else packed(model, path)
    frame = clip(length=1, batch=1)[:, 0]
    resident, held = {}, {}
    with torch.no_grad():
        state = stream.begin(frame)
        for t in range(1, 301):
            _, state = stream.step(frame, state)
            if t in (10, 300):
                resident[t], held[t] = resident_mb(), tensor_bytes()
    assert resident[300] - resident[10] <= 20
    assert held[300] - held[10] <= 1024
