"""A clip, a model and a DICOM file whose every number is known on paper."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch

from harness.modeling import VideoSegmenter
from harness.registry import MODELS


@MODELS.register_module(force=True)
class DarkIsCavity(VideoSegmenter):
    """Class 1 where a frame is darker than a third, half way between ellipse and ground; its memory is the number of frames seen."""

    def __init__(self, num_structures: int = 1) -> None:
        super().__init__(num_structures=num_structures)
        self.threshold = torch.nn.Parameter(torch.tensor(1 / 3))
        self.begun = 0

    def _begin(self, frame, first_mask):
        self.begun += 1
        return 0

    def _step(self, frame, memory):
        cavity = 40 * (self.threshold - frame)
        return torch.cat([torch.zeros_like(cavity), cavity], 1), memory + 1


def ellipse_frame(t: int, period: int, height: int = 64, width: int = 48) -> np.ndarray:
    """uint8 [H, W]: an upright black ellipse on grey, largest at t = 0 and smallest half a period later."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    scale = 1 - 0.15 * (1 - math.cos(2 * math.pi * t / period))
    inside = ((rows - height / 2) / (0.4 * height)) ** 2 + ((columns - width / 2) / (0.3 * width)) ** 2 < scale**2
    return np.where(inside, 10, 160).astype(np.uint8)


def ellipse_clip(frames: int = 10) -> np.ndarray:
    """uint8 [T, 64, 48]: one beat."""
    return np.stack([ellipse_frame(t, frames) for t in range(frames)])


def write_dicom(path: Path, frames: np.ndarray, **elements) -> Path:
    """An uncompressed loop: frames uint8 [T, H, W] or [T, H, W, 3]; ``elements`` are set on the data set."""
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UltrasoundMultiFrameImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = Dataset()
    data.file_meta = meta
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    colour = frames.ndim == 4
    data.SamplesPerPixel, data.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
    if colour:
        data.PlanarConfiguration = 0
    data.NumberOfFrames, data.Rows, data.Columns = frames.shape[:3]
    data.BitsAllocated = data.BitsStored = 8 * frames.itemsize
    data.HighBit, data.PixelRepresentation = data.BitsStored - 1, 0
    data.PixelData = np.ascontiguousarray(frames).tobytes()
    for name, value in elements.items():
        setattr(data, name, value)
    pydicom.dcmwrite(path, data, enforce_file_format=True)
    return path


def ultrasound_region(x0: int, y0: int, x1: int, y1: int, delta_x_cm: float, delta_y_cm: float):
    """One two-dimensional tissue region, calibrated in cm."""
    from pydicom.dataset import Dataset

    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType = 1, 1
    region.RegionLocationMinX0, region.RegionLocationMinY0 = x0, y0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = x1, y1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX, region.PhysicalDeltaY = delta_x_cm, delta_y_cm
    return region
