"""echobench evaluate: finished runs on other data, another split or by other metrics."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from harness.cli._complete import Named, words
from harness.cli._options import METRICS, REPORT, RUN, data_options, store_options, trust_option
from harness.cli._typed import typed
from harness.errors import ConfigError


@click.command()
@click.argument("runs", type=RUN, nargs=-1)
@click.option("--report", type=REPORT, help="All finished runs of this report.")
@data_options
@click.option(
    "--split", type=Named(words("train", "val", "test")), default="test", show_default=True, help="Which patients."
)
@click.option(
    "--metrics", type=METRICS, default="overlap,surface", show_default=True, help="What is measured on every frame."
)
@click.option("--all-frames", is_flag=True, help="Also interpolated frames, and what is measured over time.")
@click.option("--from-masks", is_flag=True, help="Measure the masks that --keep-masks kept; no model is run.")
@click.option("--keep-masks", is_flag=True, help="Keep the masks of the runs' own test clips, compressed.")
@click.option("--limit", type=click.IntRange(1), help="Only the first so many patients of each split.")
@click.option("--as", "title", help="Name of the folder of tables (default: made from the options).")
@trust_option
@store_options
def command(
    runs: tuple[str, ...],
    report: str | None,
    dataset: str | None,
    split: str,
    metrics: tuple[str, ...],
    all_frames: bool,
    from_masks: bool,
    keep_masks: bool,
    limit: int | None,
    title: str | None,
    data_dir: str,
    results_dir: str,
    reports_dir: str,
    **data: Any,
) -> None:
    """Measure finished RUNS on another dataset (zero-shot), another split or by other metrics; nothing is trained.

    With --dataset: a table trained on × tested on, with the loss against the runs' own test patients. Examples:

        echobench evaluate --report camus-4ch-ed_es-small --dataset echonet --root ECHONET

        echobench evaluate phantom/unet-small-s0-6b0a8c2d4e --all-frames --metrics overlap,surface,hd95_pooled
    """
    from harness.api.transferring import run_evaluate
    from harness.cli._sweeps import suite_runs
    from harness.experiments.transfer import EvaluateOptions, evaluate_on, run_predictor
    from harness.experiments.transfer import keep_masks as keep
    from harness.reporting.render.terminal import print_table
    from harness.store.runs import RunStore
    from harness.terminal import console as new_console

    store = RunStore(results_dir)
    chosen = [*(suite_runs(report, store, Path(reports_dir)) if report else []), *(store.get(name) for name in runs)]
    if not chosen:
        raise ConfigError("Name finished runs, as `echobench runs` lists them, or --report.")
    options = EvaluateOptions(
        dataset=dataset, data=data, split=split, metrics=metrics, all_frames=all_frames, from_masks=from_masks,
        limit=limit, data_root=Path(data_dir),
    )  # fmt: skip
    if keep_masks:
        from harness.experiments.sweep.clips import prepared_of

        for run in chosen:
            # For its refusals: an unfinished run, one without a model, data that are not there. Then masks are kept.
            evaluate_on(run, EvaluateOptions(data={}, data_root=Path(data_dir)))
            click.echo(str(keep(run, run_predictor(run), prepared_of(run.spec, Path(data_dir)))))
    name = title or "-".join(["evaluated", report or chosen[0].path.name, *([dataset] if dataset else []), split])
    folder = Path(reports_dir) / Path(name).name
    made = run_evaluate(chosen, options, folder, command=typed(sys.argv[1:]))
    console = new_console()
    for table in made.tables:
        # On other data the table trained on x tested on is the answer; the long ones are in the folder.
        if not table.name.startswith("metrics_") or dataset is None:
            print_table(table, console)
    stale = sum(not item.fresh for item in made.evaluations)
    known = f" ({stale} of {len(made.evaluations)} were measured before)" if stale else ""
    console.print(f"{len(made.written)} files in {folder}{known}", highlight=False, soft_wrap=True)
