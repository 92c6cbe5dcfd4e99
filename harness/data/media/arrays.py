"""Arrays of NumPy files: ``.npy``, and the array of an ``.npz`` that holds what is looked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from harness.errors import DataError, decoding
from harness.numpy_files import ArrayFile, read_array

CLIP_NAMES = ("video", "frames", "clip", "images", "image", "img", "data", "x", "arr_0")
MASK_NAMES = ("mask", "masks", "labels", "label", "segmentation", "seg", "gt", "y", "arr_0")


def read_numpy(path: Path, array: str | None = None, *, masks: bool = False) -> NDArray[Any]:
    """An array as stored: [H, W], [T, H, W] or with a channel axis at its end.

    Args:
        array: its name in an ``.npz``; None takes the only array, or the first with a usual name (``CLIP_NAMES``, ``MASK_NAMES``).
        masks: whether masks are looked for.

    Raises:
        DataError: unreadable, holds Python objects, or no array can be told to be the one.
    """
    with decoding(path, "cannot be read as NumPy arrays", "write it with numpy.savez again"):
        with open(path, "rb") as stream:
            head = stream.read(6)
        # By content: a single array that was called .npz is one all the same.
        if head.startswith(b"\x93NUMPY"):
            return read_array(path)
        if not head.startswith(b"PK"):
            raise ValueError("it is neither an NPZ nor an NPY file")
        with ArrayFile(path) as arrays:
            return arrays[_name(path, list(arrays), array, MASK_NAMES if masks else CLIP_NAMES)]


def _name(path: Path, there: list[str], wanted: str | None, usual: tuple[str, ...]) -> str:
    if wanted is not None:
        if wanted in there:
            return wanted
        raise DataError(f"{path} holds no array '{wanted}' (it has: {', '.join(there)}); correct the manifest.")
    if len(there) == 1:
        return there[0]
    for name in usual:
        for stored in there:
            if stored.lower() == name:
                return stored
    raise DataError(
        f"{path} holds the arrays {', '.join(there)}; name the one that is meant in the manifest, as {path.name}#{there[0]}."
    )
