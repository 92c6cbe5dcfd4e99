"""The bad inputs of the first attempts to break the command line, tried again one by one, as a table.

    python benchmarks/bad_inputs.py                  every item: what it was, what the command line says today

What happened at first is recorded by kind; what happens today is what the call says now. The same calls are tests
(``tests/reliability/test_findings.py``). Exit code 1 where one of them is no sentence with an exit code of its own.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType

BEFORE = {
    "M5": "traceback",
    "M6": "traceback, or text lost",
    "M8": "traceback",
    "hangs": "hung",
    "names": "accepted, or written outside",
}
"""What the calls of a section of ``CASES`` did when they were first tried."""
ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Print the table and its counts."""
    from harness.cli import main as echobench

    findings, stores = _loaded("test_findings"), _loaded("conftest")
    wrong = 0
    print("| item | before | exit code | today |\n|:--|:--|--:|:--|")
    with tempfile.TemporaryDirectory() as root:
        run = stores.make_finished(Path(root) / "runs")
        for number, (name, (build, words)) in enumerate(findings.CASES.items()):
            folder = Path(root) / str(number)
            folder.mkdir()
            os.chdir(folder)
            place = findings.Place(folder=folder, run=run)
            code, said = _said(echobench, build(place))
            wrong += code not in (1, 2) or words not in said or "Traceback" in said
            before = BEFORE[findings.section(name)]
            print(
                f"| {name} | {before} | {code} | {said.replace(str(folder), '.')[:150].replace('|', '/')} |", flush=True
            )
    print(f"\n{len(findings.CASES)} items, {wrong} not as they should be")
    sys.exit(1 if wrong else 0)


def _said(echobench: object, arguments: list[str]) -> tuple[int, str]:
    shown = io.StringIO()
    assert callable(echobench)
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
        try:
            echobench(arguments)
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    return code, " ".join(shown.getvalue().split())


def _loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / "reliability" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Before it is executed: its dataclasses look for their module.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
