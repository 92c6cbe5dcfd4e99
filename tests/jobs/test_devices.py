"""Processes of one command see one CUDA device each, in turn; what a scheduler has restricted stays restricted."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from harness.jobs import device_of, run_workers, visible_devices


def test_what_the_scheduler_gives_is_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_devices() == ["0", "1", "2"]
    for stated, seen in (("2, 5", ["2", "5"]), ("GPU-8932f937", ["GPU-8932f937"]), ("", []), ("-1", [])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", stated)
        assert visible_devices() == seen


def test_without_a_device_nothing_is_said_of_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert visible_devices() == []
    assert device_of(1, []) == {}


def test_three_workers_on_two_devices(tmp_path: Path) -> None:
    code = f"import os, pathlib; pathlib.Path({str(tmp_path)!r}, str(os.getpid())).write_text(os.environ['CUDA_VISIBLE_DEVICES'])"
    assert run_workers([sys.executable, "-c", code], 3, tell=print, devices=["4", "7"]) == [0, 0, 0]
    assert sorted(path.read_text() for path in tmp_path.iterdir()) == ["4", "4", "7"]
