"""Clips of the user's own, read frame by frame: video files, NIfTI, DICOM loops, folders of pictures."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from harness.errors import ConfigError, DataError
from harness.data.media.dicom import open_dicom
from harness.data.media.frames import Frame, FrameSource, Region
from harness.data.media.nifti import open_nifti
from harness.data.media.video import open_video

VIDEO_KINDS = (".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".wmv")
PICTURE_KINDS = (".png", ".jpg", ".jpeg")


def open_source(path: Path | str) -> FrameSource:
    """Recognise a clip by its name (a DICOM file also by its content) and read its header.

    Raises:
        DataError: missing, of an unknown kind, or unreadable.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"The clip {path} does not exist; check the path.")
    if path.is_dir():
        return _open_pictures(path)
    name = path.name.lower()
    # By name first: a .nii.gz has no magic number of its own, it is a gzip like any other.
    if name.endswith((".nii", ".nii.gz")):
        return open_nifti(path)
    if name.endswith((".dcm", ".dicom")) or looks_like_dicom(path):
        return open_dicom(path)
    if path.suffix.lower() in VIDEO_KINDS:
        return open_video(path)
    raise DataError(
        f"The clip {path} is of no kind that can be read: a video ({', '.join(VIDEO_KINDS)}), NIfTI (.nii, .nii.gz), "
        "DICOM (.dcm) or a folder of PNG or JPEG pictures."
    )


def with_stated(
    source: FrameSource,
    *,
    region: Region | None = None,
    picture: int | None = None,
    whole_frame: bool = False,
    spacing_mm: tuple[float, float] | None = None,
    frame_rate_hz: float | None = None,
    max_frames: int | None = None,
) -> FrameSource:
    """The source with what the user states instead of the file; ``whole_frame`` drops the file's own region.

    Args:
        picture: which of several images of the file, counted from 1.

    Raises:
        ConfigError: a pixel size or frame rate that is not positive, fewer than one frame, no such image.
    """
    numbers = [*(spacing_mm or ()), *([] if frame_rate_hz is None else [frame_rate_hz])]
    # A spacing of 0 or NaN would come out as areas of 0 or NaN many minutes later.
    if any(not (math.isfinite(number) and number > 0) for number in numbers):
        raise ConfigError("Pixel size (mm) and frame rate (1/s) must be positive numbers.")
    if max_frames is not None and max_frames < 1:
        raise ConfigError(f"The number of frames must be at least 1, got {max_frames}.")
    source = _with_picture(source, region, picture, whole_frame)
    frames = source.frames
    return replace(
        source,
        frames=frames if max_frames is None else lambda: islice(frames(), max_frames),
        region=region or (None if whole_frame else source.region),
        spacing_mm=spacing_mm or source.spacing_mm,
        frame_rate_hz=frame_rate_hz or source.frame_rate_hz,
    )


def _with_picture(source: FrameSource, region: Region | None, picture: int | None, whole_frame: bool) -> FrameSource:
    """The source with one of its images chosen: by number, by a rectangle inside it, or none of them."""
    if picture is not None:
        if not 1 <= picture <= max(1, len(source.pictures)):
            raise ConfigError(f"{source.path} has {max(1, len(source.pictures))} images; there is no image {picture}.")
        if source.pictures:
            chosen = source.pictures[picture - 1]
            return replace(source, region=chosen.region, spacing_mm=chosen.spacing_mm, pictures=())
        return source
    if region is not None:
        # A rectangle inside one image has that image's pixel size.
        around = [each for each in source.pictures if each.region.holds(region)]
        spacing = around[0].spacing_mm if around else source.spacing_mm
        return replace(source, spacing_mm=spacing, pictures=())
    return replace(source, pictures=()) if whole_frame else source


def looks_like_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM does, with the preamble of 128 bytes or without."""
    with open(path, "rb") as stream:
        # DICOM files from a scanner often have no suffix; PS3.10: 128 bytes of preamble, then DICM.
        head = stream.read(132)
    # Without preamble: an element of group 2 or 8 and, in explicit encoding, the two letters of its type.
    return head[128:] == b"DICM" or (head[:2] in (b"\x02\x00", b"\x08\x00") and head[4:6].isalpha())


def _open_pictures(folder: Path) -> FrameSource:
    """The pictures of a folder in the order of their names, numbers by value (``f2`` before ``f10``)."""
    paths = sorted((path for path in folder.iterdir() if path.suffix.lower() in PICTURE_KINDS), key=natural)
    if not paths:
        raise DataError(f"The folder {folder} holds no PNG or JPEG picture; give the folder that holds the frames.")
    return FrameSource(path=folder, frames=lambda: _pictures(paths), count=len(paths))


def natural(path: Path) -> list[tuple[int, str]]:
    """Key that sorts names with their numbers by value."""
    # f10 comes after f2: sorted as text a clip would jump in time.
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name) if part]


def _pictures(paths: list[Path]) -> Iterator[Frame]:
    first: tuple[int, ...] | None = None
    for path in paths:
        frame = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if frame is None:
            raise DataError(f"The picture {path} cannot be read; restore it from its source.")
        first = first or frame.shape
        if frame.shape != first:
            raise DataError(
                f"The picture {path} has {frame.shape[1]} x {frame.shape[0]} pixels, the first one {first[1]} x "
                f"{first[0]}; all frames of a clip have one size."
            )
        yield np.asarray(frame, dtype=np.uint8)
