"""What a study leaves behind, from rows whose effects are known."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import sys
from pathlib import Path

import optuna
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from synthetic import EFFECTS, finish, resolved_study

from harness.experiments.study.reading import load_study
from harness.reporting.figures.optuna_figures import optuna_figures
from harness.reporting.render.latex import to_latex
from harness.reporting.render.text import to_csv
from harness.reporting.section_report import study_tables, write_study_report
from harness.reporting.sections import find_sections
from harness.reporting.tables.ablation import ablation_table
from harness.reporting.tables.effects import effect_table, effect_tables, untested_effects
from harness.results.comparisons import study_effects, study_scores
from harness.results.design import Design
from harness.results.profile import clip_time
from harness.statistics.importance import importances


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return finish(resolved_study(tmp_path_factory.mktemp("runs")))


@pytest.fixture(scope="module")
def reported(results, tmp_path_factory):
    """A folder of reports with that of the study, and the paths that were written."""
    reports = tmp_path_factory.mktemp("reports")
    return reports, write_study_report(results, reports / "modules-phantom")


def test_the_ablation_table_has_check_marks_accuracy_and_cost(results):
    table = ablation_table(results)
    rows = {row.label: row for row in table.rows}
    marks = {label: "".join(row.cell(name).text for name in EFFECTS) for label, row in rows.items()}
    assert marks == {
        "full": "✓✓✓",
        "no KPFF": "✓✓×",
        "no GDR": "✓×✓",
        "no GDR, no KPFF": "✓××",
        "no LKVA": "×··",
    }
    for row in rows.values():
        assert row.cell("clip_ms").value == 200.0
        assert row.cell("parameters_m").value == pytest.approx(9.1)
        assert row.cell("dice").has_interval
    assert rows["no LKVA"].cell("dice").dagger
    assert not rows["full"].cell("dice").dagger


def test_effects_that_were_not_tested_are_named_with_their_reason(results):
    dice = results.measures[0]
    effects = [effect for effect in study_effects(results, dice) if effect.kind == "contrast"]
    nan = math.nan
    mixed = [
        dataclasses.replace(effects[0], learned=False, p=nan),
        dataclasses.replace(effects[1], patients=9, p=nan),
        dataclasses.replace(effects[2], p=nan),
        *effects[3:],
    ]
    text = untested_effects(mixed)
    names = [effect.name for effect in effects]
    assert f"{names[0]} (a variant in it has not learned the task)" in text
    assert f"{names[1]} (fewer than 10 patients, no interval)" in text
    assert f"{names[2]} (fewer than 3 trainings on a side, interval over patients alone)" in text
    assert names[3] not in text
    table = effect_table(results, dice, mixed)
    assert "over the 1 contrasts" not in table.caption
    assert "nothing is claimed of them" in table.caption


def test_a_margin_has_the_unit_of_its_measure(results):
    heads = {table.name: [column.header for column in table.columns] for table in effect_tables(results)}
    assert "Against ±0.5 points" in heads["effects_dice"]
    assert any(header.startswith("Against") and header.endswith(" mm") for header in heads["effects_hd95"])


def test_the_ablations_intervals_are_told_as_they_are_made(results):
    caption = ablation_table(results).caption
    assert "95 % interval over patients (bootstrap-t) and trainings" in caption
    assert "Bonferroni over the 4 variants of a column, " in caption


def test_the_words_of_a_studys_tables(results, same_words):
    same_words("study", *study_tables(results))


def test_a_search_shows_its_best_trials_and_counts_all(results, same_words):
    definition, study = load_study("tune"), optuna.create_study(direction="maximize")
    values = [0.9 + 0.001 * (7 * trial % 12) for trial in range(12)]
    for trial, value in enumerate([*values, None]):
        params = {
            one.name: 0.5 + trial / 7 if one.type == "float" else one.options["choices"][0] for one in definition.space
        }
        spread = {
            one.name: optuna.distributions.FloatDistribution(0, 9)
            if one.type == "float"
            else optuna.distributions.CategoricalDistribution(one.options["choices"])
            for one in definition.space
        }
        state = optuna.trial.TrialState.FAIL if value is None else optuna.trial.TrialState.COMPLETE
        done = optuna.trial.create_trial(
            state=state, value=value, params=params, distributions=spread, user_attrs={"run": f"run{trial}"}
        )
        study.add_trial(done)
    search = dataclasses.replace(results, design=Design(definition=definition, cells=(), study=study))
    table, _ = study_tables(search)
    best = sorted(range(12), key=lambda trial: -values[trial])[:10]
    assert [row.label for row in table.rows] == [f"trial {trial}" for trial in best]
    assert [row.cell("value").value for row in table.rows] == [values[trial] for trial in best]
    assert [row.cell("run").text for row in table.rows] == [f"run{trial}" for trial in best]
    assert (table.rows[0].cell("lr").text, table.rows[0].cell("gate").text) == (f"{0.5 + best[0] / 7:.3g}", "state")
    same_words("search", table)


def test_effects_of_the_table_are_those_put_in(results):
    dice = results.measures[0]
    found = {effect.name: effect for effect in study_effects(results, dice) if effect.kind == "main"}
    assert found["GDR"].point == pytest.approx(100 * EFFECTS["gdr"], abs=0.35)
    assert found["KPFF"].point == pytest.approx(100 * EFFECTS["kpff"], abs=0.35)
    expected = 100 * (EFFECTS["lkva"] + (EFFECTS["gdr"] + EFFECTS["kpff"]) / 2)
    assert found["LKVA"].point == pytest.approx(expected, abs=0.5)


def test_distance_effects_have_the_opposite_sign(results):
    table = next(table for table in effect_tables(results) if table.name == "effects_hd95")
    full_minus_none = next(row for row in table.rows if row.label == "no LKVA" and row.group.startswith("full"))
    assert full_minus_none.cell("effect").value < 0


def test_every_file_of_the_report_is_written(reported):
    folder = reported[0] / "modules-phantom"
    written = {path.relative_to(folder).as_posix() for path in reported[1]}
    tables = {"ablation", "effects_dice", "effects_iou", "effects_hd95", "effects_asd", "importance"}
    assert {f"{name}.{kind}" for name in tables for kind in ("md", "csv", "tex")} <= written
    figures = ("effects", "interactions", "history", "optuna_history", "optuna_importances", "optuna_slice")
    assert {f"figures/{name}.{k}" for name in figures for k in ("pdf", "png")} <= written
    assert all((folder / name).stat().st_size > 0 for name in written)


def test_a_suites_report_of_the_same_dataset_takes_the_study_up(reported):
    (section,) = find_sections(reported[0] / "phantom-small", "phantom")
    assert section.title == "Ablation study: modules-phantom"
    assert [table.name for table in section.tables][:2] == ["ablation", "effects_dice"]
    assert dict(section.figures)["effects"].startswith("Effects on test Dice")
    assert find_sections(reported[0] / "camus-small", "camus") == []


def test_latex_prints_check_marks_without_a_package(results):
    text = to_latex(ablation_table(results))
    assert r"\surd" in text
    assert "?" not in text


def test_csv_of_the_table_holds_full_precision(results):
    rows = list(csv.DictReader(io.StringIO(to_csv(ablation_table(results)))))
    full = next(iter(study_scores(results, results.measures[0]).values()))  # the full model comes first
    assert float(rows[0]["dice"]) == pytest.approx(full.to_numpy().mean(), abs=1e-9)


def test_a_failed_variant_stays_in_the_table_with_its_reason(tmp_path):
    key = "lkva=on,gdr=off,kpff=on"
    table = ablation_table(finish(resolved_study(tmp_path), unfinished=(key,)))
    (row,) = (row for row in table.rows if row.label == "no GDR")
    assert row.cell("dice").value != row.cell("dice").value
    assert any("no GDR" in note and "loss is not finite" in note for note in table.notes)


def test_a_clip_has_the_time_of_the_first_quiet_seed_and_none_without_a_profile(results):
    quiet = results.runs[0].profile
    slow = quiet.assign(busy=True, median_ms=999.0)
    assert clip_time([None, slow, quiet]) == clip_time([quiet]) == (200.0, False)
    assert clip_time([slow, slow.assign(median_ms=7.0)]) == (999.0, True)
    for nothing in ([], [None], [quiet[quiet["mode"] == "streaming"]]):
        milliseconds, busy = clip_time(nothing)
        assert math.isnan(milliseconds)
        assert not busy


def test_a_variant_timed_beside_other_work_is_not_ranked_by_its_clip(results):
    first, last = results.runs[0].label, results.runs[-1].label
    changes = {first: {"median_ms": 1.0, "busy": True}, last: {"median_ms": 50.0}}

    def table_of(*labels):
        runs = [
            dataclasses.replace(run, profile=run.profile.assign(**changes[run.label])) if run.label in labels else run
            for run in results.runs
        ]
        return ablation_table(dataclasses.replace(results, runs=tuple(runs)))

    table = table_of(first, last)
    marks = {table.rows[index].label: mark for (index, key), mark in table.marks().items() if key == "clip_ms"}
    assert first not in marks
    assert marks[last] == "best"
    assert any(f"not ranked: {first};" in note for note in table.notes)
    assert not any("not ranked" in note for note in table_of(last).notes)


def test_trials_that_are_all_alike_have_no_importance_and_no_plot_of_it():
    study = optuna.create_study(direction="maximize")
    levels = optuna.distributions.CategoricalDistribution(["on", "off"])
    for level in ("on", "off", "on", "off"):
        study.add_trial(optuna.create_trial(params={"a": level}, distributions={"a": levels}, value=0.5))
    figures = {name: figure for name, figure, _ in optuna_figures(study, {"a": "A"})}
    assert list(figures) == ["optuna_history", "optuna_slice"]
    for figure in figures.values():  # drawing is where a study of one parameter used to fail
        figure.canvas.draw()
    assert importances(study)[["variance", "fanova"]].isna().to_numpy().all()
