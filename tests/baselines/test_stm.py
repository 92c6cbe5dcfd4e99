"""STM: the published architecture, its memory, and its behaviour behind the contract."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from baselines.stm import STM, Memory
from harness.modeling.memory_segmenter import Stream
from harness.modeling.resnet import ResNetTrunk


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def tiny(**options: object) -> STM:
    torch.manual_seed(0)
    sizes = dict(image_channels=1, depth=18, width=4, key_channels=4, value_channels=8, decoder_width=4)
    return STM(**{**sizes, **options}).eval()  # type: ignore[arg-type]


def stream(model: STM, frames: Tensor, mask: Tensor | None = None) -> tuple[Tensor, list[Memory]]:
    state = model.begin(frames[:, 0], mask)
    logits, memories = [], []
    for frame in frames.unbind(1):
        out, state = model.step(frame, state)
        assert isinstance(state.memory, Stream)
        logits.append(out)
        memories.append(state.memory.memory)
    return torch.stack(logits, 1), memories


def test_the_published_parameter_counts_are_met_to_the_last_digit() -> None:
    model = STM()
    assert parameters(model) == 38_925_570
    assert parameters(model.memory_encoder) == 8_549_568
    assert parameters(model.query_encoder) == 8_543_296
    assert parameters(model.memory_head) == parameters(model.query_head) == 5_898_880
    assert parameters(model.decoder) == 10_034_946


@torch.no_grad()
@pytest.mark.parametrize("given", [False, True], ids=["auto", "gt"])
@pytest.mark.parametrize("structures", [1, 3])
def test_a_clip_call_equals_streaming(given: bool, structures: int) -> None:
    model = tiny(num_structures=structures)
    frames = torch.rand(2, 8, 1, 40, 32)
    mask = torch.randint(0, structures + 1, (2, 40, 32)) if given else None
    torch.testing.assert_close(model(frames, mask), stream(model, frames, mask)[0], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_bank_keeps_frame_0_and_every_fifth_frame_over_200_frames() -> None:
    model = tiny(num_structures=2)
    _, memories = stream(model, torch.rand(1, 200, 1, 16, 16))
    for time, memory in enumerate(memories):
        # frame `time` is segmented; frames 0 .. time-1 are encoded, frame `time` waits
        kept = 0 if memory.kept is None else memory.kept.key.shape[1]
        assert kept == math.ceil(time / 5)
        assert memory.pending.keep == (time % 5 == 0)


@torch.no_grad()
def test_a_given_first_mask_comes_back_as_logits_of_frame_0_and_steers_frame_1() -> None:
    model = tiny(num_structures=2)
    frames = torch.rand(1, 2, 1, 32, 32)
    mask = torch.zeros(1, 32, 32, dtype=torch.long)
    mask[:, 4:20, 4:20], mask[:, 20:30, 20:30] = 1, 2
    logits = model(frames, mask)
    assert torch.equal(logits[:, 0].argmax(1), mask)
    assert not torch.allclose(logits[:, 1], model(frames, torch.zeros_like(mask))[:, 1])


@torch.no_grad()
def test_a_state_used_twice_gives_the_same_answer() -> None:
    model = tiny()
    frames = torch.rand(1, 8, 1, 16, 16)
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
def test_the_three_stems_are_summed_before_batch_norm() -> None:
    encoder = tiny().memory_encoder
    image, mask, others = torch.rand(3, 2, 1, 32, 32).unbind(0)
    assert encoder.conv_mask is not None
    assert encoder.conv_others is not None
    x = encoder.trunk.conv1(image) + encoder.conv_mask(mask) + encoder.conv_others(others)
    x = encoder.trunk.maxpool(encoder.trunk.bn1(x).relu())
    expected = encoder.trunk.layer3(encoder.trunk.layer2(encoder.trunk.layer1(x)))
    torch.testing.assert_close(encoder(image, mask, others), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_reading_two_banks_is_one_softmax_over_their_union() -> None:
    model = tiny(num_structures=2)
    frames = torch.rand(1, 3, 1, 32, 32)
    query = model.encode(frames[:, 0])
    first, second = (model.memorize(frames[:, i], torch.rand(1, 2, 32, 32)) for i in (1, 2))
    key, value = torch.cat([first.key, second.key], 1), torch.cat([first.value, second.value], 1)
    q = query.key.flatten(2).mT.double()
    for n in range(2):
        affinity = (q[0] @ key[n].double().T / math.sqrt(4)).softmax(-1)
        expected = (affinity @ value[n].double()).T.reshape(8, 2, 2)
        torch.testing.assert_close(model._read(query.key, [first, second])[n].double(), expected, atol=1e-5, rtol=1e-5)


def test_gradients_reach_every_parameter_in_auto_training() -> None:
    model = tiny(num_structures=2).train()  # with one object, the stem of the others' mask sees zeros only
    model.forward_train(torch.rand(2, 2, 1, 32, 32)).logits.square().mean().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()] == []


def test_the_loss_on_the_last_frame_reaches_frame_0_through_its_soft_mask() -> None:
    model = tiny().train()
    frames = torch.rand(1, 2, 1, 32, 32, requires_grad=True)
    model.forward_train(frames).logits[:, 1].square().mean().backward()
    assert frames.grad is not None
    assert frames.grad[:, 0].abs().sum() > 0


def test_a_torchvision_file_is_loaded_into_both_trunks(tmp_path: Path) -> None:
    state = {
        k: torch.randn_like(v) if v.is_floating_point() else v for k, v in ResNetTrunk(18, 3, 4).state_dict().items()
    }
    torch.save({**state, "fc.weight": torch.zeros(2, 2)}, tmp_path / "resnet18.pth")
    model = tiny(pretrained=tmp_path / "resnet18.pth")
    for trunk in (model.query_encoder, model.memory_encoder.trunk):
        torch.testing.assert_close(trunk.conv1.weight, state["conv1.weight"].mean(1, keepdim=True))
        assert torch.equal(trunk.layer3[1].conv2.weight, state["layer3.1.conv2.weight"])
