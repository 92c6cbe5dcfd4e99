"""Tables and figures say what the rows say."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess

import pandas as pd
import pytest
from click.testing import CliRunner
from drawn_sweep import results

from harness.cli import cli
from harness.experiments.sweep.sweep import SweepOptions, sweep_run
from harness.perturbations.ladders import read_ladders, write_ladders
from harness.reporting.figures.gallery import gallery
from harness.reporting.figures.severity_and_drops import drop_heat_map, severity_curves
from harness.reporting.render.latex import to_latex
from harness.reporting.section_report import robustness_tables, write_robustness_report
from harness.reporting.tables.robustness_by_severity import severity_table
from harness.reporting.tables.robustness_comparisons import condition_table
from harness.reporting.tables.robustness_drops import drop_table
from harness.reporting.tables.robustness_summary import summary_table
from harness.results.comparisons import _not_learned_clean, by_condition
from harness.results.measures import DICE
from harness.results.result_set import ResultSet


@pytest.fixture(scope="module")
def demo() -> ResultSet:
    return results(GDKVM=0.01, other=0.02)


def test_the_summary_holds_clean_perturbed_drop_and_the_worst(demo):
    gdkvm, other = summary_table(demo).rows
    assert gdkvm.cells["clean"].value == pytest.approx(90.55)
    assert gdkvm.cells["drop"].value == pytest.approx(4.5)
    assert other.cells["drop"].value == pytest.approx(9.0)
    assert gdkvm.cells["perturbed"].value == pytest.approx(86.05)
    assert other.cells["relative_drop"].value == pytest.approx(200.0)
    assert gdkvm.cells["area"].value == pytest.approx(90.55 - 1.5 * 2.5)
    assert gdkvm.cells["worst"].text == "haze (−6.0)"
    assert (gdkvm.cells["seen"].text, other.cells["seen"].text) == ("none", "1 of 2")


def test_a_dagger_needs_three_trainings_of_each_arm(demo):
    gdkvm, other = summary_table(results(GDKVM=0.01, other=0.02, trainings=3)).rows
    assert other.cells["perturbed"].dagger
    assert not gdkvm.cells["perturbed"].dagger
    assert not any(row.cells["perturbed"].dagger for row in summary_table(demo).rows)
    assert condition_table(results(GDKVM=0.01, other=0.02, trainings=3)).rows[0].cells["other"].dagger
    assert not condition_table(demo).rows[0].cells["other"].dagger


def test_the_severity_table_has_a_block_per_perturbation_and_says_what_was_seen(demo):
    table = severity_table(demo, DICE)
    assert table.groups == ["haze", "speckle"]
    seen = {(row.group, row.label): row.cells["seen"].text for row in table.rows}
    assert seen["haze", "other"] == "seen"
    assert set(seen.values()) == {"seen", "unseen"}
    assert table.rows[0].cells["severity_5"].value == pytest.approx(90.55 - 10)


def test_drops_and_comparisons_agree(demo):
    haze, speckle = drop_table(demo).rows
    assert (haze.cells["GDKVM"].value, speckle.cells["other"].value) == (pytest.approx(6.0), pytest.approx(6.0))
    first = condition_table(demo).rows[0]
    assert (first.group, first.label) == ("Severity 1", "haze")
    assert first.cells["other"].value == pytest.approx(2.0)


def test_every_table_has_a_name_of_its_own(demo):
    names = [table.name for table in robustness_tables(demo)]
    assert len(set(names)) == len(names) == 7


def test_a_model_with_nothing_to_lose_is_not_the_most_robust():
    three = results(GDKVM=0.01, other=0.02, third=0.03)
    dead = dataclasses.replace(three.runs[2], swept=three.runs[2].swept.assign(dice=0.0, failure=1.0))
    three = dataclasses.replace(three, runs=(*three.runs[:2], dead))
    table = summary_table(three)
    assert table.rows[2].cells["drop"].value == 0
    assert [table.marks().get((index, "drop"), "") for index in range(3)] == ["best", "second", ""]
    assert any(note.startswith("third has not learned the task") for note in table.notes)
    by_severity = severity_table(three, DICE)
    assert not any(by_severity.rows[index].label == "third" for index, _ in by_severity.marks())


def test_a_gain_under_every_perturbation_is_no_loss_with_two_signs():
    texts = [row.cells["worst"].text for row in summary_table(results(GDKVM=-0.0006, other=0.0)).rows]
    assert texts == ["speckle (+0.2)", "haze (0.0)"]


def test_a_sweeps_captions_speak_of_its_own_families(demo):
    several = results("GDKVM", GDKVM=0.01, other=0.02, trainings=3)
    captions = {table.name: table.caption for table in robustness_tables(several)}
    for name in ("robustness", "robustness_losses"):
        assert "Bonferroni over 1 baseline for the loss (95 % each)" in captions[name]
    assert "Benjamini–Hochberg over the 10 comparisons (" in captions["robustness_comparisons"]
    assert "Bonferroni over 3 comparisons of " in captions["robustness_augmentation"]
    assert not any("P(better)" in text or "primary endpoint" in text for text in captions.values())
    assert "ED and ES frames (of a clip that names neither: labelled frames)" in captions["robustness"]


def test_the_words_of_a_sweeps_tables(demo, same_words):
    plain, augmented = demo.runs
    twins = dataclasses.replace(demo, runs=(plain, dataclasses.replace(augmented, plain=plain.label)))
    several = results("GDKVM", GDKVM=0.01, other=0.02, trainings=3)
    tables = [table for table in robustness_tables(several) if table.name in ("robustness", "robustness_losses")]
    same_words("sweep", *robustness_tables(twins), *tables)


def test_the_tables_compile_with_a_real_latex(demo, tmp_path):
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed (texlive-latex-extra, texlive-science)")
    head = (
        "\\documentclass{article}\\usepackage{booktabs}\\usepackage{siunitx}\\usepackage{graphicx}\\begin{document}\n"
    )
    plain, augmented = demo.runs
    twin = dataclasses.replace(demo, runs=(plain, dataclasses.replace(augmented, plain=plain.label)))
    body = "\\clearpage\n".join(to_latex(table) for table in robustness_tables(twin))
    (tmp_path / "t.tex").write_text(f"{head}{body}\\end{{document}}\n")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "t.tex"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_the_manifest_says_what_a_page_needs(demo, tmp_path, monkeypatch):
    monkeypatch.setattr("harness.reporting.section_report.save", lambda figure, folder, name: [])
    write_robustness_report(demo, tmp_path)
    manifest = json.loads((tmp_path / "robustness.json").read_text())
    assert manifest["tables"][0] == "robustness"
    assert {path.stem for path in tmp_path.glob("*.md")} == set(manifest["tables"])
    assert list(manifest["captions"])[:2] == ["drop_heat_map", "severity_dice"]
    assert "Dashed" in manifest["captions"]["severity_dice"]


def test_curves_have_a_panel_per_perturbation_and_dash_what_was_seen(demo):
    figure = severity_curves(demo)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["haze", "speckle"]
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert list(lines["GDKVM"].get_ydata()) == pytest.approx([90.55 - 2 * s for s in range(6)])
    assert (lines["GDKVM"].get_linestyle(), lines["other"].get_linestyle()) == ("-", "--")


def test_the_heat_map_writes_the_drops_with_the_hardest_on_top(demo):
    axes = drop_heat_map(demo).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["haze", "speckle"]
    assert [text.get_text() for text in axes.texts] == ["6.0", "12.0 •", "3.0", "6.0"]


def test_the_gallery_shows_every_severity_of_every_perturbation(fan_clip):
    figure = gallery(fan_clip(frames=3, size=48), "case", ["haze", "gain_up"])
    images = [axes.images[0].get_array() for axes in figure.axes]
    assert len(images) == 2 * 6
    assert (images[0] == images[6]).all()
    assert images[11].mean() > images[7].mean() > images[6].mean()


def test_ladders_are_replaced_by_reference_and_perturbation_only(tmp_path):
    path = tmp_path / "ladders.csv"

    def rows(reference: str, name: str, strength: float) -> pd.DataFrame:
        return pd.DataFrame([{"reference": reference, "perturbation": name, "severity": 1, "strength": strength}])

    write_ladders(pd.concat([rows("a", "haze", 1.0), rows("a", "jpeg", 2.0)]), "first", path)
    write_ladders(rows("b", "haze", 3.0), "second", path)
    write_ladders(rows("a", "jpeg", 4.0), "third", path)
    commands, table = read_ladders(path)
    assert commands == {"a": "first; third", "b": "second"}
    assert table[["reference", "perturbation", "strength"]].values.tolist() == [
        ["a", "haze", 1.0],
        ["a", "jpeg", 4.0],
        ["b", "haze", 3.0],
    ]


def invoke(*arguments: str):
    return CliRunner().invoke(cli, ["robustness", *arguments])


def test_the_command_sweeps_a_run_and_writes_its_report(finished, tmp_path):
    run, _, data_root = finished
    where = ["--runs", run.name, "--results-dir", str(run.path.parent.parent), "--reports-dir", str(tmp_path)]
    swept = ["--perturbations", "gain_up", "--severities", "1,5", "--data-dir", str(data_root)]
    done = invoke("run", *where, *swept)
    assert done.exit_code == 0, done.output
    again = sweep_run(run, finished[1], SweepOptions(perturbations=("gain_up",), severities=(1, 5)))
    assert again == 0
    done = invoke("report", *where, "--as", "demo")
    assert done.exit_code == 0, done.output
    folder = tmp_path / "demo" / "robustness"
    assert json.loads((folder / "robustness.json").read_text())["runs"] == [run.name]
    summary = pd.read_csv(folder / "robustness.csv")
    assert summary["model"].tolist() == ["U-Net"]
    assert {path.name for path in folder.glob("*.tex")} >= {
        "robustness.tex",
        "robustness_dice.tex",
        "robustness_drop.tex",
    }
    assert (folder / "figures" / "drop_heat_map.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run",), "There is no finished run to sweep"),
        (("run", "--runs", "phantom/none"), "There is no run phantom/none"),
        (("run", "--runs", "x", "--perturbations", "spekle"), "Did you mean 'speckle'"),
        (("run", "--runs", "x", "--severities", "6"), "Severities are 1 to 5, got 6"),
        (("run", "--runs", "x", "--metrics", "hd"), "Unknown metric 'hd'"),
        (("run", "--runs", "x", "--when", "now"), "use always, or passing:N"),
        (("run", "--runs", "x", "--perturbations", "blank_frames"), "Unknown perturbation 'blank_frames'"),
        (("calibrate",), "Name the dataset with --dataset"),
    ],
)
def test_wrong_options_are_answered_in_a_sentence(arguments, sentence, tmp_path):
    extra = ("--results-dir", str(tmp_path)) if arguments[0] == "run" else ()
    done = invoke(*arguments, *extra)
    assert done.exit_code != 0
    assert sentence in str(done.exception)


def test_intervals_of_several_trainings_are_over_trainings_too():
    """Trainings that differ move the limits out, as in the main table."""
    cells = [summary_table(results(trainings=count, ours=0.01)).rows[0].cell("perturbed") for count in (1, 3)]
    alone, several = (cell.high - cell.low for cell in cells)
    assert several > alone > 0


def test_an_arm_that_fails_on_clean_images_is_tested_under_no_condition():
    found = results(trainings=3, ours=0.01, lost=0.01)
    broken = found.arms[1]
    for run in broken.runs:
        run.swept["dice"] = 0.3
    assert _not_learned_clean(found) == ["lost"]
    assert {one.verdict for one in by_condition(found, DICE).values()} == {"not learned"}
