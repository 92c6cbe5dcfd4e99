"""Figures and the choice of cases that they show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.reporting.figures.accuracy_and_cases import dice_against_fps, overlay_grid
from harness.reporting.figures.style import colours, markers, save
from harness.reporting.report import file_stem
from harness.reporting.tables.main_comparison import main_table
from harness.results.case_scores import case_scores, notable_cases
from harness.results.pictures import CasePicture
from harness.results.result_set import ResultSet


def picture(role: str = "worst", label: str = "GDKVM") -> CasePicture:
    frames = np.full((2, 40, 48), 90, np.uint8)
    reference = np.zeros((2, 40, 48), np.uint8)
    reference[:, 10:30, 12:30] = 1
    return CasePicture(
        label=label, role=role, patient="p1", view="4CH", phase="ED", dice=81.2, frames=frames,
        reference=reference, predicted=np.roll(reference, 4, axis=2), spacing_mm=(0.3, 0.15),
    )  # fmt: skip


def test_notable_cases_are_the_extremes_and_the_middle(suite: ResultSet) -> None:
    rows = suite.runs[0].rows
    dice = rows[rows.metric == "dice"].groupby(["patient", "view"])["value"].mean().sort_values()
    notable = notable_cases(rows)
    assert (notable["worst"].patient, notable["worst"].view) == dice.index[0]
    assert (notable["best"].patient, notable["best"].view) == dice.index[-1]
    assert notable["median"].dice == pytest.approx(100 * dice.iloc[(len(dice) - 1) // 2])


def test_cases_come_worst_first_with_their_worst_frame(suite: ResultSet) -> None:
    rows = suite.runs[0].rows
    scores = case_scores(rows)
    assert [s.dice for s in scores] == sorted(s.dice for s in scores)
    own = rows[(rows.metric == "dice") & (rows.patient == scores[0].patient) & (rows.view == scores[0].view)]
    assert own.loc[own["value"].idxmin(), "frame"] == scores[0].frame


def test_every_model_with_both_figures_is_a_bubble_and_labelled(suite: ResultSet) -> None:
    figure = dice_against_fps(main_table(suite))
    assert figure is not None
    words = {text.get_text() for text in figure.axes[0].texts}
    assert words == {arm.label for arm in suite.arms}


def test_overlays_draw_both_contours_in_physical_aspect() -> None:
    figure = overlay_grid([picture("best"), picture("worst")], mark="partial: 4CH only")
    first = figure.axes[0]
    assert len(first.collections) == 2
    assert first.get_aspect() == 2.0
    assert "Dice 81.2 %" in first.get_title()
    assert figure.get_supxlabel() == "partial: 4CH only"


def test_pixels_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="must share a shape"):
        CasePicture(
            label="x", patient="p", view="4CH", dice=1, frames=np.zeros((2, 4, 4), np.uint8),
            reference=np.zeros((2, 4, 5), np.uint8), predicted=np.zeros((2, 4, 4), np.uint8),
        )  # fmt: skip


def test_figures_are_readable_png_and_pdf_files(tmp_path: Path) -> None:
    pdf, png = save(overlay_grid([picture()]), tmp_path, "overlay")
    assert pdf.read_bytes().startswith(b"%PDF")
    with Image.open(png) as image:
        assert np.asarray(image.convert("L")).std() > 5


def test_labels_become_safe_file_names() -> None:
    assert file_stem("U-Net (gt) ../x") == "u-net-gt-x".replace("u-net", "u-net")
    assert file_stem("µ") == "model"


def test_a_model_has_one_colour_and_marker_whatever_stands_beside_it() -> None:
    whole, part = ["GDKVM", "A", "XMem", "U-Net"], ["XMem", "B", "U-Net", "A"]
    for look in (colours, markers):
        assert look(whole)["XMem"] == look(part)["XMem"] != look(part)["U-Net"] == look(whole)["U-Net"]
        assert len(set(look(part).values())) == 4


def test_colours_and_markers_tell_ten_models_apart() -> None:
    labels = [f"m{i}" for i in range(10)]
    assert len(set(colours(labels).values())) == 10
    assert len(set(markers(labels).values())) == 10
