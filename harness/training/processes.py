"""One process or several: a run that ``torchrun`` starts shares each batch among its processes."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import distributed, nn

M = TypeVar("M", bound=nn.Module)

PATIENCE = dt.timedelta(hours=6)
"""Longest wait of one process for another: a validation of whole clips takes long, a process that is gone is noticed at once."""


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
        # gloo on the CPU, because nccl knows CUDA only. The first process validates alone; torch's ten minutes would end the
        # others while they wait for its score.
        distributed.init_process_group("gloo" if device.type == "cpu" else "nccl", timeout=PATIENCE)
    try:
        yield Processes(device=device, rank=distributed.get_rank(), world=distributed.get_world_size())
    finally:
        if not existing:
            distributed.destroy_process_group()


def synchronised(model: M, processes: Processes) -> M:
    """The model with batch norms that take their statistics over all processes, where torch has such (CUDA).

    On the CPU each process normalises with its own share of a batch, and the first one's running statistics are kept; a
    recipe with ``batch_norm="frozen"`` is not concerned.
    """
    if processes.world == 1 or processes.device.type != "cuda":
        return model
    converted: M = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    return converted
