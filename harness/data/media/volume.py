"""Any clip or mask file as one array of its own values: what a data set of one's own is read with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.media.arrays import read_numpy
from harness.data.media.dicom import looks_like_dicom, open_dicom
from harness.data.media.levels import luma
from harness.data.media.metaimage import read_metaimage_values
from harness.data.media.nifti import read_nifti
from harness.data.media.pictures import LOSSY_KINDS, PICTURE_KINDS, picture_files, read_pictures
from harness.data.media.video import VIDEO_KINDS, open_video
from harness.errors import DataError
from harness.files import refuse_pipe


@dataclass(frozen=True, kw_only=True, slots=True)
class RawVolume:
    """Values [T, H, W] as stored, (row, column) spacing in mm and frames per second; None where the file states neither.

    ``notes`` say what was assumed of the file, as ``check: sentence``.
    """

    values: NDArray[Any]
    spacing_mm: tuple[float, float] | None = None
    frame_rate_hz: float | None = None
    notes: tuple[str, ...] = ()


def read_volume(path: Path, array: str | None = None, *, masks: bool = False) -> RawVolume:
    """Read a clip or a file of masks whole.

    Args:
        path: NIfTI, MetaImage, NPZ, NPY, TIFF, GIF, PNG, JPEG, BMP, a folder of pictures, AVI, MP4 or DICOM.
        array: name of the array in an NPZ file; None takes the one that its name says it is.
        masks: what is looked for in an NPZ file; colour pictures are then refused unless their channels are equal.

    Raises:
        DataError: missing, damaged, of no kind that is read, or masks in a kind that does not keep their values.
    """
    name = path.name.lower()
    if not path.exists():
        raise DataError(f"{path} does not exist; check the manifest.")
    refuse_pipe(path, "The clip or mask")
    if name.endswith((".nii", ".nii.gz")):
        return _raw(read_nifti(path), path, masks)
    if name.endswith((".mhd", ".mha")):
        return _raw(read_metaimage_values(path), path, masks)
    if name.endswith((".npy", ".npz")):
        return _raw((read_numpy(path, array, masks=masks), None, None, ()), path, masks)
    if masks and _is_lossy(path):
        raise DataError(
            f"{path} holds masks in a kind that changes their values when it is saved (JPEG or video); save them as PNG, NIfTI, NPZ or TIFF."
        )
    if path.is_dir() or name.endswith((".tif", ".tiff", ".gif", *PICTURE_KINDS)):
        values, notes = read_pictures(path, masks=masks)
        return _raw((values, None, None, notes), path, masks)
    return _decoded(path)


def _is_lossy(path: Path) -> bool:
    """Whether a file, or the pictures of a folder, cannot be trusted with the numbers of labels."""
    if path.is_dir():
        return any(item.suffix.lower() in LOSSY_KINDS for item in picture_files(path, masks=True)[0])
    # 0 and 1 come back from JPEG as a rim of other numbers, or as nothing but 0, and no reader can tell.
    return path.suffix.lower() in (*LOSSY_KINDS, *VIDEO_KINDS)


def _decoded(path: Path) -> RawVolume:
    """Video and DICOM, frame by frame through the stream that ``segment`` uses."""
    source = open_dicom(path) if looks_like_dicom(path) else open_video(path)
    source.check_chosen()
    frames = list(source.frames())
    if not frames:
        raise DataError(f"{path} holds no frame; restore it from its source.")
    region, values = source.region, np.stack(frames)
    if region is not None:
        values = np.stack([region.cut(frame) for frame in values])
    return RawVolume(
        values=values,
        spacing_mm=source.spacing_mm,
        frame_rate_hz=source.frame_rate_hz,
        notes=tuple(source.notes),
    )


Read = tuple[NDArray[Any], tuple[float, float] | None, float | None, tuple[str, ...]]


def _raw(read: Read, path: Path, masks: bool) -> RawVolume:
    values, spacing, rate, notes = read
    # [T, H, W, 1] and [T, 1, H, W] are common exports of networks' inputs.
    if values.ndim == 4 and 1 in (values.shape[-1], values.shape[1]):
        values = values[..., 0] if values.shape[-1] == 1 else values[:, 0]
    if values.ndim == 4:
        values = _one_channel(values, path) if masks else luma(values, path)
    if values.ndim == 2:
        values = values[None]
    if values.ndim != 3 or 0 in values.shape:
        raise DataError(f"{path} has the shape {values.shape}; a picture [H, W] or a clip [T, H, W] was expected.")
    return RawVolume(values=values, spacing_mm=spacing, frame_rate_hz=rate, notes=notes)


def _one_channel(values: NDArray[Any], path: Path) -> NDArray[Any]:
    colour = values[..., :3]
    if (colour == colour[..., :1]).all():
        return colour[..., 0]
    raise DataError(f"{path} holds masks in colours; save the label values as grey or palette pictures.")
