"""Measuring one model in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from harness.engines.contract import engine_files
from harness.errors import BenchError
from harness.jobs import OutOfMemoryWatch, ending, run_bound
from harness.leftovers import private_folder
from harness.profiling.settings import ProfileSettings
from harness.profiling.worker import OUT_OF_MEMORY, failed_row
from harness.store.formats.profile import PROFILE_COLUMNS
from harness.threads import WAITING

_ROOT = Path(__file__).resolve().parent.parent.parent


def profile_model(
    build: dict[str, Any],
    *,
    model: str = "",
    size: str = "",
    custom_imports: Sequence[str] = (),
    timeout_s: float | None = None,
    **settings: Any,
) -> pd.DataFrame:
    """Measure latency, complexity and memory of one model in a fresh process.

    Args:
        build: registry config of the model, ``num_structures`` included.
        model, size: what the columns of that name say.
        custom_imports: modules that register the model where it is no plugin.
        timeout_s: the process is killed after this many seconds.
        settings: fields of ``ProfileSettings``.

    Returns:
        One row per measured quantity, columns ``PROFILE_COLUMNS``. ``mode`` is ``streaming`` (one steady-state
        frame), ``clip``, ``clip_with_copy``, ``first_frame``, ``first_frame_cold``, ``complexity``,
        ``memory_streaming`` or ``memory_clip``; ``engine`` says how the model was executed. The first row is the headline:
        streaming with the first engine (``eager`` unless told otherwise), with parameters, GMACs and peak memory filled
        in. What did not fit into memory, and what an engine could not execute, is a row whose ``status`` says so.

    Raises:
        ConfigError: a setting is invalid. BenchError: the process failed; the sentence carries its last line.
    """
    chosen = ProfileSettings(**settings).resolved()
    request = {
        "build": build,
        "settings": chosen.as_dict(),
        "custom_imports": [*custom_imports, *engine_files(chosen.engines or ())],
        # The worker must find a user's model where this process found it; the empty entry means another folder there.
        "paths": [entry for entry in sys.path if entry],
    }
    lines = _in_process(request, chosen, timeout_s, build.get("type", "model"))
    return profile_table(lines, model=model, size=size, clip_length=chosen.clip_length)


def profile_table(lines: Sequence[dict[str, Any]], *, model: str, size: str, clip_length: int) -> pd.DataFrame:
    """The profile that a worker's lines make: one row each, the headline first and completed from the others.

    Raises:
        ValueError: a line has a key that is no column of a profile.
    """
    rows = [{"model": model, "size": size, **line} for line in lines]
    surplus = sorted({key for row in rows for key in row} - set(PROFILE_COLUMNS))
    if surplus:
        raise ValueError(f"a profile has no column {surplus[0]}; its columns are {PROFILE_COLUMNS}")
    return _headline_first(pd.DataFrame(rows).reindex(columns=list(PROFILE_COLUMNS)), clip_length)


def _in_process(
    request: dict[str, Any], settings: ProfileSettings, timeout_s: float | None, name: str
) -> list[dict[str, Any]]:
    with private_folder("echobench-profile-") as folder:
        asked, answered = folder / "request.json", folder / "rows.jsonl"
        asked.write_text(json.dumps(request), encoding="utf-8")
        answered.touch()
        # A process of its own: the peak memory of what ran here before would be counted too.
        command = [sys.executable, "-m", "harness.profiling", str(asked), str(answered)]
        memory = OutOfMemoryWatch()
        try:
            done = run_bound(command, environment=_environment(settings), timeout_s=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise BenchError(f"Profiling {name} took more than {timeout_s:.0f} s and was stopped.") from error
        # Line by line on disk, so that what was measured before a kill is still there.
        lines = [json.loads(line) for line in answered.read_text(encoding="utf-8").splitlines()]
    return collect(lines, done.returncode, done.stderr, name, out_of_memory=memory.happened())


def collect(
    lines: list[dict[str, Any]], code: int, stderr: str, name: str, *, out_of_memory: bool = False
) -> list[dict[str, Any]]:
    """Rows of a worker's lines; a worker that was killed leaves a row for what it was measuring.

    Memory is only named where the kernel says that it was the reason (``out_of_memory``): a scheduler kills as well.

    Raises:
        BenchError: it ended in another way.
    """
    rows = [line for line in lines if "begin" not in line]
    if code == 0:
        return rows
    begun = [line["begin"] for line in lines if "begin" in line]
    if code == -signal.SIGKILL and begun:
        base = {key: rows[-1][key] for key in ("device", "precision", "image_size", "batch_size")} if rows else {}
        reason = f"{OUT_OF_MEMORY} (process killed)" if out_of_memory else f"the process {ending(code)}"
        return [*rows, {**base, **failed_row(begun[-1], reason)}]
    last = next((line for line in reversed(stderr.splitlines()) if line.strip()), f"exit code {code}")
    raise BenchError(f"Profiling {name} failed: {last.strip()}")


def _environment(settings: ProfileSettings) -> dict[str, str]:
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    # The same way of waiting whoever asks: a command, a notebook, a test.
    environment = {**WAITING, **os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    if settings.threads:
        environment |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(settings.threads))
    return environment


def _headline_first(table: pd.DataFrame, clip_length: int) -> pd.DataFrame:
    """Put the headline row first and complete it from the rows that measured the rest of the same engine.

    The worker measures engines in the order in which they were asked for; the first that ran is the headline.
    """
    rank = (table["mode"] != "streaming") * 2 + (table["status"] != "ok")
    table = table.iloc[rank.argsort(kind="stable")].reset_index(drop=True)
    if table.empty or table.at[0, "mode"] != "streaming":
        return table
    memory = table[
        (table["mode"] == "memory_streaming")
        & (table["clip_length"] == clip_length)
        & (table["engine"] == table.at[0, "engine"])
    ]
    counts = table[table["mode"] == "complexity"]
    for source, columns in ((memory, _MEMORY), (counts, _COUNTS)):
        if len(source):
            table.loc[0, list(columns)] = source.iloc[0][list(columns)]
    return table


_MEMORY = ("peak_memory_mb", "peak_reserved_mb", "memory_method")
_COUNTS = tuple(name for name in PROFILE_COLUMNS if name.startswith(("parameters", "gmacs", "difference", "uncounted")))
