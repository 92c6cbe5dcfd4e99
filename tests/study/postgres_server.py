"""A PostgreSQL server of one's own for a test: a temporary folder, loopback only, never as root."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path


def binaries() -> Path | None:
    """Folder of ``initdb`` and ``pg_ctl``, or None."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("initdb")
    folders += [Path(found).resolve().parent] if found else []
    return next((f for f in folders if (f / "pg_ctl").exists() and (f / "initdb").exists()), None)


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """Start a server with the binaries of ``folder``; yields its URL and takes everything away again."""
    place = Path(tempfile.mkdtemp(prefix="echobench-pg-"))
    user = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}
    if user:
        shutil.chown(place, **user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data, log = place / "data", place / "log"
    options = f"-h 127.0.0.1 -p {port} -k {place} -c fsync=off"

    def call(*command: str) -> None:
        subprocess.run(
            command, check=True, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=120, **user
        )

    try:
        call(str(folder / "initdb"), "-D", str(data), "-U", "bench", "-A", "trust", "--no-sync")
        call(str(folder / "pg_ctl"), "-D", str(data), "-l", str(log), "-o", options, "-w", "start")
        try:
            yield f"postgresql://bench@127.0.0.1:{port}/postgres"
        finally:
            call(str(folder / "pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(place, ignore_errors=True)
