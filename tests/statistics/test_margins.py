"""Primary endpoint and margins: each with its source, a suite's own before the defaults, nonsense refused."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import ConfigError
from harness.evaluation.surface import NSD_TOLERANCE_MM
from harness.statistics.margins import Criteria, Margin, default_margins

INTRA_OBSERVER = {"dice": 100 * (1 - 0.945), "asd_mm": 1.4, "hd_mm": 4.6}
"""LV endocardium at ED, observer 1a against 1b: Leclerc et al. 2019, Table III."""


def test_every_margin_has_a_source_and_geometric_ones_are_a_tenth_of_the_observers_figure() -> None:
    margins = default_margins()
    assert all(margin.value > 0 and margin.source for margin in margins.values())
    for name, figure in INTRA_OBSERVER.items():
        assert margins[name].value == pytest.approx(figure / 10, rel=0.1)
    assert margins["iou"].value == pytest.approx(margins["dice"].value * 2 / (2 - 0.93) ** 2, abs=0.05)
    assert NSD_TOLERANCE_MM == 2.2  # observer 1a against 2 in the same table


def test_a_suites_own_margin_and_endpoint_go_first_and_survive_a_manifest() -> None:
    chosen = Criteria.read({"endpoint": "nsd_px", "margins": {"dice": {"value": 1, "source": "our readers"}}})
    assert chosen.endpoint == "nsd_px"
    assert chosen.margins["dice"] == Margin(1.0, "our readers")
    assert (chosen.margin("dice"), chosen.margin("ef_mae"), chosen.margin("asd_px")) == (1.0, 5.0, 0.0)
    assert Criteria.read(chosen.record()) == chosen
    assert Criteria.read({}) == Criteria()
    assert Criteria().endpoint == "dice"


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"endpoint": "dise"}, "Unknown endpoint 'dise'.* Did you mean 'dice'"),
        ({"margins": {"dise": {"value": 1.0, "source": "x"}}}, "Unknown measure 'dise' in margins"),
        ({"margins": {"dice": {"value": 0, "source": "x"}}}, "The margin of dice is 0"),
        ({"margins": {"dice": {"value": True, "source": "x"}}}, "The margin of dice is True"),
        ({"margins": {"dice": {"value": float("inf"), "source": "x"}}}, "The margin of dice is inf"),
        ({"margins": {"dice": 0.5}}, "The margin of dice is None"),
        ({"margins": {"dice": {"value": 0.5}}}, "The margin of dice has no source"),
        ({"margins": {"dice": {"value": 0.5, "source": " "}}}, "The margin of dice has no source"),
    ],
)
def test_what_is_no_criterion_is_refused_in_one_sentence(tree: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Criteria.read(tree)
