"""What the per-frame baselines have in common."""

from __future__ import annotations

import torch

from baselines.unet import UNet


@torch.inference_mode()
def test_groups_of_frames_do_not_change_the_clip() -> None:
    torch.manual_seed(0)
    model, frames = UNet(widths=(8, 16, 32)).eval(), torch.rand(1, 5, 1, 64, 64)
    grouped = model(frames)
    model.inference_batch = 100
    torch.testing.assert_close(grouped, model(frames), atol=1e-4, rtol=1e-4)
