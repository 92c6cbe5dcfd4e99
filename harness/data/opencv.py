"""OpenCV, silent: what is wrong with a file we say in a sentence of our own, and its warnings stand before ours on the terminal."""

from __future__ import annotations

import os

# Read by OpenCV when it first opens a video: FFmpeg has a log of its own.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2

# Trying one decoder after the other, as media/video.py does, is a warning to OpenCV for every file that the first cannot open.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

__all__ = ["cv2"]
