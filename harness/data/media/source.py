"""Clips of the user's own, read frame by frame: video, NIfTI, DICOM loops, pictures, stacks, NumPy arrays, MetaImage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.media.dicom import looks_like_dicom, open_dicom
from harness.data.media.dicom_series import open_series, series_in
from harness.data.media.frames import Frame, FrameSource, Region
from harness.data.media.levels import FrameLevels, luma, to_grey
from harness.data.media.nifti import open_nifti
from harness.data.media.pictures import PICTURE_KINDS, holds_pictures, natural, picture_files, read_pictures
from harness.data.media.video import VIDEO_KINDS, open_video
from harness.data.media.volume import read_volume
from harness.errors import ConfigError, DataError
from harness.files import refuse_pipe
from harness.stated import stated

ARRAY_KINDS = (".npz", ".npy", ".tif", ".tiff", ".gif", ".mhd", ".mha")


def open_source(path: Path | str) -> FrameSource:
    """Recognise a clip by its name (a DICOM file also by its content) and read its header.

    Raises:
        DataError: missing, of an unknown kind, or unreadable.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"The clip {path} does not exist; check the path.")
    refuse_pipe(path, "The clip")
    if path.is_dir():
        # A folder that is one series, and nothing else, is a clip.
        series = [] if holds_pictures(path) else series_in(sorted(path.iterdir(), key=natural))
        return open_series(path, series[0]) if len(series) == 1 else _open_pictures(path)
    name = path.name.lower()
    # By name first: a .nii.gz has no magic number of its own, it is a gzip like any other.
    if name.endswith((".nii", ".nii.gz")):
        return open_nifti(path)
    if looks_like_dicom(path):
        return open_dicom(path)
    if path.suffix.lower() in VIDEO_KINDS:
        return open_video(path)
    if path.suffix.lower() in PICTURE_KINDS:
        return _open_pictures(path)
    if path.suffix.lower() in ARRAY_KINDS:
        return _open_array(path)
    raise DataError(
        f"The clip {path} is of no kind that can be read: a video ({', '.join(VIDEO_KINDS)}), NIfTI (.nii, .nii.gz), "
        f"DICOM (.dcm), {', '.join(ARRAY_KINDS)}, a picture or a folder of PNG, JPEG or BMP pictures."
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
        ConfigError: a pixel size or frame rate that no clip has, fewer than one frame, no such image.
    """
    # A spacing of 0 or NaN would come out as areas of 0 or NaN many minutes later.
    try:
        stated("", spacing_mm=spacing_mm, frame_rate_hz=frame_rate_hz)
    except DataError as error:
        raise ConfigError(f"Pixel size (mm) and frame rate (1/s) must be positive numbers: {error}") from None
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


def _open_pictures(path: Path) -> FrameSource:
    """The pictures of a folder, one at a time; a single picture is a clip of one frame."""
    paths, left_out = picture_files(path) if path.is_dir() else ([path], ())
    notes = list(left_out)
    return FrameSource(path=path, frames=lambda: _pictures(path, paths, notes), count=len(paths), notes=notes)


def _pictures(where: Path, paths: list[Path], notes: list[str]) -> Iterator[Frame]:
    first: tuple[int, ...] | None = None
    two_valued = 0
    levels = FrameLevels(where, notes)
    for path in paths:
        frame = _grey_values(read_pictures(path)[0][0], path)
        first = first or frame.shape
        if frame.shape != first:
            raise DataError(
                f"The picture {path} has {frame.shape[1]} x {frame.shape[0]} pixels, the first one {first[1]} x "
                f"{first[0]}; all frames of a clip have one size."
            )
        two_valued += len(np.unique(frame)) == 2
        yield levels(frame)
    levels.end()
    text = f"frames: {two_valued} pictures hold two values only, as masks do; leave them out if they are masks"
    if two_valued and text not in notes:
        notes.append(text)


def _grey_values(values: NDArray[Any], path: Path) -> NDArray[Any]:
    return luma(values, path) if values.ndim == 3 else values


def _open_array(path: Path) -> FrameSource:
    """A file that is read whole: NumPy arrays, stacks, MetaImage."""
    volume = read_volume(path)
    grey, scale = to_grey(volume.values, path)
    return FrameSource(
        path=path,
        frames=lambda: iter(grey),
        count=len(grey),
        spacing_mm=volume.spacing_mm,
        frame_rate_hz=volume.frame_rate_hz,
        notes=[*volume.notes, *([scale.note] if scale.note else [])],
    )
