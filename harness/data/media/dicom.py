"""Ultrasound loops in DICOM as streams of grey frames (extra ``[dicom]``)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from harness.data.media.frames import Frame, FrameSource, Picture, Region
from harness.errors import ConfigError, decoding
from harness.files import open_piecewise
from harness.stated import is_pixel_size, rate_of_header, refuse_large

DAMAGED = ("is damaged or not a DICOM image", "restore or export it again")
_CENTIMETRES = 3
_TWO_D, _TISSUE = 1, 1
_VIEWS = {"2CH": ("two chamber", "2 chamber", "2ch", "a2c"), "4CH": ("four chamber", "4 chamber", "4ch", "a4c")}
"""Words of the view in code meanings and descriptions, by the harness's name."""


def open_dicom(path: Path) -> FrameSource:
    """A multi-frame (or single-frame) image, with or without the preamble of 128 bytes; frames are decoded one by one.

    Pixel size and rectangle are those of the only two-dimensional tissue region of ``SequenceOfUltrasoundRegions``
    (``PhysicalDeltaX/Y`` in cm; equal regions count once); several regions become ``pictures`` to choose from. Without
    regions the pixel size is ``PixelSpacing``. The frame rate is 1000 / ``FrameTime``, else 1000 / mean of
    ``FrameTimeVector``, else ``RecommendedDisplayFrameRate``, else ``CineRate``.

    Raises:
        ConfigError: pydicom is not installed.
        DataError: damaged, not DICOM, or without pixels.
    """
    header = dicom_header(path)
    with decoding(path, *DAMAGED):
        count, photometric = int(header.get("NumberOfFrames") or 1), str(header.PhotometricInterpretation)
        # Read here, so that a damaged element is one sentence about the file and not a traceback later.
        pictures, spacing, rate = _pictures(header), _pixel_spacing(header), _frame_rate(header)
        refuse_large(path, int(header.Rows), int(header.Columns))
        int(header.BitsStored)
    alone = pictures[0] if len(pictures) == 1 else None
    notes = [] if pictures or spacing is None else ["The pixel size is PixelSpacing: the file states no region."]
    return FrameSource(
        path=path,
        frames=lambda: _frames(path, header, photometric),
        count=count,
        spacing_mm=alone.spacing_mm if alone else None if pictures else spacing,
        frame_rate_hz=rate,
        region=alone.region if alone else None,
        pictures=_to_choose(pictures),
        study=str(header.get("StudyInstanceUID") or "") or None,
        view=_view(header),
        instances=(path,),
        notes=notes,
    )


def dicom_header(path: Path) -> Any:
    """All elements but the pixels: a loop of 120 frames is 100 MB once decoded, the header a few kB.

    Raises:
        ConfigError: pydicom is not installed. DataError: damaged, or not DICOM.
    """
    pydicom = _pydicom()
    with decoding(path, *DAMAGED):
        return _header(pydicom, path)


def _header(pydicom: Any, path: Path) -> Any:
    with open_piecewise(path) as stream:
        try:
            return pydicom.dcmread(stream, stop_before_pixels=True)
        except pydicom.errors.InvalidDicomError:
            # Older scanners and some archives leave out the preamble; whether it is DICOM then shows in its elements.
            stream.seek(0)
            header = pydicom.dcmread(stream, stop_before_pixels=True, force=True)
            if "SOPClassUID" not in header or "Rows" not in header:
                raise
            return header


def looks_like_dicom(path: Path) -> bool:
    """Whether a file is named as DICOM or begins as DICOM does, with the preamble of 128 bytes or without."""
    if path.name.lower().endswith((".dcm", ".dicom")):
        return True
    with open(path, "rb") as stream:
        # DICOM files from a scanner often have no suffix; PS3.10: 128 bytes of preamble, then DICM.
        head = stream.read(132)
    # Without preamble: an element of group 2 or 8 and, in explicit encoding, the two letters of its type.
    return head[128:] == b"DICM" or (head[:2] in (b"\x02\x00", b"\x08\x00") and head[4:6].isalpha())


def _pydicom() -> Any:
    try:
        import pydicom
        import pydicom.errors
        import pydicom.pixels
        import pydicom.uid
    except ImportError as error:
        raise ConfigError("DICOM files need pydicom; install it with pip install 'echobench[dicom]'.") from error
    return pydicom


@dataclass(frozen=True, slots=True)
class _Stated:
    """What one tissue region states; either may be absent."""

    region: Region | None
    spacing_mm: tuple[float, float] | None


def _pictures(header: Any) -> list[_Stated]:
    """The different 2-D tissue regions, in the order of the file."""
    found = [
        _Stated(_rectangle(region, header), _spacing(region))
        for region in header.get("SequenceOfUltrasoundRegions") or ()
        if region.get("RegionSpatialFormat") == _TWO_D and region.get("RegionDataType") == _TISSUE
    ]
    # Some scanners list the same region once per transducer mode.
    return list(dict.fromkeys(found))


def _to_choose(stated: list[_Stated]) -> tuple[Picture, ...]:
    if len(stated) < 2:
        return ()
    return tuple(Picture(region=each.region, spacing_mm=each.spacing_mm) for each in stated if each.region is not None)


def _pixel_spacing(header: Any) -> tuple[float, float] | None:
    """``PixelSpacing`` (row, column) in mm where both can be meant."""
    values = [float(value) for value in header.get("PixelSpacing") or ()]
    return (values[0], values[1]) if len(values) == 2 and all(map(is_pixel_size, values)) else None


def _positive(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _view(header: Any) -> str | None:
    """``2CH`` or ``4CH`` from the view code's meaning, else from the texts in which scanners name the view."""
    codes = [str(code.get("CodeMeaning", "")) for code in header.get("ViewCodeSequence") or ()]
    texts = [*codes, *(str(header.get(name) or "") for name in ("ViewName", "SeriesDescription"))]
    for text in texts:
        plain = text.lower().replace("-", " ").replace("_", " ")
        matching = [view for view, words in _VIEWS.items() if any(word in plain for word in words)]
        # "apical 2 and 4 chamber" names neither.
        if len(matching) == 1:
            return matching[0]
    return None


def _spacing(region: Any) -> tuple[float, float] | None:
    """(row, column) in mm; PhysicalDelta is signed and, with unit code 3, in cm."""
    if region.get("PhysicalUnitsXDirection") != _CENTIMETRES or region.get("PhysicalUnitsYDirection") != _CENTIMETRES:
        return None
    # DICOM PS3.3 C.8.5.5: deltas are signed by direction and in cm here; we want mm.
    row, column = (10 * abs(float(region.get(f"PhysicalDelta{axis}") or 0.0)) for axis in "YX")
    return (row, column) if is_pixel_size(row) and is_pixel_size(column) else None


def _rectangle(region: Any, header: Any) -> Region | None:
    """The region's rectangle (its last row and column included), cut to the frame; None where it is not stated."""
    corners = ("RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1")
    if any(region.get(name) is None for name in corners):
        return None
    left, top, right, bottom = (int(region.get(name)) for name in corners)
    # Regions overrun the picture in practice (its size instead of its last index); a slice outside would lose pixels.
    right, bottom = min(right, int(header.Columns) - 1), min(bottom, int(header.Rows) - 1)
    if right <= left or bottom <= top:
        return None
    return Region(x=left, y=top, width=right - left + 1, height=bottom - top + 1)


def _frame_rate(header: Any) -> float | None:
    # FrameTime is exact in ms; the vector's first entry is 0 by definition (PS3.3 C.7.6.5); the others are whole numbers.
    frame_time = float(header.get("FrameTime") or 0)
    if _positive(frame_time) and (rate := rate_of_header(1000 / frame_time)):
        return rate
    vector = [float(value) for value in _several(header.get("FrameTimeVector"))][1:]
    if vector and _positive(math.fsum(vector)) and (rate := rate_of_header(1000 * len(vector) / math.fsum(vector))):
        return rate
    rates = (float(header.get(name) or 0) for name in ("RecommendedDisplayFrameRate", "CineRate"))
    return next((rate for rate in map(rate_of_header, rates) if rate), None)


def _several(value: Any) -> Sequence[Any]:
    """The values of an element that may hold one or many: pydicom gives a lone one bare."""
    if value is None:
        return ()
    return value if isinstance(value, Sequence) and not isinstance(value, str) else [value]


def _frames(path: Path, header: Any, photometric: str) -> Iterator[Frame]:
    pydicom = _pydicom()
    decoded = _decoded(pydicom, path, header)
    cure = "pip install 'echobench[dicom]' brings the decoders, a damaged file has to be exported again"
    while True:
        # Around the decoder alone: what whoever takes the frames raises is not the file's fault.
        with decoding(f"The pixels of {path}", "cannot be decoded", cure):
            pixels = next(decoded, None)
            if pixels is None:
                return
            if photometric == "PALETTE COLOR":
                pixels = pydicom.pixels.apply_color_lut(pixels, header)
            grey = _grey(pixels, photometric, int(header.BitsStored))
        yield grey


def _decoded(pydicom: Any, path: Path, header: Any) -> Iterator[NDArray[Any]]:
    """The frames, as RGB where the file holds YBR."""
    if getattr(header, "preamble", None):
        with open_piecewise(path) as stream:
            yield from pydicom.pixels.iter_pixels(stream)
    else:
        # iter_pixels() opens files with a preamble only; without it the whole file has to be read.
        with open_piecewise(path) as stream:
            data = pydicom.dcmread(stream, force=True)
        if "TransferSyntaxUID" not in data.file_meta:
            data.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
        yield from pydicom.pixels.iter_pixels(data)


def _grey(pixels: NDArray[Any], photometric: str, bits: int) -> Frame:
    """uint8 [H, W]: more than eight bits are scaled to eight, colour becomes the BT.601 luma."""
    # A palette's entries have their own depth, whatever the indices have.
    bits = 8 * pixels.dtype.itemsize if photometric == "PALETTE COLOR" else bits
    levels = np.asarray(pixels if bits <= 8 else pixels >> (bits - 8)).astype(np.uint8)
    if levels.ndim == 3:
        return np.asarray(cv2.cvtColor(np.ascontiguousarray(levels), cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    # MONOCHROME1 stores white as 0.
    return np.asarray(255 - levels if photometric == "MONOCHROME1" else levels, dtype=np.uint8)
