"""The references that a report's paper needs: its models, its data and its methods, as BibTeX."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from harness.results.result_set import ResultSet

METHODS = frozenset({"clopper1934", "smyth2004", "efron1993", "maierhein2024"})
"""Exact limits of a rate, moderated variances, the bootstrap-t, which measures to report: entries that are no model."""

_DATA = {"camus": "camus", "camus_mhd": "camus", "echonet": "echonet"}
_ENTRY = re.compile(r"@\w+\{(\w+),\n.*?\n\}\n", re.DOTALL)
_CITATION = re.compile(r"\\cite\{(.*?)\}")


def bibliography(*texts: str) -> str:
    """The BibTeX file of LaTeX texts: the entries that they cite, in the order of ``references.bib``."""
    cited = {key for text in texts for group in _CITATION.findall(text) for key in group.split(",")}
    return "".join(entry for key, entry in entries().items() if key in cited)


def model_key(name: str) -> str | None:
    """The entry of a model by its registry name; None for a user's own, whose sentence then stands without a citation."""
    return name if name in entries() and name not in METHODS else None


def data_key(results: ResultSet) -> str | None:
    """The entry of the data set; None for the phantom and for a user's own."""
    names = {str(run.spec.get("data", {}).get("dataset", "")) for run in results.runs}
    return _DATA.get(names.pop()) if len(names) == 1 else None


def cite(keys: Iterable[str | None]) -> str:
    r"""``~\cite{a,b}``, or nothing where no key is known.

    Examples:
        >>> cite(["unet", None])
        '~\\cite{unet}'
        >>> cite([None])
        ''
    """
    names = ",".join(dict.fromkeys(key for key in keys if key))
    return rf"~\cite{{{names}}}" if names else ""


@cache
def entries() -> dict[str, str]:
    """Every entry of ``references.bib`` by key."""
    text = Path(__file__).with_name("references.bib").read_text(encoding="utf-8")
    return {match[1]: match[0] for match in _ENTRY.finditer(text)}
