"""What a faster inference path changes in the results of a trained run.

python benchmarks/precision.py RUN --cache data/cache/NAME [--store results/runs] [--paths fp32 bf16]

Segments the test split of a finished run with the eager model and with each compiled one and prints, per path: the
mean Dice of the eager model, the mean change over the patients, the largest change of one patient, the share of
pixels whose class differs and the largest and the 99.9th percentile difference of the logits at the model's size.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from harness.data.prepared import PreparedCache
from harness.evaluation.evaluator import evaluate
from harness.experiments.execute import load_trained, predictor, scored_clip_length
from harness.store.runs import Run, RunStore


@dataclass
class Recorder:
    """A predictor that keeps the logits of every clip."""

    model: torch.nn.Module
    logits: list[Tensor] = field(default_factory=list)

    def __call__(self, frames: Tensor, first_mask: Tensor | None = None) -> Tensor:
        self.logits.append(predictor(self.model, torch.device("cpu"))(frames, first_mask))
        return self.logits[-1]


def case_rows(run: Run, cache: PreparedCache, recorder: Recorder) -> pd.DataFrame:
    """Dice rows of the run's test split, predicted by the recorder."""
    return evaluate(
        recorder,
        cache.split("test"),
        structures=run.spec.protocol["structures"],
        clip_length=scored_clip_length(run.spec),
        first_frame=run.spec.protocol["first_frame"],
        run_columns={"run": run.name, "model": run.spec.model["name"], "seed": run.spec.seed},
        workers=0,
        metrics=("overlap",),
        progress=False,
    )


def dice_changes(eager: pd.DataFrame, fast: pd.DataFrame) -> pd.Series:
    """Change of each patient's mean Dice over views, phases and structures (NaN where both have none)."""

    def means(rows: pd.DataFrame) -> pd.Series:
        return rows[rows["metric"] == "dice"].groupby("patient")["value"].mean()

    return means(fast) - means(eager)


def logit_differences(eager: list[Tensor], fast: list[Tensor]) -> dict[str, float]:
    """Largest and 99.9th percentile difference of the logits, share of pixels whose class differs."""
    gaps = torch.cat([(a - b).abs().flatten() for a, b in zip(eager, fast, strict=True)]).numpy()
    changed = [(a.argmax(1) != b.argmax(1)).float().mean() for a, b in zip(eager, fast, strict=True)]
    return {
        "largest": float(gaps.max()),
        "p99.9": float(np.quantile(gaps, 0.999)),
        "pixels": float(torch.stack(changed).mean()),
    }


def compare(run: Run, cache: PreparedCache, paths: list[str]) -> list[dict[str, Any]]:
    """One record per path."""
    model: Any = load_trained(run.spec, run.path / "checkpoints" / "best.pth")
    plain = Recorder(model)
    expected = case_rows(run, cache, plain)
    records = []
    for path in paths:
        fast = Recorder(model.compile_for_inference(path))
        changes = dice_changes(expected, case_rows(run, cache, fast)).dropna()
        records.append(
            {
                "path": path,
                "patients": len(changes),
                "dice": expected.loc[expected["metric"] == "dice", "value"].mean(),
                "mean_change": changes.mean(),
                "worst_change": max(changes, key=abs),
                **logit_differences(plain.logits, fast.logits),
            }
        )
    return records


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="name of a finished run, as `echobench runs` lists it")
    parser.add_argument("--cache", type=Path, required=True, help="the prepared data of the run")
    parser.add_argument("--store", type=Path, default=Path("results/runs"))
    parser.add_argument("--paths", nargs="+", default=["fp32", "bf16"])
    options = parser.parse_args()
    run = RunStore(options.store).get(options.run)
    print(f"{run.name}, test split of {options.cache.name}")
    for record in compare(run, PreparedCache.open(options.cache), options.paths):
        print(
            f"{record['path']:5s} Dice {record['dice']:.4f} of {record['patients']} patients: mean change "
            f"{record['mean_change']:+.5f}, largest {record['worst_change']:+.5f}; logits differ by at most "
            f"{record['largest']:.1e} (99.9 % by {record['p99.9']:.1e}); {record['pixels']:.4%} of the pixels change",
            flush=True,
        )


if __name__ == "__main__":
    main()
