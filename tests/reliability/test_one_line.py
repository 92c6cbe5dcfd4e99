"""Names and reasons that come from data: sentences stay one line, terminals are not steered, spreadsheets execute nothing."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pytest

from harness.errors import BenchError, ConfigError, DataError, TrainingError
from harness.spreadsheets import to_csv

STEERING = ["\x1b[2J", "\x1b]0;title\x07", "\r\n", "\n", "\x00", "\u2028", "\u202e", "\x9b1m", "\x85", "a\tb", "\ud800"]


@pytest.mark.parametrize("text", STEERING)
@pytest.mark.parametrize("kind", [BenchError, ConfigError, DataError, TrainingError])
def test_a_sentence_is_one_line_of_printable_letters(kind: type[BenchError], text: str) -> None:
    sentence = str(kind(f"The file {text} is damaged; get it again."))
    assert sentence.isprintable()
    assert sentence.startswith("The file ")
    assert sentence.endswith(" is damaged; get it again.")
    long = str(kind(f"The file {'9' * 5000} is damaged; get it again."))
    assert len(long) < 2000
    assert long.endswith(" is damaged; get it again.")
    # What could be read may be read on.
    assert str(kind("Größe 5 × 5 — “x”")) == "Größe 5 × 5 — “x”"


@pytest.mark.parametrize(
    "name", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", " =1", "\r=1", '=HYPERLINK("http://x","y")', "\n\n@A1"]
)
def test_no_cell_and_no_head_of_a_table_for_people_is_a_formula(name: str) -> None:
    text = to_csv(pd.DataFrame({name: [name, "-3.5", "U-Net"], "n": pd.Series([1, None, 2.5], dtype=object)}))
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert [row[1] for row in rows] == ["n", "1", "", "2.5"]
    assert [row[0] for row in rows[2:]] == ["-3.5", "U-Net"]
    assert rows[0][0] == rows[1][0]
    assert rows[0][0].startswith("'")
    assert rows[0][0].lstrip("' ") == name.strip()
