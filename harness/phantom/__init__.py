"""Echo-like sequences with known masks, volumes and EF, written in the layout of the CAMUS NIfTI release."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.phantom.parameters import GENERATOR_VERSION, PhantomParameters
from harness.phantom.patient import draw_patient
from harness.phantom.render import Rendered, render_clip
from harness.phantom.root import generate, read_manifest

if TYPE_CHECKING:
    from harness.phantom.statistics import describe

__all__ = [
    "GENERATOR_VERSION",
    "PhantomParameters",
    "Rendered",
    "describe",
    "draw_patient",
    "generate",
    "read_manifest",
    "render_clip",
]


def __getattr__(name: str) -> Any:
    # A worker that draws patients describes none, and pandas would be a fifth of its start.
    if name == "describe":
        from harness.phantom.statistics import describe

        return describe
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
