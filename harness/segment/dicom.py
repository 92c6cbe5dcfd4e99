"""Ultrasound loops in DICOM as streams of grey frames (extra ``[dicom]``)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from harness.errors import ConfigError, DataError
from harness.segment.frames import Frame, FrameSource, Region

_CENTIMETRES = 3
_TWO_D, _TISSUE = 1, 1


def open_dicom(path: Path) -> FrameSource:
    """A multi-frame (or single-frame) image; frames are decompressed one by one.

    Pixel size and rectangle are those of the only two-dimensional tissue region of ``SequenceOfUltrasoundRegions``
    (``PhysicalDeltaX/Y`` in cm). The frame rate is 1000 / ``FrameTime``, else ``CineRate``.

    Raises:
        ConfigError: pydicom is not installed.
        DataError: damaged, not DICOM, or without pixels.
    """
    pydicom = _pydicom()
    try:
        # A loop of 120 frames is 100 MB once decoded; the header is a few kB.
        header = pydicom.dcmread(path, stop_before_pixels=True)
        count, photometric = int(header.get("NumberOfFrames") or 1), str(header.PhotometricInterpretation)
    except (pydicom.errors.InvalidDicomError, AttributeError, OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} is damaged or not a DICOM image ({error}); restore or export it again.") from error
    region = _region(header)
    return FrameSource(
        path=path,
        frames=lambda: _frames(path, header, photometric),
        count=count,
        spacing_mm=_spacing(region),
        frame_rate_hz=_frame_rate(header),
        region=_rectangle(region, header),
    )


def _pydicom() -> Any:
    try:
        import pydicom
        import pydicom.errors
        import pydicom.pixels
    except ImportError as error:
        raise ConfigError("DICOM files need pydicom; install it with pip install 'echobench[dicom]'.") from error
    return pydicom


def _region(header: Any) -> Any | None:
    """The only 2-D tissue region; None where there is none or where several lie side by side."""
    regions = [
        region
        for region in header.get("SequenceOfUltrasoundRegions", ())
        if region.get("RegionSpatialFormat") == _TWO_D and region.get("RegionDataType") == _TISSUE
    ]
    # Two tissue regions are a biplane or dual picture: choosing one would be a guess.
    return regions[0] if len(regions) == 1 else None


def _spacing(region: Any | None) -> tuple[float, float] | None:
    """(row, column) in mm; PhysicalDelta is signed and, with unit code 3, in cm."""
    if region is None:
        return None
    if region.get("PhysicalUnitsXDirection") != _CENTIMETRES or region.get("PhysicalUnitsYDirection") != _CENTIMETRES:
        return None
    # DICOM PS3.3 C.8.5.5: deltas are signed by direction and in cm here; we want mm.
    row, column = (10 * abs(float(region.get(f"PhysicalDelta{axis}", 0.0))) for axis in "YX")
    return (row, column) if row > 0 and column > 0 else None


def _rectangle(region: Any | None, header: Any) -> Region | None:
    """The region's rectangle (its last row and column included), cut to the frame; None where it is not stated."""
    corners = ("RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1")
    if region is None or any(region.get(name) is None for name in corners):
        return None
    left, top, right, bottom = (int(region.get(name)) for name in corners)
    # Regions overrun the picture in practice (its size instead of its last index); a slice outside would lose pixels.
    right, bottom = min(right, int(header.Columns) - 1), min(bottom, int(header.Rows) - 1)
    if right <= left or bottom <= top:
        return None
    return Region(x=left, y=top, width=right - left + 1, height=bottom - top + 1)


def _frame_rate(header: Any) -> float | None:
    frame_time_ms, cine_rate = header.get("FrameTime"), header.get("CineRate")
    # FrameTime is exact in ms; CineRate is a whole number of frames per second.
    if frame_time_ms is not None and float(frame_time_ms) > 0:
        return 1000 / float(frame_time_ms)
    return float(cine_rate) if cine_rate is not None and float(cine_rate) > 0 else None


def _frames(path: Path, header: Any, photometric: str) -> Iterator[Frame]:
    pydicom = _pydicom()
    try:
        for pixels in pydicom.pixels.iter_pixels(path):
            if photometric == "PALETTE COLOR":
                pixels = pydicom.pixels.apply_color_lut(pixels, header)
            yield _grey(pixels, photometric, int(header.BitsStored))
    except (RuntimeError, NotImplementedError, AttributeError, OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"The pixels of {path} cannot be decoded ({reason}); pip install 'echobench[dicom]' brings the decoders, "
            "a damaged file has to be exported again."
        ) from error


def _grey(pixels: NDArray[Any], photometric: str, bits: int) -> Frame:
    """uint8 [H, W]: more than eight bits are scaled to eight, colour becomes the BT.601 luma."""
    # A palette's entries have their own depth, whatever the indices have.
    bits = 8 * pixels.dtype.itemsize if photometric == "PALETTE COLOR" else bits
    levels = np.asarray(pixels if bits <= 8 else pixels >> (bits - 8)).astype(np.uint8)
    if levels.ndim == 3:
        return np.asarray(cv2.cvtColor(np.ascontiguousarray(levels), cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    # MONOCHROME1 stores white as 0.
    return np.asarray(255 - levels if photometric == "MONOCHROME1" else levels, dtype=np.uint8)
