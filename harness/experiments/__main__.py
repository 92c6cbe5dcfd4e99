"""A worker process of a suite: ``python -m harness.experiments ORDER.json``."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from harness.errors import BenchError
from harness.experiments.trainings import Trainings
from harness.terminal import console as new_console


def main(path: str) -> int:
    """Work on the trainings of a JSON file until nothing is left; returns the exit code."""
    console = new_console(errors=True)
    logging.captureWarnings(True)
    try:
        Trainings.from_json(Path(path).read_text(encoding="utf-8")).work(console.print, brief=True)
    except BenchError as error:
        console.print(str(error), style="red")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
