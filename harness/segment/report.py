"""The measurements of a clip as a DICOM report (TID 1500) that refers to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from harness.errors import ConfigError, DataError, decoding
from harness.files import atomic_file, open_piecewise
from harness.segment.readout import Estimate

Identity = Literal["none", "anonymous", "identified"]
REPORT = "report.dcm"
_PERSONAL = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "StudyDescription",
    "AccessionNumber",
    "ReferringPhysicianName",
)
"""What a new object would take over from its source about the person and the visit."""
_MEASURED = {
    "ef_percent": ("18043-0", "Left ventricular ejection fraction", "%", "percent"),
    "edv_ml": ("8821-1", "Left ventricular end-diastolic volume", "mL", "mL"),
    "esv_ml": ("8823-7", "Left ventricular end-systolic volume", "mL", "mL"),
}
"""LOINC code and meaning, UCUM unit and its meaning of each value of an ``Estimate``."""
_SERIES = 9800
"""Number of our series: high, so that it is listed after the scanner's own."""


def check_libraries() -> None:
    """Raise ``ConfigError`` where no report can be made, before hours are spent on a clip."""
    dicom_libraries()


def make_report(
    instances: Sequence[Path], estimates: Sequence[Estimate], *, run: str, identity: Identity
) -> Any | None:
    """The report, which names the clip's study and instances; None where none is wanted or there is no EF to report.

    Args:
        instances: the clip's DICOM files.
        identity: ``anonymous`` leaves patient, dates, accession number and referring physician empty; ``identified`` takes them
            over. The UIDs of study and instance stay in both: without them no viewer finds the clip.

    Raises:
        ConfigError: highdicom is not installed. DataError: the clip is no DICOM file, or lacks what a report needs.
    """
    there = [estimate for estimate in estimates if math.isfinite(estimate.ef_percent)]
    if identity == "none" or not there:
        return None
    highdicom, _ = dicom_libraries()
    try:
        return _report(highdicom, [source_header(path, identity) for path in instances], there, run)
    except (AttributeError, ValueError, TypeError, KeyError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(f"No DICOM report can be made for {instances[0]} ({reason}); leave out --report.") from error


def save_object(path: Path, made: Any) -> Path:
    """Write a DICOM object that ``make_report`` or ``make_segmentation`` made."""
    with atomic_file(path) as stream:
        made.save_as(stream, enforce_file_format=True)
    return path


def dicom_libraries() -> tuple[Any, Any]:
    """highdicom and pydicom; raises ``ConfigError`` where they are not installed."""
    try:
        import highdicom
        import highdicom.sr
        import pydicom
    except ImportError as error:
        raise ConfigError("DICOM reports need highdicom; install it with pip install 'echobench[dicom]'.") from error
    return highdicom, pydicom


def source_header(path: Path, identity: Identity) -> Any:
    """A DICOM file's header with the elements that an object made from it takes over, of the person none unless ``identified``."""
    _, pydicom = dicom_libraries()
    with decoding(path, "is no DICOM file that a report could name", "get it again"), open_piecewise(path) as stream:
        source = pydicom.dcmread(stream, stop_before_pixels=True, force=True)
        for keyword in _PERSONAL:
            if identity == "anonymous" or keyword not in source:
                # Set empty instead of deleted: highdicom copies these elements and fails where they are absent.
                setattr(source, keyword, None if keyword in ("PatientSize", "PatientWeight") else "")
        source.Modality = source.get("Modality") or "US"
        # Exports for research often lack them; the same file gives the same ones.
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID"):
            if not source.get(keyword):
                setattr(source, keyword, pydicom.uid.generate_uid(entropy_srcs=[str(source.SOPInstanceUID), keyword]))
        return source


def _report(highdicom: Any, sources: Sequence[Any], estimates: Sequence[Estimate], run: str) -> Any:
    sr, code = highdicom.sr, highdicom.sr.CodedConcept
    algorithm = sr.AlgorithmIdentification(name=run, version=metadata.version("echobench"))
    device = sr.DeviceObserverIdentifyingAttributes(uid=highdicom.UID(), name="echobench", model_name=run)
    observer = sr.ObserverContext(observer_type=code("121007", "DCM", "Device"), observer_identifying_attributes=device)
    groups = [
        sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=sr.TrackingIdentifier(uid=highdicom.UID(), identifier=estimate.method),
            source_images=[sr.SourceImageForMeasurementGroup.from_source_image(each) for each in sources],
            algorithm_id=algorithm,
            measurements=[
                sr.Measurement(
                    name=code(loinc, "LN", meaning),
                    value=round(float(getattr(estimate, key)), 2),
                    unit=code(unit, "UCUM", words),
                )
                for key, (loinc, meaning, unit, words) in _MEASURED.items()
                if math.isfinite(getattr(estimate, key))
            ],
        )
        for estimate in estimates
    ]
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=code("40701008", "SCT", "Echocardiography"),
        imaging_measurements=groups,
        title=code("126000", "DCM", "Imaging Measurement Report"),
    )
    return sr.EnhancedSR(
        evidence=list(sources),
        content=content,
        is_complete=True,
        series_number=_SERIES,
        instance_number=1,
        series_instance_uid=highdicom.UID(),
        sop_instance_uid=highdicom.UID(),
        manufacturer="echobench",
    )
