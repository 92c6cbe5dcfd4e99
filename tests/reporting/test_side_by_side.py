"""Models stand side by side on one case, with one slider and their area curves."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from harness.reporting.page.page import page
from harness.reporting.page.side_by_side import CURVE, panels, side_by_side
from harness.reporting.tables.main_comparison import main_table
from harness.results.pictures import COMMON, FAULT, CasePicture
from harness.results.result_set import ResultSet


def picture(label: str, patient: str = "p1", frames: int = 6, lost: int | None = None) -> CasePicture:
    """A square cavity that shrinks by two columns a frame; the model loses it in one frame."""
    masks = np.zeros((frames, 24, 24), np.uint8)
    for t in range(frames):
        masks[t, 4:20, 4 : 20 - 2 * t] = 1
    predicted = masks.copy()
    if lost is not None:
        predicted[lost] = 0
    return CasePicture(
        label=label,
        patient=patient,
        view="4CH",
        dice=91.0,
        frames=masks * 90,
        reference=masks,
        predicted=predicted,
        role=COMMON,
    )


def heights(path: str) -> list[float]:
    return [float(point.split()[1]) for point in path[1:].split("L")]


def test_curves_are_areas_and_the_ends_of_the_beat_are_marked():
    shown = side_by_side([picture("A"), picture("B", lost=2)])
    assert shown is not None
    assert [panel.label for panel in shown.panels] == ["A", "B"]
    assert [word for _, word in shown.marks] == ["ED", "ES"]
    assert [x for x, _ in shown.marks] == [shown.places[0], shown.places[-1]]
    assert all(re.fullmatch("#[0-9a-f]{6}", panel.colour) for panel in shown.panels)
    assert heights(shown.panels[0].curve) == heights(shown.curve)
    low = CURVE[1] - 18
    assert heights(shown.panels[1].curve)[2] == low, "the lost frame lies on the ground"
    assert heights(shown.curve)[0] < heights(shown.curve)[-1], "the largest area stands highest"
    assert shown.panels[1].predicted[2] == ""


def test_the_frames_under_a_fault_are_shaded_on_the_curve():
    plain, faulty = panels(
        [
            *(picture(label) for label in "AB"),
            *(replace(picture(label), role=FAULT, fault="haze", window=(2, 4)) for label in "AB"),
        ]
    )
    assert plain.window is None
    assert faulty.window is not None
    left, right = faulty.window
    assert faulty.places[1] < left < faulty.places[2] < faulty.places[3] < right < faulty.places[4]
    assert faulty.note == "haze in frames 3 to 4"


def test_other_cases_stills_and_single_models_have_no_common_slider():
    assert side_by_side([picture("A")]) is None
    assert side_by_side([picture("A", frames=2), picture("B", frames=2)]) is None
    assert side_by_side([picture("A"), picture("B", patient="p2")]) is None
    three = side_by_side([picture("A"), picture("B", patient="p2"), picture("C")])
    assert three is not None
    assert [panel.label for panel in three.panels] == ["A", "C"]


def test_the_page_shows_them_once_and_keeps_them_out_of_the_gallery(pair: ResultSet):
    worst = replace(picture("GDKVM"), role="worst")
    fault = [replace(picture(label), role=FAULT, fault="blank_frames", window=(2, 4)) for label in ("GDKVM", "U-Net")]
    text = page(pair, [main_table(pair)], {}, [picture("GDKVM"), picture("U-Net", lost=1), worst])
    both = page(pair, [main_table(pair)], {}, [picture("GDKVM"), picture("U-Net", lost=1), worst, *fault])
    assert text.count('<figure class="beside">') == 1
    assert 'class="fault"' not in text
    assert both.count('<figure class="beside">') == 2
    assert "p1 4CH, blank frames in frames 3 to 4" in both
    assert text.count('class="player item"') == 1
    assert len(re.findall(r'<div class="panel">', text)) == 2
    assert len(text) < 400_000
