"""Loops that were exported as a series: one DICOM file for each frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.data.media.dicom import dicom_header, looks_like_dicom, open_dicom
from harness.data.media.frames import Frame, FrameSource
from harness.errors import DataError

SHORTEST = 8
"""Fewer images are no loop: a heart beat has at least so many frames at any rate that is of use."""


def series_in(paths: Iterable[Path]) -> list[tuple[Path, ...]]:
    """The loops among single-frame DICOM files of a folder, each in the order of its ``InstanceNumber``.

    A loop is a series of at least ``SHORTEST`` images of one size with consecutive numbers and without a multi-frame file: scanners
    that export loops put the stills of a whole examination into one series, and these are no clip.
    """
    series: dict[str, dict[int, tuple[Path, tuple[int, int]]]] = {}
    mixed = set()
    for path in paths:
        header = _header(path)
        if header is None:
            continue
        uid, number = str(header.SeriesInstanceUID), header.get("InstanceNumber")
        if int(header.get("NumberOfFrames") or 1) > 1 or number is None or int(number) in series.get(uid, {}):
            mixed.add(uid)
        else:
            series.setdefault(uid, {})[int(number)] = (path, (int(header.Rows), int(header.Columns)))
    return [
        tuple(images[number][0] for number in sorted(images))
        for uid, images in series.items()
        if uid not in mixed
        and len(images) >= SHORTEST
        and max(images) - min(images) == len(images) - 1
        and len({size for _, size in images.values()}) == 1
    ]


def open_series(where: Path, paths: Sequence[Path]) -> FrameSource:
    """A series as one clip; what the first file states of pixel size, region and frame rate holds for all.

    Raises:
        DataError: as ``open_dicom``, or the files state different images.
    """
    sources = [open_dicom(path) for path in paths]
    first = sources[0]
    if any(
        (each.region, each.spacing_mm, each.pictures) != (first.region, first.spacing_mm, first.pictures)
        for each in sources
    ):
        raise DataError(
            f"The images of the series in {where} state different regions or pixel sizes; segment them one by one."
        )
    return replace(
        first,
        path=where,
        frames=lambda: _frames(sources),
        count=len(sources),
        instances=tuple(paths),
        notes=[*first.notes, f"{len(paths)} single-frame DICOM files of one series are the frames, by InstanceNumber."],
    )


def _frames(sources: Sequence[FrameSource]) -> Iterator[Frame]:
    for source in sources:
        yield from source.frames()


def _header(path: Path) -> Any | None:
    """The header of a DICOM image that belongs to a series; None for any other file."""
    if not path.is_file() or not looks_like_dicom(path):
        return None
    try:
        header = dicom_header(path)
    # Said when the file is opened, as that file's own failure.
    except DataError:
        return None
    return header if header.get("SeriesInstanceUID") and "Rows" in header and "Columns" in header else None
