"""Optuna's own plots of a study, drawn by Optuna and saved like every other figure."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import optuna
from matplotlib.figure import Figure
from optuna.exceptions import ExperimentalWarning
from optuna.trial import TrialState
from optuna.visualization import matplotlib as plots

from harness.reporting.figures.style import footnote
from harness.statistics.importance import SMALLEST_STUDY

_NUMERIC = (optuna.distributions.FloatDistribution, optuna.distributions.IntDistribution)


def optuna_figures(
    study: optuna.Study, labels: dict[str, str], *, mark: str | None = None
) -> Iterator[tuple[str, Figure, str]]:
    """(file name, figure, caption): optimisation history, f-ANOVA importances, slices and, for a search, all dimensions.

    ``labels`` are what parameters are called. Nothing for fewer than ``SMALLEST_STUDY`` complete trials.
    """
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(done) < SMALLEST_STUDY:
        return
    study = _relabelled(study, labels)
    varied = [n for n in done[0].params if len({str(trial.params.get(n)) for trial in done}) > 1]
    names = [labels.get(name, name) for name in varied]
    with _optuna_style():
        plots.plot_optimization_history(study, target_name="validation Dice")
        yield "optuna_history", _take(mark), "Optuna's optimisation history of the validation Dice."
        if names:
            if len({trial.value for trial in done}) > 1:  # f-ANOVA shares out a variance
                from optuna.importance import FanovaImportanceEvaluator  # a second of scikit-learn, for studies alone

                plots.plot_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0), params=names)
                yield "optuna_importances", _take(mark), "Importance for the validation Dice after f-ANOVA, by Optuna."
            plots.plot_slice(study, params=names, target_name="validation Dice")
            for axes in plt.gcf().axes[:-1]:  # the last one is the colour bar
                axes.tick_params(axis="x", labelrotation=30)
            arranged = len(names) > 1  # the colour bar of a single slice has no height that could be arranged
            yield "optuna_slice", _take(mark, arranged), "Validation Dice of every trial by each parameter, by Optuna."
        if len(names) > 1 and any(isinstance(done[0].distributions[name], _NUMERIC) for name in varied):
            plots.plot_parallel_coordinate(study, params=names, target_name="validation Dice")
            yield "optuna_parallel", _take(mark), "Trials through all parameters, by Optuna."


def _relabelled(study: optuna.Study, labels: dict[str, str]) -> optuna.Study:
    """A copy in memory of the complete trials, parameters called by their labels."""
    copy = optuna.create_study(direction=study.direction)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        copy.add_trial(
            optuna.create_trial(
                value=trial.value,
                params={labels.get(name, name): value for name, value in trial.params.items()},
                distributions={labels.get(name, name): one for name, one in trial.distributions.items()},
            )
        )
    return copy


@contextlib.contextmanager
def _optuna_style() -> Iterator[None]:
    """Optuna draws into pyplot's current figure with a style of its own: neither survives."""
    backend = mpl.get_backend()
    plt.switch_backend("agg")
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        mpl.rcParams["pdf.fonttype"] = 42
        try:
            yield
        finally:
            plt.close("all")
            plt.switch_backend(backend)


def _take(mark: str | None, arranged: bool = True) -> Figure:
    """The figure that was just drawn, taken out of pyplot's hands."""
    figure = plt.gcf()
    if not arranged:
        figure.subplots_adjust(bottom=0.2)
    elif figure.get_layout_engine() is None:
        figure.set_layout_engine("constrained")
    footnote(figure, mark)
    plt.close(figure)
    return figure
