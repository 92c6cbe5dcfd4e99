"""The report as one self-contained HTML page: nothing is fetched, everything that it shows lies inside."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from harness.reporting.figures.charts import chart
from harness.reporting.page.audit_view import cells as audit_cells
from harness.reporting.page.players import player
from harness.reporting.page.provenance import commands, origin, provenance
from harness.reporting.page.side_by_side import CURVE, panels
from harness.reporting.page.verdicts import suite_verdicts
from harness.reporting.render.text import ARROWS, DAGGER, interval_text, to_csv
from harness.reporting.sections import Section
from harness.reporting.tables.all_cases import case_table
from harness.reporting.tables.table import Cell, Column, Mark, Row, Table
from harness.reporting.tables.words import with_frames
from harness.results.clip_lengths import frames_sentence
from harness.results.pictures import COMMON, FAULT, CasePicture
from harness.results.result_set import ResultSet
from harness.statistics.audit_table import Audit, audit_text

_TEMPLATES = Path(__file__).parent / "templates"
_AUDITED = ("table", "parts_", "lvef")
"""Beginnings of the names of tables whose figures can be held against each other."""


def page(
    results: ResultSet,
    tables: Sequence[Table],
    figures: Mapping[str, bytes],
    pictures: Sequence[CasePicture] = (),
    sections: Sequence[Section] = (),
) -> str:
    """The page of a suite.

    Args:
        results: where verdicts, cases and provenance come from.
        tables: shown in this order, the main table first; published ones have a place of their own.
        figures: PNG bytes by figure name.
        pictures: cases with pixels, shown worst first as clips.
        sections: robustness sweeps and studies found on disk.
    """
    environment = _environment(_shortener(results))
    measured = [table for table in tables if not table.published]
    notable = [picture for picture in pictures if picture.role not in (COMMON, FAULT)]
    audits = audited(measured)
    return environment.get_template("page.html.j2").render(
        results=results,
        seeds=_seeds(results),
        verdicts=suite_verdicts(results),
        frames=frames_sentence(results),
        tables=[*measured, with_frames(case_table(results), results)],
        stored={table.name for table in measured},
        published=[table for table in tables if table.published],
        figures=[chart(name, png, note=frames_sentence(results)) for name, png in figures.items()],
        panels=panels(pictures),
        curve=CURVE,
        players=[player(picture) for picture in sorted(notable, key=lambda picture: picture.dice)],
        parts=[_part(section) for section in sections],
        audits=[(_shortener(results)(title), audit.verdict) for title, audit in audits],
        audit_lines=[audit_cells(c) for _, audit in audits for c in audit.checks if c.verdict != "ok"],
        runs=[provenance(run.record, run.status) for run in results.runs],
        origin=origin(results),
        commands=commands(results, sections),
    )


def leaderboard_page(table: Table | None, links: Sequence[tuple[Any, str]]) -> str:
    """The page over many reports: their links (entry, relative address), then the table of all models by condition."""
    template = _environment(str).get_template("leaderboard.html.j2")
    return template.render(table=table, links=links)


def transfer_page(name: str, tables: Sequence[Table], measured: Sequence[tuple[str, str]], command: str) -> str:
    """The page of runs measured once more: tables, each run with what it was measured on, and the command."""
    template = _environment(str).get_template("transfer.html.j2")
    return template.render(name=name, tables=tables, measured=measured, command=command)


def _environment(short_title: Callable[[str], str]) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(raw=_raw, header=_header, cell=_cell, sort_key=_sort_key, short_title=short_title)
    return environment


def audited(tables: Sequence[Table]) -> list[tuple[str, Audit]]:
    """Title and audit of every table that has figures to check."""
    chosen = [table for table in tables if table.name.startswith(_AUDITED)]
    return [(table.title, audit_text(to_csv(table), table.title)) for table in chosen]


def _part(section: Section) -> dict[str, Any]:
    pngs = {name: (section.folder / "figures" / f"{name}.png").read_bytes() for name, _ in section.figures}
    return {
        "key": section.key,
        "base": f"{section.relative_path}/",
        "title": section.title,
        "mark": section.mark,
        "tables": section.tables,
        "figures": [chart(name, pngs[name], text) for name, text in section.figures],
    }


def _seeds(results: ResultSet) -> str:
    most = results.seeds
    return f"{most} seeds per model; their spread is part of every interval." if most > 1 else ""


def _shortener(results: ResultSet) -> Callable[[str], str]:
    """On the suite's own page its heading need not head every title."""

    def short(title: str) -> str:
        rest = title.removeprefix(f"{results.heading}: ")
        return rest[:1].upper() + rest[1:]

    return short


def _raw(name: str) -> Markup:
    """A file of the templates folder as it is: the page's own style and script."""
    return Markup((_TEMPLATES / name).read_text(encoding="utf-8"))


def _header(column: Column) -> str:
    return column.title + ARROWS[column.direction]


def _cell(column: Column, row: Row, mark: Mark) -> Markup:
    """One cell: value (best bold, second underlined), dagger and interval."""
    cell: Cell = row.cell(column.key)
    if column.text:
        return Markup("{}").format(cell.text or "--")
    tags = {"best": "<strong>{}</strong>", "second": "<u>{}</u>", "": "{}"}
    shown = Markup(tags[mark]).format(column.at_digits_of(cell).show(cell.value))
    told = '<sup aria-hidden="true">{}</sup><span class="sr"> significant</span>'
    dagger = Markup(told).format(DAGGER) if cell.dagger else Markup("")
    extra = interval_text(column, cell)
    return shown + dagger + (Markup("<small>{}</small>").format(extra) if extra else Markup(""))


def _sort_key(column: Column, row: Row) -> str:
    """What the page sorts a cell by: the full-precision number, or the text; empty sorts last."""
    cell = row.cell(column.key)
    if column.text:
        return cell.text
    return repr(float(cell.value)) if math.isfinite(cell.value) else ""
