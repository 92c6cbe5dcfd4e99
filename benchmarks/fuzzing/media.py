"""Readers of clips: volumes, videos, DICOM, pictures and arrays."""

from __future__ import annotations

import gzip
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import nibabel
import numpy as np
from PIL import Image

from fuzzing.reader import SHAPE, Reader, drawn_clip
from harness.data.media.source import open_source
from harness.data.media.volume import read_volume
from harness.data.metaimage import read_metaimage
from harness.data.nifti import read_frames
from harness.data.video import read_avi, read_rate, write_avi


def media(folder: Path) -> list[Reader]:
    """All of them, with their files in a new folder."""
    folder.mkdir()
    frames, _ = drawn_clip()
    image = nibabel.Nifti1Image(frames.transpose(2, 1, 0), np.diag([0.3, 0.4, 1, 1]))
    image.header.set_zooms((0.3, 0.4, 1.0))
    for name in ("a.nii", "b.nii.gz"):
        nibabel.save(image, folder / name)
    _write_metaimage(folder / "a.mha", frames)
    write_avi(folder / "a.avi", frames, 25.0)
    writer = cv2.VideoWriter(str(folder / "a.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (SHAPE[2], SHAPE[1]))
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
    writer.release()
    _write_dicom(folder / "a.dcm", frames)
    _write_dicom(folder / "rle.dcm", frames, compress=True)
    stills = [Image.fromarray(frame) for frame in frames]
    stills[0].save(folder / "a.png")
    for name in ("a.tif", "a.gif"):
        stills[0].save(folder / name, save_all=True, append_images=stills[1:])
    np.savez_compressed(folder / "a.npz", video=frames)
    np.save(folder / "a.npy", frames)

    def clip(name: str, file: str, **options: Any) -> Reader:
        return Reader(name=name, file=folder / file, kind="binary", read=lambda: _frames(folder / file), **options)

    nifti = clip("NIfTI", "a.nii")
    avi = clip("AVI", "a.avi")
    return [
        replace(nifti, read=lambda: (_frames(nifti.file), read_frames(nifti.file))),
        clip("NIfTI, packed", "b.nii.gz"),
        clip("NIfTI, inside the gzip", "b.nii.gz", unpack=gzip.decompress, pack=lambda data: gzip.compress(data, 1)),
        replace(
            clip("MetaImage", "a.mha"),
            kind="text",
            read=lambda: (_frames(folder / "a.mha"), read_metaimage(folder / "a.mha")),
        ),
        replace(avi, read=lambda: (_frames(avi.file), read_avi(avi.file), read_rate(avi.file))),
        clip("MP4", "a.mp4"),
        clip("DICOM", "a.dcm"),
        clip("DICOM, run length", "rle.dcm"),
        *(clip(name, f"a.{name.lower()[:3]}") for name in ("PNG", "TIFF", "GIF", "NPZ", "NPY")),
    ]


def _write_metaimage(path: Path, frames: np.ndarray) -> None:
    """As its documentation has it: no library that we depend on writes this format."""
    size = " ".join(map(str, frames.shape[::-1]))
    head = f"ObjectType = Image\nNDims = 3\nBinaryData = True\nCompressedData = False\nElementSpacing = 0.3 0.2 1\nDimSize = {size}\n"
    path.write_bytes(f"{head}ElementType = MET_UCHAR\nElementDataFile = LOCAL\n".encode() + frames.tobytes())


def _write_dicom(path: Path, frames: np.ndarray, compress: bool = False) -> None:
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, RLELossless, UltrasoundMultiFrameImageStorage, generate_uid

    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType = 1, 1
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 1, 1
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 18, 22
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX = region.PhysicalDeltaY = 0.03
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = UltrasoundMultiFrameImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.NumberOfFrames, data.Rows, data.Columns = frames.shape
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation, data.FrameTime = 7, 0, "40"
    data.SequenceOfUltrasoundRegions = [region]
    data.PixelData = frames.tobytes()
    if compress:
        data.compress(RLELossless, generate_instance_uid=False)
    pydicom.dcmwrite(path, data, enforce_file_format=True)


def _frames(path: Path) -> None:
    """As ``segment`` and a dataset read a clip: frame by frame, and whole."""
    for _ in islice(open_source(path).frames(), 200):
        pass
    read_volume(path)
