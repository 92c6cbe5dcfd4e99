"""Augmentation of whole clips on tensors: one draw per clip, the same for all of its frames.

A transform is called with frames float [T, 1, S, S] in [0, 1], masks int64 [T, S, S] and a ``torch.Generator``; it
returns both, with the shapes and ranges kept. All randomness comes from the generator.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import functional

from harness.errors import ConfigError
from harness.registry import TRANSFORMS

Transform = Callable[[Tensor, Tensor, Generator], tuple[Tensor, Tensor]]
Range = tuple[float, float]


def build_transforms(items: Sequence[Transform | dict[str, Any]]) -> list[Transform]:
    """Build each config by its ``type`` in TRANSFORMS; callables are taken as they are.

    Raises:
        ConfigError: an unknown type or argument.
    """
    return [item if callable(item) else _build(item) for item in items]


def _build(item: dict[str, Any]) -> Transform:
    try:
        transform: Transform = TRANSFORMS.build(dict(item))
    except (KeyError, TypeError) as error:
        raise ConfigError(f"The transform {item!r} cannot be built: {str(error).splitlines()[0]}") from error
    return transform


def adjust_gamma(frames: Tensor, gamma: float) -> Tensor:
    """``frames ** gamma``: above 1 darkens, below 1 brightens; black and white stay."""
    return frames.clamp(0, 1).pow(gamma)


def adjust_contrast(frames: Tensor, factor: float) -> Tensor:
    """Scale grey levels about the clip's mean, clipped to [0, 1]."""
    # Of the whole clip: a mean per frame would make brightness flicker.
    mean = frames.mean()
    return ((frames - mean) * factor + mean).clamp(0, 1)


def affine_matrix(*, degrees: float, scale: float, flip: bool) -> Tensor:
    """[2, 3] matrix for ``affine_grid``, output → input: content turns counter-clockwise by ``degrees`` as seen on
    screen and grows by ``scale``, after a left-right flip of the input where asked."""
    # affine_grid maps output to input, so the inverse of what the content does.
    angle = math.radians(degrees)
    cosine, sine = math.cos(angle) / scale, math.sin(angle) / scale
    sign = -1.0 if flip else 1.0
    return torch.tensor([[sign * cosine, -sign * sine, 0.0], [sine, cosine, 0.0]])


def warp(frames: Tensor, masks: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Apply one affine map to all frames (linear) and masks (nearest); what comes from outside is 0."""
    # frames: T 1 S S   masks: T S S; frames ride as channels so that the grid is sampled once
    size = [1, 1, *frames.shape[-2:]]
    grid = functional.affine_grid(matrix[None].to(frames), size, align_corners=False)
    turned = functional.grid_sample(frames[None, :, 0], grid, mode="bilinear", align_corners=False)
    # Nearest: between classes 1 and 3 there is no class 2.
    labels = functional.grid_sample(masks[None].to(frames.dtype), grid, mode="nearest", align_corners=False)
    return turned[0].unsqueeze(1), labels[0].round().to(masks.dtype)


def uniform(generator: Generator, low: float, high: float) -> float:
    """One number from [low, high)."""
    return low + (high - low) * float(torch.rand((), generator=generator))


@TRANSFORMS.register_module()
class PaperAugmentation:
    """Gamma, contrast, scale, rotation and left-right flip of a clip, in the manner of the compared papers.

    Args:
        gamma: range of the exponent, drawn uniformly in its logarithm.
        contrast: range of the factor about the clip's mean.
        scale: range of the zoom; above 1 enlarges.
        rotation: largest angle in degrees, to either side.
        flip: probability of a left-right flip. A flipped view shows a heart that does not exist, so that a recipe
            with few iterations may do better with 0.
        probability: of the warp, of gamma and of contrast, drawn one by one; the same number of random draws is
            used whatever their outcome.
    """

    def __init__(
        self,
        *,
        gamma: Range = (0.7, 1.5),
        contrast: Range = (0.8, 1.2),
        scale: Range = (0.85, 1.15),
        rotation: float = 15.0,
        flip: float = 0.5,
        probability: float = 1.0,
    ) -> None:
        for name, bounds in (("gamma", gamma), ("contrast", contrast), ("scale", scale)):
            if not 0 < bounds[0] <= bounds[1]:
                raise ConfigError(
                    f"PaperAugmentation: {name} is {tuple(bounds)}; a range (low, high) above 0 is needed."
                )
        for name, value in (("flip", flip), ("probability", probability)):
            if not 0 <= value <= 1:
                raise ConfigError(f"PaperAugmentation: {name} is {value}; a probability lies in 0..1.")
        self.gamma, self.contrast, self.scale = tuple(gamma), tuple(contrast), tuple(scale)
        self.rotation, self.flip, self.probability = float(rotation), float(flip), float(probability)

    def __call__(self, frames: Tensor, masks: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """frames float [T, 1, S, S], masks int64 [T, S, S] → the same, augmented."""
        degrees = uniform(generator, -self.rotation, self.rotation)
        scale = uniform(generator, *self.scale)
        gamma = math.exp(uniform(generator, math.log(self.gamma[0]), math.log(self.gamma[1])))
        contrast = uniform(generator, *self.contrast)
        flip, warped, brightened, stretched = (float(value) for value in torch.rand(4, generator=generator))
        if warped >= self.probability:
            degrees, scale = 0.0, 1.0
        mirrored = flip < self.flip
        if mirrored or degrees or scale != 1.0:
            frames, masks = warp(frames, masks, affine_matrix(degrees=degrees, scale=scale, flip=mirrored))
        if brightened < self.probability:
            frames = adjust_gamma(frames, gamma)
        return (adjust_contrast(frames, contrast) if stretched < self.probability else frames), masks
