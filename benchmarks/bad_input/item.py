"""An item: what is typed, what happened at first, and what must be said today; each in a process and a folder of its own."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torturing.process import VerbProcess

NOBODY = 65534
PATIENCE_S = 240.0
"""A busy machine imports slowly; what takes longer hangs."""
TRACEBACK, ACCEPTED, HUNG, LINES, EXECUTED = "traceback", "accepted", "hung", "many lines", "executed"
"""What items did at first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """How a command ended: its exit code (negative for a signal, -9 for one that hung), and all that it wrote."""

    code: int
    text: str

    @property
    def last(self) -> str:
        """Its last line: the sentence, where it ended with one."""
        return (self.text.strip().splitlines() or [""])[-1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A new folder to be in, and a folder in which a suite was trained (``data``, ``results``, ``reports``, ``clip.nii.gz``)."""

    folder: Path
    made: Path

    def with_results(self) -> Path:
        """Copy what was trained into this folder."""
        shutil.copytree(self.made, self.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("tmp", "*.log"))
        return self.folder

    def file(self, name: str, content: str | bytes = "x") -> Path:
        """A new file with its folders."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def echobench(self, *words: str | Path, user: int | None = None, limit_s: float = PATIENCE_S) -> Said:
        """Type a command line in this folder, as another user where one is given."""
        (self.folder / "tmp").mkdir(exist_ok=True)
        if user is not None:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, user, user, follow_symlinks=False)
        log = self.folder / VerbProcess.LOG
        log.unlink(missing_ok=True)
        process = VerbProcess(shlex.join(map(str, words)), self.folder, user=user)
        until = time.monotonic() + limit_s
        while process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        process.kill(group=True)
        return Said(code=process.wait(), text=log.read_text(errors="replace"))


Work = Callable[[Place], Said]


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One bad input.

    Attributes:
        kind: a heading of the findings.
        name: what is bad.
        before: what it did at first.
        work: types it.
        words: what must be said (a regular expression).
        codes: how it may end. 0 stands where the input is taken as what it means, with a word on it.
        left: names that may lie in its folder afterwards; None: whatever the work made.
    """

    kind: str
    name: str
    before: str
    work: Work
    words: str = ""
    codes: Sequence[int] = (2,)
    left: Sequence[str] | None = field(default=None)

    def wrong(self, said: Said) -> str:
        """What is not as it should be; empty where all is."""
        text = re.sub(r"[\s│┃]+", " ", said.text)
        if said.code not in self.codes:
            return f"exit code {said.code}"
        if "Traceback (most recent" in said.text or "A mistake of echobench itself" in text:
            return "a traceback"
        if not re.search(self.words, text):
            return f"says nothing of {self.words}"
        if said.code == 2 and not re.match(r"(echobench: |Error: |Aborted)", said.last):
            return "does not end with its sentence"
        return ""


def typed(*words: str, **options: object) -> Work:
    """The work of an item that is one command line."""
    return lambda place: place.echobench(*words, **options)  # type: ignore[arg-type]
