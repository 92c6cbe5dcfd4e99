"""Subgroups, ranks under other choices and performance profiles of a report."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from harness.errors import ConfigError, DataError
from harness.reporting.figures.distributions_and_curves import performance_profile
from harness.reporting.tables.ranks import rank_table
from harness.reporting.tables.subgroups import subgroup_table
from harness.results.groups import keep_groups, patient_groups, read_groups
from harness.results.measures import DICE
from harness.results.ranks import by_patient
from harness.results.result_set import ResultSet
from harness.results.subgroups import groupings, interactions

Maker = Callable[..., ResultSet]


@pytest.fixture(scope="module")
def small(make_suite: Maker) -> ResultSet:
    """Two models, 24 patients, one training each; half of the patients have good images."""
    suite = make_suite(patients=24, models=("GDKVM", "U-Net"))
    runs = []
    for run in suite.runs:
        names = sorted(run.rows["patient"].unique())
        quality = pd.DataFrame(
            [
                {**run.rows.iloc[0].to_dict(), "patient": name, "view": view, "frame": -1, "phase": "", "structure": "",
                 "metric": "image_quality", "value": 3.0 if index % 2 or view == "2CH" else 1.0}
                for (index, name), view in itertools.product(enumerate(names), ("2CH", "4CH"))
            ]
        )  # fmt: skip
        runs.append(replace(run, rows=pd.concat([run.rows, quality], ignore_index=True)))
    return replace(suite, runs=tuple(runs))


def differences(suite: ResultSet) -> pd.Series:
    scores = by_patient(suite)
    return scores["GDKVM"] - scores["U-Net"]


def test_image_quality_is_that_of_the_poorer_view_and_its_interaction_is_alexander_governs(small: ResultSet) -> None:
    quality = groupings(small)["Image quality"]
    assert quality.value_counts().to_dict() == {"good": 12, "poor": 12}
    table = subgroup_table(small)
    assert table is not None
    rows = {row.label: row for row in table.rows if row.group == "Image quality"}
    found = differences(small)
    oracle = stats.alexandergovern(found[quality == "good"], found[quality == "poor"])
    for name in ("good", "poor"):
        cells = rows[f"U-Net, {name}"].cells
        own = found[quality == name]
        assert cells["difference"].value == pytest.approx(own.mean())
        low, high = stats.t.interval(0.975, 11, own.mean(), stats.sem(own))  # two groups: 97.5 % each
        assert (cells["difference"].low, cells["difference"].high) == pytest.approx((low, high))
        assert cells["p"].value == pytest.approx(oracle.pvalue)
        assert cells["patients"].value == 12
        assert cells["few"].text == ""


def test_the_interaction_with_the_view_is_paired(small: ResultSet) -> None:
    view = next(one for one in interactions(small) if one.grouping == "View")
    main = small.main
    by_view = {}
    for name in ("2CH", "4CH"):
        first, second = (arm.values(DICE, replace(main, view=name)).mean(axis=1) for arm in small.arms)
        by_view[name] = first - second
    assert view.effect.p == pytest.approx(stats.ttest_rel(by_view["2CH"], by_view["4CH"]).pvalue)
    assert [group.difference for group in view.effect.groups] == pytest.approx([by_view[n].mean() for n in by_view])


def test_all_interactions_of_a_table_are_corrected_together(small: ResultSet) -> None:
    found = interactions(small)
    tested = [one for one in found if np.isfinite(one.effect.p)]
    assert len(tested) > 1
    oracle = stats.false_discovery_control([one.effect.p for one in tested])
    assert [one.p_adjusted for one in tested] == pytest.approx(list(oracle))


def test_columns_of_ones_own_are_groupings_and_small_groups_carry_a_warning(small: ResultSet, tmp_path: Path) -> None:
    names = list(differences(small).index)
    path = tmp_path / "groups.csv"
    pd.DataFrame(
        {"patient": names, "age": range(40, 40 + len(names)), "vendor": ["A"] * 20 + ["B"] * 3 + [None]}
    ).to_csv(path, index=False)
    groups = read_groups(path)
    assert groups["age"].value_counts().to_dict() == {"51.5 and more": 12, "below 51.5": 12}
    table = subgroup_table(replace(small, groups=groups))
    assert table is not None
    rows = {row.label: row.cells for row in table.rows if row.group == "vendor"}
    assert rows["U-Net, A"]["patients"].value == 20
    assert rows["U-Net, B"]["few"].text == "few patients"
    assert np.isnan([rows["U-Net, B"]["difference"].low, rows["U-Net, B"]["p"].value]).all()


def test_columns_of_a_data_set_make_groups_where_they_can(tmp_path: Path) -> None:
    clips = [
        (f"p{n}", {"scanner": "AB"[n % 2], "age": str(40 + n), "remark": f"note {n}", "site": "x", "side": view})
        for n in range(12)
        for view in ("left", "right")
    ]
    clips[0][1]["scanner"] = "B"  # one clip of a patient says otherwise: this patient has no group
    groups = patient_groups(clips)
    assert list(groups) == ["scanner", "age"]
    assert groups["scanner"].isna().sum() == 1
    path = keep_groups(groups, tmp_path)
    assert path is not None
    levels = read_groups(path)
    assert levels["age"].value_counts().to_dict() == {"45.5 and more": 6, "below 45.5": 6}
    assert levels["scanner"].value_counts().to_dict() == {"B": 6, "A": 5}
    path.write_text("patient,mine\np0,a\n")
    assert keep_groups(groups, tmp_path) is None
    assert "mine" in path.read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [("name,age\na,1\n", "needs a column 'patient'"), ("patient\na\n", "at least one more"),
     ("patient,age\na,1\na,2\n", "names the patient a twice"), ("", "cannot be read")],
)  # fmt: skip
def test_a_file_of_groups_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "groups.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_groups(path)


def test_without_a_baseline_there_are_no_subgroups_and_no_ranks(make_suite: Maker) -> None:
    alone = make_suite(patients=12, models=("GDKVM",))
    assert subgroup_table(alone) is None
    assert rank_table(alone) is None


def test_ranks_under_every_choice_are_those_of_the_sorted_values(suite: ResultSet) -> None:
    table = rank_table(suite)
    assert table is not None
    scores = by_patient(suite)
    rows = {row.label: row for row in table.rows}
    assert list(rows)[:3] == ["mean Dice", "median Dice", "worst decile Dice"]
    worst = scores.apply(lambda column: column.nsmallest(2).mean())  # a tenth of twenty patients
    for label, values in (("mean Dice", scores.mean()), ("median Dice", scores.median()), ("worst decile Dice", worst)):
        expected = values.rank(ascending=False)
        assert {key: rows[label].cell(key).value for key in expected.index} == expected.to_dict()
        tau = stats.kendalltau(scores.mean().rank(), values.rank()).statistic
        assert rows[label].cell("tau").value == pytest.approx(tau)
    hd95 = by_patient(suite, next(m for m in suite.measures if m.header == "HD95")).mean().rank()
    assert {key: rows["mean HD95"].cell(key).value for key in hd95.index} == hd95.to_dict()
    assert "ranks of trainings, not of models" in table.caption


def test_ranks_over_data_sets_are_held_against_the_first(make_suite: Maker) -> None:
    first, second = make_suite(patients=12), replace(make_suite(patients=12), name="other")
    turned = []
    for run in second.runs:  # the best model becomes the worst
        rows = run.rows.copy()
        rows.loc[rows["metric"] == "dice", "value"] = 1.85 - rows.loc[rows["metric"] == "dice", "value"]
        turned.append(replace(run, rows=rows))
    table = rank_table(first, replace(second, runs=tuple(turned)))
    assert table is not None
    taus = [row.cell("tau").value for row in table.rows if row.label == "mean Dice"]
    assert taus == pytest.approx([1.0, -1.0])
    assert "Mean rank by mean Dice over 2 data sets" in table.notes[0]
    assert table.notes[0].count(" 3.0") == 5  # five models, each first and last or the like
    with pytest.raises(ConfigError, match="at least two models"):
        rank_table(first, replace(second, runs=second.runs[:1]))


def test_a_model_that_has_not_learned_has_no_rank_and_the_others_are_ranked_without_it(make_suite: Maker) -> None:
    whole = make_suite(patients=12, models=("GDKVM", "U-Net", "STM"))
    rows = whole.runs[1].rows.copy()
    rows.loc[rows["metric"] == "dice", "value"] *= 0.3
    failed = replace(whole, runs=(whole.runs[0], replace(whole.runs[1], rows=rows), whole.runs[2]))
    table = rank_table(failed)
    assert table is not None
    # Third of three it would be; the others share ranks 1 and 2 under every choice.
    for row in table.rows:
        assert np.isnan(row.cell("U-Net").value)
        assert sorted(row.cell(label).value for label in ("GDKVM", "STM")) in ([1, 2], [1.5, 1.5])
    assert [column.key for column in table.columns] == ["GDKVM", "U-Net", "STM", "tau"]
    assert table.notes == ("U-Net has no rank: it has not learned the task (most patients failed).",)
    both = rank_table(replace(whole, name="other"), failed)
    assert both is not None
    assert all(np.isnan(row.cell("U-Net").value) for row in both.rows), "in the block where it learned too"
    assert f"(most patients failed) on {failed.heading}." in both.notes[0]
    assert rank_table(failed.of("GDKVM", "U-Net")) is None
    with pytest.raises(ConfigError, match="learned the task; U-Net did not"):
        rank_table(whole.of("GDKVM", "U-Net"), failed.of("GDKVM", "U-Net"))


def test_a_performance_profile_falls_from_all_patients_to_none(suite: ResultSet) -> None:
    scores = by_patient(suite)
    axes = performance_profile(scores).axes[0]
    for line, name in zip(axes.lines, scores.columns, strict=True):
        x, y = line.get_data()
        assert (y[0], y[-1]) == (100, 0)
        assert y[200] == pytest.approx(100 * (scores[name] >= x[200]).mean())
