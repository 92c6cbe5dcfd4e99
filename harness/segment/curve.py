"""The area curve as a figure."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from harness.files import write_bytes
from harness.segment.overlay import COLOURS
from harness.segment.readout import MeasuredBeat

_NAMES = {"lv": "LV cavity", "myo": "LV myocardium", "la": "left atrium"}
_UNITS = {"cm2": "cm²", "px2": "pixels"}


def plot_areas(table: pd.DataFrame, beats: Sequence[MeasuredBeat], path: Path) -> None:
    """Write the columns of an ``area_table`` over time (frames, where the frame rate is unknown) as PNG.

    The frames taken as ED and ES of each beat are marked on the LV curve.
    """
    timed = bool(table["time_s"].notna().all())
    x = table["time_s" if timed else "frame"]
    # Local settings: a notebook's own style stays as it is.
    with mpl.rc_context({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}):
        # Not pyplot: its global figures are never freed and need a main thread on some systems.
        figure = Figure(figsize=(5.0, 2.6))
        # Fixed margins: a layout that is solved for draws everything twice, a third of what the figure costs.
        axes = figure.add_axes((0.13, 0.17, 0.84, 0.78))
        for column in table.columns[2:]:
            name, _, unit = column.rpartition("_")
            colour = tuple(value / 255 for value in COLOURS[name])
            axes.plot(x, table[column], color=colour, label=_NAMES[name], linewidth=1.3)
            axes.set_ylabel(f"area ({_UNITS[unit]})")
            ends = [(beat.ed, "v", "ED") for beat in beats] + [(beat.es, "^", "ES") for beat in beats]
            if name == "lv":
                for frame, mark, word in ends:
                    axes.plot(x[frame], table[column][frame], mark, color="black", markersize=4)
                    axes.annotate(f" {word}", (x[frame], table[column][frame]), va="center")
        axes.set_xlabel("time (s)" if timed else "frame")
        # A cut axis would make any change look like a beat.
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)
        stream = io.BytesIO()
        # Without the version in the file the same curve gives the same bytes.
        figure.savefig(stream, format="png", dpi=160, metadata={"Software": None})
    write_bytes(path, stream.getvalue())
