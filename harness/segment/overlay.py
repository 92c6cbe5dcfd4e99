"""Contours drawn over the frames, written as a video frame by frame or as a short GIF."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.clip import LABELS
from harness.data.media.frames import Frame
from harness.errors import DataError, DiskFullError

Kind = Literal["avi", "mp4", "gif", "none"]
COLOURS = {"lv": (230, 159, 0), "myo": (86, 180, 233), "la": (0, 158, 115)}
"""RGB of each structure (Okabe and Ito's palette)."""
GIF_FRAMES, GIF_WIDTH = 200, 320
"""Longest and widest GIF: Pillow keeps a GIF's frames in memory until it is written."""
FALLBACK_HZ = 25.0
"""Playing speed of a clip whose frame rate is unknown."""

OVERLAY_FILES = ("overlay.avi", "overlay.mp4", "overlay.gif")
"""Every name that an overlay may have."""
_NEARLY_NONE = 1 << 16
"""Free bytes of a disk that is full: a file system keeps some for itself."""
_FOURCC = {"avi": "MJPG", "mp4": "mp4v"}
_FILL = 0.15
_FILLED = {
    name: ((1 - _FILL) * np.arange(256)[:, None] + _FILL * np.array(colour)).astype(np.uint8)
    for name, colour in COLOURS.items()
}
"""[256, 3] for each structure: the colour that each grey level has inside it."""


Write = Callable[[NDArray[np.uint8]], object]
"""Takes RGB pictures [H, W, 3] in order."""


def draw_overlay(frame: Frame, labels: Frame) -> NDArray[np.uint8]:
    """RGB [H, W, 3] of a grey frame with each structure lightly filled and outlined; background stays grey."""
    image = np.asarray(cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB), dtype=np.uint8)
    # One pixel per 300: visible in a large picture, no blanket over a small one.
    thickness = max(1, round(min(frame.shape) / 300))
    outlines = []
    for name, label in LABELS.items():
        mask = cv2.inRange(labels, label, label)
        x, y, width, height = cv2.boundingRect(mask)
        if not width:
            continue
        # A structure fills a tenth of a frame, and this runs for every frame: the rest is not touched.
        around = (slice(y, y + height), slice(x, x + width))
        inside = mask[around] > 0
        image[around][inside] = _FILLED[name][frame[around][inside]]
        contours, _ = cv2.findContours(mask[around], cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE, offset=(x, y))
        outlines.append((contours, COLOURS[name]))
    # After every fill: the soft edge of a line reaches into the neighbour.
    for contours, colour in outlines:
        cv2.drawContours(image, contours, -1, colour, thickness, cv2.LINE_AA)
    return image


@contextmanager
def overlay_writer(path: Path, kind: Kind, size: tuple[int, ...], frame_rate_hz: float | None) -> Iterator[Write]:
    """Open a writer of ``kind`` for pictures of ``size`` (H, W); the file is complete when the context ends.

    Raises:
        DataError: OpenCV cannot write this kind here.
    """
    rate = frame_rate_hz or FALLBACK_HZ
    if kind == "none":
        yield lambda image: None
    elif kind == "gif":
        pictures: list[Image.Image] = []
        yield lambda image: _keep_small(pictures, image)
        _save_gif(path, pictures, rate)
    else:
        with _video(path, kind, size, rate) as write:
            yield write


@contextmanager
def _video(path: Path, kind: str, size: tuple[int, ...], rate: float) -> Iterator[Write]:
    """A video by OpenCV; mp4 loses an odd last row or column, because its codec has none."""
    # mpeg4 halves the colour planes.
    height, width = (side - side % 2 if kind == "mp4" else side for side in size)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*_FOURCC[kind]), rate, (width, height))
    count = 0

    def write(image: NDArray[np.uint8]) -> None:
        nonlocal count
        writer.write(cv2.cvtColor(image[:height, :width], cv2.COLOR_RGB2BGR))
        count += 1

    try:
        if not writer.isOpened():
            _refuse_full(path)
            raise DataError(f"This OpenCV cannot write a {kind} video; choose another kind of overlay.")
        yield write
    finally:
        writer.release()
    _check_whole(path, count)


def _check_whole(path: Path, count: int) -> None:
    """OpenCV says nothing of a write that fails: the number of frames, which is written last, is then missing."""
    capture = cv2.VideoCapture(str(path))
    stated = capture.get(cv2.CAP_PROP_FRAME_COUNT) if capture.isOpened() else 0
    capture.release()
    # Containers round at odd frame rates; what was cut states nothing at all.
    if 2 * stated < count:
        _refuse_full(path)
        raise DataError(
            f"The video {path.name} could not be written whole ({stated:.0f} of {count} frames); choose another kind of overlay."
        )


def _refuse_full(path: Path) -> None:
    if shutil.disk_usage(path.parent).free < _NEARLY_NONE:
        raise DiskFullError(f"The disk is full while writing {path}; free some space and run the same command again.")


def _keep_small(pictures: list[Image.Image], image: NDArray[np.uint8]) -> None:
    """Keep one of the first ``GIF_FRAMES`` pictures, made small; the rest of a clip is left out."""
    if len(pictures) >= GIF_FRAMES:
        return
    picture = Image.fromarray(image)
    # Only the width binds: a thumbnail keeps the proportions of the picture.
    picture.thumbnail((GIF_WIDTH, 4 * GIF_WIDTH))
    pictures.append(picture.quantize(128))


def _save_gif(path: Path, pictures: list[Image.Image], rate: float) -> None:
    if pictures:
        # Browsers play anything faster than 20 ms at 100 ms.
        duration = max(20, round(1000 / rate))
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=duration, loop=0)
