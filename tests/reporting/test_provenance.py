"""Where results come from, in one line: commits, data and machines, and whether the code was committed."""

from __future__ import annotations

from typing import Any

import pytest

from harness.reporting.page.provenance import commands, origin, provenance
from harness.results.result_set import ResultSet
from harness.results.run_results import RunResults


def of(*records: dict[str, Any]) -> ResultSet:
    """Runs with these records."""
    return ResultSet(
        name="demo", dataset="Phantom", runs=tuple(RunResults(label="U-Net", model="unet", record=r) for r in records)
    )


CLEAN: dict[str, Any] = {"code": {"commit": "a" * 40, "dirty": False}, "started": "2026-11-02"}
DIRTY: dict[str, Any] = {"code": {"commit": "b" * 40, "dirty": True}, "started": "2026-11-01"}


@pytest.mark.parametrize(
    ("records", "said"),
    [((CLEAN,), False), ((DIRTY,), True), ((CLEAN, DIRTY), True), (({},), False)],
    ids=["clean", "dirty", "one of two", "nothing recorded"],
)
def test_uncommitted_changes_of_any_run_are_told(records: tuple[dict[str, Any], ...], said: bool) -> None:
    assert ("some with uncommitted changes" in origin(of(*records))) is said


def test_the_line_names_every_commit_once_oldest_run_first() -> None:
    assert origin(of(CLEAN, DIRTY, CLEAN)) == (f"3 runs; commit {'b' * 10}, {'a' * 10}; some with uncommitted changes.")


def test_the_commands_check_out_the_newest_run_s_commit_and_end_with_the_report() -> None:
    lines = commands(of(CLEAN, DIRTY))
    assert lines[0] == f"git checkout {'a' * 40}"
    assert lines[-1] == "echobench report demo"


def test_one_run_s_facts_mark_its_commit_and_leave_out_what_was_not_recorded() -> None:
    facts = provenance(DIRTY, "finished")["facts"]
    assert facts["commit"] == f"{'b' * 40} (with uncommitted changes)"
    assert provenance(CLEAN, "finished")["facts"]["commit"] == "a" * 40
    assert "reason" not in facts
