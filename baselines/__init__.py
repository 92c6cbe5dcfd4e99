"""The baselines: importing this package registers every one of them in ``harness.registry.MODELS``."""

from baselines import transunet, unet, unet_camus, unet_nnu

__all__ = ["transunet", "unet", "unet_camus", "unet_nnu"]
