"""Loss of resolution in the beam."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from harness.perturbations.base import Coherence, Draw, Perturbation
from harness.perturbations.polar import from_polar, smooth, to_polar
from harness.perturbations.sector import Sector
from harness.registry import PERTURBATIONS


@PERTURBATIONS.register_module(name="lateral_blur")
class LateralBlur(Perturbation):
    """A wide beam: the point spread grows sideways, along the arc, so more in centimetres the deeper it is."""

    name: ClassVar[str] = "lateral_blur"
    coherence: ClassVar[Coherence] = "static"
    unit: ClassVar[str] = "standard deviation in degrees"
    limits: ClassVar[tuple[float, float]] = (0.3, 15.0)

    def apply(self, frames: Tensor, sector: Sector, strength: float, draw: Draw) -> Tensor:
        """The blurred-minus-sharp difference is taken in polar coordinates and added to the image: detail that the
        polar grid does not hold is only lost as far as the blur asks for it."""
        depths, angles = 160, 128
        degrees_per_line = 2 * sector.half_angle * 180 / 3.141592653589793 / (angles - 1)
        polar = to_polar(frames, sector, depths, angles)
        blurred = smooth(polar, 0.0, strength / degrees_per_line)
        return frames + from_polar(blurred - polar, sector)
