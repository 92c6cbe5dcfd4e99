"""Winograd's transforms, compiled from ``_tiles.c``; addresses are of contiguous float32 or (``bfloat``) bfloat16 memory."""

def to_tiles(
    images: int,
    bias: int,
    residual: int,
    tiles: int,
    n: int,
    height: int,
    width: int,
    channels: int,
    first: int,
    rows: int,
    columns: int,
    relu: bool,
    bfloat: bool,
    threads: int,
    /,
) -> None:
    """Images [n, height, width, channels] to tiles [n, rows, columns, 36, channels]; bias and residual are not read.

    Raises:
        ValueError: channels are no multiple of 16, or no thread.
    """

def from_tiles(
    tiles: int,
    bias: int,
    residual: int,
    images: int,
    n: int,
    height: int,
    width: int,
    channels: int,
    first: int,
    rows: int,
    columns: int,
    relu: bool,
    bfloat: bool,
    threads: int,
    /,
) -> None:
    """Tiles of products to images, plus bias [channels] and, if its address is not 0, a residual of the images' shape.

    Raises:
        ValueError: as ``to_tiles``.
    """
