"""The difference that a design shows, against the number of patients, per number of trainings."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from harness.reporting.figures.style import colours, footnote, house_style, markers, new_figure
from harness.results.power import Power
from harness.statistics.power import detectable

_PATIENTS = np.unique(np.round(np.geomspace(10, 1000, 13)).astype(int))


def power_figure(plan: Power, *, arms: int, mark: str | None = None) -> Figure:
    """One curve per number of trainings; a dashed line at the smallest difference that matters, a star at the present design."""
    with house_style():
        figure = new_figure()
        axes = figure.subplots()
        labels = [f"{count} trainings" for count in plan.trainings]
        palette, shapes = colours(labels), markers(labels)
        for label, count in zip(labels, plan.trainings, strict=True):
            seen = [detectable(plan.variances, int(n), count, alpha=plan.alpha, arms=arms) for n in _PATIENTS]
            axes.plot(_PATIENTS, seen, label=label, color=palette[label], marker=shapes[label], markersize=3)
        if plan.margin:
            label = f"margin, {plan.margin:g}"
            axes.axhline(plan.margin, color="0.5", linewidth=0.8, linestyle="--", label=label)
        if np.isfinite(plan.present):
            patients, count = plan.present_design
            label = f"these runs: {patients} patients, {count} trainings"
            axes.plot([patients], [plan.present], linestyle="", marker="*", markersize=9, color="black", label=label)
        axes.set_xscale("log")
        axes.set_xlabel("patients")
        axes.set_ylabel(f"difference shown with 80 % power [{plan.measure.points}]")
        axes.set_ylim(bottom=0)
        axes.legend()
        footnote(figure, mark)
    return figure
