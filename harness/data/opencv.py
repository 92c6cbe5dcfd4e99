"""OpenCV, silent: what is wrong with a file we say in a sentence of our own, and its warnings stand before ours on the terminal."""

from __future__ import annotations

import os

from harness.schema import LARGEST_FRAME

# Read by OpenCV when it first opens a video: FFmpeg has a log of its own.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
# A JPEG of kilobytes may claim 65535 x 65535 pixels: OpenCV would take 13 GB for them before it looks at the file.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(LARGEST_FRAME))

import cv2

# Trying one decoder after the other, as media/video.py does, is a warning to OpenCV for every file that the first cannot open.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

__all__ = ["cv2"]
