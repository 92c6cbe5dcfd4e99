"""Foreshortened views: the imaging plane passes beside the true apex, so that the ventricle looks shorter and its apex round.

The commonest fault of apical views; it makes volumes too small (Lang et al., J Am Soc Echocardiogr 28, 2015). The plane is tilted about
the mitral plane's middle; what it cuts follows from the two outlines, because every short-axis cut of the phantom is an ellipse.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.optimize import brentq

from harness.phantom.profiles import Outline, bullet

STEEPEST = 0.7
"""Radians; a plane that is tilted further cuts no ventricle that anybody would record."""


def tilt_for(shortening: float, outline: Outline, other: Outline) -> float:
    """Tilt in radians at which the long axis of ``outline`` looks shorter by a share; ``other`` is the view at a right angle."""
    reach = (1 - shortening) * outline.length

    def beyond(tilt: float) -> float:
        return _half(other, outline.length - reach * np.cos(tilt)) - reach * float(np.sin(tilt))

    # Without a tilt the point lies inside the ventricle, with the steepest outside: one crossing between.
    return float(brentq(beyond, 0.0, STEEPEST))


def foreshortened(outline: Outline, other: Outline, tilt: float) -> Outline:
    """What a plane tilted by ``tilt`` about the mitral plane's middle cuts of the ventricle, as an outline of the same family.

    Length, width and the place of the widest point are those of the cut; between them the outline stays a bullet.
    """
    length = _reach(outline.length, tilt, lambda z: _half(other, z))
    outer_length, outer_width, outer_shoulder, outer_base = other.outer_shape
    outer = _reach(
        outer_length,
        tilt,
        lambda z: float(bullet(np.array(z / outer_length), outer_shoulder, outer_base)) * outer_width / 2,
    )
    widest = (1 - outline.shoulder) * outline.length / np.cos(tilt)
    away = widest * np.sin(tilt) / _half(other, outline.shoulder * outline.length)
    width = outline.width * float(np.sqrt(np.clip(1 - away**2, 0.3, 1)))
    return replace(
        outline,
        length=length,
        width=width,
        shoulder=float(np.clip(1 - widest / length, 0.3, 0.72)),
        # The mitral ring is cut through its middle whatever the tilt: its width stays.
        base=float(min(outline.base * outline.width / width, 1.0)),
        apex_wall=max(outer - length, 0.5 * outline.apex_wall),
    )


def _reach(length: float, tilt: float, half_width: Callable[[float], float]) -> float:
    """Distance from the mitral plane's middle to where the plane leaves the body."""
    cosine, sine = float(np.cos(tilt)), float(np.sin(tilt))
    return float(brentq(lambda r: half_width(length - r * cosine) - r * sine, 0.0, length / cosine))


def _half(outline: Outline, z: float) -> float:
    return float(bullet(np.array(z / outline.length), outline.shoulder, outline.base)) * outline.width / 2
