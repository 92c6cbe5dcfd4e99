"""The report as one self-contained HTML page: nothing is fetched, everything that it shows lies inside."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from harness.reporting.audit_view import cells as audit_cells
from harness.reporting.cases import CasePicture, case_scores
from harness.reporting.paper import caption
from harness.reporting.players import data_uri, player
from harness.reporting.render_text import ARROWS, DAGGER, interval_text, to_csv
from harness.reporting.results import SuiteResults
from harness.reporting.table import Cell, Column, Mark, Row, Table
from harness.reporting.verdicts import suite_verdicts
from harness.statistics.audit_table import Audit, audit_text

_TEMPLATES = Path(__file__).parent / "templates"


def page(
    results: SuiteResults,
    tables: Sequence[Table],
    figures: Mapping[str, bytes],
    pictures: Sequence[CasePicture] = (),
) -> str:
    """The page of a suite.

    Args:
        results: where verdicts, cases and provenance come from.
        tables: shown in this order, the main table first.
        figures: PNG bytes by figure name.
        pictures: cases with pixels, shown worst first as clips.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(raw=_raw, header=_header, cell=_cell, sort_key=_sort_key)
    audit = audit_text(to_csv(tables[0]), results.name)
    return environment.get_template("page.html.j2").render(
        results=results,
        verdicts=suite_verdicts(results),
        tables=[*tables[:1], case_table(results), *tables[1:]],
        figures=[(name, caption(name), data_uri(png, "image/png")) for name, png in figures.items()],
        players=[player(picture) for picture in sorted(pictures, key=lambda picture: picture.dice)],
        audit=audit,
        audit_lines=_audit_lines(audit),
        runs=[_provenance(run.record, run.status) for run in results.models],
        commands=_commands(results),
    )


def case_table(results: SuiteResults) -> Table:
    """Every test case of every finished run, worst first: Dice in percent, averaged over labelled frames."""
    structure = results.structures[0] if results.structures else "lv"
    found = [
        (score, arm.label, run.seed)
        for arm in results.arms
        for run in arm.finished
        for score in case_scores(run.rows, structure)
    ]
    rows = [
        Row(
            label=label,
            cells={
                "patient": Cell(text=score.patient),
                "view": Cell(text=score.view),
                "seed": Cell(value=seed),
                "dice": Cell(value=score.dice),
                "worst": Cell(text=f"{score.phase} (frame {score.frame})".strip()),
            },
        )
        for score, label, seed in sorted(found, key=lambda entry: entry[0].dice)
    ]
    return Table(
        name="cases",
        title="All test cases, worst first",
        caption="Mean over the labelled frames of a case.",
        columns=(
            Column(key="patient", header="Patient", text=True),
            Column(key="view", header="View", text=True),
            Column(key="seed", header="Seed", digits=0),
            Column(key="dice", header="Dice", unit="%", digits=1, direction="up"),
            Column(key="worst", header="Worst frame", text=True),
        ),
        rows=tuple(rows),
        ranked=False,
    )


def _audit_lines(audit: Audit) -> list[list[str]]:
    return [audit_cells(check) for check in audit.checks if check.verdict != "ok"]


def _commands(results: SuiteResults) -> list[str]:
    commit = next((c for run in results.models if (c := run.record.get("code", {}).get("commit"))), None)
    checkout = [f"git checkout {commit}"] if commit else []
    return [*checkout, results.command or "make bench", f"echobench report {results.name}"]


def _provenance(record: dict[str, Any], status: str) -> dict[str, Any]:
    """What a reader needs to trust a run: code, machine, packages, times and the whole resolved spec."""
    code, machine = record.get("code") or {}, record.get("environment") or {}
    done = record.get("results") or {}
    facts = {
        "status": status,
        "commit": (code.get("commit") or "unknown") + (" (with uncommitted changes)" if code.get("dirty") else ""),
        "version": code.get("version"),
        "started": record.get("started"),
        "finished": record.get("finished"),
        "seconds": _plain(done.get("seconds")),
        "best iteration": done.get("best_iteration"),
        "python": machine.get("python"),
        "platform": machine.get("platform"),
        "processor": machine.get("processor"),
        "cores": machine.get("cores"),
        "packages": _plain(machine.get("packages")),
    }
    return {
        "name": record.get("name", ""),
        "facts": {key: value for key, value in facts.items() if value not in (None, "")},
        "spec": json.dumps(record.get("spec", {}), indent=2, sort_keys=True),
    }


def _plain(value: Any) -> str | None:
    if not isinstance(value, dict):
        return None if value is None else str(value)
    return ", ".join(f"{key} {item:.0f}" if isinstance(item, float) else f"{key} {item}" for key, item in value.items())


def _raw(name: str) -> Markup:
    """A file of the templates folder as it is: the page's own style and script."""
    return Markup((_TEMPLATES / name).read_text(encoding="utf-8"))


def _header(column: Column) -> str:
    return column.title + ARROWS[column.direction]


def _cell(column: Column, row: Row, mark: Mark) -> Markup:
    """One cell: value (best bold, second underlined), dagger and interval."""
    cell = row.cell(column.key)
    if column.text:
        return Markup("{}").format(cell.text or "--")
    tags = {"best": "<strong>{}</strong>", "second": "<u>{}</u>", "": "{}"}
    shown = Markup(tags[mark]).format(column.show(cell.value))
    dagger = Markup('<sup title="significant">{}</sup>').format(DAGGER) if cell.dagger else Markup("")
    extra = interval_text(column, cell)
    return shown + dagger + (Markup("<small>{}</small>").format(extra) if extra else Markup(""))


def _sort_key(column: Column, row: Row) -> str:
    """What the page sorts a cell by: the full-precision number, or the text; empty sorts last."""
    cell = row.cell(column.key)
    if column.text:
        return cell.text
    return repr(float(cell.value)) if math.isfinite(cell.value) else ""
