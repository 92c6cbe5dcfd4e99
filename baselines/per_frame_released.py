"""Whole checkpoints of the published TransUNet and of the widely used U-Net implementation, in our names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from baselines.transunet import TransUNet
from baselines.unet import UNet
from harness.modeling.published import Rules, load_renamed, read_state_dict

UNET: Rules = [
    (r"inc\.double_conv\.", "core.inc."),
    *((rf"down{k + 1}\.maxpool_conv\.1\.double_conv\.", f"core.downs.{k}.") for k in range(4)),
    *((rf"up{k + 1}\.conv\.double_conv\.", f"core.ups.{k}.conv.") for k in range(4)),
    *((rf"up{k + 1}\.up\.", f"core.ups.{k}.up.") for k in range(4)),
    (r"outc\.conv\.", "core.head."),
]
_BODY = r"transformer\.embeddings\.hybrid_model\."
TRANSUNET: Rules = [
    (_BODY + r"root\.conv\.", "resnet.conv_root."),
    (_BODY + r"root\.gn\.", "resnet.gn_root."),
    (_BODY + r"body\.(block\d)\.(unit\d)\.downsample\.", r"resnet.\1.\2.conv_proj."),
    (_BODY + r"body\.", "resnet."),
    (r"transformer\.embeddings\.patch_embeddings\.", "transformer.embedding."),
    (r"transformer\.embeddings\.position_embeddings$", "transformer.positions"),
    (r"transformer\.encoder\.layer\.(\d+)\.ffn_norm\.", r"transformer.layers.\1.mlp_norm."),
    (r"transformer\.encoder\.layer\.(\d+)\.ffn\.", r"transformer.layers.\1."),
    (r"transformer\.encoder\.layer\.(\d+)\.attn\.", r"transformer.layers.\1.attention."),
    (r"transformer\.encoder\.layer\.(\d+)\.", r"transformer.layers.\1."),
    (r"transformer\.encoder\.encoder_norm\.", "transformer.norm."),
    (r"segmentation_head\.0\.", "head."),
]


def import_unet(path: str | Path, *, num_structures: int = 1) -> UNet:
    """The U-Net of the implementation that most papers' tables mean (milesial), from its checkpoint, in eval mode.

    The form with transposed convolutions; grey levels stay in [0, 1], as that code feeds them. Colour weights are summed, so
    that a grey frame gives what the same frame in three channels gave. Biases before a batch norm (older versions have them)
    go into its running mean, which is the same function in eval mode. One output becomes the classes (0, logit).

    Args:
        path: state dict, as ``torch.save(net.state_dict())`` of that code writes it (``mask_values`` in it is left out).
        num_structures: K; the file must have K + 1 outputs, or one for K = 1.

    Raises:
        ValueError: an unreadable file, the bilinear form, missing or unexpected names, wrong shapes.
    """
    state = read_state_dict(path)
    if not any(name.endswith("up.weight") for name in state):
        raise ValueError(
            f"{path} is the bilinear form of that U-Net, which has other widths; train the transposed form."
        )
    widths = [len(state[f"{level}.double_conv.0.weight"]) for level in _levels(state)]
    model = UNet(num_structures=num_structures, widths=widths, grey_levels="unit")
    load_renamed(model, _two_classes(_grey(_without_biases(state), "inc.double_conv.0.weight"), num_structures), UNET)
    return model.eval()


def import_transunet(path: str | Path, *, num_structures: int = 1, image_size: int = 224) -> TransUNet:
    """The published R50-ViT-B/16 TransUNet from a whole checkpoint of the authors' code, in eval mode.

    Grey levels stay in [0, 1]; the authors' data loaders bring images to that range.

    Args:
        path: state dict of ``VisionTransformer`` (``networks/vit_seg_modeling.py``).
        num_structures: K; the file must have K + 1 outputs.
        image_size: side of the images that the file was trained with, which says how many positions it has.

    Raises:
        ValueError: an unreadable file, missing or unexpected names, wrong shapes.
    """
    model = TransUNet(num_structures=num_structures, image_size=image_size, grey_levels="unit")
    load_renamed(model, _joined_projections(read_state_dict(path)), TRANSUNET)
    return model.eval()


def _levels(state: Mapping[str, Tensor]) -> list[str]:
    downs = (f"down{k}.maxpool_conv.1" for k in range(1, 5))
    levels = ["inc", *downs]
    missing = [level for level in levels if f"{level}.double_conv.0.weight" not in state]
    if missing:
        raise ValueError(f"The state dict is not that U-Net's: it has no {missing[0]}.double_conv.0.weight.")
    return levels


def _without_biases(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Move the bias of a convolution into the running mean of the norm that follows it: (x + b) − m = x − (m − b)."""
    moved = dict(state)
    for name in state:
        block, _, leaf = name.rpartition("double_conv.")
        if leaf in ("0.bias", "3.bias"):
            mean = f"{block}double_conv.{int(leaf[0]) + 1}.running_mean"
            if mean in moved:
                moved[mean] = moved[mean] - moved.pop(name)
    return moved


def _grey(state: Mapping[str, Tensor], stem: str) -> dict[str, Tensor]:
    """A first convolution for colour as the one that sees the same grey frame in all channels."""
    return {**state, stem: state[stem].sum(1, keepdim=True)}


def _two_classes(state: Mapping[str, Tensor], num_structures: int) -> dict[str, Tensor]:
    """A head with one output as one with two: a sigmoid of x is a softmax of (0, x)."""
    both = dict(state)
    for name in ("outc.conv.weight", "outc.conv.bias"):
        if num_structures == 1 and name in state and len(state[name]) == 1:
            both[name] = torch.cat([torch.zeros_like(state[name]), state[name]])
    return both


def _joined_projections(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Query, key and value of each layer as the one projection that ours has."""
    joined = {name: t for name, t in state.items() if not _is_projection(name)}
    for name in state:
        if ".attn.query." in name:
            parts = [name.replace(".attn.query.", f".attn.{part}.") for part in ("query", "key", "value")]
            if all(part in state for part in parts):
                joined[name.replace(".attn.query.", ".attn.qkv.")] = torch.cat([state[part] for part in parts])
    return joined


def _is_projection(name: str) -> bool:
    return any(f".attn.{part}." in name for part in ("query", "key", "value"))
