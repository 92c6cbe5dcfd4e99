"""echobench runs: what is in the results store, in which state, with which scores, and what sets runs apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.errors import ConfigError
from harness.vocabulary import counted

if TYPE_CHECKING:
    import pandas as pd

    from harness.store.runs import Run, RunStore

_SHOWN = 4


@click.command()
@click.argument("words", nargs=-1, metavar="[diff A B] [WORD]...")
@click.option("--json", "as_json", is_flag=True, help="All of it as JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="All of it as CSV.")
@click.option("--delete", is_flag=True, help="Delete the runs that the words choose, after asking.")
@click.option("--yes", is_flag=True, help="With --delete: do not ask.")
@click.option("--results-dir", default="results/runs", show_default=True, help="Where runs are kept.")
@click.option("--clean", is_flag=True, help="List and remove what killed processes have left, and nothing else.")
@click.option("--data-dir", default="data", show_default=True, help="With --clean: where phantoms and caches are kept.")
@click.option("--reports-dir", default="reports", show_default=True, help="With --clean: where reports are kept.")
def command(
    words: tuple[str, ...],
    as_json: bool,
    as_csv: bool,
    delete: bool,
    yes: bool,
    clean: bool,
    data_dir: str,
    reports_dir: str,
    results_dir: str,
) -> None:
    """List runs with status, scores and the settings that set them apart; with WORDs, those whose name or status has them all.

    `diff A B` shows every setting that two runs do not share; of a name the hash is enough. Examples:

        echobench runs unet finished --csv

        echobench runs diff 1f2e3d4c5b 6a7b8c9d0e
    """
    from harness.store.runs import RunStore

    if clean:
        _clean(Path(results_dir), Path(data_dir), Path(reports_dir))
        return
    store = RunStore(results_dir)
    for name, sentence in ({} if words[:1] == ("diff",) else store.damaged()).items():
        click.echo(f"{name}: damaged: {sentence}", err=True)
    if words[:1] == ("diff",):
        _diff(store, words[1:])
        return
    runs = [run for run in store.all() if all(word in run.name or word == run.status for word in words)]
    if delete:
        _delete(runs, words, yes)
        return
    if not runs:
        what = f" with {' and '.join(words)}" if words else ""
        click.echo(f"No runs{what} in {results_dir}; `echobench bench` makes some.")
        return
    _print(runs, as_json, as_csv)


def _print(runs: list[Run], as_json: bool, as_csv: bool) -> None:
    from harness.results.run_list import list_runs
    from harness.spreadsheets import to_csv

    table = list_runs(runs)
    if as_json:
        click.echo(json.dumps(json.loads(table.to_json(orient="records")), indent=2, ensure_ascii=False))
    elif as_csv:
        flat = table.assign(differs=[_settings(settings, len(settings)) for settings in table["differs"]])
        click.echo(to_csv(flat), nl=False)
    else:
        click.echo(_lines(table))


def _lines(table: pd.DataFrame) -> str:
    """Whole names: they are there to be copied."""
    # Data without a pixel size have distances in pixels only.
    distance = "hd95_mm" if table["hd95_mm"].notna().any() else "hd95_px"
    shown = table.assign(differs=[_settings(settings, _SHOWN) for settings in table["differs"]])
    columns = ["run", "status", "dice", distance, "patients", "finished", "differs", "note"]
    heads = ["run", "status", "Dice [%]", f"HD95 [{distance[-2:]}]", "n", "finished", "differs from its like", "note"]
    return _aligned([heads, *([_text(value) for value in row] for row in shown[columns].itertuples(index=False))])


def _text(value: object) -> str:
    # NaN is the only value that differs from itself.
    return ("" if value != value else f"{value:.2f}") if isinstance(value, float) else str(value)


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _settings(settings: dict[str, object], most: int) -> str:
    texts = [f"{key}={value}" for key, value in settings.items()]
    return " ".join(texts[:most]) + (f" and {len(texts) - most} more" if len(texts) > most else "")


def _diff(store: RunStore, names: tuple[str, ...]) -> None:
    from harness.results.run_list import differences

    if len(names) != 2:
        raise ConfigError("Name two runs: echobench runs diff A B.")
    rows = differences(*(_named(store, name) for name in names))
    if not rows:
        click.echo("The two runs share every setting.")
        return
    click.echo(_aligned([["setting", "A", "B"], *map(list, rows)]))


def _named(store: RunStore, word: str) -> Run:
    """The run of this name, or the only one that has the word in its name (its hash is enough)."""
    fits = [run for run in store.all() if word in run.name]
    if len(fits) > 1 and word not in (run.name for run in fits):
        raise ConfigError(f"{len(fits)} runs have {word} in their names; give more of one of them, its hash is enough.")
    return fits[0] if len(fits) == 1 else store.get(word)


def _delete(runs: list[Run], words: tuple[str, ...], yes: bool) -> None:
    if not words:
        raise ConfigError("Say which runs: --delete needs words of their names, or a status such as failed.")
    if not runs:
        click.echo(f"No run has {' and '.join(words)} in its name or as its status; nothing was deleted.")
        return
    # Its process would go on writing into a folder that is no longer there.
    busy = [run.name for run in runs if run.status == "running"]
    if busy:
        raise ConfigError(f"The run {busy[0]} is being worked on; stop that process first.")
    for run in runs:
        click.echo(f"{run.name} ({run.status})")
    question = f"Delete {counted(len(runs), 'run')} with weights and rows? Reports cannot be made from them again"
    if not yes and not click.confirm(question):
        click.echo("Nothing was deleted.")
        return
    for run in runs:
        run.delete()
    click.echo(f"Deleted {counted(len(runs), 'run')}.")


def _clean(results: Path, data: Path, reports: Path) -> None:
    from harness.leftovers import in_folders, remove

    found = in_folders(results, data, reports)
    for path in found:
        remove(path)
        click.echo(f"{'kept (it cannot be removed)' if path.exists() else 'removed'}: {path}")
    if not found:
        click.echo(f"Nothing is left over in {results}, {data}, {reports} and the folder for temporary files.")
