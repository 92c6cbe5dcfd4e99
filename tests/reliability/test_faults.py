"""A file system that fails at its n-th call: whatever fails, nothing half-written takes a name, and the error is a sentence."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

from harness import files
from harness.errors import DataError, DiskFullError, explained
from harness.reporting.figures.style import save
from harness.segment.nifti import write_masks
from harness.segment.overlay import overlay_writer
from harness.store.formats.manifest import Manifest
from harness.store.formats.table import TableFormat
from harness.training import checkpoints

NUMBERS = TableFormat(name="numbers", file="n.csv", columns={"run": "text", "n": "number"})
TABLE = pd.DataFrame({"run": ["a"] * 50, "n": np.arange(50.0)})


class FailingDisk:
    """Counts the calls that change the disk, and lets the n-th of them fail with an error."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.fails_at, self.code = 0, -1, errno.ENOSPC
        self._real: dict[str, Any] = {}
        for name in ("fsync", "replace", "chmod", "link", "rename"):
            self._wrap(monkeypatch, os, name)
        self._wrap(monkeypatch, files.tempfile, "mkstemp")
        disk, base = self, files._Stream

        class Stream(base):  # type: ignore[misc, valid-type]
            def write(self, content: Any, /) -> int:
                try:
                    disk.called()
                except OSError as error:
                    self.first = self.first or error
                    raise
                return int(super().write(content))

        monkeypatch.setattr(files, "_Stream", Stream)

    def _wrap(self, monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
        real = getattr(module, name)

        def called(*arguments: Any, **options: Any) -> Any:
            self.called()
            return real(*arguments, **options)

        monkeypatch.setattr(module, name, called)

    def called(self) -> None:
        self.count += 1
        if self.count == self.fails_at:
            raise OSError(self.code, os.strerror(self.code))

    def begin(self, fails_at: int, code: int) -> None:
        self.count, self.fails_at, self.code = 0, fails_at, code


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> FailingDisk:
    return FailingDisk(monkeypatch)


def _figure(path: Path, version: int) -> None:
    # As little to draw as there can be: it is saved once for each call that may fail.
    figure = Figure(figsize=(0.3, 0.3))
    figure.text(0, 0, str(version))
    save(figure, path.parent, path.stem)


def _last(path: Path, version: int) -> None:
    checkpoints.save_last(path.parent, {"format": 1, "job": "j", "model": {"w": torch.full((40, 40), float(version))}})


WRITERS: dict[str, tuple[str, Callable[[Path, int], Any]]] = {
    "text": ("report.md", lambda path, version: files.write_text(path, f"{version}" * 9999)),
    "json": ("run.json", lambda path, version: files.write_json(path, {"version": [version] * 999})),
    "table": ("n.csv", lambda path, version: NUMBERS.write(TABLE.assign(n=float(version)), path)),
    "packed table": ("n.csv.gz", lambda path, version: NUMBERS.write(TABLE.assign(n=float(version)), path)),
    "checkpoint": (
        "best.pth",
        lambda path, version: checkpoints.save(path, {"w": torch.full((40, 40), float(version))}),
    ),
    "last checkpoint": ("last.pth", _last),
    "figure": ("chart.png", _figure),
    "masks": (
        "masks.nii.gz",
        lambda path, version: write_masks(path, np.full((3, 40, 40), version, np.uint8), (0.5, 0.5)),
    ),
    "manifest": (
        "suite.json",
        lambda path, version: Manifest(kind="suite", name="x", dataset="phantom", runs=(f"r{version}",)).write(
            path.parent
        ),
    ),
    "lease": ("1.json", lambda path, version: files.create_text(path.with_name(f"{version}.json"), "x" * 999)),
}


def _problem(work: Callable[[], Any]) -> Exception | None:
    try:
        work()
    except Exception as error:
        return error
    return None


def _seen(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize(
    "code", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS, errno.EDQUOT], ids=errno.errorcode.get
)
@pytest.mark.parametrize("kind", list(WRITERS))
def test_a_writer_that_fails_anywhere_leaves_the_old_file_or_the_new_one(
    kind: str, code: int, tmp_path: Path, disk: FailingDisk
) -> None:
    name, write = WRITERS[kind]
    path = tmp_path / name
    disk.begin(-1, code)
    write(path, 1)
    before, calls = _seen(tmp_path), disk.count
    write(path, 2)
    after = _seen(tmp_path)
    assert calls > 2
    for n in range(1, calls + 2):
        for item in tmp_path.iterdir():
            item.unlink()
        for file, content in before.items():
            (tmp_path / file).write_bytes(content)
        disk.begin(n, code)
        problem = _problem(lambda: write(path, 2))
        if problem is not None:
            sentence = explained(problem)
            assert sentence is not None, repr(problem)
            assert isinstance(sentence, DiskFullError) == (code in (errno.ENOSPC, errno.EDQUOT))
            assert "\n" not in str(sentence)
        disk.begin(-1, code)
        for file, content in _seen(tmp_path).items():
            assert not file.endswith(".tmp"), f"call {n} left {file}"
            whole = {before.get(file), after.get(file)} | (
                {before.get("last.pth")} if file == "previous.pth" else set()
            )
            assert content in whole, f"call {n} left half of {file}"
        if kind == "last checkpoint":
            assert checkpoints.load_last(tmp_path, "j") is not None


def test_a_video_that_a_full_disk_has_cut_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenCV goes on without a word: only what it wrote can be looked at."""
    path = tmp_path / "overlay.avi"
    with overlay_writer(path, "avi", (32, 48), 25.0) as write:
        for level in range(8):
            write(np.full((32, 48, 3), 20 * level, np.uint8))
    release = cv2.VideoWriter.release

    class Cutting:
        """A writer whose disk is full in the middle of the file."""

        def __init__(self, *arguments: Any) -> None:
            self._real = real(*arguments)

        def isOpened(self) -> bool:
            return self._real.isOpened()

        def write(self, image: Any) -> None:
            self._real.write(image)

        def release(self) -> None:
            release(self._real)
            os.truncate(path, path.stat().st_size // 3)

    real = cv2.VideoWriter
    for free, kind in ((0, DiskFullError), (1 << 30, DataError)):
        monkeypatch.setattr("shutil.disk_usage", lambda place, free=free: type("Usage", (), {"free": free})())
        monkeypatch.setattr("harness.segment.overlay.cv2.VideoWriter", Cutting)
        Cutting.fourcc = real.fourcc  # type: ignore[attr-defined]
        with pytest.raises(kind, match=r"overlay\.avi"), overlay_writer(path, "avi", (32, 48), 25.0) as write:
            for level in range(8):
                write(np.full((32, 48, 3), 20 * level, np.uint8))
