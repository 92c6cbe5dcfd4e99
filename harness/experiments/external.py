"""Masks that another program made, stored as a run beside those that are trained here: rows, pictures, perhaps a cost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from harness.data import PreparedCache
from harness.errors import ConfigError, DataError, unknown
from harness.evaluation.mask_files import MaskFolder
from harness.evaluation.metrics import DEFAULT_METRICS
from harness.evaluation.scoring import AS_GIVEN, Scoring, case_work, given_masks, missing_masks, score_masks
from harness.experiments.kept_pictures import keep_case_pictures
from harness.files import canonical_hash, read_json
from harness.store.claim import hold
from harness.store.code import code_hash
from harness.store.formats.profile import PROFILE, PROFILE_COLUMNS
from harness.store.runs import Run, RunSpec, RunStore

ROOTS = ("harness.evaluation.scoring", "harness.evaluation.metrics")
"""Roots of the code that makes the rows of masks made elsewhere."""
SIZE = "external"
"""Stands where a model of ours has its size."""


def external_spec(
    label: str,
    seed: int,
    masks: MaskFolder,
    like: RunSpec,
    scoring: Scoring,
    metrics: tuple[str, ...] = DEFAULT_METRICS,
) -> RunSpec:
    """What decides the scores of masks: their content, the case and frame of each, the references, the protocol and the code that measures.

    Args:
        label: what tables call the method.
        seed: number of its training.
        masks: the files.
        like: a run of the condition that the masks are scored in.
        scoring: how masks are taken.
        metrics: what is measured; the same masks by other metrics are another run, not the old rows.
    """
    # The name becomes a folder; a label may hold slashes, blanks and umlauts.
    name = "-".join(re.findall(r"[a-z0-9]+", label.lower())) or "masks"
    return RunSpec(
        model={"name": name, "size": SIZE, "label": label, "build": {}},
        data=dict(like.data),
        recipe={},
        seed=seed,
        protocol=dict(like.protocol),
        code=code_hash(ROOTS),
        masks=canonical_hash([masks.fingerprint(), scoring.missing, scoring.resize, *sorted(metrics)]),
    )


def score_run(
    store: RunStore,
    spec: RunSpec,
    masks: MaskFolder,
    cache: PreparedCache,
    *,
    scoring: Scoring = AS_GIVEN,
    metrics: tuple[str, ...] = DEFAULT_METRICS,
    cost: pd.DataFrame | None = None,
    progress: bool = True,
) -> Run:
    """The finished run of some masks: scored now, or as it is where the same masks were scored before.

    Raises:
        DataError: see ``score_masks``. BenchError: another process scores the same masks.
    """
    # Not created yet: masks that cannot be scored must leave nothing in the list of runs.
    run = store.open(spec, create=False)
    if run.status == "finished":
        _write_cost(run, cost)
        return run
    # The condition decides, however it was chosen: a frame that was given must not be scored beside models that do not score it.
    scoring = replace(scoring, first_frame=spec.protocol["first_frame"])
    split = cache.split("test")
    columns = {"run": run.name, "model": spec.model["name"], "seed": spec.seed}
    # Before anything is written: masks that cannot be scored leave no failed run behind.
    rows = score_masks(
        masks, split, structures=spec.protocol["structures"], run_columns=columns, metrics=metrics,
        scoring=scoring, progress=progress,
    )  # fmt: skip
    run = store.open(spec)
    with hold(run):
        run.start(code_roots=list(ROOTS))
        run.write_rows(rows)
        keep_case_pictures(run, cache, lambda clip: case_work(
            clip, masks.get(clip.case.name, {}), spec.protocol["structures"], scoring=scoring, key={}, functions=()
        ))  # fmt: skip
        _write_cost(run, cost)
        run.finish(
            missing=missing_masks(masks, split, first_frame=scoring.first_frame),
            extra=given_masks(masks, split),
            resized=scoring.resize,
            masks=len(masks),
        )
    return run


def read_cost(path: Path, label: str) -> pd.DataFrame:
    """A cost that somebody measured elsewhere, as a row of a profile.

    Args:
        path: a JSON object with columns of ``profile.csv`` as keys: ``fps``, ``median_ms``, ``parameters`` (a number, not
            millions), ``gmacs_per_frame_torch``, ``peak_memory_mb``, ``device``, ``device_name``, ``precision``, ``image_size``, ...
        label: the method's name.

    Raises:
        DataError: no JSON object of numbers and words. ConfigError: an unknown key.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise DataError(f'{path} must be a JSON object such as {{"fps": 31.5, "parameters": 20600000}}.')
    for key, value in content.items():
        if key not in PROFILE_COLUMNS:
            raise unknown("key", key, PROFILE_COLUMNS, str(path))
        if PROFILE.columns[key] == "number" and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ConfigError(f"{key} in {path} is {value!r}; give a number.")
    # The mode of the headline column; what the file says of the conditions stands beside it and is never compared
    # with ours.
    row = {"model": label, "size": SIZE, "mode": "streaming", "engine": "elsewhere", "status": "ok", **content}
    return pd.DataFrame([row]).reindex(columns=[name for name in PROFILE_COLUMNS if name in row])


def _write_cost(run: Run, cost: pd.DataFrame | None) -> None:
    if cost is not None:
        PROFILE.write(cost, run.path / PROFILE.file)


def told(run: Run) -> list[str]:
    """What a user must know of scored masks: which cases had none, and which files belong to no case."""
    facts: Mapping[str, Any] = run.record.get("results", {})
    lines = []
    for names, text in (
        (facts.get("missing") or [], "without masks, counted as empty"),
        (facts.get("extra") or [], "belong to no case of the test split and were not scored"),
    ):
        if names:
            shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
            lines.append(f"{run.spec.model['label']}, seed {run.spec.seed}: {len(names)} {text}: {shown}")
    return lines
