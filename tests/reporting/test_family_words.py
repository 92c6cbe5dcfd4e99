"""What captions, paragraphs and sentences say of tests: of mixed suites, of nothing tested, of another endpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pytest

from harness.reporting.page.sentences import pair_sentences
from harness.reporting.page.verdicts import suite_verdicts
from harness.reporting.paper.paragraphs import methods_paragraph, results_paragraph
from harness.reporting.tables.family_words import families_sentence, family_sentence
from harness.reporting.tables.main_comparison import main_table
from harness.reporting.tables.paired_comparisons import comparison_table
from harness.results.comparisons import all_comparisons, comparisons
from harness.results.measures import DICE
from harness.results.pair import compare_arms
from harness.results.result_set import ResultSet
from harness.statistics.margins import Criteria

Maker = Callable[..., ResultSet]


def with_values(
    suite: ResultSet, label: str, change: Callable[[pd.Series], pd.Series], metric: str = "dice"
) -> ResultSet:
    """The suite with the values of a metric changed in every run of one model."""

    def changed(rows: pd.DataFrame) -> pd.DataFrame:
        rows = rows.copy()
        chosen = rows["metric"] == metric
        rows.loc[chosen, "value"] = change(rows.loc[chosen, "value"])
        return rows

    runs = [replace(run, rows=changed(run.rows)) if run.label == label else run for run in suite.runs]
    return replace(suite, runs=tuple(runs))


def failed(suite: ResultSet, *labels: str) -> ResultSet:
    for label in labels:
        suite = with_values(suite, label, lambda values: 0 * values)
    return suite


@pytest.fixture(scope="module")
def mixed(make_suite: Maker) -> ResultSet:
    """GDKVM and U-Net trained three times, STM once."""
    suite = make_suite(patients=12, seeds=3, models=("GDKVM", "U-Net", "STM"))
    return replace(suite, runs=tuple(run for run in suite.runs if run.label != "STM" or run.seed == 0))


def caption(table: object) -> str:
    assert table is not None
    text: str = table.caption  # type: ignore[attr-defined]
    return text


def test_both_captions_name_the_model_that_was_not_tested_and_its_interval(mixed: ResultSet) -> None:
    pairs = caption(comparison_table(mixed))
    why = "fewer than 3 trainings of it or of GDKVM"
    assert (
        f"Not tested, so that a missing † says nothing: STM ({why}; plain 95 % interval over patients alone)." in pairs
    )
    assert "intervals of what was tested match the correction: Bonferroni over 1 baseline for the primary" in pairs
    assert "(where trainings were compared: were trainings not to vary at all)" in pairs
    main = caption(main_table(mixed))
    assert "interval over patients (bootstrap-t) and trainings (of STM, trained once: over patients alone)" in main
    assert f"Not tested, so that a missing † says nothing: STM ({why})." in main


def test_the_methods_say_that_models_were_compared_where_some_were(mixed: ResultSet) -> None:
    methods, results = methods_paragraph(mixed), results_paragraph(mixed, main_table(mixed))
    assert "GDKVM beats U{-}Net" in results
    assert "Trainings, not models" not in methods
    assert "Models were compared with GDKVM" in methods
    assert "Not tested: STM (fewer than 3 trainings of it or of GDKVM)." in methods


def test_models_that_were_all_tested_need_no_further_words(make_suite: Maker) -> None:
    suite = make_suite(patients=12, seeds=3, models=("GDKVM", "U-Net"))
    assert "Not tested" not in caption(comparison_table(suite)) + caption(main_table(suite)) + methods_paragraph(suite)
    alone = make_suite(patients=12, models=("GDKVM",))
    assert "compared with" not in methods_paragraph(alone)
    assert "Trainings, not models" not in methods_paragraph(alone)


@pytest.mark.parametrize(
    ("patients", "not_learned", "said"),
    [
        (8, (), "U-Net (fewer than 10 patients are shared with GDKVM; no interval)"),
        (
            12,
            ("GDKVM", "U-Net"),
            "U-Net (it or GDKVM has not learned the task (most patients failed); plain 95 % interval over patients and trainings)",
        ),
    ],
)
def test_nothing_tested_is_said_with_its_true_reason(
    make_suite: Maker, patients: int, not_learned: tuple[str, ...], said: str
) -> None:
    suite = failed(make_suite(patients=patients, seeds=3, models=("GDKVM", "U-Net")), *not_learned)
    text = caption(comparison_table(suite))
    assert f"Nothing is tested and there is no dagger: {said}." in text
    everything = text + caption(main_table(suite)) + methods_paragraph(suite) + " ".join(suite_verdicts(suite))
    assert "Trainings, not models" not in everything
    assert "fewer than 3" not in everything


def test_models_without_a_shared_patient_are_said_to_have_none(make_suite: Maker) -> None:
    suite = make_suite(patients=12, seeds=3, models=("GDKVM", "U-Net"))
    runs = [
        replace(run, rows=run.rows.assign(patient="x" + run.rows["patient"])) if run.label == "U-Net" else run
        for run in suite.runs
    ]
    apart = replace(suite, runs=tuple(runs))
    assert "U-Net (no patient is shared with GDKVM; no interval)" in caption(comparison_table(apart))
    assert "No test: no patient is shared with GDKVM." in caption(main_table(apart))
    assert "No comparison was tested: no patient is shared with GDKVM." in methods_paragraph(apart)


def test_a_model_that_lacks_tests_in_one_measure_is_named_with_their_number(make_suite: Maker) -> None:
    suite = make_suite(patients=12, seeds=3, models=("GDKVM", "U-Net"))
    found = list(all_comparisons(suite).values())
    less = [replace(one, p=float("nan"), n=4) if one.measure == "hd95_mm" else one for one in found]
    few = "U-Net in 1 of its 5 comparisons (fewer than 10 patients are shared with GDKVM; no interval)"
    assert few in family_sentence(less)


def test_families_of_several_quantities_are_told_with_their_own_numbers(make_suite: Maker) -> None:
    found = comparisons(make_suite(patients=12, seeds=3, models=("GDKVM", "U-Net")), DICE)
    many = [replace(one, tests=3, level=0.98333) for one in found]
    assert "Bonferroni over 3 comparisons of Dice and HD95 (98.33 % each)" in families_sentence(
        {"Dice": many, "HD95": many}
    )
    text = families_sentence({"Dice": many, "HD95": found})
    assert "3 comparisons of Dice (98.33 % each); Bonferroni over 1 comparison of HD95 (95 % each)" in text
    assert "baseline" not in text
    assert "P(better)" not in text


def by_hd95(suite: ResultSet) -> ResultSet:
    return replace(suite, criteria=Criteria(endpoint="hd95_mm"))


def test_the_declared_endpoint_comes_first_on_the_page_in_the_paper_and_in_a_comparison(make_suite: Maker) -> None:
    suite = by_hd95(make_suite(patients=12, seeds=3, models=("GDKVM", "U-Net", "STM")))
    lead, first, *rest = suite_verdicts(suite)
    assert lead == "The primary endpoint is HD95; Dice is a secondary measure, corrected with all others."
    assert "HD95" in first
    assert "Dice points" not in first
    assert any("Dice points" in line for line in rest)
    paragraph = results_paragraph(suite, main_table(suite))
    assert paragraph.index("HD95 is 0.61 mm lower") < paragraph.index("Dice points")
    pair = compare_arms(suite, "GDKVM", "U-Net")
    assert pair.comparisons[0][0].name == "hd95_mm"
    assert any("as in the tables HD95 is corrected over 2 baselines" in line for line in pair_sentences(pair))


def test_an_endpoint_that_the_rows_lack_is_said_to_be_lacking(make_suite: Maker) -> None:
    suite = replace(make_suite(patients=12, seeds=3, models=("GDKVM", "U-Net")), criteria=Criteria(endpoint="nsd_mm"))
    assert suite_verdicts(suite)[0].startswith("The primary endpoint, nsd_mm, is not in these rows")
    lines = pair_sentences(compare_arms(suite, "GDKVM", "U-Net"))
    assert any("the primary endpoint, nsd_mm, is not in these rows, and all measures are" in line for line in lines)


def test_a_comparison_with_the_reference_has_the_corrected_p_of_the_table(make_suite: Maker) -> None:
    suite = make_suite(patients=12, seeds=3, models=("GDKVM", "U-Net", "STM", "XMem"))
    table = {(measure, other): one for (measure, other), one in all_comparisons(suite).items()}
    for names in (("GDKVM", "XMem"), ("XMem", "GDKVM")):
        pair = compare_arms(suite, *names)
        for measure, one in pair.comparisons:
            row = table[measure.name, "XMem"]
            assert (one.reference, one.other) == names
            assert (one.p_adjusted, one.tests, one.level) == (row.p_adjusted, row.tests, row.level)
            assert abs(one.difference) == abs(row.difference)
            assert one.verdict in {row.verdict, {"worse": "better", "better": "worse", "superior": "inferior", "inferior": "superior"}.get(row.verdict)}  # fmt: skip
    forth, back = (pair_sentences(compare_arms(suite, *names)) for names in (("GDKVM", "XMem"), ("XMem", "GDKVM")))
    assert forth[0].replace("GDKVM and XMem", "XMem and GDKVM") == back[0].replace("GDKVM and XMem", "XMem and GDKVM")
    assert any(
        "as in the tables Dice is corrected over 3 baselines, the other measures together" in line for line in forth
    )
    others = pair_sentences(compare_arms(suite, "STM", "XMem"))
    assert any("for this pair alone and for no other pair of these models" in line for line in others)


def test_models_at_the_same_dice_have_no_winner(make_suite: Maker) -> None:
    suite = make_suite(patients=12, seeds=3, models=("GDKVM", "U-Net", "STM"))
    same = suite
    for label in ("GDKVM", "U-Net", "STM"):
        same = with_values(same, label, lambda values: 0 * values + 0.9)
    text = " ".join(suite_verdicts(same))
    assert "GDKVM, U-Net and STM share the highest mean Dice, 90.0 % (n = 12)" in text
    assert "keeps that place" not in text
    assert "nan" not in text
    assert "highest mean Dice" not in " ".join(suite_verdicts(failed(suite, "GDKVM", "U-Net", "STM")))


def test_a_model_that_has_not_learned_takes_no_place_in_the_ranking(make_suite: Maker) -> None:
    suite = failed(make_suite(patients=12, seeds=3, models=("GDKVM", "U-Net", "STM", "XMem")), "XMem")
    (friedman,) = [line for line in suite_verdicts(suite) if line.startswith("Friedman")]
    assert "over 3 models" in friedman


def test_the_leader_is_that_of_the_table_where_models_lack_patients(make_suite: Maker) -> None:
    suite = make_suite(patients=12, seeds=1, models=("GDKVM", "U-Net"))
    # GDKVM gives nothing for the patients on whom U-Net does worst: it leads the table, and not on shared patients.
    worse = with_values(suite, "U-Net", lambda values: values.where(values.index % 100 > 50, 0.7) * 0 + 0.95)
    runs = list(worse.runs)
    rows = runs[1].rows.copy()
    hard = rows["patient"].isin(["patient0001", "patient0002"])
    rows.loc[hard & (rows["metric"] == "dice"), "value"] = 0.6
    other = runs[0].rows.assign(value=runs[0].rows["value"].mask((runs[0].rows["metric"] == "dice"), 0.94))
    other.loc[hard.to_numpy() & (other["metric"] == "dice").to_numpy(), "value"] = float("nan")
    text = " ".join(suite_verdicts(replace(worse, runs=(replace(runs[0], rows=other), replace(runs[1], rows=rows)))))
    assert (
        "GDKVM has the highest mean Dice of the table, 94.0 % (n = 10); among the 10 patients whom all models have U-Net has the "
        "highest, 95.0 %, among these trainings"
    ) in text
