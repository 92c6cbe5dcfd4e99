"""Runs of the folds of a cross-validation joined to passes, which stand where a training stands everywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from harness.results.run_results import RunResults
from harness.store.formats.cases import CASES


def passes(runs: Sequence[RunResults], folds: int) -> list[RunResults]:
    """One result per seed, with the patients of all folds; without rows where a fold is missing: a part of them is no pass.

    Cost, pictures and learning curves are those of the first fold.
    """
    by_seed: dict[int, list[RunResults]] = {}
    for run in runs:
        by_seed.setdefault(run.seed, []).append(run)
    return [_pass(members, folds) for members in by_seed.values()]


def _pass(runs: list[RunResults], folds: int) -> RunResults:
    ordered = sorted(runs, key=lambda run: int(run.spec["data"]["fold"]["test"]))
    done = {run.spec["data"]["fold"]["test"] for run in ordered if run.finished}
    if len(done) < folds:
        lacking = [
            f"fold {run.spec['data']['fold']['test']} {run.status}" + (f" ({run.reason})" if run.reason else "")
            for run in ordered
            if not run.finished
        ]
        reason = f"{len(done)} of {folds} folds are finished" + (f": {', '.join(lacking)}" if lacking else "")
        return replace(ordered[0], rows=CASES.empty(), swept=None, profile=None, status="unfinished", reason=reason)
    swept = [run.swept for run in ordered if run.swept is not None]
    return replace(
        ordered[0],
        rows=pd.concat([run.rows[run.rows["split"] == "test"] for run in ordered], ignore_index=True),
        swept=pd.concat(swept, ignore_index=True) if len(swept) == folds else None,
        profile=next((run.profile for run in ordered if run.profile is not None), None),
    )
