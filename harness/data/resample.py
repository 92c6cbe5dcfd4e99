"""Resizing frames and masks to model size; pixel centres at half-integers (``align_corners=False``)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def resize_frames(frames: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """[T, H, W] → [T, size, size]: area average along an axis that shrinks, linear along one that grows.

    The aspect ratio is not kept: as in the compared papers a clip fills the model's square input.
    """
    # In float32, rounded once: two roundings, one per axis, would add up.
    return np.stack([_resize(frame.astype(np.float32), size).round().clip(0, 255) for frame in frames]).astype(np.uint8)


def resize_masks(masks: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """[T, H, W] label ids → [T, size, size]: the label that covers most of each new pixel.

    Every label is resized as a float image like ``resize_frames``; ties go to the smaller label id. Against
    nearest-neighbour sampling this keeps areas unbiased and thin structures connected.
    """
    return np.stack([_resize_mask(mask, size) for mask in masks])


def _resize_mask(mask: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    labels = np.unique(mask)
    if len(labels) == 1:
        return np.full((size, size), labels[0], dtype=np.uint8)
    # argmax takes the first maximum: the smaller id, as promised.
    covers = np.stack([_resize((mask == label).astype(np.float32), size) for label in labels])
    return labels[covers.argmax(axis=0)].astype(np.uint8)


def _resize(image: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    height, width = image.shape
    image = np.ascontiguousarray(image)
    # One axis at a time, because OpenCV falls back to linear in both when one grows and one shrinks.
    image = np.asarray(cv2.resize(image, (size, height), interpolation=_method(width, size)), dtype=np.float32)
    return np.asarray(cv2.resize(image, (size, size), interpolation=_method(height, size)), dtype=np.float32)


def _method(source: int, target: int) -> int:
    # Linear when shrinking skips pixels: speckle would alias.
    return cv2.INTER_AREA if target < source else cv2.INTER_LINEAR
