"""Clips for the page: grey frames as small pictures, contours as vector paths above them."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from contourpy import contour_generator
from numpy.typing import NDArray
from PIL import Image

from harness.results.pictures import CasePicture

LARGEST_SIDE = 320
"""Longest side of a frame on the page, in pixels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Player:
    """One case on the page.

    Attributes:
        title, label, dice: of the picture; ``dice`` in percent.
        width, height: of the frames in displayed pixels, true to the patient's proportions.
        frames: data URIs, one per frame.
        reference, predicted: SVG path data per frame, in displayed pixels; empty where there is no mask.
        start: the frame shown first.
    """

    title: str
    label: str
    dice: float
    width: int
    height: int
    frames: tuple[str, ...]
    reference: tuple[str, ...]
    predicted: tuple[str, ...]
    start: int


def player(picture: CasePicture) -> Player:
    """Build the player of one case."""
    rows, columns = picture.frames.shape[1:]
    scale = LARGEST_SIDE / max(rows * picture.aspect, columns)
    width, height = max(1, round(columns * scale)), max(1, round(rows * picture.aspect * scale))
    factors = (width / columns, height / rows)
    return Player(
        title=picture.title.replace("\n", ", "),
        label=picture.label,
        dice=picture.dice,
        width=width,
        height=height,
        frames=tuple(jpeg_uri(frame, width, height) for frame in picture.frames),
        reference=tuple(contour_path(mask, *factors) for mask in picture.reference),
        predicted=tuple(contour_path(mask, *factors) for mask in picture.predicted),
        start=picture.frame,
    )


def contour_path(mask: NDArray[np.integer], x_scale: float, y_scale: float) -> str:
    """SVG path data of the outlines of every structure of a label map [H, W]; pixel centres lie at half integers."""
    # A frame of zeros around it: a structure that touches the border needs a closed outline too.
    padded = np.pad(mask, 1)
    lines = [
        line
        for structure in sorted(set(mask[mask > 0].tolist()))
        for line in contour_generator(z=(padded == structure).astype(float)).lines(0.5)
    ]
    return "".join(_path(np.asarray(line), x_scale, y_scale) for line in lines)


def _path(line: NDArray[np.float64], x_scale: float, y_scale: float) -> str:
    # Padding moved pixel k to k + 1, and its centre lies at k + 1/2.
    points = (line - 0.5) * [x_scale, y_scale]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z"


def jpeg_uri(frame: NDArray[np.uint8], width: int, height: int) -> str:
    """A grey frame [H, W] as a JPEG data URI of the given size."""
    stream = io.BytesIO()
    Image.fromarray(frame).resize((width, height), Image.Resampling.BILINEAR).save(stream, "JPEG", quality=78)
    return data_uri(stream.getvalue(), "image/jpeg")


def data_uri(content: bytes, kind: str) -> str:
    """Content as a URI that needs no network."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
