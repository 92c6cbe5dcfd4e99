"""Which structures a suite is of: what was asked for, held against what the data have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.clip import STRUCTURE_SETS, structure_names
from harness.data import EchoDataset, PreparedCache
from harness.data.prepared import MANIFEST
from harness.errors import ConfigError
from harness.experiments.options import SuiteOptions
from harness.registry import DATASETS


def stated(data_cfg: dict[str, Any]) -> tuple[dict[str, Any], Sequence[str], tuple[str, ...]]:
    """Options, views and structures of a dataset as its config, its reader or its prepared root state them: no clip is read."""
    chosen = data_cfg["dataset"]
    root = chosen.get("root")
    if root is not None and (Path(root) / MANIFEST).is_file():
        # A prepared folder knows itself; its sources may be on another machine.
        cache = PreparedCache.open(root)
        return cache.manifest["options"], cache.manifest["options"]["views"], cache.structures
    reader: type[EchoDataset] = DATASETS.get(chosen["type"])
    views, there = reader.words_at(root, chosen["views"])
    return chosen, views, there


def asked_structures(options: SuiteOptions, suite: dict[str, Any], data_cfg: dict[str, Any]) -> str:
    """The structures that were asked for: by the user, else by the dataset's config, else by the suite's."""
    return str(options.structures or data_cfg.get("structures") or suite["structures"])


def structures_of(asked: str, there: tuple[str, ...], dataset: str, data_cfg: dict[str, Any]) -> str:
    """The structures of a run as its protocol names them: a set of ``STRUCTURE_SETS``, or names joined by ``+``.

    Where the dataset's config names structures of its own, ``all`` is whatever its masks distinguish.
    """
    # Of a user's own data nobody knows the structures beforehand, so `all` cannot mean LV, myocardium and LA.
    open_set = asked == "all" and "structures" in data_cfg
    names = there if open_set else structure_names(asked.replace(",", "+"))
    if missing := [name for name in names if name not in there]:
        raise ConfigError(
            f"The dataset '{dataset}' has no masks of {', '.join(missing)}; use --structures "
            f"{'lv' if 'lv' in there else 'all'} (it has: {', '.join(there)})."
        )
    # The set's word where there is one: it stands in the identity of runs.
    return next((word for word, members in STRUCTURE_SETS.items() if members == names), "+".join(names))


def check_masks(structures: str, cache: PreparedCache) -> None:
    """Raise ``ConfigError`` where no mask of the data holds a structure that was asked for: a table of it would be empty."""
    empty = {
        name
        for name in cache.structures
        for item in cache.findings
        if item.message.startswith(f"no mask holds {name}:")
    }
    if missing := [name for name in structure_names(structures) if name in empty]:
        raise ConfigError(
            f"No mask of the dataset '{cache.name}' holds {', '.join(missing)}; leave it out of --structures "
            f"(there are: {', '.join(name for name in cache.structures if name not in empty)})."
        )
