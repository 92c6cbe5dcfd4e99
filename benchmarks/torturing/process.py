"""Processes of verbs that can be killed at any moment, alone or with all that they have started."""

from __future__ import annotations

import atexit
import contextlib
import os
import shlex
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

PREPARED = (
    *(
        "harness.experiments.bench",
        "harness.experiments.study",
        "harness.experiments.sweep",
        "harness.reporting.report",
    ),
    *("harness.segment", "harness.profiling", "harness.api.benching", "optuna", "sqlalchemy.orm", "mmengine.runner"),
    *("matplotlib.backends.backend_agg", "matplotlib.backends.backend_pdf", "fontTools.subset", "loky"),
    *("torch._dynamo", "torch.utils.tensorboard", "encodings.utf_8_sig"),
)
"""What the verbs import, as far as it takes long."""


def prepare() -> None:
    """Import what all verbs import, so that a process that is forked from here is at its work at once.

    A fresh interpreter spends most of its seconds on importing torch, and most kills would strike there, where there is
    nothing to be destroyed. What is forked is a process of the verb all the same: it has its own id, group and locks.
    """
    # Before numpy and torch: they have no threads then, and a process without threads may be forked.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    # A killed process must be found dead within the round; nobody else works on these stores.
    os.environ["ECHOBENCH_LEASE_S"] = "20"
    for name in PREPARED:
        __import__(name)
    from harness.registry import load_plugins

    load_plugins()


class VerbProcess:
    """``echobench ARGUMENTS`` in a folder, in a group of processes of its own; its output goes to ``LOG``.

    Args:
        arguments: as on a command line.
        folder: its current folder.
        user: whom it becomes; None stays who starts it.
        aside: where its output and its temporary files go; None: into its folder.
        first: done in the process before the verb.
    """

    LOG = "verb.log"

    def __init__(
        self,
        arguments: str,
        folder: Path,
        *,
        user: int | None = None,
        aside: Path | None = None,
        first: Callable[[], object] = lambda: None,
    ) -> None:
        self.code: int | None = None
        self.began = time.monotonic()
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _become(arguments, folder, user, aside or folder, first)
        # In the parent as well: a kill of the group must find it, whoever of the two is first.
        with contextlib.suppress(OSError):
            os.setpgid(self.pid, self.pid)

    def poll(self) -> int | None:
        """Its exit code (negative for a signal), or None while it runs."""
        if self.code is None:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if done else None
        return self.code

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        if self.code is None:
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.code

    def kill(self, *, group: bool) -> None:
        """SIGKILL to all of its group, or to itself alone, after which its children have to see to themselves."""
        if self.code is None or group:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL) if group else os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def outlived(self) -> list[str]:
        """Command lines of the processes of its group that are still there after its own end."""
        self.wait()
        lines = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                # Behind the name, which may hold blanks and brackets: state, parent, group.
                state, _, group = stat.read_text().rpartition(")")[2].split()[:3]
                if int(group) == self.pid and state != "Z":
                    lines.append((stat.parent / "cmdline").read_text().replace("\0", " ").strip())
        return lines


def _become(arguments: str, folder: Path, user: int | None, aside: Path, first: Callable[[], object]) -> None:
    """In the forked process: do what the command line asks for, and end."""
    code = 70
    try:
        os.setpgid(0, 0)
        os.chdir(folder)
        # Its own folder for temporary files: what a killed process has left there is counted.
        (aside / "tmp").mkdir(exist_ok=True)
        os.environ["TMPDIR"], tempfile.tempdir = str(aside / "tmp"), None
        with open(aside / VerbProcess.LOG, "ab") as log:
            for descriptor in (1, 2):
                os.dup2(log.fileno(), descriptor)
        if user is not None:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
        first()
        from harness.cli import main

        words = shlex.split(arguments)
        sys.argv = ["echobench", *words]
        try:
            main(words)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        # ``os._exit`` asks nobody: what an interpreter does at its end (pools, temporary folders) is done here.
        atexit._run_exitfuncs()
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
