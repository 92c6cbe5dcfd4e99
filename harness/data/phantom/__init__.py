"""Echo-like sequences with known masks, volumes and EF, written in the layout of the CAMUS NIfTI release."""

from harness.data.phantom.parameters import GENERATOR_VERSION, PhantomParameters
from harness.data.phantom.patient import draw_patient
from harness.data.phantom.render import Rendered, render_clip
from harness.data.phantom.root import generate, read_manifest
from harness.data.phantom.statistics import describe

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
