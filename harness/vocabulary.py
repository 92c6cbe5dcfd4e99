"""Words that several rooms use, each list once."""

from __future__ import annotations

from typing import Literal, get_args

FirstFrame = Literal["auto", "auto_unet", "gt"]
"""What a model is given of frame 0: nothing, the mask that a U-Net predicts, or the reference mask."""
FIRST_FRAMES: tuple[FirstFrame, ...] = get_args(FirstFrame)
AUTO_UNET: FirstFrame = "auto_unet"

IMAGE_QUALITY = {"poor": 1, "medium": 2, "good": 3}
"""What a dataset says of an image, and its value in the case rows (metric ``image_quality``)."""


def counted(number: int, word: str) -> str:
    """A number with its word, in the plural unless it is 1.

    >>> counted(1, "run"), counted(2, "run")
    ('1 run', '2 runs')
    """
    return f"{number} {word}" + ("" if number == 1 else "s")
