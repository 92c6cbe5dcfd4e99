"""The baselines: importing this package registers every one of them in ``harness.registry.MODELS``."""

from baselines import (
    cutie,
    deeplabv3,
    livos,
    mmseg,
    stm,
    transunet,
    unet,
    unet_3d,
    unet_camus,
    unet_filtered,
    unet_nnu,
    xmem,
)

__all__ = [
    "cutie",
    "deeplabv3",
    "livos",
    "mmseg",
    "stm",
    "transunet",
    "unet",
    "unet_3d",
    "unet_camus",
    "unet_filtered",
    "unet_nnu",
    "xmem",
]
