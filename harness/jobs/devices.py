"""Which CUDA devices there are for us, and how processes of one command share them."""

from __future__ import annotations

import os
from collections.abc import Sequence


def visible_devices() -> list[str]:
    """Names of the CUDA devices that this process may use, as ``CUDA_VISIBLE_DEVICES`` takes them; empty without any.

    A scheduler (Slurm) or the user restricts them by that variable; its names may be numbers or UUIDs.
    """
    stated = os.environ.get("CUDA_VISIBLE_DEVICES")
    # An empty value means none, as CUDA takes it: it must not fall through to what torch sees.
    if stated is not None:
        return [name for name in (part.strip() for part in stated.split(",")) if name and name != "-1"]
    import torch  # only whoever starts workers asks, and has it loaded

    return [str(index) for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []


def device_of(worker: int, devices: Sequence[str]) -> dict[str, str]:
    """Environment in which one of several processes sees one device, in turn; nothing changes where there is none.

    >>> device_of(3, ["0", "1"])
    {'CUDA_VISIBLE_DEVICES': '1'}
    >>> device_of(3, [])
    {}
    """
    return {"CUDA_VISIBLE_DEVICES": devices[worker % len(devices)]} if devices else {}
