"""Echo-like sequences with known masks, volumes and EF, written in the layout of the CAMUS NIfTI release."""

from harness.phantom.parameters import GENERATOR_VERSION, PhantomParameters
from harness.phantom.patient import draw_patient
from harness.phantom.render import Rendered, render_clip
from harness.phantom.root import generate, read_manifest
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
