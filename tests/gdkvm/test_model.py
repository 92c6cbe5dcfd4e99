"""GDKVM behind the contract: parameters, protocols, ablations, gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gdkvm.model import GDKVM
from gdkvm.rule_registry import list_rules

TINY = dict(
    image_depth=18, image_width=8, value_depth=18, value_width=8, width=32, key_width=16, heads=4, queries=4,
    blocks=1, attention_heads=2, feed_width=32, decoder_widths=(16, 16),
)  # fmt: skip
PUBLISHED_PARAMETERS = {
    "image_encoder": 8_537_024, "value_encoder": 8_814_410, "key_projector": 409_920, "pixel_projector": 262_400,
    "key_fusion": 213_377, "decoder": 4_606_849, "readout_fusion": 2_558_218, "transformer": 9_338_643,
    "summariser": 267_280, "sensory_head": 66_049, "rule": 4_112,
}  # fmt: skip


def tiny(seed: int = 0, **options: object) -> GDKVM:
    torch.manual_seed(seed)
    return GDKVM(**{**TINY, **options})


def clip(length: int = 3, batch: int = 2, size: int = 32) -> Tensor:
    return torch.rand(batch, length, 1, size, size, generator=torch.Generator().manual_seed(length))


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_default_widths_have_the_published_parameter_counts() -> None:
    with torch.device("meta"):
        model = GDKVM()
    counts = {name: count(module) for name, module in model.named_children()}
    assert counts == PUBLISHED_PARAMETERS
    assert count(model) == 35_078_282


@pytest.mark.parametrize("protocol", ["auto", "gt"])
@pytest.mark.parametrize("pixel", ["stale", "current"])
@pytest.mark.parametrize("structures", [1, 3])
def test_streaming_equals_the_clip_call(protocol: str, pixel: str, structures: int) -> None:
    model = tiny(num_structures=structures, value_pixel_feature=pixel).eval()
    frames = clip()
    mask = torch.randint(0, structures + 1, (2, 32, 32)) if protocol == "gt" else None
    with torch.no_grad():
        whole = model(frames, mask)
        state = model.begin(frames[:, 0], mask)
        for t in range(frames.shape[1]):
            logits, state = model.step(frames[:, t], state)
            torch.testing.assert_close(logits, whole[:, t], atol=2e-4, rtol=1e-4)
    assert whole.shape == (2, 3, structures + 1, 32, 32)


def test_a_given_first_mask_is_what_frame_one_remembers() -> None:
    model = tiny().eval()
    frames, mask = clip(), torch.zeros(2, 32, 32, dtype=torch.long)
    mask[:, 8:24, 8:24] = 1
    with torch.no_grad():
        state = model.begin(frames[:, 0], mask)
        _, state = model.step(frames[:, 0], state)
        assert torch.equal(state.memory.masks[:, 0], mask.float())
        _, state = model.step(frames[:, 1], state)
        assert not torch.equal(state.memory.masks[:, 0], mask.float())
        assert not torch.allclose(model(frames, mask), model(frames))


@pytest.mark.parametrize(
    "options",
    [
        dict(lkva=False),
        dict(gdr=False),
        dict(kpff=False),
        *(dict(update_rule=name) for name in (*list_rules(), "no_alpha", "no_beta")),
        dict(gate_input="write"),
        dict(key_scale="none"),
        dict(key_scale="l2"),
        dict(value_pixel_feature="stale"),
    ],
    ids=str,
)
def test_every_variant_trains_and_gives_each_parameter_a_gradient(options: dict[str, object]) -> None:
    model = tiny(**options)
    output = model.forward_train(clip(length=3))
    heads = [output.logits, *(head.logits for head in output.auxiliary)]
    sum(x.square().mean() for x in heads).backward()
    assert all(torch.isfinite(x).all() for x in heads)
    silent = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


def test_an_ablation_owns_only_the_parts_it_computes_with() -> None:
    full, parts = count(tiny()), tiny()
    assert full - count(tiny(kpff=False)) == count(parts.key_fusion)
    assert full - count(tiny(gdr=False)) == count(parts.rule)
    memory = count(parts.key_projector) + count(parts.key_fusion) + count(parts.rule)
    assert full - count(tiny(lkva=False)) == memory


def test_auxiliary_heads_are_the_sensory_head_and_one_per_transformer_stage() -> None:
    output = tiny(num_structures=2, blocks=2).forward_train(clip(length=2))
    assert [head.name for head in output.auxiliary] == ["sensory", "query0", "query1", "query2"]
    assert {head.weight for head in output.auxiliary} == {0.01}
    assert {tuple(head.logits.shape) for head in output.auxiliary} == {(2, 2, 3, 2, 2)}


def test_auxiliary_heads_do_not_run_in_inference() -> None:
    model = tiny().eval()
    calls: list[int] = []
    model.sensory_head.register_forward_hook(lambda *_: calls.append(1))
    model.transformer.mask_heads[-1].register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        model(clip())
    assert calls == []


def test_frames_are_encoded_once_and_together() -> None:
    model = tiny()
    sizes: list[int] = []
    model.image_encoder.register_forward_hook(lambda _, inputs, __: sizes.append(inputs[0].shape[0]))
    model.forward_train(clip(length=4, batch=2))
    assert sizes == [8]


def test_the_recurrence_stays_float32_under_autocast() -> None:
    model = tiny()
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        state = model.begin(clip()[:, 0])
        for t in range(3):
            _, state = model.step(clip()[:, t], state)
    memory = state.memory
    assert {memory.state.dtype, memory.hidden.dtype, memory.masks.dtype, memory.summaries.dtype} == {torch.float32}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(update_rule="gate"), "Did you mean 'gated'"),
        (dict(key_scale="unit"), "key_scale must be one of none, bound, l2, got 'unit'"),
        (dict(value_pixel_feature="old"), "value_pixel_feature must be one of"),
        (dict(gate_input="image"), "gate_input must be one of"),
        (dict(heads=5), "heads must divide the value width 32, got 5"),
    ],
)
def test_a_wrong_option_is_named_with_what_was_expected(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny(**options)
