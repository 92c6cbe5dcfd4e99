"""Several processes on the CPU share each batch and agree on the weights."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from training_tiny import tiny_job

from harness.data.prepared import PreparedCache
from harness.training import checkpoints, train
from harness.training.loaders import RankShare


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_the_shares_of_a_batch_are_disjoint_and_complete() -> None:
    batches = [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]
    shares = [list(RankShare(batches, rank, 2)) for rank in range(2)]
    assert shares == [[[1, 3, 5], [6, 8, 10]], [[2, 4], [7, 9]]]


@pytest.mark.slow
def test_two_processes_train_to_the_end_and_one_process_can_resume_them(cache: PreparedCache, tmp_path: Path) -> None:
    script = str(Path(__file__).with_name("training_tiny.py"))
    port, command = free_port(), [sys.executable, script, str(cache.path), str(tmp_path), "iterations=4"]
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen(command, env={**os.environ, **group, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(2)
    ]
    try:
        assert [worker.wait(timeout=600) for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            worker.kill()
    content = checkpoints.load(tmp_path / "checkpoints" / "last.pth")
    assert content["state"]["iteration"] == 4
    assert all(bool(torch.isfinite(value).all()) for value in content["model"].values())
    start = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[0])
    assert start["processes"] == 2
    assert train(tiny_job(tmp_path, ["iterations=4"]), cache).iterations == 4
