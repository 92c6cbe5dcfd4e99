"""Datasets, runs and trained models, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from harness import config
from harness.data import PreparedCache
from harness.errors import ConfigError
from harness.experiments.source import dataset_config, open_data
from harness.experiments.trained import load_trained
from harness.modules import trust_records
from harness.store.runs import Run, RunStore


def load_dataset(
    name: str,
    *,
    root: str | Path | None = None,
    image_size: int = 128,
    views: Sequence[str] | None = None,
    clip: str | None = None,
    allow_partial: bool | None = None,
    split_dir: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    data: str | Path = "data",
    progress: bool = True,
) -> PreparedCache:
    """Check a dataset, resize its clips once, and open what was prepared.

    Args:
        name: a dataset's config (``phantom``, ``camus``, ``echonet``, ...) or the path of one of your own.
        root: folder of the original files, or a prepared folder; the phantom is generated without one.
        image_size: side of the square frames that models see, in pixels.
        views, clip, allow_partial, split_dir: as in ``echobench bench``; None as the config says.
        settings: further values of the config, by dotted keys.
        data: folder of generated phantoms and prepared caches.
        progress: show how far it is.

    Returns:
        The prepared data; ``.split("test")`` is a sequence of clips.

    Raises:
        ConfigError: an unknown dataset or setting. DataError: files that are missing or wrong.

    Examples:
        >>> import harness
        >>> tiny = {"generate.patients": (3, 1, 2), "generate.pixel_mm": 1.6}
        >>> cache = harness.load_dataset("phantom", image_size=32, settings=tiny, progress=False)
        >>> len(cache.split("test")), cache.split("test").clip(0).case.name
        (4, 'patient0004_2CH')
    """
    chosen = {
        # As the options of the command line give them: the same words make the same prepared folder.
        "root": None if root is None else str(root),
        "views": None if views is None else tuple(views),
        "clip": clip,
        "allow_partial": allow_partial,
        "split_dir": None if split_dir is None else str(split_dir),
    }
    cfg = dataset_config(name, chosen)
    config.override(cfg, dict(settings or {}), f"dataset '{name}'")
    return open_data(name, cfg, image_size, Path(data), progress)


def load_run(name: str, results: str | Path = "results/runs") -> Run:
    """A run of the store, whatever its state.

    Args:
        name: the run's name, or its folder's name alone where only one run has it.
        results: folder of the store.

    Returns:
        The run: ``.status``, ``.spec`` (what decided it), ``.record`` (all of ``run.json``), ``.path``.

    Raises:
        BenchError: there is no such run, or there are several.

    Examples:
        >>> import harness
        >>> harness.load_run("phantom/nothing-s0")
        Traceback (most recent call last):
        ...
        harness.errors.BenchError: There is no run phantom/nothing-s0 in results/runs; `echobench runs` lists what is there.
    """
    return RunStore(Path(results)).get(name)


def load_model(run: Run | str, results: str | Path = "results/runs", *, trust: bool = False) -> nn.Module:
    """The model of a finished run with its best weights, in eval mode, on the CPU.

    Args:
        run: a run, or its name.
        results: folder of the store, where a name is given.
        trust: run the code of a model of a user's own that only the run's record names (from then on, in this process).

    Returns:
        A ``VideoSegmenter``: ``model(frames [B, T, 1, H, W] in [0, 1]) -> logits [B, T, K+1, H, W]``.

    Raises:
        ConfigError: the run is not finished, or wants code that nobody named. BenchError: no such run, or its weights are missing or damaged.

    Examples:
        >>> import harness, torch
        >>> tiny = {"generate.patients": (3, 1, 2), "generate.pixel_mm": 1.6}
        >>> made = harness.bench(["unet"], recipe="smoke", settings=tiny, profile=False, progress=False)
        >>> model = harness.load_model(made.runs[0])
        >>> model(torch.zeros(1, 2, 1, 32, 32)).shape
        torch.Size([1, 2, 2, 32, 32])
    """
    opened = load_run(run, results) if isinstance(run, str) else run
    if opened.status != "finished":
        raise ConfigError(f"The run {opened.name} is {opened.status}; finish it or choose another.")
    if opened.spec.external:
        raise ConfigError(f"The run {opened.name} holds scores of masks made elsewhere; it has no model.")
    if trust:
        trust_records()
    return load_trained(opened)
