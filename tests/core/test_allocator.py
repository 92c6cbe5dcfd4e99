"""Freed memory stays with the process, unless the user or the system says otherwise."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from harness import allocator

needs_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc of another library")
FAULTS = """
import ctypes, resource
from harness.allocator import give_back_freed_memory, keep_freed_memory
{first}
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    block = libc.malloc(40 * 2**20)
    ctypes.memset(block, 1, 40 * 2**20)
    libc.free(block)
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize() / 2**20)
"""


def megabytes_faulted_in(first: str) -> float:
    """What twenty uses of 40 MB, one after the other, take from the kernel in a fresh process."""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", FAULTS.format(first=first)], capture_output=True, text=True, check=True, cwd=root, env={}
    )
    return float(done.stdout)


@needs_glibc
def test_a_kept_block_is_taken_from_the_kernel_once_and_a_returned_one_every_time() -> None:
    assert megabytes_faulted_in("keep_freed_memory()") < 60
    assert megabytes_faulted_in("") > 700
    assert megabytes_faulted_in("keep_freed_memory(); give_back_freed_memory()") > 700


def test_the_user_s_own_thresholds_are_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator, "_set", lambda *_: pytest.fail("malloc's thresholds were changed"))
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1000000")
    assert not allocator.keep_freed_memory()


def test_nothing_happens_where_malloc_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator, "_set", lambda *_: pytest.fail("malloc's thresholds were changed"))
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not allocator.keep_freed_memory()
    assert not allocator.give_back_freed_memory()
