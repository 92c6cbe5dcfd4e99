"""What every model of ``configs/models`` must satisfy, whoever wrote it; a new config is picked up by itself."""

from __future__ import annotations

import copy
import functools
import os

import pytest
import torch
from torch import Tensor

from harness.config import list_configs, load
from harness.modeling import VideoSegmenter
from harness.registry import MODELS, load_plugins


def _is_family(name: str) -> bool:
    """A family (``mmseg:TEMPLATE``) has a placeholder in its config; its models have tests of their own."""
    return "{template}" in str(load("models", name).sizes.to_dict())


OUTSIDE = [name for name in os.environ.get("ECHOBENCH_MODELS", "").split(",") if name]
"""Paths of configs outside the tree that are to be looked at as well, from ``$ECHOBENCH_MODELS``."""
NAMES = [name for name in list_configs("models") if not _is_family(name)] + OUTSIDE

SIDE = 32
"""Pixels of a frame's side: the smallest that leaves every network something at its lowest stage."""

PAPER_PARAMETERS = {
    # name: (number of structures, parameters of the reference network)
    "gdkvm": (1, 35_078_282),
    "unet": (1, 31_036_481 + 65),  # published with one output channel; ours has background and structure
    "unet_camus": (3, 1_976_644),
    "unet_nnu": (1, 33_471_820),
    "transunet": (1, 105_322_146),
    "stm": (1, 38_925_570),
    "xmem": (1, 62_185_224),
    "cutie": (1, 35_024_186),
    "livos": (1, 35_135_737),
    "deeplabv3": (1, 39_633_729 + 257),  # published with one output
    "unet_filtered": (1, 31_036_481 + 65),
}


def _build(name: str, num_structures: int, size: str = "small") -> VideoSegmenter:
    load_plugins()
    torch.manual_seed(0)
    return MODELS.build(load("models", name).sizes[size].to_dict() | dict(num_structures=num_structures))


@functools.lru_cache(maxsize=4)
def _evaluated(name: str, num_structures: int = 1) -> VideoSegmenter:
    """A small model with untouched weights in eval mode, shared by the tests that only read it."""
    # Whoever asks first: weights that were made in inference mode could not be trained.
    with torch.inference_mode(False):
        return _build(name, num_structures).eval()


def _fresh(name: str, num_structures: int = 1) -> VideoSegmenter:
    """A copy of it to train or change; whatever is drawn next is drawn from the same seed."""
    torch.manual_seed(0)
    return copy.deepcopy(_evaluated(name, num_structures)).train()


def _frames(b: int = 1, t: int = 3, height: int = SIDE, width: int = SIDE, seed: int = 1) -> Tensor:
    return torch.rand(b, t, 1, height, width, generator=torch.Generator().manual_seed(seed))


def _mask(b: int = 1, structures: int = 1, height: int = SIDE, width: int = SIDE) -> Tensor:
    """Label map with vertical stripes of all structures in the middle rows."""
    mask = torch.zeros(b, height, width, dtype=torch.int64)
    for k in range(structures):
        left = width // 8 + width // 4 * k
        mask[:, height // 4 : -height // 4, left : left + 3 * width // 16] = k + 1
    return mask


def _stream(model: VideoSegmenter, frames: Tensor, first_mask: Tensor | None = None) -> Tensor:
    state = model.begin(frames[:, 0], first_mask)
    logits = []
    for frame in frames.unbind(1):
        step, state = model.step(frame, state)
        logits.append(step)
    return torch.stack(logits, 1)


def _assert_same(actual: Tensor, expected: Tensor, tolerance: float = 1e-4) -> None:
    """Equal up to float rounding, measured against the largest logit (untrained networks may have huge ones)."""
    scale = max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(actual / scale, expected / scale, atol=tolerance, rtol=0)


# All tests of a model one after the other: it is built once, and not once for each test.
pytestmark = pytest.mark.parametrize("name", NAMES, scope="module")


def test_the_config_names_its_label_and_both_sizes(name: str) -> None:
    load_plugins()
    config = load("models", name)
    assert config.label.strip()
    assert set(config.sizes) >= {"small", "paper"}
    assert all(size.type in MODELS for size in config.sizes.values())


def test_the_paper_size_has_the_published_number_of_parameters(name: str) -> None:
    structures, expected = PAPER_PARAMETERS.get(name, (1, None))
    with torch.device("meta"):
        count = sum(p.numel() for p in _build(name, structures, "paper").parameters())
    small = sum(p.numel() for p in _evaluated(name, structures).parameters())
    assert count == expected or (expected is None and count >= small)


def test_the_narrow_size_keeps_a_seventh_of_the_network(name: str) -> None:
    """Every width times 3/8: 9/64 of the weights between layers, and of the multiply-adds (docs/models.md, Sizes)."""
    if name in OUTSIDE:
        pytest.skip("a user's model has the sizes that its author gave it")
    with torch.device("meta"):
        narrow, paper = (sum(p.numel() for p in _build(name, 1, size).parameters()) for size in ("narrow", "paper"))
    assert narrow / paper == pytest.approx(9 / 64, rel=0.06)


@torch.inference_mode()
def test_the_clip_call_equals_the_streaming_calls(name: str) -> None:
    model, frames = _evaluated(name), _frames(t=7)
    # A stream of a model that sees whole clips ends like the clip that ends there.
    shown = slice(None) if model.causal else slice(-1, None)
    _assert_same(model(frames)[:, shown], _stream(model, frames)[:, shown])


@torch.inference_mode()
def test_later_frames_do_not_change_earlier_logits(name: str) -> None:
    model, frames = _evaluated(name), _frames(t=5)
    changed = frames.clone()
    changed[:, 3:] = 1 - changed[:, 3:]
    before, after = model(frames), model(changed)
    if model.causal:
        _assert_same(after[:, :3], before[:, :3])
    else:
        assert not torch.allclose(after[:, :3], before[:, :3])
    assert not torch.allclose(after[:, 3:], before[:, 3:])


@torch.inference_mode()
def test_clips_of_a_batch_do_not_influence_each_other(name: str) -> None:
    # On four pixels of features the masked attention of object queries turns on rounding, which follows the batch.
    model, frames = _evaluated(name, 3), _frames(b=3, t=4, height=64, width=64)
    together = model(frames)
    for i in range(3):
        _assert_same(together[i : i + 1], model(frames[i : i + 1]))


@torch.inference_mode()
def test_a_step_leaves_its_state_untouched(name: str) -> None:
    model, frames = _evaluated(name), _frames(t=4)
    state = model.begin(frames[:, 0])
    for frame in frames[:, :3].unbind(1):
        _, state = model.step(frame, state)
    first, _ = model.step(frames[:, 3], state)
    second, _ = model.step(frames[:, 3], state)
    assert torch.equal(first, second)


@pytest.mark.parametrize("protocol", ["auto", "gt"])
def test_gradients_reach_every_parameter(name: str, protocol: str) -> None:
    model = _fresh(name, 3)
    frames = _frames(b=2, t=6)
    output = model.forward_train(frames, _mask(2, 3) if protocol == "gt" else None)
    torch.manual_seed(1)
    terms = [output.logits, *(head.logits for head in output.auxiliary)]
    torch.stack([(term.float() * torch.randn(term.shape)).mean() for term in terms]).sum().backward()
    parameters = dict(model.named_parameters())
    assert [n for n, p in parameters.items() if p.grad is None] == []
    assert [n for n, p in parameters.items() if p.grad is not None and not p.grad.isfinite().all()] == []
    # a bias in front of a normalisation or a softmax over its own axis rightly receives nothing
    assert [n for n, p in parameters.items() if p.ndim > 1 and p.grad is not None and not p.grad.any()] == []


def test_auxiliary_heads_are_named_weighted_and_of_the_clip_s_shape(name: str) -> None:
    output = _fresh(name).forward_train(_frames(b=2, t=2, height=50, width=70))
    assert output.logits.shape == (2, 2, 2, 50, 70)
    for head in output.auxiliary:
        assert head.name
        assert head.weight > 0
        assert head.logits.shape[:3] == (2, 2, 2)


@pytest.mark.parametrize("length", [1, 7])
@pytest.mark.parametrize("structures", [1, 3])
@torch.inference_mode()
def test_any_clip_length_and_number_of_structures(name: str, length: int, structures: int) -> None:
    logits = _evaluated(name, structures)(_frames(b=2, t=length))
    assert logits.shape == (2, length, structures + 1, SIDE, SIDE)
    assert logits.isfinite().all()


@pytest.mark.parametrize("size", [(32, 48), (50, 70)])
@torch.inference_mode()
def test_any_frame_size(name: str, size: tuple[int, int]) -> None:
    model, frames = _evaluated(name), _frames(1, 2, *size)
    logits = model(frames)
    assert logits.shape == (1, 2, 2, *size)
    _assert_same(logits[:, -1], _stream(model, frames)[:, -1])


@torch.inference_mode()
def test_the_first_mask_matters_exactly_to_the_models_that_take_one(name: str) -> None:
    model, frames, mask = _evaluated(name, 3), _frames(t=3), _mask(1, 3)
    given, automatic = model(frames, mask), model(frames)
    if model.uses_first_mask:
        assert not torch.allclose(given[:, 1:], automatic[:, 1:])
        _assert_same(given, _stream(model, frames, mask))
    else:
        assert torch.equal(given, automatic)


@torch.inference_mode()
def test_the_same_call_gives_the_same_bits(name: str) -> None:
    model, frames = _evaluated(name), _frames()
    assert torch.equal(model(frames), model(frames))


def test_the_same_seed_builds_the_same_weights(name: str) -> None:
    first, second = _evaluated(name).state_dict(), _build(name, 1).state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


@torch.inference_mode()
def test_channels_last_computes_the_same(name: str) -> None:
    model, frames = _fresh(name).eval(), _frames(t=2)
    before = model(frames)
    _assert_same(model.to(memory_format=torch.channels_last)(frames), before, 1e-3)


@pytest.mark.parametrize("channels_last", [False, True])
def test_bf16_autocast_gives_finite_logits_and_gradients(name: str, channels_last: bool) -> None:
    model, frames = _fresh(name), _frames(b=2, t=2)
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        output = model.forward_train(frames)
    output.logits.float().mean().backward()
    assert output.logits.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_frames_of_another_shape_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"frames must be \[B, T >= 1, 1, H, W\], got \(1, 2, 3, 32, 32\)"):
        _evaluated(name)(torch.zeros(1, 2, 3, 32, 32))


def test_fewer_than_one_structure_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="num_structures must be >= 1, got 0"):
        _build(name, 0)


@pytest.mark.cuda
@torch.inference_mode()
def test_cuda_computes_what_the_cpu_computes(name: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    frames = _frames(t=4)
    expected = _evaluated(name)(frames)
    model = _fresh(name).eval().cuda()
    tf32 = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        _assert_same(model(frames.cuda()).cpu(), expected, 1e-3)
    finally:
        torch.backends.cudnn.allow_tf32 = tf32
