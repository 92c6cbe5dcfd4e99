"""What a process of a tiny suite does, for tests that start several."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from rich.console import Console

from harness.experiments import SuiteOptions, plan_suite
from harness.experiments.bench import run_suite


def main(options: str, store: str, answer: str) -> None:
    """Run the suite of the options (JSON) in a store; the names of its runs, failures and executions go to ``answer``."""
    torch.set_num_threads(1)
    chosen = {key: tuple(value) if isinstance(value, list) else value for key, value in json.loads(options).items()}
    plan = plan_suite(SuiteOptions(**{**chosen, "data_root": Path(chosen["data_root"])}), progress=False)
    plan.profile = None  # type: ignore[assignment]
    outcome = run_suite(plan, Path(store), console=Console(file=sys.stdout, width=200, highlight=False))
    content = {"runs": [run.name for run in outcome.runs], "failed": outcome.failed, "executed": outcome.executed}
    Path(answer).write_text(json.dumps(content))
