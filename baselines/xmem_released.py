"""Weights of the published XMem (Cheng 2022) in our names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from baselines.xmem import XMem
from harness.modeling.published import Rules, load_renamed, read_state_dict

_FUSERS: Rules = [
    (rf"{part}\.fuser\.{theirs}\.", f"{part}.fuser.{ours}.")
    for part in ("value_encoder", "decoder")
    for theirs, ours in (
        ("block1", "first"),
        ("block2", "second"),
        (r"attention\.ChannelGate\.mlp\.1", "attention.squeeze"),
        (r"attention\.ChannelGate\.mlp\.3", "attention.excite"),
        (r"attention\.SpatialGate\.spatial\.conv", "attention.position"),
    )
]
RULES: Rules = [
    *_FUSERS,
    (r"key_encoder\.res2\.", "key_encoder.layer1."),
    (r"value_encoder\.(conv1|bn1|layer1|layer2|layer3)\.", r"value_encoder.trunk.\1."),
    (r"value_encoder\.hidden_reinforce\.transform\.", "value_encoder.sensory.conv."),
    (r"key_proj\.key_proj\.", "key_heads.key."),
    (r"key_proj\.d_proj\.", "key_heads.shrinkage."),
    (r"key_proj\.e_proj\.", "key_heads.selection."),
    (r"decoder\.hidden_update\.g(16|8|4)_conv\.", r"decoder.sensory.from\1."),
    (r"decoder\.hidden_update\.transform\.", "decoder.sensory.gru.conv."),
    (r"decoder\.up_16_8\.skip_conv\.", "decoder.skip8."),
    (r"decoder\.up_16_8\.out_conv\.", "decoder.up8."),
    (r"decoder\.up_8_4\.skip_conv\.", "decoder.skip4."),
    (r"decoder\.up_8_4\.out_conv\.", "decoder.up4."),
    (r"decoder\.pred\.", "decoder.head."),
]
_STEM = "value_encoder.conv1.weight"


def import_published(path: str | Path, *, num_structures: int = 1) -> XMem:
    """The published network with the weights of a checkpoint of the published code, in eval mode.

    Args:
        path: state dict with the names of the authors' release. Weights trained for a single object (no input
            for the mask of the others) get zeros there, which keeps their function.
        num_structures: number of objects; the weights serve any number.

    Raises:
        ValueError: an unreadable file, missing or unexpected names, wrong shapes.
    """
    model = XMem(num_structures=num_structures, padding="zeros")
    load_renamed(model, _for_several_objects(read_state_dict(path)), RULES)
    return model.eval()


def _for_several_objects(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    stem = state.get(_STEM)
    # Four input channels are image and one mask: weights trained on single objects.
    if stem is None or stem.shape[1] != 4:
        return dict(state)
    # Zeros for the others' mask: what these weights never saw has no influence.
    return {**state, _STEM: torch.cat([stem, torch.zeros_like(stem[:, :1])], 1)}
