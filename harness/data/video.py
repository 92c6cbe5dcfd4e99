"""Reading and writing motion-JPEG AVI files as grey levels, always by the same decoder and conversion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data.media.video import read_frame
from harness.data.opencv import cv2
from harness.errors import DataError
from harness.stated import rate_of_header


def read_avi(path: Path) -> NDArray[np.uint8]:
    """All frames of a motion-JPEG AVI: uint8 [T, H, W].

    Decoded by OpenCV's own MJPEG reader; colour becomes grey by the BT.601 luma (0.299 R + 0.587 G + 0.114 B,
    ``cv2.COLOR_BGR2GRAY``). Other decoders and conversions differ by up to 3 grey levels.

    Raises:
        DataError: missing, damaged, or not motion JPEG.
    """
    if not path.is_file():
        raise DataError(f"The video {path} does not exist; restore the file.")
    # A named decoder: OpenCV otherwise takes whichever its build has, and grey levels differ.
    capture = cv2.VideoCapture(str(path), cv2.CAP_OPENCV_MJPEG)
    frames = []
    try:
        while (frame := read_frame(capture, path)) is not None:
            frames.append(frame)
    finally:
        capture.release()
    # OpenCV opens what it cannot decode and then delivers nothing.
    if not frames:
        raise DataError(f"The video {path} is damaged or not a motion-JPEG AVI; restore the file from its source.")
    return np.stack(frames)


def read_rate(path: Path) -> float | None:
    """Frames per second as a video's header states them; None where it states none."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_OPENCV_MJPEG)
    rate = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return rate_of_header(rate)


def write_avi(path: Path, frames: NDArray[np.uint8], frame_rate_hz: float) -> None:
    """Write uint8 [T, H, W] as a motion-JPEG AVI of three equal channels (lossy)."""
    size = (frames.shape[2], frames.shape[1])
    writer = cv2.VideoWriter(str(path), cv2.CAP_OPENCV_MJPEG, cv2.VideoWriter.fourcc(*"MJPG"), frame_rate_hz, size)
    if not writer.isOpened():
        raise DataError(f"The video {path} cannot be written; check that its folder exists and is writable.")
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
    writer.release()
