"""Where random numbers come from, and that settings of the process are given back."""

from __future__ import annotations

import os
import random
import signal

import numpy as np
import pytest
import torch

from harness.training.determinism import deterministic_kernels, reseed, reseed_iteration
from harness.training.device import resolve_device, resolve_precision
from harness.training.interrupt import DeferredInterrupt


def draws() -> list[float]:
    return [float(torch.rand(())), float(np.random.rand()), random.random()]  # noqa: NPY002


def test_every_generator_is_a_function_of_seed_iteration_and_rank() -> None:
    seen = {}
    for key in [(0, 1, 0), (0, 2, 0), (1, 1, 0), (0, 1, 1), (0, 1, 0)]:
        torch.rand(3)
        reseed_iteration(*key)
        values = tuple(draws())
        assert seen.setdefault(key, values) == values
    assert len(set(seen.values())) == 4


def test_streams_of_one_seed_differ() -> None:
    reseed(0, 0)
    first = draws()
    reseed(0, 1)
    assert all(a != b for a, b in zip(first, draws(), strict=True))


def test_kernel_settings_are_given_back_even_after_an_error() -> None:
    before = (torch.get_deterministic_debug_mode(), torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic)
    with pytest.raises(RuntimeError, match="inside"), deterministic_kernels(True):
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
        raise RuntimeError("inside")
    after = (torch.get_deterministic_debug_mode(), torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic)
    assert after == before


def fused() -> list[bool]:
    cuda = torch.backends.cuda
    return [cuda.flash_sdp_enabled(), cuda.mem_efficient_sdp_enabled(), cuda.cudnn_sdp_enabled()]


def test_on_cuda_attention_is_made_of_ordered_products() -> None:
    # In warn mode torch keeps fused attention, whose backward pass adds with atomics.
    assert fused() == [True, True, True]
    with deterministic_kernels(True, torch.device("cuda")):
        assert fused() == [False, False, False]
        assert torch.backends.cuda.math_sdp_enabled()
    for enabled, device in ((True, "cpu"), (False, "cuda")):
        with deterministic_kernels(enabled, torch.device(device)):
            assert fused() == [True, True, True]
    assert fused() == [True, True, True]


def test_switched_off_nothing_changes() -> None:
    with deterministic_kernels(False):
        assert not torch.are_deterministic_algorithms_enabled()


def test_a_second_ctrl_c_is_not_deferred() -> None:
    with DeferredInterrupt() as interrupt:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupt.pending
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interrupt.check()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_auto_precision_is_bf16_exactly_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    device = torch.device("cpu")
    for has_it, expected in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda has_it=has_it: has_it, raising=False)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
        assert resolve_precision("auto", device) == expected
        assert resolve_precision("fp16", device) == "fp16"


def test_auto_device_is_one_that_exists() -> None:
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
