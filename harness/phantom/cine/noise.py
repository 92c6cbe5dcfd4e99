"""Speckle in time: a Gaussian process at each material point, conditioned on both stills, with the stills' own texture.

Covariance of one material point with tissue share w: C(0) = 1, C(k) = w rho(k) at a lag of k frames. rho is a sum of two
exponentials, so the process is two autoregressive fields and fresh noise. It is drawn without conditions as x_t, and then
r_t = x_t + l0 (g_ED - x_0) + l1 (g_ES - x_N) with the weights l = C_te C_ee^-1 has the conditional distribution exactly (Matheron's
rule; Journel and Huijbregts, Mining Geostatistics, 1978).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Image = NDArray[np.float32]
Generator = np.random.Generator

SLOW, QUICK = (0.46, float(np.exp(-1 / 60))), (0.53, 0.505)
"""(share, memory per frame) of the two exponentials: rho(k) = .46 exp(-k/60) + .53 * .505^k runs .72 .58 .51 .46 .44, the
correlation of bright tissue on material points in a real half sequence (.72 .64 .60 .57 .55 motion-compensated)."""

_PER_SPECTRUM = 6


def rho(lag: NDArray | float) -> NDArray:
    """Correlation of tissue speckle at a lag in frames; at lag 0 the two exponentials' share.

    >>> rho(np.arange(1, 6)).round(2).tolist()
    [0.72, 0.58, 0.51, 0.46, 0.44]
    """
    return np.asarray(SLOW[0] * SLOW[1] ** np.asarray(lag, float) + QUICK[0] * QUICK[1] ** np.asarray(lag, float))


def weights(share: Image, frame: int, last: int) -> tuple[Image, Image, Image]:
    """Weights of the ED and ES scores at a frame between them, and the factor that keeps the variance at 1.

    The process expects the two stills' speckle to correlate by w rho(N); in real pairs it does not (.01 after warping), which
    would cost the sum 2 l0 l1 w rho(N) of its variance. The factor gives that back.

    Args:
        share: float32 [...], tissue share w.
        frame, last: index of the frame and of the last one, N.
    """
    near, far, whole = (np.float32(rho(lag)) for lag in (frame, last - frame, last))
    # The inverse of the 2 x 2 covariance of both ends, written out, one per pixel; w rho(N) < 1 keeps it regular.
    below = 1 - (share * whole) ** 2
    first = share * (near - share * whole * far) / below
    second = share * (far - share * whole * near) / below
    return first, second, 1 / np.sqrt(1 - 2 * first * second * share * whole)


@dataclass(slots=True)
class Texture:
    """Periodic random fields [R, A] of unit variance with a given power spectrum, for tissue and for blood.

    Fields are made once and reused shifted and with either sign: two shifts of one field are as independent, at one point, as the
    spectrum's correlation at their distance, which is nothing beyond a few mm; drawing them costs no transform.
    """

    rng: Generator
    tissue: Image
    blood: Image

    @classmethod
    def of(cls, rng: Generator, tissue: Image, blood: Image) -> Texture:
        """Textures of sample fields [n, R, A] (zero where they are not sampled): their mean spectra with random phases."""
        return cls(rng, _fields(rng, tissue), _fields(rng, blood))

    def draw(self, kind: Image) -> Image:
        """One field of ``self.tissue`` or ``self.blood``."""
        field = kind[self.rng.integers(len(kind))]
        rows, columns = (int(self.rng.integers(size)) for size in field.shape)
        sign = np.float32(1 if self.rng.random() < 0.5 else -1)
        return np.roll(field, (rows, columns), axis=(0, 1)) * sign


def _fields(rng: Generator, sample: Image) -> Image:
    """float32 [6, R, A] of unit variance whose power spectrum is the samples' mean."""
    spectrum = np.sqrt((np.abs(fft.rfft2(sample)) ** 2).mean(axis=0))
    spectrum[0, 0] = 0  # the fields' mean is that of the base
    if not spectrum.any():  # nothing to learn from: no pixel of this kind in the stills
        spectrum[:] = 1
    white = fft.rfft2(rng.standard_normal((_PER_SPECTRUM, *sample.shape[1:]), dtype=np.float32))
    fields = fft.irfft2(white * spectrum, s=sample.shape[1:])
    return np.asarray(fields / fields.std(axis=(1, 2), keepdims=True), dtype=np.float32)


class Process:
    """The unconditional process on a polar grid [R, A] at the material points' places at ED; ``next`` gives frame after frame."""

    def __init__(self, texture: Texture, share: Image) -> None:
        self._texture = texture
        self._lasting = np.sqrt(share)
        self._slow, self._quick = texture.draw(texture.tissue), texture.draw(texture.tissue)
        self._first = True

    def next(self) -> Image:
        """float32 [R, A]: the part of x_t that lasts, of variance w (rho's share); the rest is ``Texture.draw(blood)``."""
        if not self._first:
            self._slow = self._stepped(self._slow, SLOW[1])
            self._quick = self._stepped(self._quick, QUICK[1])
        self._first = False
        return self._lasting * (np.float32(SLOW[0] ** 0.5) * self._slow + np.float32(QUICK[0] ** 0.5) * self._quick)

    def _stepped(self, field: Image, memory: float) -> Image:
        new = self._texture.draw(self._texture.tissue)
        # First-order autoregression; the new part is scaled so that the variance stays 1.
        return np.float32(memory) * field + np.float32((1 - memory**2) ** 0.5) * new


def forgotten(share: Image) -> Image:
    """Deviation of the part of x_t that is new in every frame, where the tissue share is ``share``."""
    return np.sqrt(1 - np.float32(SLOW[0] + QUICK[0]) * share)
