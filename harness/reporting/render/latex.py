"""A table as LaTeX that is read with ``\\input``: booktabs rules, siunitx columns, no preamble but the documented packages.

Needs ``\\usepackage{booktabs}``, ``\\usepackage{siunitx}`` and ``\\usepackage{graphicx}``.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence

from harness.reporting.tables.table import MISSING, Cell, Column, Mark, Row, Table

_ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "±": r"\ensuremath{\pm}", "†": r"\ensuremath{\dagger}", "–": "--", "—": "---", "−": r"\ensuremath{-}",
    "×": r"\ensuremath{\times}", "≥": r"\ensuremath{\geq}", "≤": r"\ensuremath{\leq}", "→": r"\ensuremath{\rightarrow}",
    "≈": r"\ensuremath{\approx}", "∞": r"\ensuremath{\infty}", "…": r"\ldots{}", "•": r"\textbullet{}", "∓": r"\ensuremath{\mp}",
    "’": "'", "·": r"\ensuremath{\cdot}", "↑": r"\ensuremath{\uparrow}", "↓": r"\ensuremath{\downarrow}",
    "[": "{[}", "]": "{]}", "\n": " ", '"': r"\texttt{\char34}", "'": r"\textquotesingle{}", "`": r"\textasciigrave{}",
    "-": "{-}", "µ": r"\ensuremath{\mu}", "²": r"\textsuperscript{2}", "³": r"\textsuperscript{3}", "°": r"\textdegree{}",
    "✓": r"\ensuremath{\surd}",
    "ß": r"\ss{}", "ø": r"\o{}", "Ø": r"\O{}", "æ": r"\ae{}", "Æ": r"\AE{}",
}  # fmt: skip


def _greek(letter: str) -> str:
    """LaTeX's name of a Greek letter: ``tau``, ``Delta``."""
    word = unicodedata.name(letter).rpartition(" ")[2].replace("LAMDA", "LAMBDA")
    return word.capitalize() if letter.isupper() else word.lower()


# Capitals that look like Latin ones have no command of their own.
_ESCAPES |= {letter: rf"\ensuremath{{\{_greek(letter)}}}" for letter in "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ"}
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_ARROWS = {"up": r"\,$\uparrow$", "down": r"\,$\downarrow$", "none": ""}
TALLEST = 40
"""Lines of a table that fit on a page of LaTeX's article class together with a caption."""
_DAGGER = r"$^{\dagger}$"


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it stands; characters that no rule knows become ``?``."""
    return "".join(_ESCAPES.get(character) or _printable(character) for character in text)


def _printable(character: str) -> str:
    """ASCII as it is, accented Latin letters too (every engine composes them), anything else as ``?``."""
    if " " <= character <= "~":
        return character
    base, *accents = list(unicodedata.normalize("NFD", character))
    # Latin-1 letters: inputenc and all newer engines set them; others would stop pdflatex.
    composed = bool(accents) and base.isascii() and base.isalpha() and character <= "ÿ"
    return character if composed else "?"


def to_latex(table: Table, *, star: bool = True) -> str:
    """A ``table*`` (or ``table``) environment with caption and label; wide tables shrink to the line width.

    Values stand in ``S`` columns and align at the decimal point, bold, underlined and daggered ones too; intervals stand
    below them in small print, the spread over seeds below these. A missing value is ``--``. Columns of text that hold
    nothing but numbers (published figures, as printed) align at the decimal point as well. What is too tall for a page
    goes on in further floats under the same number.
    """
    formats = [_Format.of(table, column) for column in table.shown]
    parts = _parts(table, formats)
    return "\n".join(_environment(table, formats, rows, part, star) for part, rows in enumerate(parts))


def _environment(table: Table, formats: list[_Format], rows: list[int], part: int, star: bool) -> str:
    """One floating table with some of the rows; parts after the first say that they go on."""
    environment = "table*" if star else "table"
    spec = "l" + "".join(one.spec for one in formats)
    more = rf"\textbf{{{escape_latex(table.title)}}} (continued)."
    lines = [
        rf"\begin{{{environment}}}[t]",
        r"\centering",
        # A table that goes on keeps its number; longtable cannot stand in a two-column page.
        *([r"\addtocounter{table}{-1}"] if part else []),
        rf"\caption{{{more if part else _caption(table)}}}",
        *([] if part else [rf"\label{{tab:{_label(table)}}}"]),
        r"\smallskip",
        r"\setlength{\tabcolsep}{4pt}",
        r"\sisetup{detect-weight=true, table-number-alignment=center}",
        # Shrunk only where it is too wide: adjustbox would do it in a word, and is one package more for the reader.
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{@{{}}{spec}@{{}}}}",
        r"\toprule",
        *_heads(table),
        r"\midrule",
        *_body(table, formats, rows),
        r"\bottomrule",
        r"\end{tabular}}",
        rf"\end{{{environment}}}",
    ]
    return "\n".join(lines) + "\n"


def _parts(table: Table, formats: list[_Format]) -> list[list[int]]:
    """Row numbers of each part: a table longer than ``TALLEST`` lines goes on in another float, if possible at a group."""
    groups: dict[str, list[int]] = {}
    for index, row in enumerate(table.rows):
        groups.setdefault(row.group, []).append(index)
    below = {i: 0 if table.compact else len(_intervals(row, formats)) for i, row in enumerate(table.rows)}
    parts: list[list[int]] = [[]]
    used = 0.0
    for group, members in groups.items():
        needed = (1.5 if group else 0) + sum(1 + below[index] for index in members)
        if parts[-1] and used + needed > TALLEST:
            parts.append([])
            used = 0.0
        for index in members:
            if used > TALLEST:
                parts.append([])
                used = 1.5
            parts[-1].append(index)
            used += 1 + below[index]
        used += 1.5 if group else 0
    return parts


def _heads(table: Table) -> list[str]:
    """Names with arrows, and below them the units where there are any."""
    names = ["{" + escape_latex(column.header) + _ARROWS[column.direction] + "}" for column in table.shown]
    units = ["{" + escape_latex(f"[{column.unit}]") + "}" if column.unit else "" for column in table.shown]
    lines = [" & ".join([escape_latex(table.stub), *names]) + r" \\"]
    return [*lines, " & ".join(["", *units]) + r" \\"] if any(units) else lines


def _body(table: Table, formats: list[_Format], rows: list[int]) -> list[str]:
    lines: list[str] = []
    marks, group = table.marks(), ""
    for index in rows:
        row = table.rows[index]
        if row.group != group:
            lines += [r"\addlinespace"] if lines else []
            lines.append(rf"\multicolumn{{{len(formats) + 1}}}{{@{{}}l}}{{\textit{{{escape_latex(row.group)}}}}} \\")
            group = row.group
        cells = [one.cell(row.cell(one.column.key), marks.get((index, one.column.key), "")) for one in formats]
        lines.append(" & ".join([escape_latex(row.label), *cells]) + r" \\")
        lines += [] if table.compact else _intervals(row, formats)
    return lines


def _intervals(row: Row, formats: list[_Format]) -> list[str]:
    """The lines below a row: intervals, then spreads over seeds, where there are any."""
    cells = [(one, row.cell(one.column.key)) for one in formats]
    lines = [[one.interval(cell) for one, cell in cells], [one.spread(cell) for one, cell in cells]]
    shown = [" & ".join(["", *texts]) + r" \\" for texts in lines if any(texts)]
    return [*shown[:-1], shown[-1] + "[2pt]"] if shown else []


class _Format:
    """How one column is set: the widest integer and the decimals decide the ``table-format``."""

    def __init__(self, column: Column, numbers: Sequence[str], dagger: bool) -> None:
        self.column, self.dagger = column, dagger
        self.words = column.text and not all(_NUMBER.fullmatch(text) for text in numbers)
        self.integers = max((len(text.lstrip("-").partition(".")[0]) for text in numbers), default=1)
        decimals = (len(text.partition(".")[2]) for text in numbers)
        self.digits = max(decimals, default=0 if column.text else column.digits)
        self.negative = any(text.startswith("-") for text in numbers)

    @classmethod
    def of(cls, table: Table, column: Column) -> _Format:
        cells = [row.cell(column.key) for row in table.rows]
        shown = [cell.text or MISSING if column.text else column.at_digits_of(cell).show(cell.value) for cell in cells]
        numbers = [text.lstrip("<") for text in shown if text != MISSING]
        return cls(column, numbers, any(cell.dagger for cell in cells))

    @property
    def spec(self) -> str:
        if self.words:
            return "l"
        post = rf", table-space-text-post={{{_DAGGER}}}" if self.dagger else ""
        sign = "-" if self.negative else ""
        return f"S[table-format={sign}{self.integers}.{self.digits}{post}]"

    def cell(self, cell: Cell, mark: Mark) -> str:
        if self.column.text:
            missing = MISSING if self.words else "{" + MISSING + "}"
            return (escape_latex(cell.text) if self.words else cell.text) if cell.text else missing
        shown = self.column.at_digits_of(cell).show(cell.value)
        if shown == MISSING:
            return "{" + MISSING + "}"
        if shown.startswith("<"):
            return "{$<$" + shown[1:] + "}"
        if mark == "second":
            return self._underlined(shown, cell.dagger)
        return (r"\bfseries " if mark == "best" else "") + shown + (_DAGGER if cell.dagger else "")

    def _underlined(self, shown: str, dagger: bool) -> str:
        """siunitx cannot underline a number it aligns: pad with phantoms to the column's width instead."""
        digits = shown.lstrip("-").partition(".")[0]
        # Braces take a cell out of siunitx's alignment, so its width is made up by hand.
        pad = r"\phantom{0}" * (self.integers - len(digits))
        pad += r"\phantom{$-$}" if self.negative and not shown.startswith("-") else ""
        body = rf"\underline{{{shown.replace('-', '$-$')}}}"
        post = (_DAGGER if dagger else rf"\phantom{{{_DAGGER}}}") if self.dagger else ""
        return "{" + pad + body + post + "}"

    def interval(self, cell: Cell) -> str:
        if self.column.text or not cell.has_interval:
            return ""
        show = self.column.at_digits_of(cell).show
        low, high = (show(limit).replace("-", "$-$") for limit in (cell.low, cell.high))
        return rf"{{\scriptsize [{low}, {high}]}}"

    def spread(self, cell: Cell) -> str:
        if self.column.text or not math.isfinite(cell.seed_sd):
            return ""
        return rf"{{\scriptsize $\pm$\,{self.column.at_digits_of(cell).show(cell.seed_sd)}}}"


def _caption(table: Table) -> str:
    parts = [rf"\textbf{{{escape_latex(table.title)}.}}"]
    parts += [rf"\textbf{{{escape_latex(table.mark)}}}."] if table.mark else []
    parts += [escape_latex(table.caption), *(escape_latex(note) for note in table.notes)]
    return " ".join(parts)


def _label(table: Table) -> str:
    """Report and table: two reports in one paper have no label in common."""
    name = f"{table.scope}-{table.name}" if table.scope else table.name
    # Other characters in a label break hyperref.
    return "".join(c if c.isalnum() and c.isascii() else "-" for c in name)
