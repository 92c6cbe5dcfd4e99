"""Pairs of a study's cells that differ in one factor alone: what effects of that factor are estimated from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.store.formats.study import MOOT

Levels = Mapping[str, str]


def matched_pairs(cells: Iterable[Levels], factor: str, reference: str, level: str) -> list[tuple[int, int]]:
    """Index pairs (cell with ``reference``, cell with ``level``) that agree in every other factor.

    A factor that is moot in one of the two cells agrees with every level of the other.
    """
    table = list(cells)
    return [
        (i, j)
        for i, one in enumerate(table)
        for j, other in enumerate(table)
        if one[factor] == reference and other[factor] == level and _agree(one, other, factor)
    ]


def _agree(one: Levels, other: Levels, but: str) -> bool:
    # A model without a memory has no gate to switch: it is the partner of every cell that differs in the gate alone.
    return all(one[name] == other[name] or MOOT in (one[name], other[name]) for name in one if name != but)
