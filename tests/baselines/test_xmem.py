"""XMem: the published architecture and its behaviour behind the contract."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from baselines.xmem import Memory, XMem
from baselines.xmem_network import GatedUpdate, KeyHeads
from harness.modeling.memory_segmenter import Stream
from harness.modeling.resnet import ResNetTrunk


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def tiny(**options: object) -> XMem:
    torch.manual_seed(0)
    sizes = dict(
        image_channels=1,
        key_depth=18,
        value_depth=18,
        width=4,
        key_channels=4,
        value_channels=8,
        sensory_channels=4,
        decoder_widths=(8, 4, 4),
        update_width=4,
    )
    return XMem(**{**sizes, **options}).eval()  # type: ignore[arg-type]


def stream(model: XMem, frames: Tensor, mask: Tensor | None = None) -> tuple[Tensor, list[Memory]]:
    state = model.begin(frames[:, 0], mask)
    logits, memories = [], []
    for frame in frames.unbind(1):
        out, state = model.step(frame, state)
        assert isinstance(state.memory, Stream)
        logits.append(out)
        memories.append(state.memory.memory)
    return torch.stack(logits, 1), memories


def test_the_published_parameter_counts_are_met_to_the_last_digit() -> None:
    model = XMem()
    assert parameters(model) == 62_185_224
    assert parameters(model.key_encoder) == 8_543_296
    assert parameters(model.value_encoder) == 22_694_915
    assert parameters(model.key_heads) == 1_188_993
    assert parameters(model.decoder) == 29_758_020


@torch.no_grad()
@pytest.mark.parametrize("given", [False, True], ids=["auto", "gt"])
@pytest.mark.parametrize("structures", [1, 3])
def test_a_clip_call_equals_streaming(given: bool, structures: int) -> None:
    model = tiny(num_structures=structures, memory_every=2, max_frames=4, min_frames=2, prototypes=3)
    frames = torch.rand(2, 12, 1, 40, 32)
    mask = torch.randint(0, structures + 1, (2, 40, 32)) if given else None
    torch.testing.assert_close(model(frames, mask), stream(model, frames, mask)[0], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_banks_follow_their_schedule_over_200_frames_and_stay_bounded() -> None:
    model = tiny(num_structures=2, max_frames=5, min_frames=3, prototypes=4, max_long_term=12)
    _, memories = stream(model, torch.rand(1, 200, 1, 32, 32))  # 4 elements per frame
    long_term, working = 0, 1
    for time, memory in enumerate(memories):
        if time and time % 5 == 0:
            working += 1
            if working == 5:
                long_term, working = min(long_term, 12 - 4) + 4, 3
        assert (memory.bank.long_term, memory.bank.working) == (long_term, 4 * working)
        assert memory.bank.value.shape == (1, 2, long_term + 4 * working, 8)
    assert long_term == 12


@torch.no_grad()
def test_long_term_memory_never_engages_before_frame_45() -> None:
    _, memories = stream(tiny(prototypes=2), torch.rand(1, 46, 1, 16, 16))
    assert all(memory.bank.long_term == 0 for memory in memories[:45])
    assert memories[45].bank.long_term == 2


@torch.no_grad()
def test_the_sensory_memory_changes_at_every_frame_and_the_first_frame_stays_in_working_memory() -> None:
    model = tiny(memory_every=2, max_frames=3, min_frames=2, prototypes=1)
    _, memories = stream(model, torch.rand(1, 12, 1, 16, 16))
    for before, after in itertools.pairwise(memories):
        assert not torch.equal(before.sensory, after.sensory)
    first = memories[0].bank.key
    assert all(torch.equal(m.bank.key[:, m.bank.long_term : m.bank.long_term + 1], first) for m in memories)


@torch.no_grad()
def test_a_given_first_mask_comes_back_as_logits_of_frame_0_and_steers_frame_1() -> None:
    model = tiny(num_structures=2)
    frames = torch.rand(1, 2, 1, 32, 32)
    mask = torch.zeros(1, 32, 32, dtype=torch.long)
    mask[:, 4:20, 4:20], mask[:, 20:30, 20:30] = 1, 2
    logits = model(frames, mask)
    assert torch.equal(logits[:, 0].argmax(1), mask)
    assert not torch.allclose(logits[:, 1], model(frames, torch.zeros_like(mask))[:, 1], atol=1e-6)


@torch.no_grad()
def test_a_state_used_twice_gives_the_same_answer() -> None:
    model = tiny(memory_every=2)
    frames = torch.rand(1, 8, 1, 32, 32)
    state = model.begin(frames[:, 0])
    for frame in frames[:, :6].unbind(1):
        _, state = model.step(frame, state)
    first, branch = model.step(frames[:, 6], state)
    model.step(frames[:, 7], branch)
    assert torch.equal(first, model.step(frames[:, 6], state)[0])


@torch.no_grad()
def test_exchanging_two_objects_of_the_given_mask_exchanges_their_logits() -> None:
    model = tiny(num_structures=2)
    frames = torch.rand(1, 7, 1, 32, 32)
    mask = torch.zeros(1, 32, 32, dtype=torch.long)
    mask[:, 4:20, 4:20], mask[:, 20:30, 20:30] = 1, 2
    exchanged = torch.tensor([0, 2, 1])[mask]
    torch.testing.assert_close(model(frames, mask)[:, :, [0, 2, 1]], model(frames, exchanged), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_shrinkage_is_at_least_one_and_selection_is_between_zero_and_one() -> None:
    _, shrinkage, selection = KeyHeads(8, 4)(10 * torch.randn(2, 8, 5, 5))
    assert shrinkage.min() >= 1
    assert selection.min() >= 0
    assert selection.max() <= 1


@torch.no_grad()
def test_the_sensory_update_is_the_gated_formula() -> None:
    update = GatedUpdate(3, 2)
    x, h = torch.randn(1, 3, 4, 4), torch.randn(1, 2, 4, 4)
    raw = update.conv(torch.cat([x, h], 1)).double()
    f, u, n = 1 / (1 + (-raw[:, :2]).exp()), 1 / (1 + (-raw[:, 2:4]).exp()), raw[:, 4:].tanh()
    torch.testing.assert_close(update(x, h).double(), f * h * (1 - u) + u * n, atol=1e-6, rtol=1e-5)


@torch.no_grad()
def test_the_sensory_memory_stays_bounded_by_its_gates() -> None:
    _, memories = stream(tiny(), 20 * torch.randn(1, 60, 1, 16, 16))
    assert all(memory.sensory.abs().max() <= 1 for memory in memories)


def test_gradients_reach_every_parameter_in_auto_training() -> None:
    model = tiny(num_structures=2).train()
    model.forward_train(torch.rand(2, 3, 1, 32, 32)).logits.square().mean().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()] == []


def test_training_reads_the_whole_memory_and_inference_the_most_similar_elements() -> None:
    frames = torch.rand(1, 4, 1, 32, 32)
    narrow, wide = tiny(top=1), tiny(top=1000)
    assert not torch.allclose(narrow(frames), wide(frames), atol=1e-6)
    for model in (narrow, wide):
        model.train()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
    torch.testing.assert_close(narrow(frames), wide(frames))


def test_bf16_autocast_keeps_the_memories_in_float32() -> None:
    model = tiny().train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = model.forward_train(torch.rand(2, 3, 1, 32, 32)).logits.square().mean()
    loss.backward()
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        _, memories = stream(model.eval(), torch.rand(1, 3, 1, 32, 32))
    assert torch.isfinite(loss)
    assert memories[-1].sensory.dtype == memories[-1].bank.value.dtype == memories[-1].bank.key.dtype == torch.float32


def test_impossible_limits_are_refused() -> None:
    with pytest.raises(ValueError, match="min_frames < max_frames"):
        tiny(max_frames=3, min_frames=3)


def test_a_torchvision_file_is_loaded_into_the_image_part_of_the_value_encoder(tmp_path: Path) -> None:
    state = {
        k: torch.randn_like(v) if v.is_floating_point() else v for k, v in ResNetTrunk(18, 3, 4).state_dict().items()
    }
    torch.save(state, tmp_path / "resnet18.pth")
    scratch, model = tiny(image_channels=3), tiny(image_channels=3, value_pretrained=tmp_path / "resnet18.pth")
    stem = model.value_encoder.trunk.conv1.weight
    assert torch.equal(stem[:, :3], state["conv1.weight"])
    assert torch.equal(stem[:, 3:], scratch.value_encoder.trunk.conv1.weight[:, 3:])
    assert torch.equal(model.value_encoder.trunk.bn1.running_var, state["bn1.running_var"])
    assert torch.equal(model.key_encoder.conv1.weight, scratch.key_encoder.conv1.weight)
