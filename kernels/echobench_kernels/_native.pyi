"""Kernels compiled from ``csrc``. Numbers named after tensors are addresses of contiguous memory, float32 or bfloat16.

``activation`` is 0 (none), 1 (ReLU) or 2 (GELU). Images are [n, height, width, channels].

Every function raises ValueError for numbers of channels that do not fill the lanes, and MemoryError.
"""

def convolve(
    images: int,
    filters: int,
    bias: int,
    residual: int,
    out: int,
    n: int,
    height: int,
    width: int,
    inputs: int,
    outputs: int,
    rectify: bool,
    activation: int,
    band: int,
    bfloat: bool,
    threads: int,
    /,
) -> None:
    """3x3 convolution in tiles, ``band`` of them at a time; see ``native.convolve``."""

def multiply(
    rows: int,
    panels: int,
    bias: int,
    residual: int,
    out: int,
    count: int,
    inputs: int,
    outputs: int,
    activation: int,
    bfloat: bool,
    threads: int,
    /,
) -> None:
    """Rows [count, inputs] times a matrix in panels; see ``native.multiply``."""

def gate_channels(
    images: int,
    branch: int,
    taps: int,
    out: int,
    n: int,
    pixels: int,
    channels: int,
    count: int,
    bfloat: bool,
    threads: int,
    /,
) -> None:
    """Residual sum with gated channels, of ``count`` taps in float32; see ``native.gate_channels``."""

def update_hidden(maps: int, hidden: int, out: int, pixels: int, channels: int, bfloat: bool, threads: int, /) -> None:
    """Gates of a recurrent map; hidden and out are float32; see ``native.update_hidden``."""
