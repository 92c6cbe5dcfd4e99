"""How threads of numerical libraries wait for each other; to be said before the libraries are loaded."""

from __future__ import annotations

import os
import sys

WAITING = {"OMP_WAIT_POLICY": "PASSIVE"}
"""OpenMP's threads sleep until the last of them is done, instead of spinning: a neighbour on one core then costs its share
of time, and not that of every thread that waits for the one whose core it has taken (benchmarks/neighbour.py)."""


def wait_asleep() -> bool:
    """Let OpenMP's threads of this process, and of those that it starts, wait asleep; what the user has set stays.

    Returns:
        Whether it takes effect here: not where torch is loaded, which has read the setting.
    """
    if any(name in os.environ for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")):
        return False
    os.environ.update(WAITING)
    return "torch" not in sys.modules
