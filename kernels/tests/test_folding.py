"""Batch norms that are folded into the convolution before them change nothing."""

from __future__ import annotations

import pytest
import torch
from echobench_kernels.folding import fold_batch_norm

from harness.modeling.resnet import ResNetTrunk


@torch.inference_mode()
def test_folded_batch_norms_compute_the_same_features() -> None:
    trunk = ResNetTrunk(50, width=4)
    trunk.train()(torch.rand(4, 1, 32, 32))  # gives the batch norms statistics
    trunk.eval()
    x = torch.rand(1, 1, 32, 32)
    before = [f.clone() for f in trunk(x)]
    for actual, expected in zip(fold_batch_norm(trunk)(x), before, strict=True):
        torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-4)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in trunk.modules())


def test_folding_in_training_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="eval mode only"):
        fold_batch_norm(ResNetTrunk(18, width=4).train())
