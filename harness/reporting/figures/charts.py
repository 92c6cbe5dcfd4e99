"""Figures on the page: what they show in words, and how wide they are."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from harness.reporting.captions import caption, source
from harness.reporting.figures.style import COLUMN_INCHES
from harness.reporting.page.players import data_uri

_CSS_PIXELS = 96
"""Pixels of a page per inch, by the definition of CSS."""
_ENLARGED = 1.1
_PAGE_DPI = 2 * _ENLARGED * _CSS_PIXELS
"""What a screen of double density shows; files for print keep more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """One figure: file stem, caption, text in place of the picture, and the picture as a data URI with its size on the page."""

    name: str
    caption: str
    alt: str
    uri: str
    width: int
    height: int
    wide: bool


def chart(name: str, png: bytes, text: str = "", note: str = "") -> Chart:
    """The chart of PNG bytes; ``text`` is the caption where the figure is not one of the suite's own, ``note`` ends it."""
    text = f"{text or caption(name)} {note}".strip()
    width, height = inches(png)
    return Chart(
        name=name,
        caption=text,
        alt=f"Chart. {text} The values stand in the table {source(name)}." if source(name) else f"Chart. {text}",
        uri=data_uri(for_screen(png), "image/png"),
        width=round(_ENLARGED * _CSS_PIXELS * width),
        height=round(_ENLARGED * _CSS_PIXELS * height),
        wide=is_wide(png),
    )


def for_screen(png: bytes) -> bytes:
    """The picture at the density of a screen and with 256 colours: a third of the bytes, the same to the eye."""
    width, height = inches(png)
    with Image.open(io.BytesIO(png)) as image:
        size = min(image.width, round(_PAGE_DPI * width)), min(image.height, round(_PAGE_DPI * height))
        small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    # Without dither: it would speckle the flat areas of a chart and cost more bytes.
    small.quantize(256, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    # A small chart of few colours may be smaller as it came.
    return min(stream.getvalue(), png, key=len)


def inches(png: bytes) -> tuple[float, float]:
    """Width and height on paper; a picture that does not state its resolution counts as 200 pixels per inch."""
    with Image.open(io.BytesIO(png)) as image:
        across, down = image.info.get("dpi", (200, 200))
        return image.width / across, image.height / down


def is_wide(png: bytes) -> bool:
    """Whether a figure needs more than one column of a two-column page."""
    return inches(png)[0] > 1.2 * COLUMN_INCHES
