"""A real Slurm of one node, for tests: munge, slurmctld and slurmd on ports of their own, everything in one folder."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,requeue_delay=1,bf_interval=1
ReturnToService=2
MailProg=/bin/true
MpiDefault=none
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} Gres=gpu:2 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:8
"""
GRES = "Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n"


@contextlib.contextmanager
def running(folder: Path) -> Iterator[str]:
    """Start it; yields an empty text, or why it does not come up. Everything that was started is ended."""
    processes: list[subprocess.Popen] = []
    try:
        yield _start(folder, processes)
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _start(folder: Path, processes: list[subprocess.Popen]) -> str:
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir()
    os.chmod(folder / "munge", 0o755)
    (folder / "munge/key").write_bytes(os.urandom(1024))
    os.chmod(folder / "munge/key", 0o600)
    host = socket.gethostname().partition(".")[0]
    conf = CONF.format(folder=folder, host=host, ports=(_port(), _port()), cpus=os.cpu_count())
    (folder / "slurm.conf").write_text(conf)
    (folder / "gres.conf").write_text(GRES)
    munge = folder / "munge"
    paths = [
        f"--{name}={munge}/{file}" for name, file in (("key-file", "key"), ("socket", "socket"), ("log-file", "log"))
    ]
    paths += [f"--pid-file={munge}/pid", f"--seed-file={munge}/seed"]
    log = open(folder / "daemons.log", "w", encoding="utf-8")  # noqa: SIM115 - the daemons write to it until they end
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    for command in (["munged", "--foreground", "--force", *paths], ["slurmctld", "-D", "-f", str(folder / "slurm.conf")],
                    ["slurmd", "-D", "-f", str(folder / "slurm.conf")]):  # fmt: skip
        processes.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment))
        time.sleep(0.5)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        told = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True, env=environment)
        if "idle" in told.stdout:
            return ""
        time.sleep(0.5)
    lines = (folder / "daemons.log").read_text().splitlines() or ["nothing was told"]
    return lines[-1][:200]


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
