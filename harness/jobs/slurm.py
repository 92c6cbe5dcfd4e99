"""Batch scripts for Slurm: an array job with one task a run, and a report when all have ended."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BenchError
from harness.files import write_text
from harness.jobs.workers import worker_command

WARNING_S = 120
"""Seconds before the limit at which a task is told to save and leave: an iteration, a checkpoint, and some to spare."""

_TRAIN = """\
#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --array=1-{runs}{at_once}
#SBATCH --output={logs}/%x-%A_%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:INT@{warning}
{directives}
# One run a task: what is finished is not done again, what was interrupted goes on from its checkpoint.
# Job control: without it a shell starts its children deaf to Ctrl-C.
set -m
cd {folder} || exit 2
leave=
{command} --only "$SLURM_ARRAY_TASK_ID" &
child=$!
trap 'leave=yes; kill -INT "$child"' INT
wait "$child"; code=$?
# A signal ends the wait and not the child, which saves first.
if [ -n "$leave" ]; then
    wait "$child"; code=$?
    # Time was short: the same task goes on later. (Preemption and dead nodes are requeued by Slurm itself.)
    if [ "$code" -ne 0 ]; then scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}" && exit 0; fi
fi
exit "$code"
"""

_REPORT = """\
#!/bin/bash
#SBATCH --job-name={name}-report
#SBATCH --output={logs}/%x-%j.log
#SBATCH --open-mode=append
#SBATCH --requeue
{directives}
# Measures the cost of every finished model, alone on its node's device, and writes tables and figures; trains nothing.
cd {folder} || exit 2
exec {command} --report-only
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class SlurmJob:
    """A suite as jobs.

    Attributes:
        name: of the jobs and their files.
        arguments: of ``echobench bench``.
        runs: tasks of the array.
        folder: where the commands run; relative paths in the arguments are meant from there. All nodes must see it.
        gres: generic resources of a task, such as ``gpu:1``; empty for none.
        time: limit of a task, as Slurm writes it; empty for the partition's.
        cpus: cores of a task.
        at_once: tasks that run at the same time at most, 0 for no limit.
        options: further options of ``sbatch`` for both jobs, such as ``--partition=gpu``.
    """

    name: str
    arguments: Sequence[str]
    runs: int
    folder: Path
    gres: str = ""
    time: str = ""
    cpus: int = 1
    at_once: int = 0
    options: Sequence[str] = ()

    def scripts(self, logs: Path) -> dict[str, str]:
        """Text of the array job and of the report job, by the names ``train`` and ``report``."""
        directives = [f"--cpus-per-task={self.cpus}", *([f"--gres={self.gres}"] if self.gres else [])]
        directives += [*([f"--time={self.time}"] if self.time else []), *self.options]
        values = {
            "name": self.name,
            "runs": self.runs,
            "at_once": f"%{self.at_once}" if self.at_once else "",
            "logs": logs,
            "warning": WARNING_S,
            "directives": "\n".join(f"#SBATCH {directive}" for directive in directives),
            # The script is read by a shell: a blank in a folder's name would end the command.
            "folder": shlex.quote(str(self.folder)),
            "command": shlex.join(worker_command("bench", *self.arguments)),
        }
        return {"train": _TRAIN.format(**values), "report": _REPORT.format(**values)}

    def write(self, folder: Path) -> list[Path]:
        """Write both scripts as ``NAME.train.sh`` and ``NAME.report.sh``; logs go beside them."""
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for kind, text in self.scripts(folder).items():
            paths.append(folder / f"{self.name}.{kind}.sh")
            write_text(paths[-1], text)
        return paths


def submit(train: Path, report: Path) -> tuple[str, str]:
    """Hand both to Slurm, the report after the whole array, however its tasks end; returns the numbers of the jobs.

    Raises:
        BenchError: there is no Slurm, or it refuses.
    """
    first = _sbatch(train)
    return first, _sbatch(report, f"--dependency=afterany:{first}")


def _sbatch(script: Path, *options: str) -> str:
    try:
        done = subprocess.run(
            ["sbatch", "--parsable", *options, str(script)], capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise BenchError(
            f"There is no sbatch on this machine; hand the script over on a machine of the cluster: sbatch {script}"
        ) from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise BenchError(f"Slurm refuses {script.name}: {last}")
    return done.stdout.strip().partition(";")[0]
