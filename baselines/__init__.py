"""The baselines: importing this package registers every one of them in ``harness.registry.MODELS``."""

from baselines import mmseg, stm, transunet, unet, unet_camus, unet_nnu, xmem

__all__ = ["mmseg", "stm", "transunet", "unet", "unet_camus", "unet_nnu", "xmem"]
