"""Reports that are sections of a suite's page: a robustness sweep and a study, each in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from harness.files import write_text
from harness.reporting.figures.distributions_and_curves import banded_curves
from harness.reporting.figures.severity_and_drops import drop_heat_map, severity_curves
from harness.reporting.figures.study_figures import study_figures
from harness.reporting.figures.style import save
from harness.reporting.manifest import write_manifest
from harness.reporting.tables.ablation import ablation_table
from harness.reporting.tables.augmentation_gains import augmentation_table
from harness.reporting.tables.effects import effect_tables
from harness.reporting.tables.importance import importance_table
from harness.reporting.tables.passing import passing_tables
from harness.reporting.tables.robustness_by_severity import severity_table
from harness.reporting.tables.robustness_comparisons import condition_table
from harness.reporting.tables.robustness_drops import drop_table
from harness.reporting.tables.robustness_summary import loss_table, summary_table
from harness.reporting.tables.stored import write_table
from harness.reporting.tables.table import Table
from harness.reporting.tables.trials import trial_table
from harness.reporting.tables.words import plain_words, with_frames
from harness.results.clip_lengths import frames_sentence
from harness.results.passing import around_window
from harness.results.result_set import ResultSet, design_of
from harness.spreadsheets import to_csv

Figures = Iterable[tuple[str, Figure, str]]
"""(file stem, figure, caption)."""


def write_robustness_report(results: ResultSet, folder: Path) -> list[Path]:
    """Write tables, figures and ``robustness.json`` of a sweep; returns the paths, the summary first."""
    return _write(results, folder, robustness_tables(results), _robustness_figures(results))


def write_passing_report(results: ResultSet, folder: Path) -> list[Path]:
    """Write tables, figures and ``robustness.json`` of faults that pass; returns the paths, the main table first."""
    return _write(results, folder, robustness_tables(results), _passing_figures(results))


def _passing_figures(results: ResultSet) -> Iterator[tuple[str, Figure, str]]:
    # At the strongest only: a figure for each of five severities would say the same five times.
    severity = max(results.severities)
    for name in results.perturbations:
        table = around_window(results, name, severity)
        figure = banded_curves(
            table, "offset", "dice", xlabel="frames from the fault's first", ylabel="Dice [%]", mark=results.mark
        )
        text = f"Mean Dice around a passing fault of {results.window} frames ({plain_words(name)}, severity {severity}), and without it."
        yield f"passing_{name}", figure, text


def write_study_report(results: ResultSet, folder: Path) -> list[Path]:
    """Write tables, figures, ``all_trials.csv`` and ``study.json`` of a study; returns the paths, the main table first."""
    trials = Path(folder) / "all_trials.csv"
    write_text(trials, to_csv(design_of(results).trials()))
    return [*_write(results, folder, study_tables(results), study_figures(results)), trials]


def _write(results: ResultSet, folder: Path, tables: Sequence[Table], figures: Figures) -> list[Path]:
    """The manifest comes last: a folder without it is no section yet."""
    written = [path for table in tables for path in write_table(table, folder)]
    captions, frames = {}, frames_sentence(results)
    for name, figure, text in figures:
        written += save(figure, folder / "figures", name)
        captions[name] = f"{text} {frames}".strip()
    return [*written, write_manifest(results, folder, tuple(table.name for table in tables), captions)]


def robustness_tables(results: ResultSet) -> list[Table]:
    """The summary, the losses compared, what augmentation buys, the drops per perturbation, the paired comparisons, a table per measure.

    Of faults that pass: their own tables.
    """
    if results.window is not None:
        return [with_frames(table, results) for table in passing_tables(results)]
    made = [
        summary_table(results),
        loss_table(results),
        augmentation_table(results),
        drop_table(results),
        condition_table(results),
    ]
    tables = [*(table for table in made if table), *(severity_table(results, measure) for measure in results.measures)]
    return [with_frames(table, results) for table in tables]


def _robustness_figures(results: ResultSet) -> Iterator[tuple[str, Figure, str]]:
    seen = any(arm.seen for arm in results.arms)
    dots = " Dots mark perturbations that the model saw in training." if seen else ""
    dashes = " Dashed: the model saw the perturbation in training." if seen else ""
    heat = f"Dice lost against the clean image, mean over severities, the hardest perturbation on top.{dots}"
    yield "drop_heat_map", drop_heat_map(results), heat
    for measure in results.measures:
        text = f"{measure.header} by severity (0: clean) with 95 % band over patients.{dashes}"
        yield f"severity_{measure.name}", severity_curves(results, measure), text


def study_tables(results: ResultSet) -> list[Table]:
    """Every table that a study has something for, the main one first."""
    if not design_of(results).cells:
        # A search has no cells to compare: its trials and what they say of the parameters.
        tables = [trial_table(results), importance_table(results)]
    else:
        tables = [ablation_table(results), *effect_tables(results), importance_table(results)]
    return [with_frames(table, results) for table in tables]
