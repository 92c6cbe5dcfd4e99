"""Write the README's tables and every sentence that claims a difference from the committed reports, or check that they say so.

    python tools/readme.py            # write
    python tools/readme.py --check    # exit code 1, and what differs, where the README says anything else (CI)

What stands between ``<!-- rows: NAME -->`` and ``<!-- end -->`` belongs to the function NAME below. The reports themselves are
held against their rows by ``echobench verify``.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path

from harness.reporting.tables.stored import read_table
from harness.reporting.tables.table import Cell, Row, Table, decimals, digits_of

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / "reports" / "reference"
WHOLE = "phantom"
"""Whole sequences of the phantom, three trainings of each model; the sweeps below are of older runs (``PHANTOM``)."""
PHANTOM, CAMUS = "phantom-2ch+4ch-half-small", "camus-4ch-ed_es-small"
DATASETS = {PHANTOM: "on the phantom", CAMUS: "on real CAMUS stills"}
HARD = ("acoustic shadow", "haze", "reverberation")
EASY = ("jpeg", "depth attenuation")
_BLOCK = re.compile(r"(<!-- rows: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def phantom_table() -> str:
    """The main table of the phantom's suite."""
    return _main_table(WHOLE)


def verdicts() -> str:
    """What is shown of the models on whole sequences of the phantom: the primary endpoint against every baseline."""
    rows = [row for row in _table(WHOLE, "comparisons").rows if row.group.startswith("Dice")]
    told = [f"{row.label} {_signed(row.cell('difference'))} ({row.cell('verdict').text})" for row in rows]
    return f"GDKVM's Dice minus that of another model, in points, {_scope([rows], 'difference')}: {_joined(told)}."


def camus_table() -> str:
    """The main table of the suite on real stills."""
    return _main_table(CAMUS)


def losses() -> str:
    """What the reference loses under faults against every baseline, on both datasets."""
    tables = {words: _table(name, "robustness/robustness_losses") for name, words in DATASETS.items()}
    rows = {words: [row for row in table.rows if row.group.startswith("Loss")] for words, table in tables.items()}
    told = [f"{words} {_joined(_lost(row) for row in found)}" for words, found in rows.items()]
    return f"Against GDKVM's loss of Dice points, {_scope(rows.values(), 'difference')}: {'; '.join(told)}."


def faults() -> str:
    """How much the hardest and the easiest faults cost, over models and datasets."""
    tables = [_table(name, "robustness/robustness_drop") for name in DATASETS]
    lost = {
        names: [
            cell.value for table in tables for row in table.rows if row.label in names for cell in row.cells.values()
        ]
        for names in (HARD, EASY)
    }
    return (
        f"Shadows, haze and reverberation cost every model {min(lost[HARD]):.1f} to {max(lost[HARD]):.1f} points, JPEG and depth "
        f"attenuation at most {max(lost[EASY]):.1f}."
    )


def gains() -> str:
    """What augmentation with half of the faults brings."""
    told = []
    found: list[list[Row]] = []
    for report, words in (("phantom-small-robust", "on the phantom"), ("camus-small-robust", "on CAMUS")):
        table = _table(report, "robustness/robustness_augmentation")
        rows = [row for row in table.rows if row.group.startswith("Dice")]
        found.append(rows)
        for model in ("GDKVM", "U-Net"):
            changes = [_signed(row.cell("gain")) for row in rows if row.label.startswith(f"{model}, ")]
            clean, seen, unseen = changes
            told.append(
                f"{words} {model} {seen} points under those eight, {unseen} under the others and {clean} on clean images"
            )
    return f"Showing eight of the sixteen in training brings, {_scope(found, 'gain')}: {'; '.join(told)}."


def parts() -> str:
    """What the parts of the reference bring: main effects of both studies."""
    told: list[str] = []
    found: list[list[Row]] = []
    for report, words in (
        ("modules-phantom-2ch+4ch-half-small", "on the phantom"),
        ("modules-camus-4ch-ed_es-small", "on CAMUS"),
    ):
        table = _table(report, "effects_dice")
        rows = [row for row in table.rows if row.group.startswith("main")]
        found.append(rows)
        effects = [
            f"{row.label} {_signed(row.cell('effect'))}"
            + (" (not compared: too few trainings)" if row.cell("verdict").text == "not compared" else "")
            for row in rows
        ]
        told.append(f"{words} {_joined(effects)}")
    shown = [row.label for rows in found for row in rows if row.cell("effect").dagger]
    lead = f"Shown to make a difference: {', '.join(shown)}" if shown else "Nothing is shown to help or to harm"
    return f"{lead}. In Dice points, with minus without the part (LKVA: the memory itself): {'; '.join(told)}."


def release() -> str:
    """The first release's arithmetic against today's."""
    table = _table("update_rule-phantom-2ch+4ch-half-small", "effects_dice")
    row = next(row for row in table.rows if row.label == "release")
    return f"Full model minus the first release's arithmetic: {_signed(row.cell('effect'))} points, {row.cell('verdict').text}."


MAKERS: dict[str, Callable[[], str]] = {
    made.__name__: made for made in (phantom_table, verdicts, camus_table, losses, faults, gains, parts, release)
}


def written(text: str) -> str:
    """``text`` with every block made again.

    Raises:
        SystemExit: a block has no function, or a function no block.
    """
    names = [match[2] for match in _BLOCK.finditer(text)]
    if sorted(names) != sorted(MAKERS):
        raise SystemExit(f"README.md has the blocks {sorted(names)}, this tool makes {sorted(MAKERS)}.")
    return _BLOCK.sub(lambda match: f"{match[1]}{_folded(MAKERS[match[2]]())}\n{match[4]}", text)


def _folded(text: str) -> str:
    """Sentences in lines of the README's width; a table as it is."""
    return text if text.startswith("\n") else textwrap.fill(text, 150, break_long_words=False, break_on_hyphens=False)


def _table(report: str, name: str) -> Table:
    return read_table(REPORTS / report / f"{name}.table.json")


def _main_table(report: str) -> str:
    lines = (REPORTS / report / "table.md").read_text(encoding="utf-8").splitlines()
    return "\n" + "\n".join(line for line in lines if line.startswith("|")) + "\n"


def _scope(groups: Iterable[list[Row]], key: str) -> str:
    """Whether models were compared: a difference of single trainings must be called one."""
    rows = [row for rows in groups for row in rows]
    tested = any(row.cell("p").value == row.cell("p").value for row in rows)
    daggers = any(row.cell(key).dagger for row in rows)
    if not tested:
        return "paired by patient, of these trainings, which is no test of the models"
    return (
        "paired by patient; † is shown of the models"
        if daggers
        else "paired by patient; nothing is shown of the models"
    )


def _lost(row: Row) -> str:
    """``the U-Net's is 1.04 higher [0.31, 1.78]``: the baseline's loss against the reference's."""
    cell = row.cell("difference")
    word = "higher" if cell.value < 0 else "lower"
    size, low, high = sorted_limits(cell)
    return f"{row.label}'s is {size} {word} [{low}, {high}]{'†' if cell.dagger else ''}"


def sorted_limits(cell: Cell) -> tuple[str, str, str]:
    """Size and limits, turned so that the size is positive.

    >>> sorted_limits(Cell(value=-1.0, low=-2.0, high=0.5))
    ('1.00', '−0.50', '2.00')
    """
    sign = 1 if cell.value >= 0 else -1
    low, high = sorted((sign * cell.low, sign * cell.high))
    digits = digits_of(cell, 2)
    return decimals(abs(cell.value), digits), _minus(low, digits), _minus(high, digits)


def _signed(cell: Cell) -> str:
    digits = digits_of(cell, 2)
    sign = "+" if float(decimals(cell.value, digits)) > 0 else ""
    value, low, high = (_minus(number, digits) for number in (cell.value, cell.low, cell.high))
    return f"{sign}{value} [{low}, {high}]{'†' if cell.dagger else ''}"


def _minus(value: float, digits: int) -> str:
    return decimals(value, digits).replace("-", "−")


def _joined(items: Iterable[str]) -> str:
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last


def main(arguments: list[str] | None = None) -> int:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where the README differs")
    check = parser.parse_args(arguments).check
    path = ROOT / "README.md"
    before = path.read_text(encoding="utf-8")
    after = written(before)
    if not check:
        path.write_text(after, encoding="utf-8")
        return 0
    difference = list(
        difflib.unified_diff(before.splitlines(), after.splitlines(), "README.md", "rows", lineterm="", n=0)
    )
    print("\n".join(difference) or "README.md says what the reports say.")
    return 1 if difference else 0


if __name__ == "__main__":
    sys.exit(main())
