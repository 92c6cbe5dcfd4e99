"""What a study adds to its runs: factors and cells, and the trials that Optuna remembers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import optuna
import pandas as pd

from harness.store.formats.study import Cell, StudyDefinition


@dataclass(frozen=True, kw_only=True)
class Design:
    """The design of a study.

    Attributes:
        definition: factors or numeric space, seeds.
        cells: the variants, the full model first; empty for a search (``tpe``).
        study: the stored study.
    """

    definition: StudyDefinition
    cells: tuple[Cell, ...]
    study: optuna.Study

    @cached_property
    def names(self) -> dict[str, str]:
        """Cell key → what the variant is called: the label of its arm."""
        return {cell.key: self.definition.variant_name(cell.levels) for cell in self.cells}

    def trials(self) -> pd.DataFrame:
        """One row per trial: ``number``, ``state``, ``value`` (validation Dice), ``seed``, ``run``, ``reason``, parameters."""
        rows = [
            {
                "number": trial.number,
                "state": trial.state.name.lower(),
                "value": trial.value if trial.state == optuna.trial.TrialState.COMPLETE else float("nan"),
                **{key: trial.user_attrs.get(key, "") for key in ("seed", "run", "reason")},
                **trial.params,
            }
            for trial in self.study.get_trials(deepcopy=False)
        ]
        return pd.DataFrame(rows, columns=None if rows else ["number", "state", "value", "seed", "run", "reason"])
