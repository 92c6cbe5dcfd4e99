"""The faults: each makes a folder, starts the verb in it, does its harm, and mends it afterwards."""

from __future__ import annotations

import builtins
import contextlib
import errno
import io
import os
import random
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torturing.process import VerbProcess
from torturing.rounds import Undisturbed
from torturing.verbs import VERBS

NOBODY = 65534
PATIENCE_S = 240.0


class NotAllowedError(Exception):
    """This machine does not let us make the fault."""


Attempt = tuple[int, str]
"""Exit code (-9: it hung) and output of the verb under the fault."""
Fault = Callable[[str, Undisturbed, Path], Iterator[Attempt]]
"""Called with the verb, its undisturbed run and a new folder, which holds what the verb needs when it yields (the fault is mended then)."""


def run(verb: str, folder: Path, aside: Path, *, words: str = "", **options: Any) -> Attempt:
    """The verb to its end, however it ends."""
    process = VerbProcess(f"{VERBS[verb]} {words}", folder, aside=aside, **options)
    return ended(process, aside)


def ended(process: VerbProcess, aside: Path) -> Attempt:
    """The end of a process, which is killed where it does not come."""
    until = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    process.kill(group=True)
    log = aside / VerbProcess.LOG
    text = log.read_text(errors="replace")
    log.unlink()
    return process.wait(), text


@contextlib.contextmanager
def mounted(folder: Path, kilobytes: int) -> Iterator[Callable[[str], None]]:
    """A file system of its own on a folder; call what it yields with mount options to change it."""

    def change(options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True, capture_output=True)

    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if made.returncode:
        raise NotAllowedError("mounting is not allowed here")
    try:
        yield change
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


def _kilobytes(folder: Path) -> int:
    # tmpfs counts whole pages of files and folders.
    return sum(-(-path.lstat().st_size // 4096) * 4 for path in folder.rglob("*")) + 64


def _fill(made: Undisturbed, folder: Path) -> None:
    shutil.copytree(made.before, folder, dirs_exist_ok=True)


def full(verb: str, made: Undisturbed, folder: Path) -> Iterator[Attempt]:
    """The disk has room for a part of what the verb writes."""
    before, after = _kilobytes(made.before), _kilobytes(made.after)
    for share in (0.02, 0.5, 0.9):
        with mounted(folder, max(8192, 2 * after)) as change:
            _fill(made, folder)
            size = int(before + share * max(64, after - before))
            try:
                change(f"size={size}k")
            except subprocess.CalledProcessError:
                raise NotAllowedError("a mounted folder could not be made smaller") from None
            aside = folder.parent / "aside"
            attempt = run(verb, folder, aside)
            change(f"size={max(8192, 4 * after)}k")
            yield attempt


def read_only(verb: str, made: Undisturbed, folder: Path) -> Iterator[Attempt]:
    """The file system can only be read: from the start, and from the middle of the work."""
    for share in (0.0, 0.3, 0.7):
        with mounted(folder, 4 * _kilobytes(made.after) + 65536) as change:
            _fill(made, folder)
            aside = folder.parent / "aside"
            if not share:
                change("ro")
            process = VerbProcess(VERBS[verb], folder, aside=aside)
            if share:
                time.sleep(share * made.seconds)
                # Busy files keep a file system writable: moments later it may work.
                for _ in range(40):
                    with contextlib.suppress(subprocess.CalledProcessError):
                        change("ro")
                        break
                    time.sleep(0.01)
            attempt = ended(process, aside)
            change("rw")
            yield attempt


def forbidden(verb: str, made: Undisturbed, folder: Path) -> Iterator[Attempt]:
    """Another user's folders: everything may be read, nothing written."""
    if os.getuid():
        raise NotAllowedError("only root can become another user")
    _fill(made, folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    aside = folder.parent / "aside"
    (aside / "tmp").mkdir(exist_ok=True)
    os.chown(aside / "tmp", NOBODY, NOBODY)
    yield run(verb, folder, aside, user=NOBODY)


def gone(verb: str, made: Undisturbed, folder: Path) -> Iterator[Attempt]:
    """The current folder was removed before the verb began to look at it."""
    empty = folder.parent / "gone"
    empty.mkdir()
    attempt = run(verb, empty, folder.parent / "aside", first=lambda: os.rmdir(empty))
    _fill(made, folder)
    yield attempt


def long_name(verb: str, made: Undisturbed, folder: Path) -> Iterator[Attempt]:
    """A folder whose name is longer than a file system takes."""
    _fill(made, folder)
    name = "a" * 300
    options = {"segment": "--out", "manifest": "", "export": "--data-dir"}
    for option in (options[verb],) if verb in options else ("--results-dir", "--reports-dir"):
        words = f"{option} {name}" if option else ""
        if verb == "manifest":
            process = VerbProcess(f"data manifest {shlex.quote(name)}", folder, aside=folder.parent / "aside")
            yield ended(process, folder.parent / "aside")
        else:
            yield run(verb, folder, folder.parent / "aside", words=words)


def failing(name: str) -> Fault:
    """The n-th call that opens or changes a file of the folder fails with this error, for several n."""

    def fault(verb: str, made: Undisturbed, folder: Path) -> Iterator[Attempt]:
        for n in (
            1,
            random.randrange(2, 6),
            random.randrange(6, 20),
            random.randrange(20, 80),
            random.randrange(80, 300),
        ):
            _fill(made, folder)
            yield run(verb, folder, folder.parent / "aside", first=lambda n=n: inject(getattr(errno, name), n, folder))
            shutil.rmtree(folder)
            folder.mkdir()

    return fault


def inject(code: int, n: int, folder: Path) -> None:
    """From now on the n-th call on a file below the folder fails with this error, in this process and its forks."""
    count, below = [0], (str(folder), str(folder.resolve()))

    def called(name: Any) -> None:
        text = os.fspath(name) if isinstance(name, str | bytes | os.PathLike) else ""
        text = text.decode(errors="replace") if isinstance(text, bytes) else text
        # The program's own files and the system's are read as ever.
        if text and (not text.startswith("/") or text.startswith(below)):
            count[0] += 1
            if count[0] == n:
                raise OSError(code, os.strerror(code), text)

    def wrapped(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(first: Any, *others: Any, **options: Any) -> Any:
            called(first)
            return real(first, *others, **options)

        return call

    builtins.open = io.open = wrapped(open)  # type: ignore[assignment]
    for name in ("replace", "rename", "link", "mkdir", "chmod", "unlink", "scandir", "listdir", "stat"):
        setattr(os, name, wrapped(getattr(os, name)))
    real = tempfile.mkstemp

    def mkstemp(suffix: Any = None, prefix: Any = None, dir: Any = None, text: bool = False) -> Any:
        called(dir)
        return real(suffix, prefix, dir, text)

    tempfile.mkstemp = mkstemp  # type: ignore[assignment]


def interrupted(verb: str, made: Undisturbed, folder: Path) -> Iterator[Attempt]:
    """Ctrl-C at a random moment, and once more while the first is dealt with; as a terminal does it, to the whole group."""
    for _ in range(3):
        _fill(made, folder)
        aside = folder.parent / "aside"
        process = VerbProcess(VERBS[verb], folder, aside=aside)
        time.sleep(random.uniform(0.1, 0.9) * made.seconds)
        for pause in (random.uniform(0.001, 0.3), 0.0):
            with contextlib.suppress(ProcessLookupError):
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGINT)
            time.sleep(pause)
        yield ended(process, aside)
        shutil.rmtree(folder)
        folder.mkdir()


FAULTS: dict[str, Fault] = {
    "full": full,
    "read-only": read_only,
    "forbidden": forbidden,
    "gone": gone,
    "long name": long_name,
    **{f"n-th call {name}": failing(name) for name in ("ESTALE", "EIO", "EACCES", "ENOSPC")},
    "Ctrl-C twice": interrupted,
}
