"""The baselines: importing this package registers every one of them in ``harness.registry.MODELS``."""

from baselines import unet, unet_camus, unet_nnu

__all__ = ["unet", "unet_camus", "unet_nnu"]
