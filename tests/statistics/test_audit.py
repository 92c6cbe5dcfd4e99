"""The audit: arithmetic that any table of aggregates must pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from harness.cli.audit import command
from harness.errors import ConfigError, DataError
from harness.statistics.audit import (
    PLAUSIBLE_DICE_SD,
    PLAUSIBLE_EF_SD,
    Check,
    Figure,
    audit_pairs,
    audit_row,
    implied_dice_sd,
    iou_lower_bound,
)
from harness.statistics.audit_table import Audit, _long, audit_file, audit_frame, audit_text, figures, parse

PUBLISHED = Path(__file__).resolve().parents[2] / "harness" / "configs" / "published"


def verdicts(**figures: float) -> dict[str, str]:
    return {check.name: check.verdict for check in audit_row("x", {key: Figure(v) for key, v in figures.items()})}


@given(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=40))
def test_no_set_of_real_cases_violates_the_overlap_checks(dices: list[float]) -> None:
    dice = np.array(dices)
    found = verdicts(dice=dice.mean(), iou=(dice / (2 - dice)).mean())
    assert found["IoU >= D/(2-D)"] == found["IoU <= Dice"] == "ok"


def test_the_implied_spread_is_the_spread_of_the_cases_that_made_the_means() -> None:
    dice = np.random.default_rng(0).normal(0.9, 0.03, 100_000).clip(0, 1)
    implied = implied_dice_sd(dice.mean(), (dice / (2 - dice)).mean())
    assert implied == pytest.approx(dice.std(), rel=0.05)


def test_cases_that_are_all_alike_stand_on_the_bound() -> None:
    assert implied_dice_sd(0.9, iou_lower_bound(0.9)) == pytest.approx(0, abs=1e-6)
    assert verdicts(dice=0.9, iou=0.8)["IoU >= D/(2-D)"] == "violated"
    assert verdicts(dice=0.9, iou=0.91)["IoU <= Dice"] == "violated"


def test_rounding_is_never_called_a_violation() -> None:
    exact = 0.93 / (2 - 0.93)
    printed = {"dice": Figure(0.93, 0.005), "iou": Figure(round(exact - 0.004, 2), 0.005)}
    assert all(check.verdict == "ok" for check in audit_row("x", printed))


def test_distances_must_be_ordered() -> None:
    assert verdicts(hd=3.0, asd=3.5, hd95=2.0) == {"ASD <= HD": "violated", "HD95 <= HD": "ok"}


def test_limits_of_agreement_and_slope_must_follow_from_bias_sd_and_r() -> None:
    found = verdicts(bias=-1.0, sd=5.0, lower_limit=-10.8, upper_limit=9.9)
    assert found["lower limit = bias -/+ 1.96 SD"] == "ok"
    assert found["upper limit = bias -/+ 1.96 SD"] == "violated"
    assert verdicts(r=0.8, slope=0.9, sd_predicted=12, sd_truth=12)["slope = r SD(prediction)/SD(truth)"] == "violated"
    assert verdicts(r=0.8, slope=0.8, sd_predicted=12, sd_truth=12)["slope = r SD(prediction)/SD(truth)"] == "ok"


def test_an_interval_must_hold_its_own_value() -> None:
    found = verdicts(asd=1.5, asd_low=1.6, asd_high=1.9)
    assert found["lower limit of asd <= asd"] == "violated"
    assert found["upper limit of asd >= asd"] == "ok"


@pytest.mark.parametrize(
    ("text", "value", "slack"),
    [("93.10", 93.1, 0.005), ("-4", -4.0, 0.5), ("--", None, 0), ("", None, 0), ("1e-3", 0.001, 0)],
)
def test_printed_precision_decides_the_slack(text: str, value: float | None, slack: float) -> None:
    figure = parse(text)
    assert (figure is None) if value is None else (figure == Figure(value, slack))


def test_the_published_main_table_exceeds_the_bound_in_every_row_and_one_row_has_asd_above_hd() -> None:
    audit = audit_file(PUBLISHED / "gdkvm_iccv2025_table1.csv")
    table = pd.read_csv(PUBLISHED / "gdkvm_iccv2025_table1.csv", comment="#")
    spreads = [check for check in audit.checks if check.name.startswith("implied SD of Dice")]
    excess = table["miou"] - 100 * (table["mdice"] / 100) / (2 - table["mdice"] / 100)
    assert (round(excess.min(), 1), round(excess.max(), 1)) == (2.3, 6.9)
    assert len(spreads) == 18
    assert all(check.verdict == "high" and 0.11 < check.value < 0.22 for check in spreads)
    assert [(check.subject, check.name) for check in audit.violated] == [("XMem++, CAMUS", "ASD <= HD")]
    assert "ICCV 2025" in audit.source


@pytest.mark.parametrize("name", ["gdkvm_rerelease_2026.csv", "osa_cvpr2026.csv"])
def test_tables_that_agree_with_themselves_pass(name: str) -> None:
    audit = audit_file(PUBLISHED / name)
    assert audit.checks
    assert not audit.violated
    assert not audit.high


def test_the_published_tables_are_those_that_were_supplied(shared: Path) -> None:
    supplied = sorted((shared / "spec" / "published").glob("*.csv"))
    assert [path.name for path in supplied] == [path.name for path in sorted(PUBLISHED.glob("*.csv"))]
    assert all(path.read_bytes() == (PUBLISHED / path.name).read_bytes() for path in supplied)


def test_pairs_are_recomputed_and_held_against_printed_figures(tmp_path: Path) -> None:
    truth = np.array([30.0, 40, 50, 60, 70, 55])
    predicted = truth + np.array([2.0, -1, 3, 0, -4, 1])
    path = tmp_path / "pairs.csv"
    pd.DataFrame({"predicted": predicted, "truth": truth}).to_csv(path, index=False)
    r = f"{np.corrcoef(predicted, truth)[0, 1]:.3f}"
    sd = f"{(predicted - truth).std(ddof=1):.2f}"
    assert not audit_file(path, {"r": r, "sd": sd}).violated
    assert len(audit_file(path, {"r": "0.700", "sd": sd}).violated) == 1


def test_the_verb_prints_a_table_and_strict_turns_violations_into_an_exit_code() -> None:
    path = str(PUBLISHED / "gdkvm_iccv2025_table1.csv")
    run = CliRunner().invoke(command, [path, "--brief"], standalone_mode=False)
    assert "1 violated" in run.output
    assert run.return_value == 0
    assert CliRunner().invoke(command, [path, "--strict"], standalone_mode=False).return_value == 1
    assert CliRunner().invoke(command, ["--published"], standalone_mode=False).return_value == 0


def test_bad_input_ends_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        audit_file(tmp_path / "none.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataError, match="not a CSV table"):
        audit_file(tmp_path / "empty.csv")
    for arguments in ([], [str(PUBLISHED / "osa_cvpr2026.csv"), "--printed", "r"]):
        assert isinstance(CliRunner().invoke(command, arguments, standalone_mode=False).exception, ConfigError)


def test_limits_of_a_long_table_and_the_digits_as_printed_are_audited() -> None:
    found = audit_text("# a paper\nmetric,value,ci_low,ci_high\ndice,0.930,0.95,0.97\niou,0.87,,\n", "t")
    assert found.source == "a paper"
    # 0.930 has three digits: read as a number it would be 0.93, and its slack ten times as large.
    outside = [check for check in found.violated if "interval" in check.name or "low" in check.name.lower()]
    assert outside, [check.name for check in found.checks]
    assert _long(pd.DataFrame([{"metric": "dice", "value": "0.930", "ci_low": "0.95"}])) == {
        "dice": "0.930", "dice_low": "0.95", "dice_high": "",
    }  # fmt: skip


ROW = {
    "dice": 0.9, "iou": 0.83, "hd": 4.0, "hd95": 3.0, "asd": 1.0, "asd_low": 0.9, "asd_high": 1.2,
    "r": 0.8, "bias": -1.0, "sd": 5.0, "lower_limit": -10.8, "upper_limit": 8.8,
    "slope": 0.64, "sd_predicted": 9.6, "sd_truth": 12.0,
}  # fmt: skip


def test_every_check_of_a_row_written_out() -> None:
    found = audit_row("m", {key: Figure(value, 0.05 if key[0] in "hlubs" else 0.005) for key, value in ROW.items()})
    bound, spread = 0.9 / 1.1, np.sqrt(2 * (0.83 - 0.9 / 1.1) * 1.1**3 / 4)
    expected = [
        ("IoU >= D/(2-D)", 0.83, ">=", bound, ""),
        ("IoU <= Dice", 0.83, "<=", 0.9, ""),
        ("implied SD of Dice between cases", spread, "<=", PLAUSIBLE_DICE_SD, "IoU exceeds its bound by 1.2 points"),
        ("ASD <= HD", 1.0, "<=", 4.0, ""),
        ("HD95 <= HD", 3.0, "<=", 4.0, ""),
        ("lower limit = bias -/+ 1.96 SD", -10.8, "=", -10.8, ""),
        ("upper limit = bias -/+ 1.96 SD", 8.8, "=", 8.8, ""),
        ("slope = r SD(prediction)/SD(truth)", 0.64, "=", 0.64, ""),
        ("implied SD of EF between patients", 5 / np.sqrt(0.4), "<=", PLAUSIBLE_EF_SD,
         "if prediction and truth spread alike"),
        ("lower limit of asd <= asd", 0.9, "<=", 1.0, ""),
        ("upper limit of asd >= asd", 1.2, ">=", 1.0, ""),
    ]  # fmt: skip
    assert [(c.subject, c.name, c.relation, c.comment) for c in found] == [
        ("m", name, relation, comment) for name, _, relation, _, comment in expected
    ]
    assert [c.value for c in found] == pytest.approx([value for _, value, _, _, _ in expected])
    assert [c.bound for c in found] == pytest.approx([bound for _, _, _, bound, _ in expected])
    assert {c.verdict for c in found} == {"ok"}


@pytest.mark.parametrize(
    ("name", "key", "edge", "inward"),
    [
        # Half a digit of either figure is forgiven, of Dice twice that, of an SD 1.96 times, of a slope one percent more.
        ("IoU >= D/(2-D)", "iou", 0.9 / 1.1 - 0.03, 1),
        ("IoU <= Dice", "iou", 0.9 + 0.03, -1),
        ("ASD <= HD", "asd", 4.0 + 0.02, -1),
        ("HD95 <= HD", "hd95", 4.0 + 0.02, -1),
        ("lower limit = bias -/+ 1.96 SD", "lower_limit", -10.8 - 0.02 - 0.0196, 1),
        ("lower limit = bias -/+ 1.96 SD", "lower_limit", -10.8 + 0.02 + 0.0196, -1),
        ("upper limit = bias -/+ 1.96 SD", "upper_limit", 8.8 + 0.02 + 0.0196, -1),
        ("slope = r SD(prediction)/SD(truth)", "slope", 0.64 * 1.01 + 0.01, -1),
        ("slope = r SD(prediction)/SD(truth)", "slope", 0.64 * 0.99 - 0.01, 1),
        ("lower limit of asd <= asd", "asd_low", 1.0 + 0.02, -1),
        ("upper limit of asd >= asd", "asd_high", 1.0 - 0.02, 1),
    ],
)
def test_only_what_rounding_cannot_explain_is_violated(name: str, key: str, edge: float, inward: int) -> None:
    for step, verdict in ((inward, "ok"), (-inward, "violated")):
        row = {other: Figure(value, 0.01) for other, value in ROW.items()}
        row[key] = Figure(edge + 1e-6 * step, 0.01)
        assert next(check.verdict for check in audit_row("m", row) if check.name == name) == verdict


def test_a_spread_is_called_high_where_no_rounding_explains_it() -> None:
    def spread(value: float, slack: float, **row: float) -> str:
        key = next(iter(row))
        checks = audit_row("m", {key: Figure(row[key], 0.0), "iou" if key == "dice" else "sd": Figure(value, slack)})
        return next(check.verdict for check in checks if check.name.startswith("implied"))

    excess = PLAUSIBLE_DICE_SD**2 * 4 / 1.1**3 / 2
    assert [spread(0.9 / 1.1 + excess + step, 0.0, dice=0.9) for step in (-1e-6, 1e-6)] == ["ok", "high"]
    assert [spread(0.9 / 1.1 + excess + 0.01 + step, 0.01, dice=0.9) for step in (-1e-6, 1e-6)] == ["ok", "high"]
    assert [spread(PLAUSIBLE_EF_SD * np.sqrt(0.4) + step, 0.0, r=0.8) for step in (-1e-6, 1e-6)] == ["ok", "high"]
    assert audit_row("m", {"r": Figure(1.0), "sd": Figure(5.0)}) == [], "at r = 1 nothing is implied"
    assert np.isnan(implied_dice_sd(0.9, 0.8))


@pytest.mark.parametrize("lacking", ["dice", "iou", "hd", "bias", "sd", "r", "slope", "sd_predicted", "sd_truth"])
def test_a_check_needs_all_of_its_figures(lacking: str) -> None:
    needs = {
        "IoU": {"dice", "iou"}, "implied SD of Dice": {"dice", "iou"}, "ASD": {"asd", "hd"}, "HD95": {"hd95", "hd"},
        "lower limit =": {"bias", "sd"}, "slope": {"r", "slope", "sd_predicted", "sd_truth"},
        "implied SD of EF": {"r", "sd"},
    }  # fmt: skip
    names = [check.name for check in audit_row("m", {k: Figure(v, 0.05) for k, v in ROW.items() if k != lacking})]
    for begin, keys in needs.items():
        assert any(name.startswith(begin) for name in names) is (lacking not in keys)


def test_pairs_have_their_own_r_bias_and_sd() -> None:
    predicted, truth = [30.0, 42, 50, 66], [32.0, 40, 53, 60]
    d = np.subtract(predicted, truth)
    printed = {"bias": Figure(0.75, 0.005), "sd": Figure(9.0, 0.5), "r": Figure(round(np.corrcoef(predicted, truth)[0, 1], 3), 5e-4)}  # fmt: skip
    checks = {check.name: check for check in audit_pairs("p", predicted, truth, printed)}
    assert list(checks) == ["r of the pairs", "bias of the pairs", "sd of the pairs"]
    bias = checks["bias of the pairs"]
    assert bias == Check("p", "bias of the pairs", 0.75, "=", 0.75, "ok", "recomputed from 4 pairs")
    assert checks["sd of the pairs"].bound == pytest.approx(d.std(ddof=1))
    assert [check.verdict for check in checks.values()] == ["ok", "ok", "violated"]
    assert audit_pairs("p", predicted, truth, {}) == []


@pytest.mark.parametrize(
    ("verdicts", "sentence"),
    [
        ("", "No figure in this table can be checked."),
        ("oo", "All 2 checks hold."),
        ("ovvh", "4 checks: 2 violated, 1 imply an unusually wide spread, 1 hold."),
        ("oh", "2 checks: 0 violated, 1 imply an unusually wide spread, 1 hold."),
        ("v", "1 checks: 1 violated, 0 imply an unusually wide spread, 0 hold."),
    ],
)
def test_the_verdict_counts_what_holds(verdicts: str, sentence: str) -> None:
    words = {"o": "ok", "v": "violated", "h": "high"}
    checks = tuple(Check("s", "n", 1.0, "=", 1.0, words[letter]) for letter in verdicts)  # type: ignore[arg-type]
    audit = Audit("", checks)
    assert audit.verdict == sentence
    assert (len(audit.violated), len(audit.high)) == (verdicts.count("v"), verdicts.count("h"))


def test_figures_are_known_by_their_aliases_and_percent_become_fractions() -> None:
    found = figures({"mdice": "93.10", "miou": "0.87", "mhd95": "3.5", "hd95_px_low": "3.1", "lvef_pearson_r": "0.8",
                     "mdice_high": "94.0", "speed": "7"})  # fmt: skip
    assert set(found) == {"dice", "iou", "hd95", "hd95_low", "r", "dice_high"}
    assert (found["dice"].value, found["dice"].slack) == pytest.approx((0.931, 0.00005))
    assert found["dice_high"].value == pytest.approx(0.94)
    assert found["iou"] == Figure(0.87, 0.005)
    assert found["hd95"] == Figure(3.5, 0.05)
    assert figures({"dice": "1.5"})["dice"].value == 1.5
    assert figures({"dice": "1.6"})["dice"].value == pytest.approx(0.016)
    assert figures({"hd": "3.5", "hd_mm": "9"})["hd"].value == 3.5, "the plain name goes first"


def test_rows_are_called_by_their_words_and_a_table_without_any_by_its_name() -> None:
    table = pd.DataFrame({"model": ["U-Net", ""], "dataset": ["CAMUS", ""], "asd": ["5", "1"], "hd": ["4", "2"]})
    assert [check.subject for check in audit_frame(table, "t")] == ["U-Net, CAMUS", "t"]
    assert [check.verdict for check in audit_frame(table, "t")] == ["ok", "ok"], "5 and 4 may be 4.5 and 4.5"
    assert audit_frame(pd.DataFrame({"model": ["x"], "speed": ["3"]}), "t") == []
    pairs = pd.DataFrame({"predicted": ["1", "2", "4"], "truth": ["1", "3", "4"], "model": ["x"] * 3})
    (check,) = audit_frame(pairs, "pairs", {"bias": "-0.3"})
    assert (check.subject, check.value, check.verdict) == ("pairs", -0.3, "ok")
    assert audit_text("# one\n# two\nasd,hd\n3,2\n", "t").source == "one two"
