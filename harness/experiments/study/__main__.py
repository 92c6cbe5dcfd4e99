"""A worker process: ``python -m harness.experiments.study JOB.json``."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from harness.errors import BenchError
from harness.experiments.study.job import StudyJob, resolve
from harness.experiments.study.running import work
from harness.terminal import console as new_console


def main(path: str) -> int:
    """Work on the job of a JSON file until nothing is left; returns the exit code."""
    console = new_console(errors=True)
    logging.captureWarnings(True)
    try:
        job = StudyJob.from_json(Path(path).read_text(encoding="utf-8"))
        work(job, resolve(job, progress=False), tell=console.print, progress=False)
    except BenchError as error:
        console.print(str(error), style="red")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
