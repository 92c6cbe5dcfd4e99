"""What a suite declares before it is run: its primary endpoint, and the smallest difference that matters per measure.

The margins that hold without a word of the suite are in ``configs/margins.py``, each with its source.
"""

from __future__ import annotations

import math
import runpy
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.errors import ConfigError, unknown

_DEFAULTS = Path(__file__).resolve().parent.parent / "configs" / "margins.py"


@dataclass(frozen=True, slots=True)
class Margin:
    """``value`` in the displayed unit of a measure (percent, mm, EF points), and the reason for it."""

    value: float
    source: str


def read_margins(tree: Mapping[str, Any]) -> dict[str, Margin]:
    """Margins from a config or a manifest: per measure a ``value`` above 0 and its ``source``.

    Raises:
        ConfigError: a value that is no positive number, or one without a source.
    """
    margins = {}
    for name, entry in tree.items():
        value = entry.get("value") if isinstance(entry, Mapping) else None
        source = entry.get("source") if isinstance(entry, Mapping) else None
        # bool is an int in Python: ``value=True`` would be a margin of one point.
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise ConfigError(
                f"The margin of {name} is {value!r}; write margins = dict({name}=dict(value=0.5, source='why'))."
            )
        if not isinstance(source, str) or not source.strip():
            raise ConfigError(f"The margin of {name} has no source; say in source='...' where {value:g} comes from.")
        margins[name] = Margin(float(value), source)
    return margins


@lru_cache(maxsize=1)
def default_margins() -> dict[str, Margin]:
    """The margins of ``configs/margins.py``.

    >>> default_margins()["dice"].value
    0.5
    """
    # Read as a plain script: mmengine's loader imports torch, which this room must not.
    return read_margins(runpy.run_path(str(_DEFAULTS))["margins"])


@dataclass(frozen=True, kw_only=True)
class Criteria:
    """By what a suite is judged.

    Attributes:
        endpoint: measure that is tested on its own; all others are secondary.
        margins: per measure the smallest difference that matters.
    """

    endpoint: str = "dice"
    margins: Mapping[str, Margin] = field(default_factory=default_margins)

    @classmethod
    def read(cls, tree: Mapping[str, Any]) -> Criteria:
        """From ``endpoint`` and ``margins`` of a config or a manifest; what is not there is the default.

        Raises:
            ConfigError: a measure that nobody measures, or a margin without value or source.
        """
        margins = {**default_margins(), **read_margins(tree.get("margins") or {})}
        endpoint = tree.get("endpoint") or cls.endpoint
        measured = [name for name in default_margins() if name != "ef_error"]
        # Data without a pixel size measure the same distances in pixels, for which no margin in mm can hold.
        measured += [name.replace("_mm", "_px") for name in measured if name.endswith("_mm")]
        if endpoint not in measured:
            raise unknown("endpoint", endpoint, measured)
        for name in margins:
            if name not in [*measured, "ef_error"]:
                raise unknown("measure", name, measured, "margins")
        return cls(endpoint=endpoint, margins=margins)

    def record(self) -> dict[str, Any]:
        """Plain values that ``read`` takes."""
        margins = {name: {"value": one.value, "source": one.source} for name, one in self.margins.items()}
        return {"endpoint": self.endpoint, "margins": margins}

    def margin(self, measure: str) -> float:
        """Margin of a measure in its displayed unit; 0 where none is stated.

        >>> Criteria().margin("dice"), Criteria().margin("hd95_px")
        (0.5, 0.0)
        """
        return self.margins[measure].value if measure in self.margins else 0.0
