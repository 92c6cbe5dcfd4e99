"""Several processes on the CPU share each batch and agree on the weights."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import several_tiny
import torch
from training_tiny import TinyFrames, tiny_job

from harness.data.prepared import PreparedCache
from harness.training import checkpoints, segmentation, train
from harness.training.engine import build_model
from harness.training.loaders import RankShare
from harness.training.processes import Processes, synchronised
from harness.training.recipe import LossSpec
from harness.training.segmentation import ClipSegmentation


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_the_shares_of_a_batch_are_disjoint_and_complete() -> None:
    batches = [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]
    shares = [list(RankShare(batches, rank, 2)) for rank in range(2)]
    assert shares == [[[1, 3, 5], [6, 8, 10]], [[2, 4], [7, 9]]]


@pytest.fixture(scope="module")
def ranks(forked: Callable[..., BaseProcess], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., None]:
    """``ranks(function, *arguments)``: call it as both ranks of a group, each in a process of its own, to a good end."""
    folder = tmp_path_factory.mktemp("ranks")

    def call(function: Callable[..., Any], *arguments: Any) -> None:
        group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
        logs = [folder / f"{group['MASTER_PORT']}-{rank}.txt" for rank in range(2)]
        workers = [
            forked(log, function, *arguments, **group, RANK=str(rank), LOCAL_RANK=str(rank))
            for rank, log in enumerate(logs)
        ]
        try:
            for worker, log in zip(workers, logs, strict=True):
                worker.join(600)
                assert worker.exitcode == 0, log.read_text()
        finally:
            for worker in workers:
                worker.kill()
                worker.join()

    return call


@pytest.fixture(scope="module")
def shared_and_alone(
    ranks: Callable[..., None], cache: PreparedCache, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """Folders of all miniatures, trained by two processes and by this one."""
    shared, alone = tmp_path_factory.mktemp("shared"), tmp_path_factory.mktemp("alone")
    ranks(several_tiny.train_all_as_rank, cache, shared)
    several_tiny.train_all(cache, alone)
    return shared, alone


@pytest.mark.slow
@pytest.mark.parametrize("length", several_tiny.LENGTHS)
@pytest.mark.parametrize("name", several_tiny.MINIATURES)
def test_two_processes_make_the_weights_of_one(name: str, length: int, shared_and_alone: tuple[Path, Path]) -> None:
    one, other = (
        checkpoints.load(folder / f"{name}-{length}" / "checkpoints" / "last.pth")["model"]
        for folder in shared_and_alone
    )
    first = build_model(tiny_job(Path(), [f"model.type={name}", *several_tiny.changes(name)])).state_dict()
    moved = max(float((other[key].double() - first[key].double()).abs().max()) for key in first)
    apart = max(float((other[key].double() - one[key].double()).abs().max()) for key in other)
    assert moved > 1e-4, "the comparison says something only where something was learned"
    assert apart < 1e-3 * moved


def test_a_share_without_a_labelled_frame_counts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmentation, "_several", lambda: True)
    monkeypatch.setattr(segmentation.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(segmentation.distributed, "all_reduce", lambda count: count.fill_(4))
    torch.manual_seed(0)
    wrapped = ClipSegmentation(TinyFrames(), LossSpec(), gives_first_mask=False, freeze_batch_norm=False)
    frames, masks = torch.rand(2, 3, 1, 32, 32), torch.zeros(2, 3, 32, 32, dtype=torch.int64)
    nothing, some = (wrapped(frames, masks, torch.arange(count)) for count in (0, 3))
    nothing["loss"].backward()
    assert nothing["loss"] == 0
    assert all(not parameter.grad.any() for parameter in wrapped.parameters())
    assert some["loss"].item() == pytest.approx(2 * 3 / 4 * float(some["ce"] + some["dice"]))


def test_batch_norms_are_synchronised_on_cuda_alone() -> None:
    several = [Processes(device=torch.device(kind), rank=0, world=world) for kind, world in (("cpu", 2), ("cuda", 1))]
    assert all(isinstance(synchronised(TinyFrames(), place).layers[1], torch.nn.BatchNorm2d) for place in several)
    converted = synchronised(TinyFrames(), Processes(device=torch.device("cuda"), rank=0, world=2))
    assert isinstance(converted.layers[1], torch.nn.SyncBatchNorm)
    assert converted.state_dict().keys() == TinyFrames().state_dict().keys()


@pytest.mark.slow
def test_two_processes_train_to_the_end_and_one_process_can_resume_them(
    ranks: Callable[..., None], cache: PreparedCache, tmp_path: Path
) -> None:
    ranks(train, tiny_job(tmp_path, ["iterations=4"]), cache)
    content = checkpoints.load(tmp_path / "checkpoints" / "last.pth")
    assert content["state"]["iteration"] == 4
    assert all(bool(torch.isfinite(value).all()) for value in content["model"].values())
    start = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[0])
    assert start["processes"] == 2
    assert train(tiny_job(tmp_path, ["iterations=4"]), cache).iterations == 4
