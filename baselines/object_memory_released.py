"""Weights of the published Cutie and LiVOS in our names; GDKVM's names descend from them, so its mapping does the rest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from baselines.cutie import Cutie
from baselines.livos import LiVOS
from gdkvm.released import CODE_BUFFERS, our_name
from harness.modeling.published import Rules, load_renamed, read_state_dict, renamed

CUTIE: Rules = [
    # The authors call torchvision's layer1 res2, as XMem did.
    (r"pixel_encoder\.res2\.", "image_encoder.layer1."),
    (r"pixel_encoder\.", "image_encoder."),
    (r"pix_feat_proj\.", "pixel_projector."),
    (r"key_proj\.pix_feat_proj\.", "key_heads.reduce."),
    (r"key_proj\.key_proj\.", "key_heads.key."),
    (r"key_proj\.d_proj\.", "key_heads.shrinkage."),
    (r"key_proj\.e_proj\.", "key_heads.selection."),
    (r"(mask_encoder|pixel_fuser)\.fuser\.distributor\.g_transform\.", r"\1.fuser.y_transform."),
    (r"(mask_encoder|pixel_fuser)\.fuser\.distributor\.", r"\1.fuser."),
    (r"(mask_encoder|mask_decoder)\.sensory_update\.", r"\1.sensory_updater."),
    (r"mask_decoder\.decoder_feat_proc\.transforms\.0\.", "decoder.project8."),
    (r"mask_decoder\.decoder_feat_proc\.transforms\.1\.", "decoder.project4."),
    (r"mask_decoder\.up_16_8\.out_conv\.downsample\.", "decoder.up8.shortcut."),
    (r"mask_decoder\.up_8_4\.out_conv\.downsample\.", "decoder.up4.shortcut."),
    (r"mask_decoder\.up_16_8\.out_conv\.", "decoder.up8."),
    (r"mask_decoder\.up_8_4\.out_conv\.", "decoder.up4."),
    (r"mask_decoder\.pred\.", "decoder.head.1."),
    (r"pixel_fuser\.sensory_compress\.", "pixel_fuser.conv."),
]
"""Cutie's names in ours, or in those of the published LiVOS and GDKVM where these differ from Cutie's."""
LIVOS: Rules = [(r"gate_projector\.layer\.", "gate_projector.")]
_FOR_MASKS = {"mask_encoder.conv1.weight": 5, "pixel_fuser.sensory_compress.weight": 258}
"""Layers with an input channel for the mask of the other objects, and how many input channels they then have."""


def import_cutie(path: str | Path, *, num_structures: int = 1) -> Cutie:
    """The published Cutie (base) with the weights of a checkpoint of the published code, in eval mode.

    Args:
        path: state dict with the names of the authors' release. Weights trained for a single object (no input for the
            mask of the others) get zeros there, which keeps their function.
        num_structures: number of objects; the weights serve any number.

    Raises:
        ValueError: an unreadable file, missing or unexpected names, wrong shapes.
    """
    model = Cutie(num_structures=num_structures, padding="zeros")
    load_renamed(model, _ours(_for_several_objects(read_state_dict(path)), CUTIE), [])
    return model.eval()


def import_livos(path: str | Path, *, num_structures: int = 1) -> LiVOS:
    """The published LiVOS (base) with the weights of a checkpoint of the published code; as ``import_cutie``."""
    model = LiVOS(num_structures=num_structures, padding="zeros")
    load_renamed(model, _ours(_for_several_objects(read_state_dict(path)), LIVOS), [])
    return model.eval()


def _ours(state: Mapping[str, Tensor], rules: Rules) -> dict[str, Tensor]:
    # Position codes are constants, computed here anew.
    names = {name: renamed(name, rules) for name in state if name not in CODE_BUFFERS}
    return {our_name(ours): state[name] for name, ours in names.items() if ours is not None}


def _for_several_objects(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    padded = dict(state)
    for name, channels in _FOR_MASKS.items():
        weight = state.get(name)
        if weight is not None and weight.shape[1] == channels - 1:
            # Zeros for the others' mask: what these weights never saw has no influence.
            padded[name] = torch.cat([weight, torch.zeros_like(weight[:, :1])], 1)
    return padded
