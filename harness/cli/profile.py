"""echobench profile: latency, FPS, multiply-adds, parameters and memory of models, one process each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness import config
from harness.cli._complete import CommaList, Named, configs, engines, words
from harness.cli._options import DEVICE, REPORT, SIZE, STRUCTURES, trust_option
from harness.errors import BenchError, unknown
from harness.vocabulary import counted

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

DEFAULT_SIDE = {"small": 128, "paper": 256}
_SHOWN = ("model", "mode", "engine", "median_ms", "p5_ms", "p95_ms", "n", "fps", "peak_memory_mb", "status")


@click.command()
@click.option(
    "--models", type=CommaList(names=configs("models")), default="gdkvm,unet,transunet,stm,xmem", show_default=True
)
@click.option("--size", type=SIZE, default="small", show_default=True, help="Model size: small or paper.")
@click.option(
    "--structures", type=STRUCTURES, default="lv", show_default=True, help="lv or all: decides the number of outputs."
)
@click.option("--device", type=DEVICE, default="auto", show_default=True, help="cpu, cuda or auto.")
@click.option("--threads", type=int, help="CPU threads (default: torch's).")
@click.option("--clip-length", default=10, show_default=True, help="Frames of the clips that are timed.")
@click.option("--image-size", type=int, help="Side of the frames in pixels (default: 128 for small, 256 for paper).")
@click.option("--batch-size", default=1, show_default=True, help="Clips at once.")
@click.option(
    "--precision",
    type=Named(words("fp32", "bf16", "fp16")),
    default="fp32",
    show_default=True,
    help="fp32, bf16 or fp16.",
)
@click.option("--channels-last", is_flag=True, help="Memory layout of the model.")
@click.option(
    "--engines",
    type=CommaList(names=engines),
    help="How models are executed, the headline first (default: eager, and native where it is installed).",
)
@click.option("--tf32", is_flag=True, help="Let CUDA round float32 products to TF32.")
@click.option("--warmup", default=10, show_default=True, help="Clips before anything is timed.")
@click.option("--repeats", default=30, show_default=True, help="Clips that are timed.")
@click.option(
    "--memory-frames",
    "memory_lengths",
    type=CommaList(int),
    default="10,32,100,300",
    show_default=True,
    help="Clip lengths whose peak memory is measured.",
)
@click.option(
    "--patience",
    "patience_s",
    type=click.FloatRange(0),
    default=30.0,
    show_default=True,
    help="Seconds to wait for other work on the machine to end; what it disturbs nevertheless is marked.",
)
@click.option("--out", default="results/profile", show_default=True, help="Folder of the table.")
@click.option(
    "--report", type=REPORT, help="Measure the finished runs of this report anew, each at its own image size."
)
@trust_option
@click.option("--results-dir", default="results/runs", show_default=True, help="Where runs are kept, for --report.")
@click.option("--reports-dir", default="reports", show_default=True, help="Where the report lies, for --report.")
def command(
    models: tuple[str, ...],
    size: str,
    structures: str,
    image_size: int | None,
    out: str,
    report: str | None,
    results_dir: str,
    reports_dir: str,
    **chosen: Any,
) -> int:
    """Measure models and write results/profile/profile_<condition>.csv, one row per quantity.

    Latency is the median over repeats after warm-up; FPS = frames / median; the headline is one streaming frame at
    steady state with the first engine. A model that fails does not stop the others. Example:

        echobench profile --models unet,stm --size small --engines eager,native,openvino --threads 2

    With --report NAME the profile.csv of every finished run of that report is replaced, under this command's condition;
    `echobench report NAME` then takes it up.
    """
    import pandas as pd

    from harness.clip import STRUCTURE_SETS
    from harness.experiments.models import build_for, choose_model
    from harness.files import write_text
    from harness.jobs import Progress
    from harness.profiling import ProfileSettings, profile_model
    from harness.spreadsheets import to_csv
    from harness.terminal import console as new_console

    if report is not None:
        return _measure_again(report, Path(results_dir), Path(reports_dir), chosen)
    if structures not in STRUCTURE_SETS:
        raise unknown("structure set", structures, STRUCTURE_SETS, "--structures")
    side = image_size or DEFAULT_SIDE.get(size, 256)
    settings = ProfileSettings(image_size=side, **chosen).resolved()
    choices = [(choose_model(name, size), _imports(name)) for name in models]
    tables, failed = [], []
    with Progress("profiling", len(choices), unit="models") as bar:
        for choice, imports in choices:
            build = build_for(choice.build, structures, "auto")
            named: dict[str, Any] = {"model": choice.name, "size": size, "custom_imports": imports}
            try:
                tables.append(profile_model(build, **named, **settings.as_dict()))
            # An engine or a model may lack a library here; the others are still worth their minutes.
            except BenchError as error:
                failed.append(choice.name)
                bar.say(f"  {choice.label}: {error}")
            bar.advance()
    if not tables:
        raise BenchError("No model could be profiled; the reasons are above.")
    # As objects: a column that is empty in one part would turn the numbers of another into floats.
    table = pd.concat([part.astype(object) for part in tables], ignore_index=True)
    path = Path(out) / f"{settings.file_stem}_{size}.csv"
    write_text(path, to_csv(table))
    new_console().print(_rendered(table, path.stem))
    click.echo(f"Written: {path}", err=True)
    return 1 if failed else 0


def _measure_again(name: str, results_dir: Path, reports_dir: Path, chosen: dict[str, Any]) -> int:
    from harness.experiments import profile_run
    from harness.jobs import Progress
    from harness.reporting.manifest import read_suite
    from harness.store.claim import hold
    from harness.store.runs import RunStore

    store = RunStore(results_dir)
    named = [run.name for run in read_suite(name, reports_dir, results_dir).runs if run.status == "finished"]
    finished = [run for run in map(store.get, named) if not run.spec.external]
    with Progress("profiling", len(finished), unit="runs") as bar:
        for run in finished:
            # A sweep or an evaluation may be writing into the folder of the finished run.
            with hold(run, finished_too=True, wait=True):
                profile_run(run, chosen)
            bar.advance(text=run.name)
    click.echo(f"Measured {counted(len(finished), 'run')} anew; `echobench report {name}` takes them up.", err=True)
    return 0


def _imports(name: str) -> tuple[str, ...]:
    """Modules that a model's config names in ``custom_imports``."""
    named = config.load("models", name.partition(":")[0]).get("custom_imports", {})
    return tuple(named.get("imports", ())) if isinstance(named, dict) else tuple(named or ())


def _rendered(table: pd.DataFrame, title: str) -> Table:
    import pandas as pd
    from rich.table import Table

    shown = Table(*_SHOWN, title=title)
    for _, row in table.iterrows():
        shown.add_row(*("" if pd.isna(row[name]) else _text(row[name]) for name in _SHOWN))
    return shown


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
