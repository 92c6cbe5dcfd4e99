"""Comparisons in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli.compare import command
from harness.errors import BenchError, ConfigError
from harness.reporting.page.sentences import margin_sentence, p_text, pair_sentences, verdict_sentence
from harness.results.measures import DICE, HD95
from harness.results.pair import compare_arms
from harness.results.result_set import ResultSet, RunResults
from harness.statistics.paired import Comparison
from harness.store.runs import RunSpec, RunStore

BASE = Comparison(
    reference="GDKVM", other="XMem", n=50, p=0.012, p_adjusted=0.048, mean_difference=1.2, shift=1.2, low=0.4, high=2.0,
    rank_biserial=0.5, false_claim=0.01, verdict="undecided",
)  # fmt: skip


def test_a_win_is_told_with_difference_interval_p_and_n() -> None:
    assert verdict_sentence(DICE, BASE) == "GDKVM beats XMem by 1.2 Dice points [0.4, 2.0], p = 0.012, n = 50."
    assert "p (Holm) = 0.048" in verdict_sentence(DICE, BASE, corrected=True)


def test_a_loss_names_the_winner_first_and_turns_the_interval() -> None:
    lost = replace(BASE, shift=-1.2, low=-2.0, high=-0.4)
    assert verdict_sentence(DICE, lost) == "XMem beats GDKVM by 1.2 Dice points [0.4, 2.0], p = 0.012, n = 50."


def test_a_distance_that_is_smaller_wins() -> None:
    text = verdict_sentence(HD95, replace(BASE, shift=-0.36, low=-0.45, high=-0.26))
    assert text == "GDKVM's HD95 is 0.36 mm lower than XMem's [0.26, 0.45], p = 0.012, n = 50."


def test_no_significance_is_never_told_as_a_win() -> None:
    text = verdict_sentence(DICE, replace(BASE, p=0.3, low=-0.3))
    assert text.startswith("No difference in Dice between GDKVM and XMem is shown")
    assert "beats" not in text


def test_too_few_patients_are_said_to_be_too_few() -> None:
    nan = float("nan")
    text = verdict_sentence(DICE, replace(BASE, p=nan, low=nan, high=nan, n=4))
    assert "too few patients" in text
    assert "nan" not in text


@pytest.mark.parametrize(
    ("verdict", "word"),
    [("superior", "superior"), ("inferior", "inferior"), ("equivalent", "equivalent"), ("undecided", "undecided")],
)
def test_the_margin_is_judged_in_words(verdict: str, word: str) -> None:
    text = margin_sentence(DICE, replace(BASE, verdict=verdict))  # type: ignore[arg-type]
    assert word in text
    assert "0.5 Dice points" in text


@pytest.mark.parametrize(("p", "text"), [(0.0321, "= 0.032"), (1e-9, "< 0.001"), (float("nan"), "not tested")])
def test_p_values_are_printed_as_papers_do(p: float, text: str) -> None:
    assert p_text(p) == text


def test_two_arms_are_compared_with_their_costs(suite: ResultSet) -> None:
    lines = pair_sentences(compare_arms(suite, "gdkvm", "TransUNet"))
    assert lines[0].startswith("GDKVM beats TransUNet by ")
    assert any("speed 37.0 against 60.0 FPS (0.62 times)" in line for line in lines)
    assert any("HD95" in line for line in lines)
    assert "nan" not in " ".join(lines)


def test_the_order_of_the_question_does_not_change_the_answer(suite: ResultSet) -> None:
    forth, back = (pair_sentences(compare_arms(suite, *names))[0] for names in (("STM", "U-Net"), ("U-Net", "STM")))
    assert forth == back


def test_a_model_without_a_finished_run_is_named(suite: ResultSet) -> None:
    broken = RunResults(label="Broken", model="broken", status="failed", reason="out of memory")
    with_broken = replace(suite, runs=(*suite.runs, broken))
    with pytest.raises(BenchError, match=r"Broken has no finished run \(seed 0 failed: out of memory\)"):
        compare_arms(with_broken, "GDKVM", "Broken")
    with pytest.raises(ConfigError, match="Valid: GDKVM, STM"):
        compare_arms(suite, "GDKVM", "xmen")
    with pytest.raises(ConfigError, match="Both names mean U-Net"):
        compare_arms(suite, "u-net", "unet")
    with pytest.raises(ConfigError, match="Unknown structure 'la'"):
        compare_arms(suite, "GDKVM", "STM", "la")


def with_spec(suite: ResultSet, label: str, part: str, **values: object) -> ResultSet:
    """The suite with a recorded spec on every run, one model's differing in one part."""
    base = {"data": {"fingerprint": "aaaa", "views": ["2CH", "4CH"], "clip": "half"}, "recipe": {"iterations": 350}}
    runs = []
    for run in suite.runs:
        spec = {**base, part: {**base[part], **values}} if run.label == label else base
        runs.append(replace(run, record={**run.record, "spec": spec}))
    return replace(suite, runs=tuple(runs))


def test_runs_on_different_cases_are_never_compared(pair: ResultSet) -> None:
    for values in ({"fingerprint": "bbbb"}, {"views": ["4CH"]}, {"clip": "ed_es"}):
        with pytest.raises(ConfigError, match="only runs on the same cases can be compared"):
            compare_arms(with_spec(pair, "U-Net", "data", **values), "GDKVM", "U-Net")


def test_another_recipe_is_remarked_upon(pair: ResultSet) -> None:
    lines = pair_sentences(compare_arms(with_spec(pair, "U-Net", "recipe", iterations=700), "GDKVM", "U-Net"))
    assert any("different recipes (iterations)" in line for line in lines)


def test_models_without_a_common_patient_cannot_be_compared(pair: ResultSet) -> None:
    first, second = pair.runs
    moved = second.rows.assign(patient="x" + second.rows["patient"])
    with pytest.raises(BenchError, match="share no scored patient"):
        compare_arms(replace(pair, runs=(first, replace(second, rows=moved))), "GDKVM", "U-Net")


def test_eight_patients_have_a_test_but_no_interval(make_suite: Callable[..., ResultSet]) -> None:
    text = " ".join(pair_sentences(compare_arms(make_suite(patients=8, models=("GDKVM", "STM")), "GDKVM", "STM")))
    assert "with n = 8 there is no interval" in text
    assert "[" not in text
    assert "p = " in text or "p < " in text
    assert "nan" not in text


def test_several_seeds_say_what_they_add(make_suite: Callable[..., ResultSet]) -> None:
    pair = compare_arms(make_suite(patients=12, seeds=3, models=("GDKVM", "STM")), "GDKVM", "STM")
    lines = pair_sentences(pair)
    assert "over patients and seeds: mean " in lines[0]
    assert "the interval over patients and seeds" in lines[2]
    assert any("3 and 3 seeds" in line for line in lines)


def test_models_that_are_equal_are_level(suite: ResultSet) -> None:
    zero = replace(BASE, shift=-0.02, low=-0.3, high=0.2, p=0.8)
    text = verdict_sentence(DICE, zero)
    assert "they are level, 0.0 Dice points [-0.2, 0.3]" in text
    assert "-0.0" not in verdict_sentence(DICE, replace(zero, high=0.04))


def invoke(folder: Path, *arguments: str) -> str:
    """Standard output of the verb."""
    return CliRunner().invoke(command, [*arguments, "--results-dir", str(folder)], catch_exceptions=False).output


def test_the_verb_compares_runs_of_the_store_by_name(make_suite: Callable[..., ResultSet], tmp_path: Path) -> None:
    store, names = RunStore(tmp_path), []
    for model in make_suite(patients=12).runs[:2]:
        spec = RunSpec(
            model={"name": model.model, "size": "small", "label": model.label}, data={"dataset": "phantom", "mark": "partial: few"},
            recipe={}, seed=0, protocol={"first_frame": "auto"},
        )  # fmt: skip
        run = store.open(spec)
        run.write_rows(model.rows)
        run.finish()
        names.append(run.name)
    result = CliRunner().invoke(command, [*names, "--results-dir", str(tmp_path)], catch_exceptions=False)
    assert result.exit_code == 0
    assert "[partial: few]" in result.output
    assert "Dice points" in result.output
    found = json.loads(invoke(tmp_path, *names, "--format", "json"))
    assert found["comparisons"]["dice"]["n"] == 12
    assert found["costs"]["GDKVM"]["fps"] is None
    assert invoke(tmp_path, *names, "--format", "md").startswith("### GDKVM against U-Net")
    same = CliRunner().invoke(command, [names[0], names[0], "--results-dir", str(tmp_path)])
    assert isinstance(same.exception, ConfigError)
