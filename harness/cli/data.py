"""echobench data: check a dataset's folder, prepare it, and carry the prepared cache to another machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness import config
from harness.cli._complete import CommaList, Named, configs, words
from harness.cli._group import PlainGroup
from harness.cli._options import STRUCTURES, data_options
from harness.errors import ConfigError, DataError
from harness.vocabulary import counted

if TYPE_CHECKING:
    from harness.data import EchoDataset, Finding, PreparedCache

_COLOURS = {"error": "red", "warning": "yellow", "note": "dim"}


@click.group(cls=PlainGroup)
def command() -> None:
    """Check, prepare and carry datasets."""


@command.command()
@data_options
@click.option("--image-size", type=click.IntRange(16, 2048), required=True, help="Side of the square clips in pixels.")
def prepare(image_size: int, data_dir: str, dataset: str | None, **choices: Any) -> None:
    """Resize a dataset once and keep it memory-mapped below DATA_DIR/cache; what is there already is reused."""
    from harness.experiments.source import dataset_config, open_data

    if dataset is None:
        raise ConfigError(f"Name the dataset with --dataset: {', '.join(config.list_configs('datasets'))}.")
    _describe(open_data(dataset, dataset_config(dataset, choices), image_size, Path(data_dir)))


@command.command()
@click.argument("root", type=click.Path(path_type=Path))
@click.option(
    "--dataset",
    type=Named(configs("datasets"), paths=True),
    help="Reader to use (default: recognised from the folder's content).",
)
@click.option(
    "--views", type=CommaList(names=words("2CH", "4CH")), help="Views to look at (default: those that are there)."
)
@click.option(
    "--clip",
    type=Named(words("ed_es", "half", "cine", "cycle", "beats", "labelled")),
    help="ed_es, half (default where the root has it), cine (clips made from the stills), cycle or beats (of the phantom).",
)
@click.option("--split-dir", type=click.Path(), help="Folder with the split lists, where the root has none.")
@click.option("--fold", type=click.IntRange(0), help="Test fold of data with folds.")
@click.option("--fast", is_flag=True, help="Look at names only, read no pixels.")
@click.option("--workers", type=click.IntRange(0), help="Processes that read (default: all cores).")
def check(root: Path, fast: bool, workers: int | None, dataset: str | None, **choices: Any) -> int:
    """Print what is in the folder ROOT and what is wrong with it; exit code 1 when there are errors.

    Without --dataset, --views and --clip the kind of dataset is recognised and what the root can serve is checked.
    ROOT may also be a prepared cache, whose every byte is then compared with its manifest.
    """
    from harness.data import PreparedCache, inspection
    from harness.data.prepared import MANIFEST
    from harness.data.recognise import recognise

    if (root / MANIFEST).is_file() and dataset is None:
        cache = PreparedCache.open(root)
        cache.verify()
        _describe(cache)
        return 0
    opened = _open_for_check(dataset or recognise(root), root, choices)
    findings = opened.layout() if fast else inspection.check(opened, workers=workers, progress=True)
    _print(opened, findings)
    return 1 if any(finding.level == "error" for finding in findings) else 0


@command.command("pack")
@click.argument("cache", type=click.Path(path_type=Path))
@click.argument("archive", type=click.Path(path_type=Path))
def pack_command(cache: Path, archive: Path) -> None:
    """Write the prepared folder CACHE to the file ARCHIVE (.tar.gz); the source files need not travel."""
    from harness.data import PreparedCache, pack

    written = pack(PreparedCache.open(cache), archive)
    click.echo(f"{written}: {written.stat().st_size / 2**20:.1f} MiB")


@command.command("unpack")
@click.argument("archive", type=click.Path(path_type=Path))
@click.option("--data-dir", default="data", show_default=True, help="Where prepared caches are kept.")
def unpack_command(archive: Path, data_dir: str) -> None:
    """Unpack ARCHIVE below DATA_DIR/cache and verify every byte of it."""
    from harness.data import unpack

    _describe(unpack(archive, Path(data_dir) / "cache"))


@command.command("export")
@click.argument("folder", type=click.Path(path_type=Path))
@data_options
@click.option(
    "--format",
    "kind",
    type=click.Choice(["nnunet", "png", "npz"]),
    required=True,
    help="nnU-Net's raw dataset, folders of PNG (labelled frames), or one NPZ per clip.",
)
@click.option(
    "--structures", type=STRUCTURES, help="lv, all, or names joined by +, e.g. lv+rv (default: lv, of own data all)."
)
@click.option("--dataset-id", type=click.IntRange(1, 999), default=501, show_default=True, help="Of nnU-Net's dataset.")
@click.option("--limit", type=click.IntRange(1), help="Only the first so many patients of each split.")
@click.option(
    "--every",
    type=click.IntRange(1),
    default=1,
    help="Of pictures: only every Nth labelled frame of a clip, and ED and ES.",
)
def hand_over_command(
    folder: Path,
    kind: Any,
    structures: str | None,
    dataset_id: int,
    dataset: str | None,
    limit: int | None,
    every: int,
    data_dir: str,
    **choices: Any,
) -> None:
    """Write a dataset to FOLDER for another program, with a map of its names that `echobench score --map` reads.

    Example: echobench data export nnUNet_raw --format nnunet --dataset camus --root CAMUS
    """
    from harness.data.handover import MAP, hand_over
    from harness.experiments.source import dataset_config, open_dataset
    from harness.experiments.structures import structures_of

    if dataset is None:
        raise ConfigError(f"Name the dataset with --dataset: {', '.join(config.list_configs('datasets'))}.")
    settings = dataset_config(dataset, choices)
    opened = open_dataset(dataset, settings, Path(data_dir), limit=limit)
    asked = structures or settings.get("structures", "lv")
    names = structures_of(asked, tuple(opened.structures), dataset, settings)
    written = hand_over(opened, folder, kind, structures=names, number=dataset_id, every=every)
    for sentence in written.refused:
        click.echo(sentence)
    counts = ", ".join(f"{split} {written.count(split)}" for split in ("train", "val", "test"))
    click.echo(f"{written.folder}: {counts} files; {written.folder / MAP} names their cases.")
    if opened.mark:
        click.echo(f"marked: {opened.mark}")


@command.command("export-echonet")
@click.argument("phantom", type=click.Path(path_type=Path))
@click.argument("root", type=click.Path(path_type=Path))
def export_command(phantom: Path, root: Path) -> None:
    """Write the four-chamber views of a PHANTOM root to ROOT in the layout of EchoNet-Dynamic."""
    from harness.phantom.echonet_export import export_phantom

    click.echo(f"The EchoNet layout is at {export_phantom(phantom, root)}.")


@command.command("manifest")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would be written, write nothing.")
def manifest_command(folder: Path, dry_run: bool) -> None:
    """Write a first manifest.csv and labels.yaml for the clips and masks in FOLDER and say what was guessed.

    Example: echobench data manifest mydata, then echobench data check mydata
    """
    from harness.data.folder_guess import guess_manifest, write_guess

    guess = guess_manifest(folder)
    for sentence in guess.sentences:
        click.echo(sentence)
    if not dry_run:
        for path in write_guess(folder, guess):
            click.echo(f"written: {path}")


def _open_for_check(name: str, root: Path, choices: dict[str, Any]) -> EchoDataset:
    """The dataset with the choices made, or else with what its root can serve."""
    from harness.phantom.cine import build_dataset

    choices = {key: value for key, value in choices.items() if value is not None}
    # An incomplete root is opened as well: what is missing is what a check is there to say.
    build = config.load("datasets", name).to_dict()["dataset"]
    config.override(build, {**choices, "root": str(root), "allow_partial": True}, f"dataset '{name}'")
    opened = build_dataset(build)
    # The config's own views or clip may not be in this root; what the user chose stays and is found missing.
    there = {key: value for key, value in _available(opened).items() if key not in choices}
    return build_dataset({**build, **there}) if there else opened


def _available(opened: EchoDataset) -> dict[str, Any]:
    try:
        return opened.available()
    except DataError:
        return {}  # the same error is the first finding


def _print(dataset: EchoDataset, findings: list[Finding]) -> None:
    from rich.table import Table

    from harness.terminal import console as new_console

    table = Table()
    for heading in ("level", "check", "count", "finding"):
        table.add_column(heading, justify="right" if heading == "count" else "left", overflow="fold")
    for finding in findings:
        table.add_row(finding.level, finding.check, str(finding.count), finding.message, style=_COLOURS[finding.level])
    console = new_console()
    # In a file or a pipe nobody knows a width, and 80 columns would fold every path.
    console = console if console.is_terminal else new_console(width=160)
    choice = f"views {','.join(dataset.views)}, clip {dataset.clip}"
    console.print(f"{dataset.title}: {dataset.root} ({choice})", highlight=False, soft_wrap=True)
    console.print(table)
    console.print(_verdict(dataset, findings), highlight=False, soft_wrap=True)


def _verdict(dataset: EchoDataset, findings: list[Finding]) -> str:
    errors, warnings = (sum(finding.level == level for finding in findings) for level in ("error", "warning"))
    if errors:
        return f"{counted(errors, 'error')}, {counted(warnings, 'warning')}."
    mark = f" Results from this root are marked: {dataset.mark}." if dataset.mark else ""
    return f"No errors, {counted(warnings, 'warning')}.{mark}"


def _describe(cache: PreparedCache) -> None:
    counts = {name: sum(record.case.split == name for record in cache.records) for name in ("train", "val", "test")}
    frames = sum(record.count for record in cache.records)
    clips = ", ".join(f"{name} {count}" for name, count in counts.items())
    click.echo(f"{cache.path}: {cache.name} at {cache.image_size} px, clips {clips}, {counted(frames, 'frame')}")
    for finding in cache.findings:
        click.echo(f"{finding.level}: {finding.message}")
    if cache.mark:
        click.echo(f"marked: {cache.mark}")
