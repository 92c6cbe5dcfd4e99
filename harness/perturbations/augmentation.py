"""The perturbations as training augmentation: one perturbation per clip, of a drawn kind and severity."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from harness.errors import ConfigError, unknown
from harness.perturbations.base import Perturbation
from harness.perturbations.sector import find_sector
from harness.registry import PERTURBATIONS, TRANSFORMS, list_perturbations


@TRANSFORMS.register_module()
class RobustAugmentation:
    """Perturb a clip with some probability; masks stay as they are.

    In a recipe it stands before geometric transforms, so that the sector is found as the machine drew it. Frames are
    taken as they come, at the model's size: angles are those of the stretched image unless ``aspect`` says otherwise.

    Args:
        perturbations: registered names to draw from; None for all. Those left out are unseen in training.
        probability: of perturbing a clip at all.
        severities: range the severity is drawn from, uniformly; fractions lie between the steps of the ladder.
        reference: dataset whose calibrated ladders are used.
        aspect: pixel width / pixel height of the model's frames.
    """

    def __init__(
        self,
        *,
        perturbations: Sequence[str] | None = None,
        probability: float = 0.5,
        severities: tuple[float, float] = (0.5, 4.0),
        reference: str = "camus",
        aspect: float = 1.0,
    ) -> None:
        known = list_perturbations()
        for name in perturbations or ():
            if name not in known:
                raise unknown("perturbation", name, known, "RobustAugmentation")
        if not 0 <= probability <= 1:
            raise ConfigError(f"RobustAugmentation: probability is {probability}; a probability lies in 0..1.")
        if not 0 <= severities[0] <= severities[1] <= 5:
            raise ConfigError(f"RobustAugmentation: severities are {tuple(severities)}; a range within 0..5 is needed.")
        names = list(perturbations or known)
        self.perturbations: list[Perturbation] = [
            PERTURBATIONS.build({"type": name, "reference": reference}) for name in names
        ]
        self.probability, self.aspect = float(probability), float(aspect)
        self.severities = (float(severities[0]), float(severities[1]))

    def __call__(self, frames: Tensor, masks: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """frames float [T, 1, S, S], masks int64 [T, S, S] → the same, perturbed; the same number of draws whatever the outcome."""
        whether, which, how = (float(value) for value in torch.rand(3, generator=generator))
        pattern = int(torch.randint(2**62, (), generator=generator))
        if whether >= self.probability:
            return frames, masks
        perturbation = self.perturbations[int(which * len(self.perturbations))]
        low, high = self.severities
        images = frames[:, 0]
        sector = find_sector(images, self.aspect)
        return perturbation(images, low + how * (high - low), f"augmentation {pattern}", sector).unsqueeze(1), masks
