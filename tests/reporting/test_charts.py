"""Charts of the page: as sharp as a screen, no larger than they must be, as wide as on paper."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from harness.reporting.figures.charts import chart, for_screen


def png(width: int, height: int, dpi: int, noise: bool = False) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    image = Image.fromarray(pixels) if noise else Image.new("RGB", (width, height), "white")
    stream = io.BytesIO()
    image.save(stream, "PNG", dpi=(dpi, dpi))
    return stream.getvalue()


@pytest.mark.parametrize(("dpi", "pixels"), [(600, 704), (100, 333)])
def test_a_picture_is_reduced_to_twice_a_screens_density_and_never_enlarged(dpi: int, pixels: int) -> None:
    given = png(dpi * 10 // 3, dpi, dpi, noise=True)
    small = for_screen(given)
    with Image.open(io.BytesIO(small)) as image:
        assert abs(image.width - pixels) <= 1
        assert image.width / image.height == pytest.approx(10 / 3, rel=0.01)
    assert len(small) <= len(given)


def test_a_chart_is_as_large_as_its_figure_on_paper_and_a_tenth_more() -> None:
    made = chart("dice_against_fps", png(600, 300, 300))
    assert (made.width, made.height) == (round(1.1 * 96 * 2), round(1.1 * 96))
