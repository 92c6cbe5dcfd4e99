"""Label maps are the arg-max of logits resized to the size of the image."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from harness.evaluation.prediction import label_maps


def test_label_maps_are_the_arg_max_of_bilinearly_resized_logits():
    logits = torch.randn(3, 4, 9, 11, generator=torch.Generator().manual_seed(0))
    expected = F.interpolate(logits, (31, 17), mode="bilinear", align_corners=False).argmax(1)
    maps = label_maps(logits, (31, 17))
    assert maps.dtype == np.uint8
    assert np.array_equal(maps, expected.numpy())


def test_a_tie_goes_to_the_background():
    assert not label_maps(torch.zeros(1, 3, 4, 4), (4, 4)).any()
    tied = torch.tensor([0.0, 1.0, 1.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    assert (label_maps(tied, (2, 2)) == 1).all()
