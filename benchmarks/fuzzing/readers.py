"""Every reader of the harness with a real file for it: what its own writer, or the library that others write with, has made."""

from __future__ import annotations

from pathlib import Path

from fuzzing.datasets import datasets
from fuzzing.media import media
from fuzzing.outputs import outputs
from fuzzing.reader import Reader
from fuzzing.stores import stores
from fuzzing.tables import tables
from fuzzing.weights import weights


def readers(folder: Path) -> list[Reader]:
    """All readers, with their files below an empty folder."""
    return [
        *media(folder / "media"),
        *datasets(folder),
        *tables(folder / "tables"),
        # The first run of the store has the rows among the tables.
        *stores(folder),
        *weights(folder),
        *outputs(folder),
    ]
