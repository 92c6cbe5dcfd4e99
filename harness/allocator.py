"""Keep freed memory in the process: glibc gives large blocks back at once, and every new one costs page faults.

Tensors of the same sizes come and go at every frame and step. By default glibc takes each block above 32 MB (at
first: above 128 kB) fresh from the kernel and returns it when it is freed, and the kernel clears every page again:
on a feature map of 33 MB that costs six times the arithmetic of a ReLU. Kept blocks cost nothing to use again. The
price: a process holds its peak until it ends.
"""

from __future__ import annotations

import ctypes
import os
import platform

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGEST_KEPT = 2**30
_NEVER_TRIM = 2**31 - 1
_USERS_OWN = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")


def keep_freed_memory() -> bool:
    """Let malloc keep freed blocks of up to 1 GiB for this process, whatever model it runs; call it once, early.

    Nothing happens outside glibc (macOS, Windows, musl), or where the user has set malloc's thresholds himself in
    the environment. Memory of a GPU is not concerned.

    Returns:
        Whether it took effect.
    """
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in _USERS_OWN):
        return False
    return _set(_M_MMAP_THRESHOLD, _LARGEST_KEPT) and _set(_M_TRIM_THRESHOLD, _NEVER_TRIM)


def give_back_freed_memory() -> bool:
    """The opposite, for measuring memory: blocks above 64 KiB go back when freed, and what is kept goes back now."""
    if platform.libc_ver()[0] != "glibc":
        return False
    changed = _set(_M_MMAP_THRESHOLD, 2**16) and _set(_M_TRIM_THRESHOLD, 2**17)
    ctypes.CDLL(None).malloc_trim(0)
    return changed


def _set(parameter: int, value: int) -> bool:
    return bool(ctypes.CDLL(None).mallopt(parameter, value))
