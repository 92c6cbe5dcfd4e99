"""How every figure looks: one style, colours that the colour-blind can tell apart, PDF and PNG."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.text import Text

from harness.files import write_bytes

COLUMN_INCHES = 3.4
"""Width of one column of a two-column paper."""
PAGE_INCHES = 7.0
PNG_DPI = 300
REFERENCE_COLOUR, PREDICTION_COLOUR = "#56b4e9", "#e69f00"
"""Contours of the reference mask and of a prediction (Okabe and Ito's sky blue and orange)."""

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
_MODELS = (
    "GDKVM",
    "U-Net",
    "TransUNet",
    "STM",
    "XMem",
    "Cutie",
    "LiVOS",
    "U-Net + median filter",
    "3-D U-Net",
    "DeepLabV3",
)
"""Models in the order of their colours; as many as the palette has."""
_SETTINGS: Any = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "lines.linewidth": 1.3,
    "legend.frameon": False,
    "figure.dpi": 100,
    # TrueType instead of matplotlib's Type 3, which publishers refuse.
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
}


@contextmanager
def house_style() -> Iterator[None]:
    """Figures drawn inside this context have the fonts, sizes and colours of all reports; settings outside are untouched."""
    with mpl.rc_context(_SETTINGS):
        yield


def new_figure(width: float = COLUMN_INCHES, height: float = 2.4) -> Figure:
    """An empty figure (inches) that no window or global state knows of."""
    # Not pyplot, whose figures live until they are closed: a report draws dozens.
    return Figure(figsize=(width, height), layout="constrained")


def colours(labels: Iterable[str]) -> dict[str, tuple[float, float, float]]:
    """One colour per label from seaborn's colour-blind palette; a model that we know has the same one in every figure.

    >>> colours(["U-Net"])["U-Net"] == colours(["GDKVM", "U-Net"])["U-Net"]
    True
    """
    # By the place in the list and not by the order of the call: a figure of two models must not exchange their
    # colours.
    places = _places(labels)
    palette = sns.color_palette("colorblind", max(places.values(), default=-1) + 1)
    return {label: palette[index] for label, index in places.items()}


def markers(labels: Iterable[str]) -> dict[str, str]:
    """One marker per label, so that no figure depends on colour alone; a model that we know has the same one in every figure."""
    return {label: _MARKERS[index % len(_MARKERS)] for label, index in _places(labels).items()}


def _places(labels: Iterable[str]) -> dict[str, int]:
    """Where each label stands in palette and markers: known models at places of their own, others fill what is free."""
    names = list(dict.fromkeys(labels))
    taken = {name: _MODELS.index(name) for name in names if name in _MODELS}
    free = (index for index in itertools.count() if index not in taken.values())
    return {name: taken[name] if name in taken else next(free) for name in names}


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write ``name.pdf`` and ``name.png`` atomically; the files hold no date, so equal figures are equal bytes."""
    written = []
    _show_dollars(figure)
    for kind, metadata in (("pdf", {"CreationDate": None}), ("png", {"Software": None})):
        stream = io.BytesIO()
        with mpl.rc_context({"pdf.fonttype": 42}):
            # Into memory first: a disk that fails half way must not leave half a picture.
            figure.savefig(stream, format=kind, dpi=PNG_DPI, metadata=metadata)
        path = folder / f"{name}.{kind}"
        write_bytes(path, stream.getvalue())
        written.append(path)
    return written


def _show_dollars(figure: Figure) -> None:
    """Let a ``$`` of a label mean a dollar: matplotlib reads a pair of them as mathematics, and fails on most texts."""
    for axes in figure.axes:
        axes.get_xticklabels(), axes.get_yticklabels()  # the ticks' texts come into being when they are asked for
    for text in figure.findobj(Text):
        # Powers of ten on a logarithmic axis are written so by matplotlib itself.
        if isinstance(text, Text) and "$" in text.get_text() and not text.get_text().startswith("$\\mathdefault"):
            text.set_parse_math(False)


def footnote(figure: Figure, mark: str | None) -> None:
    """Show the dataset's mark ("partial: ...") below a figure."""
    if mark:
        figure.supxlabel(mark, fontsize=6, color="#555555", wrap=True)
