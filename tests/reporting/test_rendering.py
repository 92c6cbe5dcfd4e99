"""One description, four renderings."""

from __future__ import annotations

import ast
import csv
import io
from pathlib import Path

import pytest
from rich.console import Console

from harness.reporting.render.latex import escape_latex, to_latex
from harness.reporting.render.terminal import print_table
from harness.reporting.render.text import escape_markdown, to_csv, to_markdown
from harness.reporting.tables.table import Cell, Column, Row, Table

NASTY = r"50%_of $U-Net$ & {friends} #1 ~^\ <b>|x|* [a] ± é"

ROOT = Path(__file__).resolve().parents[2]


def nasty_table() -> Table:
    columns = (
        Column(key="dice", header="Dice", unit="%", direction="up"),
        Column(key="fps", header="FPS", direction="up", digits=0),
        Column(key="protocol", header="First frame", text=True),
        Column(key="extra", header="Extra", csv_only=True),
    )
    rows = (
        Row(label=NASTY, cells={"dice": Cell(value=93.44, low=92.9, high=94), "fps": Cell(value=7), "protocol": Cell(text="a_b")}),
        Row(label="plain", cells={"dice": Cell(value=91, low=90, high=92, dagger=True), "fps": Cell(value=120)}),
        Row(label="failed"),
    )  # fmt: skip
    return Table(name="t", title=NASTY, caption=NASTY, columns=columns, rows=rows, notes=(NASTY,), mark="partial: 4CH")


def test_csv_reads_back_with_full_precision_and_empty_fields_for_missing() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(nasty_table()))))
    assert rows[0]["model"] == NASTY
    assert float(rows[0]["dice"]) == 93.44
    assert float(rows[0]["dice_low"]) == 92.9
    assert rows[1]["dice_significant"] == "true"
    assert rows[2]["dice"] == rows[2]["dice_low"] == ""
    assert "extra" in rows[0]
    assert "fps_low" not in rows[0]


def test_markdown_marks_best_second_dagger_and_missing() -> None:
    text = to_markdown(nasty_table())
    assert "**93.4** [92.9, 94.0]" in text
    assert "<u>91.0</u>† [90.0, 92.0]" in text
    assert "| failed | -- | -- | -- |" in text
    assert "partial: 4CH" in text
    assert "Extra" not in text


def test_markdown_rows_have_as_many_cells_as_the_header_whatever_the_label() -> None:
    body = [line for line in to_markdown(nasty_table()).splitlines() if line.startswith("|")]
    bars = {line.replace("\\\\", "").replace("\\|", "").count("|") for line in body}
    assert bars == {5}


def test_markdown_escapes_every_character_that_means_markup() -> None:
    assert escape_markdown("a|b*c_d") == r"a\|b\*c\_d"


def test_latex_holds_no_bare_special_character_of_a_label() -> None:
    text = escape_latex(NASTY)
    for character in "&%$#_{}":
        assert text.count(character) >= 1
    bare = text.replace(r"\%", "").replace(r"\_", "").replace(r"\$", "").replace(r"\&", "").replace(r"\#", "")
    assert not set("%$&#_") & set(bare)


def test_latex_has_rules_of_booktabs_siunitx_columns_and_no_vertical_rule() -> None:
    text = to_latex(nasty_table())
    assert r"\toprule" in text
    assert r"\bottomrule" in text
    assert "S[table-format=2.1" in text
    assert r"\bfseries 93.4" in text
    assert r"\underline{91.0}$^{\dagger}$" in text
    assert "{--}" in text
    preamble = text.split(r"\begin{tabular}")[1].split("\n")[0]
    assert "|" not in preamble


@pytest.mark.parametrize("width", [60, 200])
def test_the_terminal_never_cuts_a_number_off(width: int) -> None:
    console = Console(width=width, record=True, file=io.StringIO())
    print_table(nasty_table(), console)
    text = console.export_text()
    for expected in ("93.4", "[92.9, 94.0]", "91.0†", "120", "--", "partial: 4CH"):
        assert expected in text
    assert "…" not in text


def test_no_letter_of_our_own_words_is_a_question_mark_in_latex() -> None:
    """Greek letters and signs that stand in captions and sentences; every string of the code that prints is read."""
    words = {
        letter
        for room in ("reporting", "results", "statistics")
        for path in (ROOT / "harness" / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for letter in node.value
        if not letter.isascii()
    }
    assert "τ" in words
    assert sorted(letter for letter in words if "?" in escape_latex(letter)) == []
