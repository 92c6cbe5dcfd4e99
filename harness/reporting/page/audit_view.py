"""An audit in readable form."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from harness.statistics.audit import Check
from harness.statistics.audit_table import Audit

_STYLES = {"ok": "green", "violated": "bold red", "high": "yellow"}
_WORDS = {"ok": "holds", "violated": "violated", "high": "unusually high"}


def audit_grid(audit: Audit, *, everything: bool = True) -> RenderableType:
    """Check, value, bound and verdict, one line each; ``everything=False`` leaves out what holds."""
    grid = Grid("subject", "check", "value", "", "bound", "verdict", "comment")
    for check in audit.checks:
        if everything or check.verdict != "ok":
            grid.add_row(
                *(Text(cell) for cell in cells(check)[:5]),
                Text(_WORDS[check.verdict], _STYLES[check.verdict]),
                Text(check.comment),
            )
    source = [Text(audit.source, style="italic")] if audit.source else []
    body = [grid] if grid.row_count else []
    return Group(*source, *body, Text(audit.verdict, style="bold"))


def cells(check: Check) -> list[str]:
    """Subject, check, value, relation, bound, verdict and comment as text; fractions of Dice and IoU in percent."""
    scale = 100.0 if any(word in check.name.lower() for word in ("dice", "iou")) else 1.0
    relation = {"<=": "≤", ">=": "≥", "=": "="}[check.relation]
    name = check.name.replace("<=", "≤").replace(">=", "≥").replace("-/+", "∓")
    value, bound = f"{scale * check.value:.2f}", f"{scale * check.bound:.2f}"
    return [check.subject, name, value, relation, bound, _WORDS[check.verdict], check.comment]
