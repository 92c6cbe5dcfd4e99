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
from harness.statistics.audit import Figure, audit_row, implied_dice_sd, iou_lower_bound
from harness.statistics.audit_table import _long, audit_file, audit_text, parse

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
