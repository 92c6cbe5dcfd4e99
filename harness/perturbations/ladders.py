"""The committed table of ladders: one block of rows per reference dataset, with the commands that made them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from harness.files import write_text
from harness.perturbations.base import LADDERS, calibrated_ladders

_MADE_BY = "# {reference}: "


def write_ladders(table: pd.DataFrame, command: str, path: Path = LADDERS) -> Path:
    """Replace the rows of the table's perturbations and reference, keep all others; atomically.

    Args:
        table: what ``calibrate`` returns, of one reference.
        command: the command line that made it; stands in a comment at the top of the file, behind that of rows that are kept.
        path: the table.
    """
    reference = str(table["reference"].iloc[0])
    comments, kept = read_ladders(path)
    replaced = (kept["reference"] == reference) & kept["perturbation"].isin(table["perturbation"])
    merged = pd.concat([kept[~replaced].astype(object), table.astype(object)], ignore_index=True)
    merged = merged.sort_values(["reference", "perturbation", "severity"], kind="stable")
    earlier = comments.get(reference, "")
    # Faults that pass are calibrated by a command of their own: both made the table.
    partly = (
        bool(earlier)
        and bool((kept["reference"] == reference).any())
        and not replaced.eq(kept["reference"] == reference).all()
    )
    comments[reference] = (
        (earlier if command in earlier.split("; ") else f"{earlier}; {command}") if partly else command
    )
    head = [f"{_MADE_BY.format(reference=name)}{text}" for name, text in sorted(comments.items())]
    write_text(path, "\n".join(head) + "\n" + merged.to_csv(index=False))
    calibrated_ladders.cache_clear()
    return path


def read_ladders(path: Path = LADDERS) -> tuple[dict[str, str], pd.DataFrame]:
    """The command per reference, and all rows; both empty where there is no table yet."""
    if not path.is_file():
        return {}, pd.DataFrame(columns=["reference", "perturbation", "severity"])
    lines = path.read_text(encoding="utf-8").splitlines()
    heads = [line[2:].partition(": ") for line in lines if line.startswith("# ")]
    return {name: command for name, _, command in heads}, pd.read_csv(path, comment="#")


def unmatched(reference: str, path: Path = LADDERS) -> list[str]:
    """Perturbations whose severities could not be matched to the others' similarity, on the ladders a dataset uses."""
    _, table = read_ladders(path)
    used = reference if (table["reference"] == reference).any() else "camus"
    return sorted(table.loc[(table["reference"] == used) & ~table["reached"].astype(bool), "perturbation"].unique())
