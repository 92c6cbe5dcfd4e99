"""What a model costs: columns that several tables share, and the table of complexity and latency."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.reporting.tables.table import Cell, Column, Direction, Row, Source, Table
from harness.results.arm import Arm
from harness.results.result_set import ResultSet


def _column(
    key: str, header: str, unit: str = "", direction: Direction = "down", digits: int = 2, *, timed: bool = False
) -> Column:
    source = Source("profile", key.removesuffix("_m"), "median over seeds")
    return Column(key=key, header=header, unit=unit, direction=direction, digits=digits, source=source, timed=timed)


FPS = _column("fps", "FPS", direction="up", digits=1, timed=True)
GMACS = _column("gmacs_per_frame_torch", "GMACs/frame", "torch")
PARAMETERS = _column("parameters_m", "Param.", "M")
MEMORY = _column("peak_memory_mb", "Memory", "MB", digits=0)
COST_COLUMNS = (FPS, GMACS, PARAMETERS, MEMORY)
"""Multiply-adds are printed with the counter's name: the two counters do not count the same operators."""
_LATENCY = (
    PARAMETERS,
    _column("gmacs_per_frame_fvcore", "GMACs", "fvcore"),
    _column("gmacs_per_frame_torch", "GMACs", "torch"),
    FPS,
    _column("median_ms", "Median", "ms", timed=True),
    _column("p5_ms", "5 %", "ms", direction="none"),
    _column("p95_ms", "95 %", "ms", direction="none"),
    MEMORY,
)


def cost_cells(arm: Arm) -> dict[str, Cell]:
    """The cells of every cost column, by key; the median over the arm's seeds."""
    cost = arm.cost
    named = {column.key for column in (*COST_COLUMNS, *_LATENCY)} - {PARAMETERS.key}
    cells = {key: Cell(value=getattr(cost, key)) for key in sorted(named)}
    low, high = cost.fps_spread
    return cells | {
        PARAMETERS.key: Cell(value=cost.parameters / 1e6),
        FPS.key: Cell(value=cost.fps, low=low, high=high, unranked=cost.busy),
        "median_ms": Cell(value=cost.median_ms, low=cost.p5_ms, high=cost.p95_ms, unranked=cost.busy),
    }


def busy_notes(arms: Sequence[Arm]) -> tuple[str, ...]:
    """A sentence on the arms whose times were measured beside other work; none where all machines were quiet."""
    return noise_note([arm.label for arm in arms if arm.cost.busy])


def noise_note(labels: Sequence[str]) -> tuple[str, ...]:
    """A sentence on arms whose times are not ranked, and what to do; none without any."""
    if not labels:
        return ()
    return (
        f"Timed beside other work on the machine, and therefore not ranked: {', '.join(labels)}; "
        "`echobench profile --report NAME` on a quiet machine measures again.",
    )


def cost_table(results: ResultSet) -> Table | None:
    """Complexity and latency in the streaming condition; None where nothing was profiled."""
    measured = [arm for arm in results.arms if not (math.isnan(arm.cost.fps) and math.isnan(arm.cost.parameters))]
    if not measured:
        return None
    conditions = dict.fromkeys(arm.cost.condition for arm in measured)
    return Table(
        name="cost",
        title=f"{results.heading}: complexity and latency",
        caption="Streaming, steady state, per frame; FPS = frames / median latency, with what 90 % of the repeats lie within; "
        "a time is marked only where its spread meets no other's. One multiply-add counts once. "
        f"Condition: {'; '.join(conditions)}.",
        columns=_LATENCY,
        rows=tuple(Row(label=arm.label, cells=cost_cells(arm)) for arm in measured),
        notes=busy_notes(measured),
        scope=results.name,
    )
