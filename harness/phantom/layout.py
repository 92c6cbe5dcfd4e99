"""Writing one patient in the layout of the CAMUS NIfTI release."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.phantom.anatomy import volumes_ml
from harness.phantom.life import enliven
from harness.phantom.parameters import SPLITS, PhantomParameters
from harness.phantom.patient import Acquisition, Patient, draw_patient
from harness.phantom.recording import Recording
from harness.phantom.render import Rendered, render_clip, render_recording

IMAGES, SPLIT_LISTS = "database_nifti", "database_split"
_CITATION = "These files are synthetic: they were made by echobench's phantom generator and show no patient.\n"


def patient_id(index: int) -> str:
    """``patient0001`` for index 0."""
    return f"patient{index + 1:04d}"


def write_patient(root: Path, parameters: PhantomParameters, index: int) -> dict[str, Any]:
    """Draw, render and write one patient below ``root``; return its truth for the manifest.

    Everything random comes from ``(seed, index)``, so that patients may be written in any order by any process.
    """
    seeds = np.random.SeedSequence((parameters.seed, index)).spawn(6)
    drawing, *painting = (np.random.default_rng(s) for s in seeds[:3])
    living, *filming = (np.random.default_rng(s) for s in seeds[3:])
    name = patient_id(index)
    life = enliven(living, draw_patient(drawing, parameters.reversed_share), parameters)
    folder = root / IMAGES / name
    folder.mkdir(parents=True)
    (folder / "MANDATORY_CITATION.md").write_text(_CITATION, encoding="utf-8")
    truth: dict[str, Any] = {"id": name, "ef_percent": life.patient.ef_percent, "views": {}, **life.truth}
    for k, (view, acquisition) in enumerate(zip(life.views, life.patient.acquisitions, strict=True)):
        stem, recording = f"{name}_{view.view}", life.recordings[k] if life.recordings else None
        any_rate = parameters.frame_rate_hz is not None
        clip = render_clip(painting[k], view, acquisition, parameters.pixel_mm, any_rate=any_rate)
        _write_clip(folder, stem, clip, acquisition, parameters.pixel_mm)
        truth["views"][view.view] = _truth(life.patient, acquisition)
        if recording is not None:
            cycles = render_recording(filming[k], view, acquisition, recording, parameters.pixel_mm)
            for suffix, pixels in (("", cycles.frames), ("_gt", cycles.masks)):
                write_nifti(folder / f"{stem}_cycles{suffix}.nii.gz", pixels, parameters.pixel_mm)
            truth["views"][view.view] |= _cycles_truth(life.patient, recording)
        (folder / f"Info_{view.view}.cfg").write_text(_cfg(life.patient, acquisition, recording), encoding="utf-8")
    truth["edv_ml"], truth["esv_ml"] = volumes_ml(life.patient.views, (0.0, 1.0))
    return truth


def _truth(patient: Patient, acquisition: Acquisition) -> dict[str, Any]:
    return {
        "quality": acquisition.quality,
        "reversed": acquisition.reversed,
        "frame_rate_hz": acquisition.frame_rate_hz,
        "volumes_ml": volumes_ml(patient.views, [float(phase) for phase in acquisition.phases()]),
    }


def _cycles_truth(patient: Patient, recording: Recording) -> dict[str, Any]:
    """Volume of every frame, and per beat its two frames (from 0), volumes, EF and interval."""
    volumes = volumes_ml(patient.views, [float(phase) for phase in recording.phases])
    beats = [
        {
            "ed": ed,
            "es": es,
            "edv_ml": volumes[ed],
            "esv_ml": volumes[es],
            "ef_percent": 100 * (1 - volumes[es] / volumes[ed]),
            "interval_ms": 1000 * beat.length_s,
            "systole_ms": 1000 * beat.systole_s,
            "kick": beat.kick,
        }
        for beat, ed, es in zip(recording.beats, recording.ed_frames[:-1], recording.es_frames, strict=True)
    ]
    return {"cycles": {"volumes_ml": volumes, "beats": beats}}


def _cfg(patient: Patient, acquisition: Acquisition, recording: Recording | None) -> str:
    first, last = ("ES", "ED") if acquisition.reversed else ("ED", "ES")
    ends = {first: 1, last: acquisition.frames}
    values = {
        "ED": ends["ED"],
        "ES": ends["ES"],
        "NbFrame": acquisition.frames,
        "Sex": patient.sex,
        "Age": patient.age,
        "ImageQuality": acquisition.quality,
        "EF": round(patient.ef_percent),
        "FrameRate": acquisition.frame_rate_hz,
    }
    if recording is not None:
        # Frames of the cycles from 1, as the cfg counts; CAMUS has no such lines.
        values["BeatED"] = " ".join(str(frame + 1) for frame in recording.ed_frames)
        values["BeatES"] = " ".join(str(frame + 1) for frame in recording.es_frames)
    return "".join(f"{key}: {value}\n" for key, value in values.items())


def _write_clip(folder: Path, stem: str, clip: Rendered, acquisition: Acquisition, pixel_mm: float) -> None:
    # Some sequences of CAMUS begin at ES; a reader that takes frame 0 for ED must be caught here.
    ed, es = (-1, 0) if acquisition.reversed else (0, -1)
    for suffix, pixels in (("", clip.frames), ("_gt", clip.masks)):
        write_nifti(folder / f"{stem}_ED{suffix}.nii.gz", pixels[ed], pixel_mm)
        write_nifti(folder / f"{stem}_ES{suffix}.nii.gz", pixels[es], pixel_mm)
        write_nifti(folder / f"{stem}_half_sequence{suffix}.nii.gz", pixels, pixel_mm)


def write_nifti(path: Path, pixels: NDArray[np.uint8], pixel_mm: float) -> None:
    """Write [H, W] or [T, H, W] as CAMUS stores it: float32 (W, H[, T]), pixel size in mm, the third zoom 1.

    The bytes depend on the pixels alone (no time stamp in the gzip header).
    """
    import nibabel  # here: it loads pydicom, and most commands read no NIfTI

    image = nibabel.Nifti1Image(pixels.T.astype(np.float32), np.diag([-pixel_mm, -pixel_mm, 1.0, 1.0]))
    image.header.set_xyzt_units("mm")
    # Run lengths only: fast, and the zeros outside the sector and the heart shrink all the same.
    packer = zlib.compressobj(1, zlib.DEFLATED, 31, 9, zlib.Z_RLE)
    path.write_bytes(packer.compress(image.to_bytes()) + packer.flush())


def write_splits(root: Path, parameters: PhantomParameters) -> None:
    """Write the three split lists, one id per line.

    Ids are dealt to the splits by a permutation drawn from the seed: as in CAMUS, a split is no contiguous range.
    """
    # A stream that is no patient's: theirs are (seed, index) with small indices.
    order = np.random.default_rng((parameters.seed, 2**31)).permutation(sum(parameters.patients))
    parts = np.split(order, np.cumsum(parameters.patients)[:-1])
    folder = root / SPLIT_LISTS
    folder.mkdir(parents=True)
    for split, part in zip(SPLITS, parts, strict=True):
        lines = "".join(f"{patient_id(int(index))}\n" for index in sorted(part))
        (folder / f"subgroup_{split}.txt").write_text(lines, encoding="utf-8")
