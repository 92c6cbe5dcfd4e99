"""The masks of a clip as a DICOM segmentation that refers to each frame of it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.clip import LABELS
from harness.errors import DataError
from harness.segment.report import Identity, dicom_libraries, source_header

SEGMENTATION = "segmentation.dcm"
_SERIES = 9801
"""Number of our series: after that of the report."""
_CODES = {
    "lv": ("87878005", "Left ventricle", "LV cavity"),
    "myo": ("74281007", "Myocardium", "LV myocardium"),
    "la": ("82471001", "Left atrium", "Left atrium"),
}
"""SNOMED CT code, its meaning and our label of each structure."""
_FRAME_CONTENT, _TEMPORAL_POSITION = 0x00209111, 0x00209128
"""Frame Content Sequence and the Temporal Position Index in it (PS3.3, C.7.6.16.2.2)."""


def make_segmentation(
    instances: Sequence[Path],
    masks: NDArray[np.uint8],
    structures: Sequence[str],
    *,
    run: str,
    identity: Identity,
) -> Any | None:
    """A binary segmentation with a frame for each structure and frame of the clip that shows it; None where none does.

    highdicom makes objects of several frames only where these lie in a frame of reference, which ultrasound loops do not have. It makes
    the object of the first frame here; the other frames are added after its pattern, ordered by structure and
    ``TemporalPositionIndex``. It states no pixel size: that element asks for the thickness of a slice, which no loop has; the clip
    that is referred to has the size.

    Args:
        instances: the clip's DICOM files, one for all frames or one for each.
        masks: label ids [T, H, W] of the first T frames.

    Raises:
        ConfigError: highdicom is not installed. DataError: the files lack what a segmentation needs, or have another size.
    """
    if identity == "none":
        return None
    # Frame by frame: the masks of a long clip lie on disk.
    present = [name for name in structures if any((np.asarray(labels) == LABELS[name]).any() for labels in masks)]
    if not present:
        return None
    dicom_libraries()
    try:
        headers = [source_header(path, identity) for path in instances]
        if (int(headers[0].Rows), int(headers[0].Columns)) != masks.shape[1:]:
            raise ValueError(
                f"its frames have {headers[0].Rows} rows and {headers[0].Columns} columns, the masks {masks.shape[1:]}"
            )
        made = _first_frame(headers[0], present, run)
        _add_frames(made, headers, masks, present)
    except (AttributeError, ValueError, TypeError, KeyError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(
            f"No DICOM segmentation can be made for {instances[0]} ({reason}); leave out --report."
        ) from error
    return made


def _first_frame(header: Any, present: Sequence[str], run: str) -> Any:
    """highdicom's object of one frame in which every structure is full: the pattern of all frames."""
    import highdicom.seg
    from highdicom import UID, AlgorithmIdentificationSequence
    from highdicom.sr import CodedConcept
    from pydicom.uid import UltrasoundImageStorage

    source = copy.deepcopy(header)
    # Of a multi-frame class highdicom asks for functional groups, which only enhanced objects have.
    source.SOPClassUID = UltrasoundImageStorage
    source.NumberOfFrames = 1
    # Loops have no plane positions, without which highdicom takes a frame of reference for one of slides or slices.
    for keyword in ("FrameOfReferenceUID", "PositionReferenceIndicator"):
        if keyword in source:
            delattr(source, keyword)
    algorithm = AlgorithmIdentificationSequence(
        name=run, version=metadata.version("echobench"), family=CodedConcept("123110", "DCM", "Artificial Intelligence")
    )
    descriptions = [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=_CODES[name][2],
            segmented_property_category=CodedConcept("91723000", "SCT", "Anatomical Structure"),
            segmented_property_type=CodedConcept(_CODES[name][0], "SCT", _CODES[name][1]),
            algorithm_type="AUTOMATIC",
            algorithm_identification=algorithm,
        )
        for number, name in enumerate(present, start=1)
    ]
    return highdicom.seg.Segmentation(
        source_images=[source],
        pixel_array=np.ones((1, source.Rows, source.Columns, len(present)), dtype=np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=descriptions,
        series_instance_uid=UID(),
        series_number=_SERIES,
        sop_instance_uid=UID(),
        instance_number=1,
        manufacturer="echobench",
        manufacturer_model_name=run,
        software_versions=metadata.version("echobench"),
        device_serial_number="0",
        content_label="CARDIAC",
    )


def _add_frames(
    made: Any,
    headers: Sequence[Any],
    masks: NDArray[np.uint8],
    present: Sequence[str],
) -> None:
    pattern = list(made.PerFrameFunctionalGroupsSequence)
    items, bits, rest = [], bytearray(), np.zeros(0, dtype=np.uint8)
    for number, frame, mask in _shown(masks, present):
        items.append(_item(pattern[number], headers, number, frame))
        # Frames are packed one behind the other without a gap (PS3.5, 8.1.1); what does not fill a byte waits for the next.
        flat = np.concatenate([rest, mask.ravel()])
        whole = len(flat) // 8 * 8
        bits += np.packbits(flat[:whole], bitorder="little").tobytes()
        rest = flat[whole:]
    bits += np.packbits(rest, bitorder="little").tobytes()
    made.PerFrameFunctionalGroupsSequence = items
    made.NumberOfFrames = len(items)
    made.PixelData = bytes(bits) + b"\0" * (len(bits) % 2)
    made.SegmentsOverlap = "NO"
    # Asked for, empty where unknown, of every image without a position in the patient (PS3.3, C.7.6.1.1.1).
    made.PatientOrientation = None
    made.DimensionIndexSequence.append(_time_index(made.DimensionIndexSequence[0]))
    _refer_to_all(made, headers)


def _shown(masks: NDArray[np.uint8], present: Sequence[str]) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:
    """(number of the structure from 0, frame, its pixels) wherever the structure is seen."""
    for number, name in enumerate(present):
        for frame, labels in enumerate(masks):
            pixels = (np.asarray(labels) == LABELS[name]).astype(np.uint8)
            if pixels.any():
                yield number, frame, pixels


def _item(pattern: Any, headers: Sequence[Any], number: int, frame: int) -> Any:
    """The functional groups of a frame: which structure, which time, and which frame of which instance it was made from."""
    item = copy.deepcopy(pattern)
    content = item.FrameContentSequence[0]
    content.DimensionIndexValues = [number + 1, frame + 1]
    content.TemporalPositionIndex = frame + 1
    origin = item.DerivationImageSequence[0].SourceImageSequence[0]
    header = headers[frame] if len(headers) > 1 else headers[0]
    _refer(origin, header)
    if len(headers) == 1 and "NumberOfFrames" in header:
        origin.ReferencedFrameNumber = frame + 1
    return item


def _time_index(first: Any) -> Any:
    """The second dimension of the frames, organised as the first is."""
    from pydicom import Dataset

    index = Dataset()
    index.DimensionIndexPointer, index.FunctionalGroupPointer = _TEMPORAL_POSITION, _FRAME_CONTENT
    index.DimensionOrganizationUID = first.DimensionOrganizationUID
    index.DimensionDescriptionLabel = "Temporal Position Index"
    return index


def _refer_to_all(made: Any, headers: Sequence[Any]) -> None:
    """Every instance of a series stands among the references, not the first alone."""
    lists = [made.ReferencedSeriesSequence[0].ReferencedInstanceSequence, made.get("SourceImageSequence")]
    for references in filter(None, lists):
        pattern = references[0]
        for header in headers[1:]:
            references.append(_refer(copy.deepcopy(pattern), header))
        _refer(pattern, headers[0])


def _refer(reference: Any, header: Any) -> Any:
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
    return reference
