"""Fixtures that several rooms use."""

from __future__ import annotations

import contextlib
import json
import math
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

if TYPE_CHECKING:
    from harness.reporting.tables.table import Table

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and golden figures beside the checkout; tests that need it skip where it is absent."""
    path = Path(os.environ.get("ECHOBENCH_SHARED", ROOT.parent / "shared"))
    if not path.is_dir():
        pytest.skip(f"no folder {path.name} with real data beside the checkout")
    return path


@pytest.fixture(scope="session")
def same_words() -> Callable[..., None]:
    """``same_words(name, *tables)``: all of the tables but their numbers is as ``tests/golden/words/<name>.txt`` has it.

    After a wanted change ``ECHOBENCH_WRITE_WORDS=1 pytest -k words`` writes these files again: read what differs.
    """
    return _same_words


def _same_words(name: str, *tables: Table) -> None:
    path = ROOT / "tests" / "golden" / "words" / f"{name}.txt"
    text = "\n\n".join(_words(table) for table in tables) + "\n"
    if os.environ.get("ECHOBENCH_WRITE_WORDS"):
        path.write_text(text)
    assert text.splitlines() == path.read_text().splitlines()


def _words(table: Table) -> str:
    """Every field of a stored table, an item a line; of a number only that there is one."""
    # Most tests need no table: importing them takes a second.
    from harness.reporting.tables.stored import to_json

    content = json.loads(to_json(table))
    columns, rows = content.pop("columns"), content.pop("rows")
    for cell in (cell for row in rows for cell in row["cells"].values()):
        cell |= {key: "number" for key, value in cell.items() if not isinstance(value, str | bool)}
    items = [*({key: value} for key, value in content.items()), *columns, *rows]
    return "\n".join(json.dumps(item, ensure_ascii=False) for item in items)


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the phantoms that tests generate are kept, and their prepared clips: each is made once, for all processes of xdist."""
    folder = tmp_path_factory.getbasetemp()
    # Each process of xdist has a folder of its own inside of one.
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "phantoms"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def tiny_overrides() -> tuple[str, ...]:
    """Overrides that make a suite train in seconds: six patients, 32 px, two steps."""
    return (
        "generate.patients=(3, 1, 2)",
        "generate.pixel_mm=1.6",
        "recipe.image_size=32",
        "recipe.iterations=2",
        "recipe.val_interval=2",
        "recipe.checkpoint_interval=1",
        "recipe.clip_length=2",
        "recipe.test_clip_length=2",
        "recipe.batch_size=2",
        "recipe.precision=fp32",
        "models.unet.widths=(4, 8)",
        "profile.warmup=1",
        "profile.repeats=1",
        "profile.patience_s=0",
        "profile.engines=('eager',)",
    )


@pytest.fixture(scope="session")
def forked() -> Callable[..., BaseProcess]:
    """``forked(log, function, *arguments, VARIABLE="text")``: a process of its own, its output in ``log``.

    It ends with the number that the function returns, with 1 after an error and else with 0. It has imported already what this process has: a fresh interpreter takes seconds for that. What is to be proved of a fresh
    one needs ``subprocess``.
    """
    return _forked


def _forked(log: Path, function: Callable[..., Any], *arguments: Any, **environment: str) -> BaseProcess:
    def call() -> None:
        os.environ.update(environment)
        with open(log, "w") as stream, contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
            try:
                code = function(*arguments)
            except BaseException:
                traceback.print_exc(file=stream)
                code = 1
            stream.flush()
        # No further up: what stands above this frame is the test session of another process.
        os._exit(code if isinstance(code, int) else 0)

    process = multiprocessing.get_context("fork").Process(target=call)
    process.start()
    return process


@pytest.fixture(scope="session", autouse=True)
def _interrupts_arrive() -> None:
    """A shell's background job starts with Ctrl-C ignored, and so would every process that a test interrupts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Tests run in parallel processes: one thread each is faster than all threads for everybody."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def fan_clip() -> Callable[..., torch.Tensor]:
    """``fan_clip(frames=6, size=96, seed=0)`` → [T, H, W] in [0, 1], see ``_fan_clip``."""
    return _fan_clip


def _fan_clip(frames: int = 6, size: int = 96, seed: int = 0) -> torch.Tensor:
    """A textured sector of 74 degrees with its apex at the top, a dark cavity that moves, black outside."""
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    distance = torch.hypot(rows.float(), columns - (size - 1) / 2)
    angle = torch.atan2(columns - (size - 1) / 2, rows.float() + 1e-3)
    inside = (distance < size - 2) & (angle.abs() < math.radians(37))
    texture = 0.35 + 0.1 * torch.randn(frames, size, size, generator=generator)
    for t in range(frames):
        cavity = (rows - size * 0.5) ** 2 / 400 + (columns - size * 0.5) ** 2 / (120 - 8 * t) < 1
        texture[t][cavity] *= 0.4
    return (texture.clamp(0.05, 0.95) * inside).float()
