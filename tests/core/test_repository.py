"""What a clone holds: committed results stay small, and the pictures that the README shows are there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LARGEST_BYTES = 8_000_000


def tracked(*folders: str) -> list[Path]:
    """Files below some folders that git knows."""
    done = subprocess.run(["git", "ls-files", "-z", *folders], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.split("\0") if name]


def test_committed_reports_and_results_take_at_most_eight_megabytes() -> None:
    assert sum(path.stat().st_size for path in tracked("reports", "results") if path.exists()) <= LARGEST_BYTES


def test_golden_recordings_take_at_most_five_megabytes() -> None:
    assert sum(path.stat().st_size for path in tracked("tests/golden")) <= 5_000_000


def test_committed_reports_hold_no_page_and_no_picture_but_those_of_the_readme() -> None:
    shown = {ROOT / name for name in re.findall(r"!\[.*?\]\((\S+)\)", (ROOT / "README.md").read_text())}
    made = {path for path in tracked("reports") if path.suffix in {".html", ".pdf", ".png"} and path.exists()}
    assert made == {path for path in shown if path.is_relative_to(ROOT / "reports")}
    assert all(path.is_file() for path in shown)


def test_the_linter_sees_every_tracked_python_file() -> None:
    """A name that is excluded without a slash is excluded everywhere: ``data`` once kept ``harness/data`` from every check."""
    pytest.importorskip("ruff")
    shown = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--show-files", "."],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    seen = {Path(line) for line in shown.stdout.splitlines()}
    assert {path for path in tracked("*.py") if path.is_file()} - seen == set()
