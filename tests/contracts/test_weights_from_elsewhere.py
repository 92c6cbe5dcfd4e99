"""A config of one's own names a file of weights and takes everything else from the tree's, as docs/models.md says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.experiments.models import choose_model
from harness.modeling.pretrained import pretrained_parameters
from harness.modeling.resnet import ResNetTrunk
from harness.registry import MODELS

CONFIGS = Path(__file__).resolve().parents[2] / "harness" / "configs" / "models"
NARROW = {
    "gdkvm": "image_depth=18, image_width=8, value_depth=18, value_width=8, width=32, key_width=16, heads=4",
    "stm": "depth=18, width=8, key_channels=8, value_channels=16, decoder_width=16",
    "xmem": "key_depth=18, width=8",
}


@pytest.mark.parametrize(
    ("name", "trunk"), [("gdkvm", "image_encoder"), ("stm", "query_encoder"), ("xmem", "key_encoder")]
)
def test_a_trunk_starts_from_the_file_that_a_derived_config_names(tmp_path: Path, name: str, trunk: str) -> None:
    file, config = tmp_path / "resnet.pth", tmp_path / f"my_{name}.py"
    state = ResNetTrunk(18, in_channels=3, width=8).state_dict()
    torch.save({"state_dict": state}, file)
    config.write_text(
        f'_base_ = ["{CONFIGS / name}.py"]\nsizes = dict(small=dict(pretrained="{file}", {NARROW[name]}))\n'
    )
    choice = choose_model(str(config), "small")
    assert choice.name == f"my_{name}"
    model = MODELS.build(choice.build)
    loaded = dict(getattr(model, trunk).named_parameters())
    assert torch.equal(loaded["layer3.0.conv1.weight"], state["layer3.0.conv1.weight"])
    # these and no others learn at the recipe's backbone_lr_factor
    assert {id(p) for p in loaded.values()} <= pretrained_parameters(model)
    assert not pretrained_parameters(MODELS.build({**choice.build, "pretrained": None}))
