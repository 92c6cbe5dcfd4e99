"""Robustness sweeps and studies are taken up from disk, by the folder's contract alone."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import DataError
from harness.reporting.figures.style import new_figure, save
from harness.reporting.manifest import report_is_of, write_manifest
from harness.reporting.page.page import page
from harness.reporting.paper.sample import write_paper
from harness.reporting.render.latex import to_latex
from harness.reporting.render.text import to_csv, to_markdown
from harness.reporting.report import more_tables
from harness.reporting.sections import find_sections
from harness.reporting.tables.main_comparison import main_table
from harness.reporting.tables.stored import read_table, write_table
from harness.reporting.tables.table import Cell, Column, Row, Table
from harness.results.result_set import ResultSet
from harness.store.formats.manifest import Kind, Manifest

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


def every_table(suite: ResultSet) -> list[Table]:
    return [main_table(suite), *more_tables(suite), awkward()]


def test_a_table_comes_back_whole_from_its_file(suite: ResultSet, tmp_path: Path) -> None:
    for table in every_table(suite):
        write_table(table, tmp_path)
        back = read_table(tmp_path / f"{table.name}.table.json")
        for render in (to_csv, to_markdown, to_latex):
            assert render(back) == render(table), table.name
        assert back.columns == table.columns
        assert back.marks() == table.marks()
        assert (back.notes, back.mark, back.ranked, back.scope) == (table.notes, table.mark, table.ranked, table.scope)


def test_tiny_probabilities_and_columns_for_the_csv_alone_survive(suite: ResultSet, tmp_path: Path) -> None:
    write_table(awkward(), tmp_path)
    back = read_table(tmp_path / "awkward.table.json")
    assert back.rows[1].cell("p").value == 1e-9
    write_table(main_table(suite), tmp_path)
    assert [c.key for c in read_table(tmp_path / "table.table.json").columns if c.csv_only] == [
        c.key for c in main_table(suite).columns if c.csv_only
    ]


@pytest.mark.parametrize("text", ["[]", "{}", '{"columns": [{"key": "a"}], "rows": []}'])
def test_what_is_no_table_is_refused_in_one_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / "broken.table.json").write_text(text)
    with pytest.raises(DataError, match="no stored table"):
        read_table(tmp_path / "broken.table.json")


def make_section(folder: Path, kind: Kind, **content: Any) -> Path:
    """A section as another report leaves it: manifest, one table, one narrow figure."""
    table = replace(awkward(), name=f"{kind}_summary")
    write_table(table, folder)
    figure = new_figure()
    figure.add_subplot().plot([0, 1])
    save(figure, folder / "figures", "severity_dice")
    given: dict[str, Any] = {"dataset": "Phantom", "captions": {"severity_dice": "Severity."}, **content}
    Manifest(
        kind=kind, name=folder.name, title=f"{kind} {folder.name}", runs=(), tables=(table.name,),
        command=f"echobench {kind}", **given,
    ).write(folder)  # fmt: skip
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
    assert [(one.title, one.relative_path) for one in sections] == [
        ("robustness robustness", "robustness"),
        ("study modules-x", "../modules-x"),
    ]
    assert sections[0].figures == (("severity_dice", "Dice & severity."),)
    assert sections[1].figures == (("severity_dice", "Severity."),)
    assert sections[1].mark == "partial: few"
    assert find_sections(report.parent / "nothing" / "here", "Phantom") == []


def test_the_page_shows_sections_with_table_figure_and_command(suite: ResultSet, report: Path) -> None:
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


def test_the_paper_needs_nothing_outside_of_its_folder(suite: ResultSet, report: Path) -> None:
    main = main_table(suite)
    write_paper(suite, [main], {}, find_sections(report, "Phantom"), report)
    text = (report / "paper.tex").read_text(encoding="utf-8")
    assert "../" not in text
    assert r"\label{tab:robustness-summary}" in text
    assert "{robustness/figures/severity_dice.pdf}" in text
    assert (report / "figures" / "study-modules-x-severity_dice.pdf").is_file()
    assert r"Dice \& severity." in text
    labels = re.findall(r"\\label\{(.*?)\}", text + (report / "table_onecolumn.tex").read_text(encoding="utf-8"))
    assert len(set(labels)) == len(labels)


def test_a_report_is_out_of_date_when_a_section_comes_or_changes(suite: ResultSet, report: Path) -> None:
    write_manifest(suite, report)
    assert not report_is_of(suite, report)  # begun, not written yet
    write_manifest(suite, report, ("table",))
    assert report_is_of(suite, report)
    table = report / "robustness" / "robustness_summary.table.json"
    table.write_text(table.read_text().replace("91.0", "91.5"))
    assert not report_is_of(suite, report)
    write_manifest(suite, report, ("table",))
    make_section(report.parent / "keys-x", "study")
    assert not report_is_of(suite, report)
