"""Which run answers a spec: today's, the last time it was trained, or one of other code that the user accepts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from harness.store.runs import Run, RunSpec, RunStore


def newest(store: RunStore, spec: RunSpec) -> RunSpec:
    """The spec with the highest generation that the store holds; generation 0 where it holds none."""
    # The identity of an older store's spec knows no generations: every one of them would be held.
    while spec.code and store.holds(following := dataclasses.replace(spec, generation=spec.generation + 1)):
        spec = following
    return spec


def retrained(store: RunStore, spec: RunSpec) -> RunSpec:
    """The spec that ``--retrain`` trains: the next generation where the newest is finished, else the newest itself.

    So a retraining that was interrupted, or that another process of the same command works on, is not begun twice.
    """
    spec = newest(store, spec)
    if store.holds(spec) and store.open(spec, create=False).status == "finished":
        return dataclasses.replace(spec, generation=spec.generation + 1)
    return spec


def accepted(store: RunStore, specs: Iterable[RunSpec]) -> dict[str, Run]:
    """For each spec without a finished run of today's code: the last finished run of other code, by ``spec.folder``.

    Its ``accepted`` says so; every table made from it carries that mark. Specs that have none are left out.
    """
    finished = [run for run in store.all() if run.record["status"] == "finished"]
    answers: dict[str, list[Run]] = {}
    for run in finished:
        answers.setdefault(_question(run), []).append(run)
    chosen = {}
    for spec in specs:
        spec = newest(store, spec)
        if store.holds(spec) and store.open(spec, create=False).status == "finished":
            continue
        if others := answers.get(spec.question):
            # ISO times in UTC sort as text.
            run = max(others, key=lambda item: str(item.record.get("finished", "")))
            label = f"{run.spec.model['label']}, seed {run.spec.seed}"
            run.accept(f"other code: {label}, was made by code that has changed", spec.code)
            chosen[spec.folder] = run
    return chosen


def _question(run: Run) -> str:
    """A run of an older store says only in its results on which device and in which precision it was made."""
    spec, results = run.spec, run.record.get("results", {})
    if not spec.code:
        device = str(results.get("device", "")).partition(":")[0]
        spec = dataclasses.replace(spec, device=device, precision=str(results.get("precision", "")))
    return spec.question
