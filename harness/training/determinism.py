"""The same seed gives the same bits: where randomness comes from, and which kernels are allowed."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

BUILD, VALIDATION = 0, 1
"""Streams of random numbers outside the iterations: weight initialisation and validation."""


def reseed(seed: int, *path: int) -> None:
    """Seed torch (CPU, and CUDA once it is in use), numpy and Python from ``seed`` and a path of integers.

    Iteration k of rank r calls ``reseed(seed, 2, k, r)``: every draw in it (dropout, sampled points) is then a
    function of (seed, k, r), whatever happened before. A resumed run needs no stored generator states.
    """
    # SeedSequence mixes its words, so that neighbouring seeds and iterations give unrelated streams; seed + k would
    # not.
    state = int(np.random.SeedSequence([seed, *path]).generate_state(1, np.uint64)[0])
    torch.default_generator.manual_seed(state)  # torch.manual_seed would queue a call per iteration for absent CUDA
    # Seeding an absent device is queued and would initialise CUDA later in a process that never asked for it.
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(state)
    # The legacy generator takes 32 bits.
    np.random.seed(state % 2**32)  # noqa: NPY002 - third-party transforms may draw from the global generator
    random.seed(state)


def reseed_iteration(seed: int, iteration: int, rank: int = 0) -> None:
    """Seed every generator for one training iteration."""
    reseed(seed, 2, iteration, rank)


@contextlib.contextmanager
def deterministic_kernels(enabled: bool, device: torch.device | None = None) -> Iterator[None]:
    """Let only kernels run that give the same bits each time, where torch has them; restore on exit.

    On CUDA four things make two equal runs differ, and each is switched off here:

    - cuBLAS keeps several workspaces and picks one by timing: ``CUBLAS_WORKSPACE_CONFIG`` fixes them. It must
      be set before the first CUDA call of the process; a value that the user has set is left alone.
    - cuDNN measures convolution algorithms (``benchmark``) and has some that add with atomics.
    - Backward passes of gathering, scattering and interpolating kernels add with atomics:
      the debug mode ``warn`` takes their ordered versions, and where a third party's model uses an operation that
      has none the warning names it. (``use_deterministic_algorithms`` sets the same but loads a compiler first.)
    - Fused attention (flash, memory-efficient, cuDNN) adds the gradient of keys and values with atomics, and under ``warn``
      torch goes on using it. Plain matrix products take its place where ``device`` is a CUDA device.

    On the CPU the ordered kernels replace the few that add in parallel. Filling fresh memory, which torch
    couples to this mode, is switched off: it only hides reads of uninitialised memory and costs time.
    """
    if not enabled:
        yield
        return
    # 8 buffers of 4 MiB: the larger of the two settings that NVIDIA documents as reproducible.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    cudnn, fill = torch.backends.cudnn, cast(Any, torch.utils.deterministic)
    before = (cudnn.benchmark, cudnn.deterministic, fill.fill_uninitialized_memory)
    mode = torch.get_deterministic_debug_mode()
    try:
        cudnn.benchmark, cudnn.deterministic, fill.fill_uninitialized_memory = False, True, False
        torch.set_deterministic_debug_mode("warn")
        # On the CPU attention is ordered as it is; the plain products would only be slower.
        on_cuda = device is not None and device.type == "cuda"
        with sdpa_kernel(SDPBackend.MATH) if on_cuda else contextlib.nullcontext():
            yield
    finally:
        cudnn.benchmark, cudnn.deterministic, fill.fill_uninitialized_memory = before
        torch.set_deterministic_debug_mode(mode)
