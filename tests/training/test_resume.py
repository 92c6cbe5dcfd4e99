"""However a training is ended, the resumed one comes out with the same bits."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch
from training_tiny import tiny_job

from harness import files
from harness.data.prepared import PreparedCache
from harness.errors import TrainingError
from harness.training import checkpoints, engine, loops, runner, train


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def in_a_child(action: Callable[[], Any]) -> int:
    """Run ``action`` in a forked process and return the signal that ended it (0 for none)."""
    child = os.fork()
    if child == 0:
        try:
            action()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def at_call(number: int, function: Callable[..., Any], *, after: bool = False) -> Callable[..., Any]:
    """``function`` that kills its process before (or after) its ``number``-th call."""
    calls = 0

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number and not after:
            die()
        result = function(*args, **kwargs)
        if calls == number:
            die()
        return result

    return wrapped


def half_written(number: int) -> Callable[..., Any]:
    """``torch.save`` that dies in the middle of its ``number``-th file."""
    calls, save = 0, torch.save

    def wrapped(content: Any, stream: Any) -> None:
        nonlocal calls
        calls += 1
        if calls < number:
            return save(content, stream)
        stream.write(b"PK" * 500)
        stream.flush()
        return die()

    return wrapped


MOMENTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "before the first checkpoint": lambda m: m.setattr(
        loops.ResumableTrainLoop, "run_iter", at_call(2, loops.ResumableTrainLoop.run_iter)
    ),
    "between two checkpoints": lambda m: m.setattr(
        loops.ResumableTrainLoop, "run_iter", at_call(6, loops.ResumableTrainLoop.run_iter)
    ),
    "inside an optimiser step": lambda m: m.setattr(torch.optim.AdamW, "step", at_call(5, torch.optim.AdamW.step)),
    "during a validation": lambda m: m.setattr(loops.ValidationLoop, "_score", at_call(2, loops.ValidationLoop._score)),
    "while best.pth is written": lambda m: m.setattr(checkpoints.torch, "save", half_written(2)),
    "while last.pth is written": lambda m: m.setattr(checkpoints.torch, "save", half_written(3)),
    "between best.pth and last.pth": lambda m: m.setattr(
        runner.BenchRunner, "_save_best", at_call(2, runner.BenchRunner._save_best, after=True)
    ),
    "between the two renames": lambda m: m.setattr(checkpoints, "save", at_call(3, checkpoints.save)),
    "after a checkpoint": lambda m: m.setattr(files.os, "replace", at_call(6, os.replace, after=True)),
    "after the last iteration": lambda m: m.setattr(
        loops.ResumableTrainLoop, "run_iter", at_call(12, loops.ResumableTrainLoop.run_iter, after=True)
    ),
}


def assert_same_bits(left: Any, right: Any, where: str = "") -> None:
    """Equal nested values; tensors by their bits; wall times left out."""
    assert type(left) is type(right), where
    if isinstance(left, dict):
        assert list(left) == list(right), where
        for key in left:
            if key != "seconds":
                assert_same_bits(left[key], right[key], f"{where}.{key}")
    elif isinstance(left, list):
        assert len(left) == len(right), where
        for index, (a, b) in enumerate(zip(left, right, strict=True)):
            assert_same_bits(a, b, f"{where}[{index}]")
    elif isinstance(left, torch.Tensor):
        assert left.dtype == right.dtype, where
        assert torch.equal(left, right), where
    else:
        assert left == right, where


def outcome(folder: Path) -> dict[str, Any]:
    """Everything that a finished training leaves: weights, average, optimiser, counters, best."""
    return {name: checkpoints.load(folder / "checkpoints" / f"{name}.pth") for name in ("last", "best")}


@pytest.fixture(scope="module")
def uninterrupted(cache: PreparedCache, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("uninterrupted")
    torch.set_num_threads(1)
    train(tiny_job(folder), cache)
    return outcome(folder)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_training_killed_at_any_moment_ends_with_the_bits_of_an_uninterrupted_one(
    moment: str, cache: PreparedCache, tmp_path: Path, uninterrupted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed() -> None:
        MOMENTS[moment](monkeypatch)
        train(tiny_job(tmp_path), cache)

    assert in_a_child(killed) == signal.SIGKILL
    summary = train(tiny_job(tmp_path), cache)
    assert summary.iterations == 12
    assert_same_bits(outcome(tmp_path), uninterrupted)


def test_a_training_killed_again_and_again_ends_with_the_same_bits(
    cache: PreparedCache, tmp_path: Path, uninterrupted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = tiny_job(tmp_path, ["checkpoint_interval=1"])

    def two_iterations() -> None:
        step = loops.ResumableTrainLoop.run_iter
        monkeypatch.setattr(loops.ResumableTrainLoop, "run_iter", at_call(2, step, after=True))
        train(job, cache)

    for _ in range(6):  # the second iteration of each session is lost, the first is kept
        assert in_a_child(two_iterations) == signal.SIGKILL
    train(job, cache)
    assert_same_bits(outcome(tmp_path), uninterrupted)


def test_a_process_killed_from_outside_resumes_with_the_same_bits(
    cache: PreparedCache, tmp_path: Path, uninterrupted: dict[str, Any], forked: Callable[..., BaseProcess]
) -> None:
    last = tmp_path / "checkpoints" / "last.pth"
    process = forked(tmp_path / "log.txt", train, tiny_job(tmp_path, ["workers=2"]), cache)
    deadline = time.monotonic() + 60
    while not last.exists() and time.monotonic() < deadline and process.is_alive():
        time.sleep(0.002)
    process.kill()
    process.join()
    train(tiny_job(tmp_path), cache)
    assert_same_bits(outcome(tmp_path), uninterrupted)


def test_workers_do_not_change_the_weights(cache: PreparedCache, tmp_path: Path, uninterrupted: dict[str, Any]) -> None:
    train(tiny_job(tmp_path, ["workers=2"]), cache)
    assert_same_bits(outcome(tmp_path), uninterrupted)


def test_another_seed_gives_other_weights(cache: PreparedCache, tmp_path: Path, uninterrupted: dict[str, Any]) -> None:
    train(tiny_job(tmp_path, ["job.seed=1"]), cache)
    assert not torch.equal(
        outcome(tmp_path)["last"]["model"]["stem.weight"], uninterrupted["last"]["model"]["stem.weight"]
    )


def test_a_finished_training_is_not_repeated(
    cache: PreparedCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train(tiny_job(tmp_path), cache)
    log = (tmp_path / "log.jsonl").read_bytes()
    monkeypatch.setattr(loops.ResumableTrainLoop, "run_iter", lambda *_: pytest.fail("trained again"))
    assert train(tiny_job(tmp_path), cache) == first
    assert (tmp_path / "log.jsonl").read_bytes() == log


def test_a_damaged_last_checkpoint_gives_way_to_the_one_before(
    cache: PreparedCache, tmp_path: Path, uninterrupted: dict[str, Any]
) -> None:
    train(tiny_job(tmp_path), cache)
    last = tmp_path / "checkpoints" / "last.pth"
    content = bytearray(last.read_bytes())
    content[len(content) // 3] ^= 0xFF
    last.write_bytes(content)
    train(tiny_job(tmp_path), cache)
    assert_same_bits(outcome(tmp_path), uninterrupted)


def test_two_damaged_checkpoints_end_in_one_sentence(cache: PreparedCache, tmp_path: Path) -> None:
    train(tiny_job(tmp_path), cache)
    for name in ("last.pth", "previous.pth"):
        (tmp_path / "checkpoints" / name).write_bytes(b"not a checkpoint")
    with pytest.raises(TrainingError, match=r"last\.pth is damaged .* remove it and train again"):
        train(tiny_job(tmp_path), cache)


def test_a_missing_best_checkpoint_ends_in_one_sentence(cache: PreparedCache, tmp_path: Path) -> None:
    train(tiny_job(tmp_path), cache)
    (tmp_path / "checkpoints" / "best.pth").unlink()
    with pytest.raises(TrainingError, match=r"best\.pth does not exist"):
        train(tiny_job(tmp_path), cache)


def test_a_checkpoint_of_another_job_is_refused(cache: PreparedCache, tmp_path: Path) -> None:
    train(tiny_job(tmp_path), cache)
    with pytest.raises(TrainingError, match="belongs to another job"):
        train(tiny_job(tmp_path, ["optimizer.lr=0.5"]), cache)


@pytest.mark.parametrize("place", ["iteration", "validation"])
def test_ctrl_c_saves_and_the_resumed_run_ends_with_the_same_bits(
    place: str, cache: PreparedCache, tmp_path: Path, uninterrupted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner: Any = loops.ResumableTrainLoop if place == "iteration" else loops.ValidationLoop
    name = "run_iter" if place == "iteration" else "_score"
    original, calls = getattr(owner, name), 0

    def pressed(*args: Any) -> None:
        nonlocal calls
        calls += 1
        original(*args)
        if calls == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, pressed)
        with pytest.raises(KeyboardInterrupt):
            train(tiny_job(tmp_path), cache)
    saved = checkpoints.load(tmp_path / "checkpoints" / "last.pth")["state"]
    assert saved["iteration"] == (2 if place == "iteration" else 8)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    train(tiny_job(tmp_path), cache)
    assert_same_bits(outcome(tmp_path), uninterrupted)


def test_the_log_of_a_resumed_run_has_every_line_once(cache: PreparedCache, tmp_path: Path) -> None:
    def killed() -> None:
        loops.ResumableTrainLoop.run_iter = at_call(9, loops.ResumableTrainLoop.run_iter)  # type: ignore[method-assign]
        train(tiny_job(tmp_path), cache)

    assert in_a_child(killed) == signal.SIGKILL
    with open(tmp_path / "log.jsonl", "a") as stream:
        stream.write('{"kind": "train", "itera')
    train(tiny_job(tmp_path), cache)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in lines if line["kind"] == "train"] == [2, 4, 6, 8, 10, 12]
    assert [line["iteration"] for line in lines if line["kind"] == "val"] == [4, 8, 12]
    assert [line["iteration"] for line in lines if line["kind"] == "start"] == [0, 8]


def test_the_initial_weights_are_a_function_of_the_seed(tmp_path: Path) -> None:
    torch.manual_seed(99)
    first = engine.build_model(tiny_job(tmp_path)).state_dict()
    torch.rand(7)
    assert_same_bits(dict(engine.build_model(tiny_job(tmp_path)).state_dict()), dict(first))
