"""Every cell of every committed reference table is what its column's source says, computed again from the stored rows.

The oracles (``tests/oracles/stored_*.py``) are written with pandas, numpy and scipy alone; nothing of ``harness.results`` or
``harness.statistics`` is used. A table with a reduction that has no oracle fails.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from stored_rows import (
    ROOT,
    Stored,
    clip_time,
    column_patients,
    curve_ef_error,
    differences,
    ef_error,
    ef_figure,
    group_part,
    headline,
    seed_table,
    stored_of,
    walsh,
)
from stored_sweeps import at_severity, gain, losses, sweep_figure, swept_of

from harness.reporting.render.latex import to_latex
from harness.reporting.render.text import to_csv, to_markdown
from harness.reporting.tables.over_time import stage_table, time_table
from harness.reporting.tables.stored import read_table
from harness.reporting.tables.table import Column, Row, Table
from harness.results.result_set import ResultSet
from harness.results.run_results import RunResults

TABLES = sorted((ROOT / "reports" / "reference").rglob("*.table.json"))
ELSEWHERE = {
    # Crossed tests and shares of variance have oracles of their own: tests/study/test_oracles.py, test_importance.py.
    *(f"effect {name}" for name in ("p", "p_adjusted", "verdict", "bootstrap_low", "bootstrap_high", "pairs")),
    *("variance", "fanova", "ped_anova", "value", "parameter", "run"),
    # What the crossed comparison says beyond the difference itself: tests/statistics/test_comparison.py.
    *(
        "p",
        "p_adjusted",
        "p_better",
        "p_equivalent",
        "p_worse",
        "verdict",
        "detectable",
        "sign_flip_p",
        "worst_decile",
        "margin",
        "level",
        "non_inferior",
        "effect level",
    ),
    # tests/reporting/test_subgroups.py
    *(f"subgroup {name}" for name in ("difference", "p", "p_adjusted", "patients", "few")),
    "rank",
    *(f"{name} of losses" for name in ("p", "p_adjusted", "verdict")),
}


def expected(stored: Stored, table: Table, row: Row, column: Column) -> float | str | None:
    """What a cell must hold; None where another test has the oracle."""
    assert column.source is not None, f"{table.name}: the column {column.key} has no source"
    source, label = column.source, row.label
    name, reduction = source.column, source.reduction
    if reduction in ELSEWHERE or reduction.startswith("adjusted p at"):
        return None
    structure = {"structure": table.name.removeprefix("parts_") if table.name.startswith("parts_") else "lv"}
    match source.format, reduction:
        case "cases", "patient mean":
            return float(seed_table(stored, label, name, **structure, **group_part(row.group)).mean(axis=1).mean())
        case "cases", "patient mean of every frame":
            return float(seed_table(stored, label, name, **structure, frames="every").mean(axis=1).mean())
        case "cases", "patient mean of interpolated frames":
            return float(seed_table(stored, label, name, **structure, frames="interpolated").mean(axis=1).mean())
        case "cases", "absolute patient mean":
            return float(seed_table(stored, label, name, **structure, absolute="yes").mean(axis=1).mean())
        case "cases", "patient mean of a stage":
            part = {"frames": "stages", "stage": column.key.replace("_", " ")}
            return float(seed_table(stored, label, name, **structure, **part).mean(axis=1).mean())
        case "cases", "EF MAE of the curve":
            return float(curve_ef_error(stored, label, name).mean())
        case "cases", "patients of the rows":
            return float(len({patient for run in stored.arms[label] for patient in run["cases"]["patient"]}))
        case "cases", "patients with every value":
            metrics = ("dice", "iou", "hd95_mm", "asd_mm")
            part = structure | group_part(row.group)
            return float(max(len(seed_table(stored, label, metric, **part)) for metric in metrics))
        case "cases", "patients of the column":
            if (count := column_patients(stored, label, name, structure)) is not None:
                return float(count)
            if name.startswith("ef_"):
                return None  # tests/reporting/test_main_table.py
            return float(len(seed_table(stored, label, name, **structure, **group_part(row.group))))
        case "cases", ("EF MAE" | "EF r" | "stated EF MAE" | "stated EF r"):
            against = "stated" if reduction.startswith("stated") or "stated" in row.group else "reference"
            if reduction.endswith("MAE"):
                return float(ef_error(stored, label, against).mean())
            return ef_figure(stored, row, column, "r", against)
        case "cases", _ if reduction.startswith("EF "):
            return ef_figure(stored, row, column, column.key, "stated" if "stated" in row.group else "reference")
        case "cases", ("shift" | "difference" | "median" | "patients"):
            values = differences(stored, row)
            return float(
                {"shift": walsh, "difference": np.mean, "median": np.median, "patients": len}[reduction](values)
            )
        case "cases", "trainings":
            return " v ".join(str(len(stored.arms[arm])) for arm in (stored.reference, label))
        case "cases", "patients below half with exact limits":
            dice = seed_table(stored, label, name, structure="lv")
            return float(100 * (dice.mean(axis=1) < 50).mean())
        case "cases", ("effect effect" | "effect patients" | "effect seeds"):
            if not row.group.startswith("full model"):
                return None  # main effects and interactions: tests/study/test_oracles.py
            pair = [seed_table(stored, arm, name, structure="lv") for arm in (stored.reference, label)]
            figures = {"effect": (pair[0] - pair[1].to_numpy()).mean().mean(), "patients": len(pair[0])}
            return float({**figures, "seeds": pair[0].shape[1]}[column.key])
        case "profile", "median over seeds":
            return headline(stored, label, name) / (1e6 if name == "parameters" else 1)
        case "profile", "first clip":
            return clip_time(stored, label)
        case "patients", "difference at the severity":
            return float(at_severity(stored, row, column.key).mean())
        case "patients", ("difference of losses" | "n of losses"):
            values = losses(stored, row)
            return float(values.mean()) if reduction.startswith("difference") else float(len(values))
        case "patients", ("plain" | "augmented" | "gain"):
            return gain(stored, row, reduction)
        case "patients", _:
            return sweep_figure(stored, table, row, column)
        case "record", "finished runs":
            return float(sum(run["record"]["status"] == "finished" for run in stored.arms[label]))
        case "record", "as recorded":
            return str(stored.arms[label][0]["record"]["spec"]["protocol"]["first_frame"])
        case "record", "mean over seeds":
            return float(np.mean([run["record"]["results"]["validation_dice"] for run in stored.arms[label]]))
        case "record", "perturbations seen":
            swept = swept_of(stored, label, "dice").names
            seen = len(stored.arms[label][0]["seen"] & set(swept))
            return "none" if not seen else "all" if seen == len(swept) else f"{seen} of {len(swept)}"
        case "record", "seen or unseen":
            return "seen" if row.group.replace(" ", "_") in stored.arms[label][0]["seen"] else "unseen"
        case "archive", "as designed":
            level = stored.arms[label][0]["levels"][column.key]
            return {"on": "✓", "off": "×", "moot": "·"}.get(level, level)
    raise AssertionError(f"no oracle for {source}")


class Drawn:
    """In place of ``Stored``: runs of whole sequences, which no committed report is of yet."""

    reference = "A"

    def __init__(self) -> None:
        self.arms = {label: [self._run(seed) for seed in seeds] for label, seeds in (("A", (0, 1)), ("B", (7,)))}

    @staticmethod
    def _run(seed: int) -> dict[str, Any]:
        """Twelve patients, two views: sequences of unlike lengths from ED to ES, from ES to ED, and beyond ES."""
        rng, lines = np.random.default_rng(seed), []
        for number, view in itertools.product(range(12), ("2CH", "4CH")):
            count = 11 + number % 4
            ed, es = ((0, count - 1), (count - 1, 0), (0, count - 5))[number % 3]
            clip = {"split": "test", "patient": f"patient{number:04d}", "view": view, "structure": "lv"}
            for frame, metric in itertools.product(range(count), ("dice", "hd95_mm", "asd_mm", "nsd_mm")):
                phase = {ed: "ED", es: "ES"}.get(frame, "interp" if number == 5 else "labelled")
                lines.append({**clip, "frame": frame, "phase": phase, "metric": metric, "value": rng.uniform(0.2, 1)})
            for metric in (
                "flicker_predicted",
                "flicker_reference",
                "area_error",
                "ed_timing_error_frames",
                "es_timing_error_ms",
            ):
                lines.append({**clip, "frame": -1, "phase": "", "metric": metric, "value": rng.normal()})
            for source in ("predicted", "reference") if number else ("reference",):
                metric = f"curve_ef_{view.lower()}_{source}"
                lines.append({**clip, "frame": -1, "phase": "", "metric": metric, "value": rng.uniform(20, 70)})
        return {"cases": pd.DataFrame(lines), "record": {}, "seen": set(), "known": {}}

    def results(self) -> ResultSet:
        runs = [
            RunResults(label=label, model=label, seed=seed, rows=run["cases"])
            for label, drawn in self.arms.items()
            for seed, run in enumerate(drawn)
        ]
        return ResultSet(name="drawn", dataset="phantom", runs=tuple(runs), reference=self.reference)


@pytest.mark.parametrize("made", [time_table, stage_table], ids=["over_time", "stages"])
def test_every_cell_of_a_table_of_sequences_is_what_its_column_says(made: Callable[[ResultSet], Table | None]) -> None:
    stored = Drawn()
    table = made(stored.results())
    assert table is not None
    assert len(table.columns) >= (17 if table.name == "stages" else 20)
    for row, column in itertools.product(table.rows, table.columns):
        wanted = expected(stored, table, row, column)  # type: ignore[arg-type]
        assert row.cell(column.key).value == pytest.approx(wanted, rel=1e-9), f"{row.label}, {column.key}"


def identity(path: Path) -> str:
    return path.relative_to(ROOT / "reports" / "reference").as_posix()


def test_every_reference_report_keeps_its_tables_as_data() -> None:
    assert len(TABLES) > 40


@pytest.mark.parametrize("path", TABLES, ids=identity)
def test_what_is_printed_is_what_the_table_holds(path: Path) -> None:
    table = read_table(path)
    for suffix, render in ((".md", to_markdown), (".csv", to_csv), (".tex", to_latex)):
        assert (path.parent / f"{table.name}{suffix}").read_text() == render(table)


@pytest.mark.parametrize("path", [p for p in TABLES if not p.name.startswith("published_")], ids=identity)
def test_every_cell_is_what_its_column_says(path: Path) -> None:
    table, stored = read_table(path), stored_of(path.parent)
    checked = 0
    for row, column in itertools.product(table.rows, table.columns):
        wanted = expected(stored, table, row, column)
        cell, where = row.cell(column.key), f"{row.group}, {row.label}, {column.key}"
        if wanted is None:
            continue
        checked += 1
        if column.text:
            assert cell.text == wanted, where
        else:
            assert cell.value == pytest.approx(wanted, rel=1e-9, abs=1e-9, nan_ok=True), where
    assert checked or table.name in ("importance", "ranks", "subgroups")


@pytest.mark.parametrize("path", [p for p in TABLES if p.name.startswith("published_")], ids=identity)
def test_published_cells_are_those_of_their_file(path: Path) -> None:
    table = read_table(path)
    file = ROOT / "harness" / "configs" / "published" / f"{table.name.removeprefix('published_')}.csv"
    printed = pd.read_csv(file, comment="#", dtype=str, keep_default_na=False, index_col=False)
    for (_, line), row in zip(printed.iterrows(), table.rows, strict=True):
        for column in table.columns:
            assert column.source is not None
            assert row.cell(column.key).text == line[column.source.column]
