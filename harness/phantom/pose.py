"""Where the heart lies in the image: local coordinates (z, u) to image millimetres (x to the right, y down) and back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from harness.phantom.profiles import Array


@dataclass(frozen=True, kw_only=True, slots=True)
class Pose:
    """Pose of one view at one instant; the transducer is at (0, 0).

    Attributes:
        apex_x, apex_y: position of the endocardial apex in mm.
        tilt: angle of the long axis to the vertical in radians; positive takes the base to the image's right.
        shear: slope of the mitral plane against the short axis (area-preserving).
        bend: lateral offset in mm of the axis half-way between apex and base (area-preserving).
        length: long axis in mm, the scale of the bend.
    """

    apex_x: float
    apex_y: float
    tilt: float
    shear: float
    bend: float
    length: float

    def moved(self, right_mm: float, down_mm: float, turn: float) -> Pose:
        """The pose after the heart was turned about the transducer (radians, the base to the right) and then shifted."""
        sine, cosine = float(np.sin(turn)), float(np.cos(turn))
        return replace(
            self,
            apex_x=self.apex_x * cosine + self.apex_y * sine + right_mm,
            apex_y=self.apex_y * cosine - self.apex_x * sine + down_mm,
            tilt=self.tilt + turn,
        )

    def to_local(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Image mm to local (z, u) mm."""
        sine, cosine = np.float32(np.sin(self.tilt)), np.float32(np.cos(self.tilt))
        dx, dy = x - np.float32(self.apex_x), y - np.float32(self.apex_y)
        u = dx * cosine - dy * sine
        # A shear and the bend move points along one axis by a function of the other: areas, and so volumes, stay exact.
        z = dx * sine + dy * cosine - np.float32(self.shear) * u
        return z, u - self._offset(z)

    def to_image(self, z: Array, u: Array) -> tuple[Array, Array]:
        """Local (z, u) mm to image mm; the inverse of ``to_local``."""
        sine, cosine = np.float32(np.sin(self.tilt)), np.float32(np.cos(self.tilt))
        u = u + self._offset(z)
        z = z + np.float32(self.shear) * u
        return z * sine + u * cosine + np.float32(self.apex_x), z * cosine - u * sine + np.float32(self.apex_y)

    def _offset(self, z: Array) -> Array:
        # Zero at both ends: apex and mitral plane stay where the pose puts them.
        s = np.clip(z * np.float32(1 / self.length), 0, 1)
        return np.float32(4 * self.bend) * s * (1 - s)
