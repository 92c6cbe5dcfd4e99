"""A suite's plan in seconds: what would be trained on what, without generating, preparing or training anything."""

from __future__ import annotations

from dataclasses import dataclass

from harness.data.dataset import SPLITS, EchoDataset
from harness.data.prepared import PreparedCache
from harness.experiments.options import SuiteOptions
from harness.experiments.resolve import Resolved, resolve
from harness.experiments.source import find_data, limited_generation, short_name
from harness.vocabulary import counted


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """Lines for people, and whether the data are prepared, so that the runs have names and states already."""

    lines: list[str]
    prepared: bool


def preview(options: SuiteOptions) -> Preview:
    """What a bench with these options would do.

    Raises:
        ConfigError, DataError: what the bench would refuse before it reads any pixel.
    """
    known = resolve(options)
    name, size = known.suite["dataset"], known.recipe["image_size"]
    # What is there, without making it: a plan must not generate for a minute.
    dataset, cache = find_data(name, known.data_cfg, size, options.data_root, options.limit)
    labels = [choice.label for choice in known.choices]
    seeds = list(known.suite["seeds"])
    lines = [
        f"{counted(len(labels) * len(seeds), 'run')}: {', '.join(labels)}; seeds {', '.join(map(str, seeds))}.",
        f"Recipe: {size} px, {counted(known.recipe['iterations'], 'iteration')} of {counted(known.recipe['batch_size'], 'clip')}, "
        f"clip length {known.recipe['clip_length']}.",
        _data_line(known, options, dataset, cache),
    ]
    return Preview(lines=[*lines, *known.notes], prepared=cache is not None)


def _data_line(known: Resolved, options: SuiteOptions, dataset: EchoDataset | None, cache: PreparedCache | None) -> str:
    name = short_name(known.suite["dataset"])
    if cache is not None:
        counts = {split: sum(record.case.split == split for record in cache.records) for split in SPLITS}
        return f"Data: {name}, prepared; clips {_counts(counts)}." + (f" Marked: {cache.mark}." if cache.mark else "")
    if dataset is not None:
        counts = {split: len(dataset.cases(split)) for split in SPLITS}
        mark = f" Marked: {dataset.mark}." if dataset.mark else ""
        return f"Data: {name}, to be prepared; clips {_counts(counts)}.{mark}"
    patients = limited_generation(known.data_cfg["generate"], options.limit)["patients"]
    return f"Data: {name}, to be generated and prepared; patients {_counts(dict(zip(SPLITS, patients, strict=True)))}."


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{split} {count}" for split, count in counts.items())
