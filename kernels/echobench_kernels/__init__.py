"""The engine ``native``: kernels in C and packed forms of the models. Importing this package registers the engine."""

from echobench_kernels.engine import Native

__all__ = ["Native"]
