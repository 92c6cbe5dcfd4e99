"""Many reports on one page: conditions stay apart, links lead to the reports, what is not verified says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import BenchError
from harness.reporting.leaderboard import find_reports, leaderboard_table, write_leaderboard
from harness.reporting.manifest import write_manifest
from harness.reporting.tables.main_comparison import main_table
from harness.reporting.tables.stored import write_table
from harness.results.result_set import ResultSet


@pytest.fixture
def reports(make_suite: Callable[..., ResultSet], tmp_path: Path) -> Path:
    """Two reports of one condition and one of another."""
    for name, condition, models in (("a", "k1", ("GDKVM", "U-Net")), ("b", "k1", ("STM",)), ("c & d", "k2", ("XMem",))):
        suite = replace(make_suite(patients=12, models=models), name=name, condition=condition)
        write_table(main_table(suite), tmp_path / name)
        write_manifest(suite, tmp_path / name, ("table",))
    return tmp_path


def test_models_are_ordered_and_marked_within_their_condition_alone(reports: Path) -> None:
    table = leaderboard_table(find_reports([reports], reports / "nowhere"))
    assert table is not None
    groups = {group: [row for row in table.rows if row.group == group] for group in table.groups}
    assert sorted(sorted(row.label for row in rows) for rows in groups.values()) == [["GDKVM", "STM", "U-Net"], ["XMem"]]  # fmt: skip
    for rows in groups.values():
        dice = [row.cell("dice").value for row in rows]
        assert dice == sorted(dice, reverse=True)
    marked = {table.rows[index].group for index, key in table.marks() if key == "dice"}
    assert len(marked) == 1  # a lone model is best of nothing
    assert {row.cell("report").text for row in table.rows} == {"a", "b", "c & d"}
    assert {row.cell("verified").text for row in table.rows} == {"rows not at hand"}
    assert all(row.cell("trainings").value >= 1 and row.cell("patients").value == 12 for row in table.rows)


def test_the_page_links_every_report_from_where_it_lies(reports: Path, tmp_path: Path) -> None:
    out = reports / "site"
    written = write_leaderboard([reports], out, reports / "nowhere")
    text = written[0].read_text(encoding="utf-8")
    assert 'href="../c%20%26%20d"' in text
    assert text.count("<li>") == 3
    assert "U-Net" in text
    assert (out / "leaderboard.csv").is_file()


def test_folders_without_a_report_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="No report lies in"):
        write_leaderboard([tmp_path], tmp_path, tmp_path)
