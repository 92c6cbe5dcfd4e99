"""nnU-Net's own trainer with a few short epochs; nnU-Net finds it through ``nnUNet_extTrainer``."""

from __future__ import annotations

import os
from typing import Any

from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer


class nnUNetTrainerFew(nnUNetTrainer):
    """``EPOCHS`` epochs of ``ITERATIONS`` steps each, from the environment."""

    # nnU-Net reads the names of these arguments from the signature, to store them in its checkpoints.
    def __init__(self, plans: dict, configuration: str, fold: int, dataset_json: dict, device: Any = None) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs = int(os.environ.get("EPOCHS", "2"))
        self.num_iterations_per_epoch = int(os.environ.get("ITERATIONS", "10"))
        self.num_val_iterations_per_epoch = 1

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        """Leave out nnU-Net's last look at its validation patients: it takes longer than few steps, and nothing of it is scored here."""
