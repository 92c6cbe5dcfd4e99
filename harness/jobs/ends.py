"""How a process ended, in words: its exit code, the signal by its name, and whether the kernel took its memory back."""

from __future__ import annotations

import signal
from pathlib import Path


def ending(code: int, *, out_of_memory: bool = False) -> str:
    """What an exit code means, to stand after "the process ...".

    Args:
        code: as in ``Popen.returncode``: negative where a signal ended the process.
        out_of_memory: the kernel has said that it killed a process for want of memory (``OutOfMemoryWatch``).

    Examples:
        >>> ending(-11)
        'was ended by SIGSEGV'
        >>> ending(-9, out_of_memory=True)
        'was killed by the kernel because memory ran out'
        >>> ending(3)
        'ended with exit code 3'
    """
    if code >= 0:
        return f"ended with exit code {code}"
    # Only SIGKILL can come from the kernel's out-of-memory killer; a crash during a shortage is still a crash.
    if out_of_memory and -code == signal.SIGKILL:
        return "was killed by the kernel because memory ran out"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal has no name in Python
        return f"was ended by signal {-code}"


class OutOfMemoryWatch:
    """Notices whether the kernel killed a process of our cgroup for want of memory since this object was made.

    Args:
        root: where the kernel's files are; another folder in tests only.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._file = _counter(root)
        self._before = _kills(self._file)

    def happened(self) -> bool:
        """True when the kernel counted one more such kill; False also where it keeps no such count for us."""
        # The counter only grows: a difference is a kill that happened while we looked.
        now = _kills(self._file)
        return now is not None and self._before is not None and now > self._before


def _counter(root: Path) -> Path | None:
    """The file in which the kernel counts out-of-memory kills of our cgroup (v2, then v1)."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:  # no Linux
        return None
    candidates = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        inside = path.strip("/")
        if not controllers:
            # In a container the path is often that of the host, and its own cgroup is mounted at the top.
            candidates += [root / "sys/fs/cgroup" / inside / "memory.events", root / "sys/fs/cgroup/memory.events"]
        elif "memory" in controllers.split(","):
            memory = root / "sys/fs/cgroup/memory"
            candidates += [memory / inside / "memory.oom_control", memory / "memory.oom_control"]
    return next((path for path in candidates if path.is_file()), None)


def _kills(file: Path | None) -> int | None:
    if file is None:
        return None
    try:
        entries = dict(line.split(maxsplit=1) for line in file.read_text(encoding="ascii").splitlines() if " " in line)
        return int(entries["oom_kill"])
    except (OSError, KeyError, ValueError):
        return None
