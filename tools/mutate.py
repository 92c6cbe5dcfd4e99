"""Break the code on purpose, one small change at a time, and see whether a test notices (mutation testing with mutmut).

    make mutate                              # every mutant of every area
    make mutate SAMPLE=200 SEED=3            # 200 mutants, drawn over all areas
    make mutate AREAS=dicom,tables
    python tools/mutate.py --areas dicom --sample 20

A mutant *survives* when every test that runs its function still passes: either a test is missing, or the change makes no
difference. Those of the second kind are listed with their reason in ``tools/equivalent_mutants.csv``; they are
left out of the share. Each area works in a folder of its own below ``build/mutation/``, where mutmut keeps its
copy of the code; the checkout is never changed. mutmut changes functions only, not constants of a module.

Time: collecting which test runs which function takes as long as the area's tests; then about one second per mutant and core.
mutmut asks the tests that it saw executing a function. What a module's fixture executes it saw in that module's first test alone:
a mutant that survives its tests therefore meets all tests of their files.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.csv")
DETECTED = ("killed", "timeout", "segfault", "suspicious", "caught by type check")
"""mutmut's words for a mutant that some test noticed; one that runs for ever is noticed too."""
MISSED = ("survived", "no tests")


@dataclass(frozen=True)
class Area:
    """What is changed (globs of files) and the tests that should notice (paths, as pytest takes them)."""

    files: tuple[str, ...]
    tests: tuple[str, ...]


AREAS = {
    "statistics": Area(
        ("harness/statistics/*",), ("tests/statistics", "tests/study/test_effects.py", "tests/study/test_importance.py")
    ),
    "tables": Area(
        ("harness/reporting/tables/*",),
        (
            "tests/reporting/test_table.py",
            "tests/reporting/test_main_table.py",
            "tests/reporting/test_more_tables.py",
            "tests/reporting/test_subgroups.py",
            "tests/reporting/test_frames.py",
            "tests/reporting/test_verify.py",
            "tests/robustness/test_report.py",
            "tests/robustness/test_readouts.py",
            "tests/robustness/test_augmented.py",
            "tests/robustness/test_passing.py",
            "tests/evaluation/test_over_time.py",
            "tests/experiments/test_transfer.py",
            "tests/study/test_report.py",
        ),
    ),
    "store": Area(
        ("harness/store/*",),
        (
            "tests/store",
            "tests/study/test_archive.py",
            "tests/study/test_definition.py",
            "tests/robustness/test_patients.py",
            "tests/modeling/test_precision.py",
            "tests/reliability/test_nothing_runs.py",
        ),
    ),
    "dicom": Area(("harness/data/media/dicom.py",), ("tests/segment/test_dicom.py", "tests/segment/test_sources.py")),
}
CONFIG = """

[tool.mutmut]
source_paths = ["harness"]
only_mutate = {files}
also_copy = ["gdkvm", "baselines", "benchmarks", "docs", "examples", "README.md"]
pytest_add_cli_args_test_selection = {tests}
pytest_add_cli_args = ["-p", "no:cacheprovider", "-p", "no:xdist"]
process_isolation = "forkserver"
use_git_change_detection = false
timeout_constant = 20.0
do_not_mutate_patterns = ['raise \\w+']
"""
"""torch is not safe to fork once it has run, hence the fork server. The wording of errors is left alone."""


@dataclass(frozen=True)
class Mutant:
    """One change: ``harness.store.runs.x_status__mutmut_3`` of an area, what became of it, its two lines."""

    area: str
    name: str
    status: str
    before: str = ""
    after: str = ""

    @property
    def function(self) -> str:
        """Dotted name of the changed function or method."""
        stem = self.name.rpartition("__mutmut_")[0]
        module, _, mangled = stem.rpartition(".")
        return f"{module}.{re.sub('^xǁ|^x_', '', mangled).replace('ǁ', '.')}"


def prepare(name: str) -> Path:
    """The area's working folder: links to the checkout and a pyproject.toml that says what to change."""
    folder = ROOT / "build" / "mutation" / name
    folder.mkdir(parents=True, exist_ok=True)
    for entry in ("harness", "tests", "gdkvm", "baselines", "benchmarks", "docs", "examples", "README.md"):
        link = folder / entry
        if (ROOT / entry).exists() and not link.is_symlink():
            link.symlink_to(ROOT / entry)
    area = AREAS[name]
    settings = CONFIG.format(files=list(area.files), tests=list(area.tests))
    (folder / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text() + settings)
    # Results of another state of the code would be taken for those of this one.
    shutil.rmtree(folder / "mutants", ignore_errors=True)
    return folder


def mutmut(folder: Path, *arguments: str, check: bool = True, pytest: str = "") -> str:
    """Output of ``mutmut ARGUMENTS`` in ``folder``; ``pytest`` are further options of every pytest that it starts.

    Raises:
        SystemExit: the command failed; its last lines are the message.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTEST_ADDOPTS": pytest}
    command = [sys.executable, "-c", "from mutmut.__main__ import cli; cli()", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if check and done.returncode:
        tail = (done.stdout + done.stderr).splitlines()[-25:]
        raise SystemExit("\n".join([f"mutmut {arguments[0]} failed in {folder.name}:", *tail]))
    return done.stdout


def statuses(folder: Path) -> dict[str, str]:
    """Name → status of every mutant that mutmut made in ``folder``."""
    lines = mutmut(folder, "results", "--all", "true").splitlines()
    pairs = (line.strip().rpartition(": ") for line in lines if "__mutmut_" in line)
    return {name: status for name, _, status in pairs}


def generate(name: str) -> tuple[Path, list[str]]:
    """Make the area's mutants and return the folder and all mutants' names."""
    folder = prepare(name)
    # Tests that are collected and not run leave mutmut without statistics: it stops once the mutants are made.
    mutmut(folder, "run", check=False, pytest="--collect-only")
    names = sorted(statuses(folder))
    if not names:
        # Run again without the filter to show mutmut's own message.
        mutmut(folder, "run")
        raise SystemExit(f"mutmut made no mutant of {', '.join(AREAS[name].files)}.")
    return folder, names


def outcome(name: str, folder: Path, chosen: list[str], children: int) -> list[Mutant]:
    """Run the chosen mutants of an area; survivors come with the changed line."""
    mutmut(folder, "run", "--max-children", str(children), *chosen)
    found = statuses(folder)
    if left := [mutant for mutant in chosen if found[mutant] == "survived"]:
        widen(folder, left)
        mutmut(folder, "run", "--max-children", str(children), *left)
        found = statuses(folder)
    mutants = []
    for mutant in chosen:
        before, after = changed_lines(folder, mutant) if found[mutant] in MISSED else ("", "")
        mutants.append(Mutant(name, mutant, found[mutant], before, after))
    return mutants


def widen(folder: Path, mutants: list[str]) -> None:
    """Have the mutants meet every test of the files in which a test executes their function."""
    path = folder / "mutants" / "mutmut-stats.json"
    stats = json.loads(path.read_text())
    tests = stats["tests_by_mangled_function_name"]
    everything = list(stats["duration_by_test"])
    for function in {mutant.rpartition("__mutmut_")[0] for mutant in mutants}:
        files = {test.partition("::")[0] for test in tests[function]}
        tests[function] = [test for test in everything if test.partition("::")[0] in files]
    path.write_text(json.dumps(stats))


def changed_lines(folder: Path, mutant: str) -> tuple[str, str]:
    """The line that was taken out and the line that was put in, without indentation."""
    diff = mutmut(folder, "show", mutant).splitlines()
    removed = [line[1:].strip() for line in diff if line.startswith("-") and not line.startswith("---")]
    added = [line[1:].strip() for line in diff if line.startswith("+") and not line.startswith("+++")]
    return " / ".join(removed), " / ".join(added)


def equivalents() -> set[tuple[str, str, str]]:
    """(function, line before, line after) of changes that make no difference."""
    if not EQUIVALENT.exists():
        return set()
    with open(EQUIVALENT, newline="") as stream:
        return {(row["function"], row["before"], row["after"]) for row in csv.DictReader(stream)}


def table(mutants: list[Mutant], equivalent: set[tuple[str, str, str]]) -> str:
    """Markdown: one row per area, then every survivor that is not known to be equivalent."""
    lines = [
        "| area | mutants | detected | of these timeouts | equivalent | survived | share |",
        "| :-- | --: | --: | --: | --: | --: | --: |",
    ]
    survivors = [m for m in mutants if m.status in MISSED and (m.function, m.before, m.after) not in equivalent]
    for name in [*dict.fromkeys(m.area for m in mutants), "all"]:
        rows = [m for m in mutants if name in (m.area, "all")]
        left = [m for m in survivors if name in (m.area, "all")]
        detected = sum(m.status in DETECTED for m in rows)
        timeouts = sum(m.status == "timeout" for m in rows)
        same = len(rows) - detected - len(left)
        share = 100 * len(left) / max(1, detected + len(left))
        lines.append(f"| {name} | {len(rows)} | {detected} | {timeouts} | {same} | {len(left)} | {share:.1f} % |")
    for mutant in survivors:
        lines += ["", f"{mutant.function} ({mutant.status})", f"    - {mutant.before}", f"    + {mutant.after}"]
    return "\n".join(lines)


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--areas", default=",".join(AREAS), help="comma-separated; default: all")
    parser.add_argument("--sample", type=int, default=0, help="mutants to try over all areas; 0: every one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--children", type=int, default=2, help="processes")
    parser.add_argument("--most", type=float, default=10.0, help="percent that may survive; more is exit code 1")
    arguments = parser.parse_args()
    if unknown := set(arguments.areas.split(",")) - set(AREAS):
        parser.error(f"unknown area {sorted(unknown)[0]}; there are {', '.join(AREAS)}")
    made = {name: generate(name) for name in arguments.areas.split(",")}
    pool = [(name, mutant) for name, (_, names) in made.items() for mutant in names]
    if 0 < arguments.sample < len(pool):
        pool = sorted(random.Random(arguments.seed).sample(pool, arguments.sample))
    mutants = []
    for name, (folder, _) in made.items():
        chosen = [mutant for area, mutant in pool if area == name]
        if chosen:
            mutants += outcome(name, folder, chosen, arguments.children)
    equivalent = equivalents()
    text = table(mutants, equivalent)
    print(text)
    (ROOT / "build" / "mutation" / "survivors.md").write_text(text + "\n")
    left = sum(m.status in MISSED and (m.function, m.before, m.after) not in equivalent for m in mutants)
    tried = sum(m.status in DETECTED for m in mutants) + left
    if 100 * left > arguments.most * max(1, tried):
        raise SystemExit(f"{left} of {tried} mutants survive: more than {arguments.most:g} %.")


if __name__ == "__main__":
    main()
