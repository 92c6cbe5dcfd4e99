"""Weights of the published STM (Oh 2019) in our names."""

from __future__ import annotations

from pathlib import Path

from baselines.stm import STM
from harness.modeling.published import Rules, load_renamed, read_state_dict

_TRUNK: Rules = [
    (rf"{published}\.{theirs}\.", f"{ours}.{name}.")
    for published, ours in (("Encoder_M", "memory_encoder.trunk"), ("Encoder_Q", "query_encoder"))
    for theirs, name in (
        ("conv1", "conv1"),
        ("bn1", "bn1"),
        ("res2", "layer1"),
        ("res3", "layer2"),
        ("res4", "layer3"),
    )
]
RULES: Rules = [
    # Buffers with ImageNet's mean and deviation; ours normalises outside the encoders.
    (r"Encoder_[MQ]\.(mean|std)$", None),
    (r"Encoder_M\.conv1_m\.", "memory_encoder.conv_mask."),
    (r"Encoder_M\.conv1_o\.", "memory_encoder.conv_others."),
    # The authors call torchvision's layer1 to layer3 res2 to res4.
    *_TRUNK,
    (r"KV_M_r4\.Key\.", "memory_head.key."),
    (r"KV_M_r4\.Value\.", "memory_head.value."),
    (r"KV_Q_r4\.Key\.", "query_head.key."),
    (r"KV_Q_r4\.Value\.", "query_head.value."),
    (r"Decoder\.convFM\.", "decoder.conv16."),
    (r"Decoder\.ResMM\.", "decoder.residual16."),
    (r"Decoder\.RF3\.convFS\.", "decoder.skip8.conv."),
    (r"Decoder\.RF3\.ResFS\.", "decoder.skip8.residual."),
    (r"Decoder\.RF3\.ResMM\.", "decoder.residual8."),
    (r"Decoder\.RF2\.convFS\.", "decoder.skip4.conv."),
    (r"Decoder\.RF2\.ResFS\.", "decoder.skip4.residual."),
    (r"Decoder\.RF2\.ResMM\.", "decoder.residual4."),
    (r"Decoder\.pred2\.", "decoder.head."),
]


def import_published(path: str | Path, *, num_structures: int = 1) -> STM:
    """The published network with the weights of a checkpoint of the published code, in eval mode.

    Args:
        path: state dict with the names of the authors' release, with or without ``module.``.
        num_structures: number of objects; the weights serve any number.

    Raises:
        ValueError: an unreadable file, missing or unexpected names, wrong shapes.
    """
    model = STM(num_structures=num_structures, padding="zeros")
    load_renamed(model, read_state_dict(path), RULES)
    return model.eval()
