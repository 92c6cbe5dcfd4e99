"""Pictures with their own values: single ones, stacks (TIFF, GIF) and folders with one picture per frame."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from harness.errors import DataError, decoding
from harness.stated import refuse_large

LIMIT_BYTES = 1 << 30
"""As of NIfTI: a GIF of kilobytes can hold a thousand frames of one grey level."""
LOSSY_KINDS = (".jpg", ".jpeg")
PICTURE_KINDS = (".png", *LOSSY_KINDS, ".bmp")
MASK_ENDINGS = ("_mask", "_masks", "_gt", "_seg", "_label", "_labels", "-mask", "-gt", "-seg", "-label")


def read_pictures(path: Path, *, masks: bool = False) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Values [T, H, W] or [T, H, W, channels] of a picture, a stack or a folder of pictures, and notes on what was left out.

    A palette picture gives its colours, with ``masks`` the palette's numbers, which are the labels.

    Raises:
        DataError: unreadable, an empty folder, or frames of several sizes.
    """
    files, notes = picture_files(path, masks=masks) if path.is_dir() else ([path], ())
    frames = [frame for file in files for frame in _frames(file, masks)]
    sizes = {frame.shape for frame in frames}
    if len(sizes) > 1:
        shown = " and ".join(" x ".join(map(str, size)) for size in sorted(sizes)[:2])
        raise DataError(f"The pictures of {path} have several sizes ({shown}); all frames of a clip have one size.")
    return np.stack(frames), notes


def picture_files(folder: Path, *, masks: bool = False) -> tuple[list[Path], tuple[str, ...]]:
    """The pictures of a folder in the order of their names, numbers by value (``f2`` before ``f10``).

    A picture named like another with ``_mask`` or ``_gt`` behind is that one's mask: of such pairs clips take the pictures
    and masks the masks, and a note says how many were left out.

    Raises:
        DataError: the folder holds no picture.
    """
    # Copies made on a Mac hold `._f0.png` beside `f0.png`: hidden, and no picture.
    items = (item for item in folder.iterdir() if not item.name.startswith("."))
    paths = sorted((item for item in items if item.suffix.lower() in PICTURE_KINDS), key=natural)
    stems = {item.stem for item in paths}
    pairs = {item for item in paths if mask_owner(item.stem) in stems}
    chosen = [item for item in paths if not pairs or (item in pairs) == masks]
    if not chosen:
        raise DataError(
            f"The folder {folder} holds no PNG, JPEG or BMP picture; give the folder that holds the frames."
        )
    if pairs and not masks:
        return chosen, (f"frames: {len(pairs)} pictures named as masks of others were left out",)
    return chosen, ()


def holds_pictures(folder: Path) -> bool:
    """Whether a folder holds a picture that is not hidden: it is then a clip of pictures."""
    return any(entry.suffix.lower() in PICTURE_KINDS for entry in folder.iterdir() if not entry.name.startswith("."))


def mask_owner(stem: str) -> str | None:
    """``frame_3`` of ``frame_3_mask``; None for a name without such an ending."""
    return next(
        (stem[: -len(end)] for end in MASK_ENDINGS if stem.lower().endswith(end) and len(stem) > len(end)), None
    )


def natural(path: Path) -> list[tuple[int, str]]:
    """Key that sorts names as people do: f10 after f2; sorted as text a clip would jump in time."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name) if part]


def _frames(path: Path, masks: bool) -> list[NDArray[Any]]:
    frames, total = [], 0
    with decoding(f"The picture {path}", "cannot be read", "restore it from its source"), Image.open(path) as image:
        for frame in ImageSequence.Iterator(image):
            # Pillow knows a frame's size before it decodes it.
            refuse_large(path, frame.height, frame.width)
            frames.append(_values(frame, masks))
            total += frames[-1].nbytes
            if total > LIMIT_BYTES:
                raise ValueError(f"its frames unpack to more than {LIMIT_BYTES >> 20} MB")
    return frames


def _values(image: Image.Image, masks: bool) -> NDArray[Any]:
    if image.mode == "P" and not masks:
        image = image.convert("RGB")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode == "LA":
        image = image.getchannel("L")
    values = np.asarray(image)
    # Pillow hands 16-bit greys of some files out as 32-bit integers.
    return (
        values.astype(np.uint16)
        if image.mode.startswith("I") and values.min() >= 0 and values.max() < 65536
        else values
    )
