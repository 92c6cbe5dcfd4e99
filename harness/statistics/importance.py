"""Importance of factors: the share of variance that each explains, beside f-ANOVA and Optuna's default.

Optuna's default (PED-ANOVA) compares the best trials with all trials. On a full factorial every level is drawn equally
often, so it cannot tell a large effect from a small one: for true effects of .02, .01 and .005 it gives 1/3, 1/3, 1/3
(f-ANOVA about .83, .14, .03; the shares of variance are .76, .19, .05). It is shown beside the others, never alone.
All three are computed on the validation Dice of the trials and say nothing about direction or uncertainty: the
effects (``effects.py``) do.
"""

from __future__ import annotations

import warnings

import numpy as np
import optuna
import pandas as pd
from optuna.exceptions import ExperimentalWarning
from optuna.trial import TrialState

SMALLEST_STUDY = 4
"""Fewer finished trials give no importance."""


def importances(study: optuna.Study, seed: int = 0) -> pd.DataFrame:
    """One row per parameter that takes at least two values: columns ``variance``, ``fanova``, ``ped_anova``.

    Each column sums to one where it is defined. ``variance`` is the parameter's main-effect sum of squares over the
    sum of those of all parameters, NaN for a numeric space. An empty table where too few trials are finished.
    """
    trials = [t for t in study.get_trials(deepcopy=False) if t.state == TrialState.COMPLETE]
    # A parameter of one value explains nothing.
    names = [n for n in (trials[0].params if trials else {}) if len({str(t.params.get(n)) for t in trials}) > 1]
    columns = ["variance", "fanova", "ped_anova"]
    if len(trials) < SMALLEST_STUDY or not names:
        return pd.DataFrame(columns=columns, dtype=float)
    table = pd.DataFrame(index=pd.Index(names, name="parameter"), columns=columns, dtype=float)
    table["variance"] = _variance_shares(trials, names)
    from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator  # a second of scikit-learn

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        warnings.simplefilter("ignore", UserWarning)  # PED-ANOVA on trials that are all alike
        # A random forest inside: seeded, or the table would change from one report to the next.
        table["fanova"] = _optuna(study, FanovaImportanceEvaluator(seed=seed), names)
        table["ped_anova"] = _optuna(study, PedAnovaImportanceEvaluator(), names)
    return table.sort_values("fanova", ascending=False)


def _optuna(study: optuna.Study, evaluator: object, names: list[str]) -> pd.Series:
    """Optuna's answer; NaN where it has none (no variance, or parameters that not all trials share)."""
    from optuna.importance import get_param_importances

    try:
        found = get_param_importances(study, evaluator=evaluator, params=names)  # type: ignore[arg-type]
    except (ValueError, RuntimeError):
        return pd.Series(np.nan, index=names)
    return pd.Series(found).reindex(names)


def _variance_shares(trials: list[optuna.trial.FrozenTrial], names: list[str]) -> pd.Series:
    """Sum of squares between the means of a parameter's levels, as shares of their sum."""
    if any(
        not isinstance(t.distributions[n], optuna.distributions.CategoricalDistribution) for t in trials for n in names
    ):
        return pd.Series(np.nan, index=names)
    values = pd.DataFrame([{**{n: str(t.params[n]) for n in names}, "value": t.value} for t in trials])
    grand = values["value"].mean()
    squares = pd.Series({n: float(((values.groupby(n)["value"].transform("mean") - grand) ** 2).sum()) for n in names})
    return squares / squares.sum() if squares.sum() else squares * np.nan
