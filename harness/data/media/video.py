"""Video files as streams of grey frames, and videos written frame by frame."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harness.data.media.frames import Frame, FrameSource
from harness.data.opencv import cv2
from harness.errors import DataError, decoding
from harness.stated import rate_of_header, refuse_large

VIDEO_KINDS = (".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".wmv")


def open_video(path: Path) -> FrameSource:
    """A video file: motion-JPEG AVI by the decoder of ``harness.data.video``, anything else by FFmpeg.

    Colour becomes grey by the BT.601 luma, as everywhere in the harness. Video files state no pixel size.

    Raises:
        DataError: no decoder can open it.
    """
    capture = _capture(path)
    count, rate = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    refuse_large(path, int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)), int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)))
    capture.release()
    return FrameSource(
        path=path,
        frames=lambda: _frames(path),
        # Some containers state no count or a negative one.
        count=int(count) if math.isfinite(count) and count >= 1 else None,
        frame_rate_hz=rate_of_header(rate),
    )


def _capture(path: Path) -> cv2.VideoCapture:
    # The decoder of the training data first: others differ by up to 3 grey levels (harness/data/video.py).
    for backend in (cv2.CAP_OPENCV_MJPEG, cv2.CAP_FFMPEG, cv2.CAP_ANY):
        capture = cv2.VideoCapture(str(path), backend)
        if capture.isOpened():
            return capture
    raise DataError(f"The video {path} is damaged or of a kind that OpenCV cannot decode; restore or convert it.")


def _frames(path: Path) -> Iterator[Frame]:
    capture = _capture(path)
    try:
        while (frame := read_frame(capture, path)) is not None:
            yield frame
    finally:
        capture.release()


def read_frame(capture: cv2.VideoCapture, path: Path) -> Frame | None:
    """The next frame of an opened video as grey levels; None at its end.

    Raises:
        DataError: damaged.
    """
    with decoding(f"The video {path}", "is damaged", "restore the file from its source"):
        there, image = capture.read()
        if not there:
            return None
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if image.ndim == 3 else image
        return np.asarray(grey, dtype=np.uint8)
