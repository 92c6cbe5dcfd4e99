"""Robustness sweeps and studies are taken up from disk, by the folder's contract alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import DataError
from harness.files import write_json
from harness.reporting.figures.style import new_figure, save
from harness.reporting.manifest import report_is_of, write_manifest
from harness.reporting.page.page import page
from harness.reporting.render.paper import paper
from harness.reporting.render.read_markdown import read_markdown
from harness.reporting.render.text import to_markdown
from harness.reporting.report import write_table
from harness.reporting.sections import find_sections
from harness.reporting.tables.main import main_table
from harness.reporting.tables.parts import comparison_table, cost_table, ef_table, part_tables
from harness.reporting.tables.published import published_files, read_published
from harness.reporting.tables.table import Cell, Column, Row, Table
from harness.results.suite import SuiteResults

NASTY = "my_model 50% & #1 {x} ~^\\ | <b> *a* `c` [d]"


def awkward() -> Table:
    """Everything a table can hold: groups, marks, daggers, tiny probabilities, gaps, text, markup in every word."""
    columns = (
        Column(key="dice", header=NASTY, unit="%", direction="up", digits=1),
        Column(key="p", header="p", digits=4, probability=True),
        Column(key="hd", header="HD95", unit="mm", direction="down", digits=2),
        Column(key="word", header="Word", text=True),
    )
    rows = [
        Row(label=NASTY, group=group, cells={
            "dice": Cell(value=90.0 + i, low=-1.0, high=95.5, seed_sd=0.2 if i else float("nan"), dagger=bool(i)),
            "p": Cell(value=1e-9 if i else 0.25), "hd": Cell(value=-0.001 if i else 3.5), "word": Cell(text=NASTY if i else ""),
        })
        for group in ("first *group*", "second") for i in range(2)
    ]  # fmt: skip
    rows.append(Row(label="empty", group="second"))
    return Table(
        name="awkward", title=NASTY, caption=NASTY, columns=columns, rows=tuple(rows), notes=(NASTY,), mark="partial: *x*",
        stub="Variant",
    )  # fmt: skip


def every_table(suite: SuiteResults) -> list[Table]:
    made = [
        main_table(suite),
        comparison_table(suite),
        ef_table(suite),
        cost_table(suite),
        *part_tables(suite),
        awkward(),
    ]
    return [table for table in made if table is not None] + [read_published(path) for path in published_files()]


def test_a_table_read_back_from_markdown_prints_the_same_markdown(suite: SuiteResults) -> None:
    for table in every_table(suite):
        text = to_markdown(table)
        assert to_markdown(read_markdown(text, table.name)) == text


def test_values_marks_and_daggers_come_back(suite: SuiteResults) -> None:
    table = awkward()
    back = read_markdown(to_markdown(table), "awkward")
    assert [row.label for row in back.rows] == [row.label for row in table.rows]
    assert back.groups == table.groups
    assert list(back.marks().values()) == list(table.marks().values())
    cell = back.rows[1].cell("column1")
    assert (cell.value, cell.low, cell.high, cell.seed_sd, cell.dagger) == (91.0, -1.0, 95.5, 0.2, True)
    assert back.columns[0].direction == "up"
    assert back.rows[1].cell("column4").text == NASTY


@pytest.mark.parametrize("text", ["", "### title only\n", "### t\n\n| a | b |\n| :-- | --: |\n| x |\n"])
def test_what_is_no_table_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(DataError):
        read_markdown(text, "broken")


def make_section(folder: Path, kind: str, **content: object) -> Path:
    """A section as another room leaves it: manifest, one table, one narrow figure."""
    write_table(Table(**{**{n: getattr(awkward(), n) for n in Table.__slots__}, "name": f"{kind}_summary"}), folder)
    figure = new_figure()
    figure.add_subplot().plot([0, 1])
    save(figure, folder / "figures", "severity_dice")
    write_json(folder / f"{kind}.json", {"command": f"echobench {kind}", "dataset": "Phantom", **content})
    return folder


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A report's folder with a sweep inside, a study beside it, and a study of other data."""
    folder = tmp_path / "suite"
    make_section(folder / "robustness", "robustness", captions={"severity_dice": "Dice & severity."})
    make_section(tmp_path / "modules-x", "study", mark="partial: few")
    make_section(tmp_path / "other", "study", dataset="CAMUS")
    return folder


def test_sections_inside_and_studies_of_the_same_data_beside_a_report_are_found(report: Path) -> None:
    sections = find_sections(report, "Phantom")
    assert [(one.title, one.place) for one in sections] == [
        ("Robustness", "robustness"),
        ("Ablation study: modules-x", "../modules-x"),
    ]
    assert sections[0].figures == (("severity_dice", "Dice & severity."),)
    assert sections[1].figures == (("severity_dice", "Severity dice."),)
    assert sections[1].mark == "partial: few"
    assert find_sections(report.parent / "nothing" / "here", "Phantom") == []


def test_the_page_shows_sections_with_table_figure_and_command(suite: SuiteResults, report: Path) -> None:
    text = page(suite, [main_table(suite)], {}, (), find_sections(report, "Phantom"))
    assert text.index('id="tables"') < text.index('id="robustness"') < text.index('id="study-modules-x"')
    for part in (
        'href="#robustness"',
        'id="table-robustness-robustness_summary"',
        "Dice &amp; severity.",
        "echobench study",
    ):
        assert part in text
    assert len(set(ids := [piece.split('"')[0] for piece in text.split(' id="')[1:]])) == len(ids)


def test_the_paper_reads_sections_from_their_own_folders(suite: SuiteResults, report: Path) -> None:
    text = paper([main_table(suite)], {}, find_sections(report, "Phantom"))
    assert r"\input{robustness/robustness_summary.tex}" in text
    assert r"{../modules-x/figures/severity_dice.pdf}" in text
    assert r"Dice \& severity." in text


def test_a_report_is_out_of_date_when_a_section_comes_or_changes(suite: SuiteResults, report: Path) -> None:
    (report / "index.html").write_text("x")
    write_manifest(suite, report)
    assert report_is_of(suite, report)
    table = report / "robustness" / "robustness_summary.md"
    table.write_text(table.read_text().replace("91.0", "91.5"))
    assert not report_is_of(suite, report)
    write_manifest(suite, report)
    make_section(report.parent / "keys-x", "study")
    assert not report_is_of(suite, report)
