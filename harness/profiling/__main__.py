"""``python -m harness.profiling REQUEST ROWS``: the process in which one model is measured (see ``worker``)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from harness.jobs import end_with_parent
from harness.profiling.worker import run

if __name__ == "__main__":
    # Else it would go on measuring for minutes, beside whatever the next start of the killed command does.
    end_with_parent()
    with open(sys.argv[2], "w", encoding="utf-8") as stream:
        run(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), stream)
