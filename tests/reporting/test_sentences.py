"""Comparisons in words."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli.compare import command
from harness.errors import BenchError, ConfigError
from harness.reporting.page.sentences import (
    cost_sentences,
    margin_sentence,
    p_text,
    pair_sentences,
    scope_sentence,
    verdict_sentence,
)
from harness.results.measures import DICE, HD95, Measure
from harness.results.pair import compare_arms
from harness.results.profile import ProfileSummary
from harness.results.result_set import ResultSet
from harness.results.run_results import RunResults
from harness.statistics.crossed import Estimate
from harness.statistics.verdict import Comparison
from harness.store.runs import RunSpec, RunStore

BASE = Comparison(
    measure="dice", reference="GDKVM", other="XMem", scope="models", n=50, trainings=(3, 3), higher=True, margin=0.5,
    estimate=Estimate(1.2, (0.01, 0.01), (49.0, 5.0)), worst_decile=0.0, p=0.012, p_adjusted=0.048, tests=4,
    low=0.4, high=2.0, equivalence_low=0.5, equivalence_high=1.9, p_better=0.91, p_equivalent=0.08, p_worse=0.01,
    detectable=0.9,
)  # fmt: skip


def test_a_win_is_told_with_difference_interval_p_n_and_trainings() -> None:
    expected = "GDKVM beats XMem by 1.2 Dice points [0.4, 2.0], corrected p = 0.048, n = 50, 3 trainings each."
    assert verdict_sentence(DICE, BASE) == expected
    assert scope_sentence(BASE) == ""


def test_a_loss_names_the_winner_first_and_turns_the_interval() -> None:
    lost = replace(BASE, estimate=Estimate(-1.2, (0.01,), (49.0,)), low=-2.0, high=-0.4)
    assert verdict_sentence(DICE, lost).startswith(
        "XMem beats GDKVM by 1.2 Dice points [0.4, 2.0], corrected p = 0.048"
    )


def test_a_distance_that_is_smaller_wins() -> None:
    one = replace(
        BASE, measure="hd95_mm", higher=False, estimate=Estimate(-0.36, (0.01,), (49.0,)), low=-0.45, high=-0.26
    )
    text = verdict_sentence(HD95, one)
    assert text.startswith("GDKVM's HD95 is 0.36 mm lower than XMem's [0.26, 0.45], corrected p = 0.048, n = 50")


def test_no_significance_is_never_told_as_a_win() -> None:
    text = verdict_sentence(DICE, replace(BASE, p_adjusted=0.3, low=-0.3))
    assert text.startswith("No difference in Dice between GDKVM and XMem is shown: GDKVM is ahead of XMem by 1.2")
    assert "beats" not in text


def test_too_few_patients_are_said_to_be_too_few() -> None:
    nan = float("nan")
    text = verdict_sentence(DICE, replace(BASE, p=nan, p_adjusted=nan, low=nan, high=nan, n=4))
    assert "too few patients" in text
    assert "nan" not in text


def test_trainings_are_never_told_as_models() -> None:
    one = replace(BASE, scope="trainings", trainings=(1, 3), p=float("nan"), p_adjusted=float("nan"))
    text = f"{verdict_sentence(DICE, one)} {scope_sentence(one)} {margin_sentence(DICE, one)}"
    assert text == (
        "In Dice these trainings of GDKVM and XMem differ by 1.2 Dice points [0.4, 2.0], n = 50; GDKVM's is ahead. "
        "Trainings, not models, were compared: 1 and 3 trainings; a comparison of models needs 3 of each. "
        "Were trainings not to vary at all, these patients would show a difference of 0.9 Dice points in 80 % of repetitions."
    )


def test_patients_too_few_for_the_sign_flip_test_are_not_called_too_few_for_an_interval() -> None:
    few = replace(BASE, n=10, low=-math.inf, high=math.inf, detectable=math.inf)
    assert "the sign-flip test shows nothing at this level (n = 10)" in margin_sentence(DICE, few)
    none = replace(BASE, n=9, low=math.nan, high=math.nan, detectable=math.nan)
    assert "with n = 9 there is no interval (at least 10" in margin_sentence(DICE, none)


def test_an_arm_that_has_not_learned_is_not_judged() -> None:
    one = replace(BASE, learned=False, p=float("nan"), p_adjusted=float("nan"))
    assert "has not learned the task" in scope_sentence(one)
    assert margin_sentence(DICE, one) == ""
    assert "beats" not in verdict_sentence(DICE, one)


@pytest.mark.parametrize(
    ("limits", "word"),
    [
        ((0.6, 2.0, 0.7, 1.9), "GDKVM is superior"),
        ((-2.0, -0.6, -1.9, -0.7), "GDKVM is inferior"),
        ((-0.5, 0.4, -0.4, 0.3), "equivalent in practice"),
        ((-0.7, 0.6, -0.6, 0.5), "undecided"),
    ],
)
def test_the_margin_is_judged_in_words(limits: tuple[float, ...], word: str) -> None:
    low, high, equivalence_low, equivalence_high = limits
    one = replace(
        BASE, low=low, high=high, equivalence_low=equivalence_low, equivalence_high=equivalence_high, p_adjusted=0.2
    )
    text = margin_sentence(DICE, one)
    assert word in text
    assert "better by more than that 91 %, equivalent 8 %, worse 1 %" in text
    assert "shows a difference of 0.9 Dice points in 80 % of repetitions" in text


@pytest.mark.parametrize(("p", "text"), [(0.0321, "= 0.032"), (1e-9, "< 0.001"), (float("nan"), "not tested")])
def test_p_values_are_printed_as_papers_do(p: float, text: str) -> None:
    assert p_text(p) == text


def test_two_arms_are_compared_with_their_costs(suite: ResultSet) -> None:
    lines = pair_sentences(compare_arms(suite, "gdkvm", "TransUNet"))
    assert lines[0].startswith("In Dice these trainings of GDKVM and TransUNet differ by ")
    assert lines[0].endswith("GDKVM's is ahead.")
    assert any("speed 37.0 against 60.0 FPS (0.62 times)" in line for line in lines)
    assert any("HD95" in line for line in lines)
    assert "nan" not in " ".join(lines)


def test_speed_beside_other_work_is_not_compared() -> None:
    quiet = ProfileSummary(fps=40.0, parameters=2e6)
    busy = replace(quiet, fps=80.0, busy=True)
    cost, *more = cost_sentences("GDKVM", "STM", quiet, busy)
    assert (cost, more) == (
        "Cost of GDKVM against STM: parameters 2.00 against 2.00 M (1 times).",
        ["Speed is not compared: STM was timed beside other work on the machine."],
    )
    assert cost_sentences("GDKVM", "STM", busy, busy)[1].startswith("Speed is not compared: GDKVM and STM were timed")
    assert "speed 40.0 against 40.0 FPS (1 times)" in cost_sentences("GDKVM", "STM", quiet, quiet)[0]


def test_the_order_of_the_question_does_not_change_the_answer(suite: ResultSet) -> None:
    forth, back = (pair_sentences(compare_arms(suite, *names))[0] for names in (("STM", "U-Net"), ("U-Net", "STM")))
    assert forth == back.replace("U-Net and STM", "STM and U-Net")


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


def test_eight_patients_have_no_interval_and_no_test(make_suite: Callable[..., ResultSet]) -> None:
    suite = make_suite(patients=8, seeds=3, models=("GDKVM", "STM"))
    text = " ".join(pair_sentences(compare_arms(suite, "GDKVM", "STM")))
    assert "with n = 8 there is no interval" in text
    assert "too few patients for a test" in text
    assert "[" not in text
    assert "nan" not in text


def test_three_trainings_of_each_compare_models(make_suite: Callable[..., ResultSet]) -> None:
    pair = compare_arms(make_suite(patients=12, seeds=3, models=("GDKVM", "STM")), "GDKVM", "STM")
    lines = pair_sentences(pair)
    assert lines[0].startswith("GDKVM beats STM by ")
    assert "3 trainings each" in lines[0]
    assert "Probability that GDKVM is better" in lines[1]
    assert not any("Trainings, not models" in line for line in lines)


def test_models_that_are_equal_are_level(suite: ResultSet) -> None:
    zero = replace(BASE, estimate=Estimate(-0.02, (0.01,), (49.0,)), low=-0.3, high=0.2, p_adjusted=0.8)
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


@pytest.mark.parametrize(
    ("measure", "difference", "low", "high", "said"),
    [
        (DICE, 0.04, 0.02, 0.06, "GDKVM beats XMem by 0.04 Dice points [0.02, 0.06], corrected"),
        (DICE, 1.2, 0.03, 2.4, "GDKVM beats XMem by 1.20 Dice points [0.03, 2.40], corrected"),
        (DICE, -1.2, -2.4, -0.03, "XMem beats GDKVM by 1.20 Dice points [0.03, 2.40], corrected"),
        (DICE, 3e-6, 2e-6, 5e-6, "GDKVM beats XMem by 3e-06 Dice points [2e-06, 5e-06], corrected"),
        (HD95, -0.3, -0.6, -0.002, "GDKVM's HD95 is 0.300 mm lower than XMem's [0.002, 0.600], corrected"),
    ],
)
def test_what_is_shown_is_never_printed_as_zero(
    measure: Measure, difference: float, low: float, high: float, said: str
) -> None:
    one = replace(BASE, higher=measure.higher, estimate=Estimate(difference, (0.01,), (49.0,)), low=low, high=high)
    assert verdict_sentence(measure, one).startswith(said)


def test_a_comparison_turned_twice_is_the_same() -> None:
    one = replace(BASE, estimate=Estimate(1.2, (0.3, 0.2, 0.1), (49.0, 5.0, 4.0)), spread=(0.2, 0.1), trainings=(3, 4))
    back = one.turned()
    assert (back.low, back.high, back.difference, back.p_better) == (-2.0, -0.4, -1.2, one.p_worse)
    assert (back.estimate.parts, back.estimate.degrees) == ((0.3, 0.1, 0.2), (49.0, 4.0, 5.0))
    assert (one.verdict, back.verdict) == ("better", "worse")
    assert back.turned() == one
