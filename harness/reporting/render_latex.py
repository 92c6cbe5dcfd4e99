"""A table as LaTeX that is read with ``\\input``: booktabs rules, siunitx columns, no preamble but the documented packages.

Needs ``\\usepackage{booktabs}``, ``\\usepackage{siunitx}`` and ``\\usepackage{graphicx}``.
"""

from __future__ import annotations

import math
import unicodedata

from harness.reporting.table import MISSING, Cell, Column, Mark, Row, Table

_ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "±": r"\ensuremath{\pm}", "†": r"\ensuremath{\dagger}", "–": "--", "—": "---", "−": r"\ensuremath{-}",
    "×": r"\ensuremath{\times}", "≥": r"\ensuremath{\geq}", "≤": r"\ensuremath{\leq}", "α": r"\ensuremath{\alpha}",
    "β": r"\ensuremath{\beta}", "·": r"\ensuremath{\cdot}", "↑": r"\ensuremath{\uparrow}", "↓": r"\ensuremath{\downarrow}",
    "[": "{[}", "]": "{]}", "\n": " ", '"': r"\texttt{\char34}", "'": r"\textquotesingle{}", "`": r"\textasciigrave{}",
    "-": "{-}", "µ": r"\ensuremath{\mu}", "²": r"\textsuperscript{2}", "³": r"\textsuperscript{3}", "°": r"\textdegree{}",
    "✓": r"\ensuremath{\surd}",
    "ß": r"\ss{}", "ø": r"\o{}", "Ø": r"\O{}", "æ": r"\ae{}", "Æ": r"\AE{}",
}  # fmt: skip
_ARROWS = {"up": r"\,$\uparrow$", "down": r"\,$\downarrow$", "none": ""}
_DAGGER = r"$^{\dagger}$"


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it stands; characters that no rule knows become ``?``."""
    return "".join(_ESCAPES.get(character) or _printable(character) for character in text)


def _printable(character: str) -> str:
    """ASCII as it is, accented Latin letters too (every engine composes them), anything else as ``?``."""
    if " " <= character <= "~":
        return character
    base, *accents = list(unicodedata.normalize("NFD", character))
    composed = bool(accents) and base.isascii() and base.isalpha() and character <= "ÿ"
    return character if composed else "?"


def to_latex(table: Table, *, star: bool = True) -> str:
    """A ``table*`` (or ``table``) environment with caption and label; wide tables shrink to the line width.

    Values stand in ``S`` columns and align at the decimal point, bold, underlined and daggered ones too; intervals stand
    below them in small print. A missing value is ``--``.
    """
    environment = "table*" if star else "table"
    columns = table.shown
    formats = [_Format.of(table, column) for column in columns]
    spec = "l" + "".join(one.spec for one in formats)
    lines = [
        rf"\begin{{{environment}}}[t]",
        r"\centering",
        rf"\caption{{{_caption(table)}}}",
        rf"\label{{tab:{_label(table.name)}}}",
        r"\smallskip",
        r"\setlength{\tabcolsep}{4pt}",
        r"\sisetup{detect-weight=true, table-number-alignment=center}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{@{{}}{spec}@{{}}}}",
        r"\toprule",
        *_heads(table),
        r"\midrule",
        *_body(table, formats),
        r"\bottomrule",
        r"\end{tabular}}",
        rf"\end{{{environment}}}",
    ]
    return "\n".join(lines) + "\n"


def _heads(table: Table) -> list[str]:
    """Names with arrows, and below them the units where there are any."""
    names = ["{" + escape_latex(column.header) + _ARROWS[column.direction] + "}" for column in table.shown]
    units = ["{" + escape_latex(f"[{column.unit}]") + "}" if column.unit else "" for column in table.shown]
    lines = [" & ".join([escape_latex(table.stub), *names]) + r" \\"]
    return [*lines, " & ".join(["", *units]) + r" \\"] if any(units) else lines


def _body(table: Table, formats: list[_Format]) -> list[str]:
    lines: list[str] = []
    marks, group = table.marks(), ""
    for index, row in enumerate(table.rows):
        if row.group != group:
            lines += [r"\addlinespace"] if lines else []
            lines.append(rf"\multicolumn{{{len(formats) + 1}}}{{@{{}}l}}{{\textit{{{escape_latex(row.group)}}}}} \\")
            group = row.group
        cells = [one.cell(row.cell(one.column.key), marks.get((index, one.column.key), "")) for one in formats]
        lines.append(" & ".join([escape_latex(row.label), *cells]) + r" \\")
        lines += [] if table.compact else _intervals(row, formats)
    return lines


def _intervals(row: Row, formats: list[_Format]) -> list[str]:
    texts = [one.interval(row.cell(one.column.key)) for one in formats]
    return [" & ".join(["", *texts]) + r" \\[2pt]"] if any(texts) else []


class _Format:
    """How one column is set: the widest integer and the decimals decide the ``table-format``."""

    def __init__(self, column: Column, integers: int, negative: bool, dagger: bool) -> None:
        self.column, self.integers, self.negative, self.dagger = column, integers, negative, dagger

    @classmethod
    def of(cls, table: Table, column: Column) -> _Format:
        cells = [row.cell(column.key) for row in table.rows]
        shown = [column.show(cell.value) for cell in cells]
        numbers = [text.lstrip("<") for text in shown if text != MISSING]
        integers = max((len(text.lstrip("-").partition(".")[0]) for text in numbers), default=1)
        negative = any(text.startswith("-") for text in numbers)
        return cls(column, integers, negative, any(cell.dagger for cell in cells))

    @property
    def spec(self) -> str:
        if self.column.text:
            return "l"
        post = rf", table-space-text-post={{{_DAGGER}}}" if self.dagger else ""
        sign = "-" if self.negative else ""
        return f"S[table-format={sign}{self.integers}.{self.column.digits}{post}]"

    def cell(self, cell: Cell, mark: Mark) -> str:
        if self.column.text:
            return escape_latex(cell.text) if cell.text else MISSING
        shown = self.column.show(cell.value)
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
        pad = r"\phantom{0}" * (self.integers - len(digits))
        pad += r"\phantom{$-$}" if self.negative and not shown.startswith("-") else ""
        body = rf"\underline{{{shown.replace('-', '$-$')}}}"
        post = (_DAGGER if dagger else rf"\phantom{{{_DAGGER}}}") if self.dagger else ""
        return "{" + pad + body + post + "}"

    def interval(self, cell: Cell) -> str:
        if self.column.text or not cell.has_interval:
            return ""
        show = self.column.show
        low, high = (show(limit).replace("-", "$-$") for limit in (cell.low, cell.high))
        spread = rf"\,$\pm$\,{show(cell.seed_sd)}" if math.isfinite(cell.seed_sd) else ""
        return rf"{{\scriptsize [{low}, {high}]{spread}}}"


def _caption(table: Table) -> str:
    parts = [rf"\textbf{{{escape_latex(table.title)}.}}"]
    parts += [rf"\textbf{{{escape_latex(table.mark)}}}."] if table.mark else []
    parts += [escape_latex(table.caption), *(escape_latex(note) for note in table.notes)]
    return " ".join(parts)


def _label(name: str) -> str:
    return "".join(c if c.isalnum() and c.isascii() else "-" for c in name)
