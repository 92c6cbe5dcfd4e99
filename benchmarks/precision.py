"""What a faster engine changes in the results of a trained run.

python benchmarks/precision.py RUN --cache data/cache/NAME [--store results/runs] [--engines native:fp32 native:bf16]

Segments the test split of a finished run with the engine eager and with each other one and prints, per engine: the
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
from harness.engines import make_engine
from harness.evaluation.evaluator import evaluate
from harness.experiments.execute import scored_clip_length
from harness.experiments.trained import load_trained, predictor
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


def compare(run: Run, cache: PreparedCache, engines: list[str]) -> list[dict[str, Any]]:
    """One record per engine, ``name:precision``."""
    model: Any = load_trained(run)
    plain = Recorder(model)
    expected = case_rows(run, cache, plain)
    records = []
    side, length = int(run.spec.recipe["image_size"]), scored_clip_length(run.spec)
    for choice in engines:
        engine, _, precision = choice.partition(":")
        example = torch.rand(1, length, 1, side, side)
        fast = Recorder(make_engine(engine)(model, example, precision=precision or "fp32"))
        changes = dice_changes(expected, case_rows(run, cache, fast)).dropna()
        records.append(
            {
                "engine": choice,
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
    parser.add_argument("--engines", nargs="+", default=["native:fp32", "native:bf16"])
    options = parser.parse_args()
    run = RunStore(options.store).get(options.run)
    print(f"{run.name}, test split of {options.cache.name}")
    for record in compare(run, PreparedCache.open(options.cache), options.engines):
        print(
            f"{record['engine']:12s} Dice {record['dice']:.4f} of {record['patients']} patients: mean change "
            f"{record['mean_change']:+.5f}, largest {record['worst_change']:+.5f}; logits differ by at most "
            f"{record['largest']:.1e} (99.9 % by {record['p99.9']:.1e}); {record['pixels']:.4%} of the pixels change",
            flush=True,
        )


if __name__ == "__main__":
    main()
