"""One process or several: a run that ``torchrun`` starts shares each batch among its processes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import distributed


@dataclass(frozen=True, kw_only=True, slots=True)
class Processes:
    """This process's place: ``rank`` of ``world``, and its device."""

    device: torch.device
    rank: int = 0
    world: int = 1


@contextlib.contextmanager
def joined_processes(device: torch.device) -> Iterator[Processes]:
    """Join the process group that the environment announces (``WORLD_SIZE`` > 1), or that exists already.

    gloo on CPU, nccl on CUDA, where each process takes the device of its ``LOCAL_RANK``. A single process
    needs no ``torch.distributed``. A group that was opened here is closed again.
    """
    existing = distributed.is_available() and distributed.is_initialized()
    if not existing and int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Processes(device=device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        # nccl takes the current device; without this all processes of a node would meet on the first one.
        torch.cuda.set_device(device)
    if not existing:
        # gloo on the CPU, because nccl knows CUDA only.
        distributed.init_process_group("gloo" if device.type == "cpu" else "nccl")
    try:
        yield Processes(device=device, rank=distributed.get_rank(), world=distributed.get_world_size())
    finally:
        if not existing:
            distributed.destroy_process_group()
