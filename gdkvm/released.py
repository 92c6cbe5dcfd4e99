"""Import of checkpoints that the published GDKVM code wrote: 533 names, strict about missing and unexpected ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from gdkvm.memory import check_choice
from gdkvm.model import GDKVM
from harness.modeling.published import read_state_dict
from harness.registry import PUBLISHED

Variant = Literal["released", "corrected"]
RULE_OF_VARIANT = {"released": "released", "corrected": "gated"}

PREFIXES = (
    ("image_encoder.", "image_encoder."),
    ("mask_encoder.fuser.", "value_encoder.fuser."),
    ("mask_encoder.sensory_updater.", "value_encoder.update."),
    ("mask_encoder.", "value_encoder.trunk."),
    ("key_projector.layer1.", "key_projector.reduce."),
    ("key_projector.layer2.", "key_projector.project."),
    ("pix_projector.layer.", "pixel_projector."),
    ("KPFF.layer1.", "key_fusion.reduce."),
    ("KPFF.layer2.", "key_fusion.project."),
    ("KPFF.gate_layer.", "key_fusion.gate."),
    ("mask_decoder.linear_proj_f8.", "decoder.project8."),
    ("mask_decoder.linear_proj_f4.", "decoder.project4."),
    ("mask_decoder.upsample_16_to_8.", "decoder.up8."),
    ("mask_decoder.upsample_8_to_4.", "decoder.up4."),
    ("mask_decoder.pred.", "decoder.head."),
    ("mask_decoder.sensory_updater.", "decoder.update."),
    ("pixel_fuser.conv.", "readout_fusion.compress."),
    ("pixel_fuser.fuser.", "readout_fusion.fuser."),
    ("object_transformer.query_init.weight", "transformer.query_init"),
    ("object_transformer.query_emb.weight", "transformer.query_code"),
    ("object_transformer.", "transformer."),
    ("object_summarizer.", "summariser."),
    ("aux_computer.sensory_aux.projection.", "sensory_head.project."),
    ("A_log", "rule.decay_gate.a_log"),
    ("dt_bias", "rule.decay_gate.dt_bias"),
    ("a_proj.", "rule.decay_gate.project."),
    ("b_proj.", "rule.write_gate.project."),
)
PARTS = (
    (".x_transform.", ".transform_image."),
    (".y_transform.", ".transform_object."),
    (".fuser.layer1.", ".fuser.block1."),
    (".fuser.layer2.", ".fuser.block2."),
    (".block1.conv.", ".block1.gate."),
    (".block2.conv.", ".block2.gate."),
    (".linear_proj.", ".shortcut."),
    (".g16_conv.", ".from16."),
    (".g8_conv.", ".from8."),
    (".g4_conv.", ".from4."),
    (".summary_to_query_init.", ".summary_to_init."),
    (".summary_to_query_emb.", ".summary_to_code."),
    (".pixel_init_proj.", ".pixel_init."),
    (".pixel_emb_proj.", ".pixel_code."),
    (".read_from_pixel.norm.", ".read_norm."),
    (".self_attn.norm.", ".self_norm."),
    (".ffn.norm.", ".feed_norm."),
    (".ffn.linear1.", ".expand."),
    (".ffn.linear2.", ".contract."),
    (".read_from_pixel.cross_attn.", ".read_pixels."),
    (".self_attn.self_attn.", ".self_attention."),
    (".read_from_query.cross_attn.", ".read_queries."),
    (".in_proj_weight", ".in_weight"),
    (".in_proj_bias", ".in_bias"),
    (".out_proj.", ".out."),
    (".pixel_ffn.conv.conv.", ".pixel_block.gate."),
    (".pixel_ffn.conv.", ".pixel_block."),
    (".input_proj.", ".project."),
    (".feature_pred.", ".features."),
    (".weights_pred.", ".weights."),
)
CODE_BUFFERS = ("object_transformer.spatial_pe.inv_freq", "object_summarizer.pos_enc.inv_freq")
"""Constants of the published position codes, recomputed here."""


def our_name(published: str) -> str:
    """Name of a published tensor in ``GDKVM``; names that are not published ones come back changed or not at all."""
    name = published
    for old, new in PREFIXES:
        if name.startswith(old):
            name = new + name[len(old) :]
            break
    for old, new in PARTS:
        name = name.replace(old, new)
    if name.startswith("transformer.mask_pred."):
        number, _, rest = name.removeprefix("transformer.mask_pred.").partition(".1.")
        name = f"transformer.mask_heads.{number}.{rest}"
    return name


def published_names(model: GDKVM, names: Mapping[str, Any]) -> dict[str, str]:
    """Map the published ``names`` to the model's, refusing any difference between both sets.

    Raises:
        ValueError: missing or unexpected names, the first five of each.
    """
    mapping = {name: our_name(name) for name in names if name not in CODE_BUFFERS}
    wanted = set(model.state_dict())
    unexpected = sorted(name for name, ours in mapping.items() if ours not in wanted)
    missing = sorted(wanted - set(mapping.values())) + sorted(set(CODE_BUFFERS) - set(names))
    if missing or unexpected:
        raise ValueError(
            f"this is not a state dict of the published GDKVM: {len(missing)} missing {missing[:5]}, "
            f"{len(unexpected)} unexpected {unexpected[:5]}"
        )
    return mapping


def load_published(model: GDKVM, state: Mapping[str, Tensor]) -> None:
    """Load a published state dict into a model of the published widths.

    Raises:
        ValueError: names or shapes that do not fit.
    """
    mapping = published_names(model, state)
    own = model.state_dict()
    for published, ours in mapping.items():
        if state[published].shape != own[ours].shape:
            expected, got = tuple(own[ours].shape), tuple(state[published].shape)
            raise ValueError(f"the published tensor {published} must have shape {expected}, got {got}")
    model.load_state_dict({ours: state[published] for published, ours in mapping.items()}, strict=True)


def published_build(variant: str = "corrected", num_structures: int = 1) -> dict[str, Any]:
    """Constructor arguments of the published model, for a config or a checkpoint."""
    check_choice("variant", variant, Variant)
    return {
        "type": "GDKVM",
        "num_structures": num_structures,
        "update_rule": RULE_OF_VARIANT[variant],
        "key_scale": "none",
        "value_pixel_feature": "stale",
    }


def import_published(path: str | Path, *, variant: str = "corrected", num_structures: int = 1) -> GDKVM:
    """Build the published model and load the checkpoint at ``path`` into it.

    Args:
        path: a checkpoint that the published code wrote; ``read_state_dict`` says in which forms.
        variant: ``corrected`` (decay exp(−exp(A_log)·softplus(·)), contiguous heads) or ``released``.
        num_structures: number of structures; the weights serve any number.

    Raises:
        ValueError: an unreadable file, missing or unexpected names, wrong shapes.
    """
    build = published_build(variant, num_structures)
    build.pop("type")
    model = GDKVM(**build)
    load_published(model, read_state_dict(path))
    return model.eval()


@PUBLISHED.register_module("GDKVM")
def published_model(
    path: str | Path, *, variant: str = "corrected", num_structures: int = 1
) -> tuple[GDKVM, dict[str, Any]]:
    """``import_published`` and the arguments that build the model again; what ``echobench import-gdkvm`` calls."""
    model = import_published(path, variant=variant, num_structures=num_structures)
    return model, published_build(variant, num_structures)
