"""What a phantom's patient may have beyond one regular half beat: whole cycles, defects, oblique views, motion of chest and probe.

Everything here is drawn after the patient and from numbers of its own, so that a patient without options is the same to the byte.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from harness.phantom.anatomy import VIEWS, ViewAnatomy, biplane_volume_ml
from harness.phantom.foreshorten import foreshortened, tilt_for
from harness.phantom.parameters import PhantomParameters
from harness.phantom.patient import Acquisition, Patient
from harness.phantom.recording import Recording, draw_recording
from harness.phantom.regional import draw_defects
from harness.phantom.rhythm import Kind

Generator = np.random.Generator


@dataclass(frozen=True, kw_only=True, slots=True)
class Life:
    """A patient as the probe sees it.

    Attributes:
        patient: the true heart, with its defects; volumes and EF are measured on it.
        views: what the planes cut, in the order of ``VIEWS``; the patient's own where no view is foreshortened.
        recordings: of whole cycles, one per view; empty where none are asked for.
        truth: what was drawn, for the manifest.
    """

    patient: Patient
    views: tuple[ViewAnatomy, ViewAnatomy]
    recordings: tuple[Recording, ...]
    truth: dict[str, object]


def enliven(rng: Generator, patient: Patient, parameters: PhantomParameters) -> Life:
    """Draw what ``parameters`` ask for; nothing is drawn for what they do not ask for."""
    drawing = iter(rng.spawn(5))  # one generator per option: switching one on leaves the others as they are
    truth: dict[str, object] = {}
    patient = _with_defects(next(drawing), patient, parameters.defects, truth)
    patient = _at_rates(next(drawing), patient, parameters.frame_rate_hz)
    views = _oblique(next(drawing), patient.views, parameters.foreshortened, truth)
    kind = _kind(next(drawing), parameters, truth)
    recordings = tuple(_recordings(next(drawing), patient, parameters, kind)) if parameters.beats else ()
    return Life(patient=patient, views=views, recordings=recordings, truth=truth)


def _with_defects(rng: Generator, patient: Patient, share: float, truth: dict[str, object]) -> Patient:
    if rng.random() >= share:
        return patient
    territory, defects = draw_defects(rng)
    views = [replace(view, defects=defects[view.view]) for view in patient.views]
    edv, esv = (biplane_volume_ml(*(view.outline(phase) for view in views)) for phase in (0.0, 1.0))
    truth["defect"] = {"territory": territory, "loss": max(item.loss for group in defects.values() for item in group)}
    # The EF was drawn for a heart that moves evenly; the segments that stay behind take their part of it away.
    return replace(patient, views=(views[0], views[1]), ef_percent=100 * (edv - esv) / edv)


def _at_rates(rng: Generator, patient: Patient, limits: tuple[float, float] | None) -> Patient:
    """The same systoles recorded at frame rates drawn from a range; both views of a patient have one rate."""
    if limits is None:
        return patient
    rate = round(float(rng.uniform(*limits)), 1)
    first, second = (
        replace(item, frame_rate_hz=rate, frames=max(5, round(rate * systole_s(item)) + 1))
        for item in patient.acquisitions
    )
    return replace(patient, acquisitions=(first, second))


def systole_s(acquisition: Acquisition) -> float:
    """Seconds from ED to ES of a half sequence."""
    return (acquisition.frames - 1) / acquisition.frame_rate_hz


def _oblique(
    rng: Generator, views: tuple[ViewAnatomy, ViewAnatomy], share: float, truth: dict[str, object]
) -> tuple[ViewAnatomy, ViewAnatomy]:
    seen, named = [], {}
    for view, other in zip(views, views[::-1], strict=True):
        asked, shortening = rng.random() < share, float(rng.uniform(0.06, 0.2))
        if not asked:
            seen.append(view)
            continue
        tilt = tilt_for(shortening, view.ed, other.ed)
        ed, es = (foreshortened(getattr(view, end), getattr(other, end), tilt) for end in ("ed", "es"))
        poses = {
            f"{end}_pose": replace(getattr(view, f"{end}_pose"), length=cut.length)
            for end, cut in (("ed", ed), ("es", es))
        }
        seen.append(replace(view, ed=ed, es=es, **poses))
        named[view.view] = round(1 - ed.length / view.ed.length, 3)
    if named:
        truth["foreshortening"] = named
    return seen[0], seen[1]


def _kind(rng: Generator, parameters: PhantomParameters, truth: dict[str, object]) -> Kind:
    """The patient's rhythm; an extrasystole needs a beat before it."""
    if rng.random() >= parameters.arrhythmia:
        return "sinus"
    kind: Kind = "fibrillation" if parameters.beats < 2 or rng.random() < 0.6 else "extrasystole"
    truth["rhythm"] = kind
    return kind


def _recordings(rng: Generator, patient: Patient, parameters: PhantomParameters, kind: Kind) -> list[Recording]:
    rate_bpm = float(np.clip(rng.normal(84 if kind == "fibrillation" else 68, 11), 48, 115))
    # Kuo et al. 1987: the atria's share of the filling grows from 12 % at the age of 20 to 46 % at 80.
    early = float(np.clip(rng.normal(0.88 - 0.0056 * (patient.age - 20), 0.05), 0.45, 0.92))
    recordings = []
    for acquisition in patient.acquisitions:
        systole = systole_s(acquisition)
        recordings.append(
            draw_recording(
                rng,
                beats=parameters.beats,
                systole_s=systole,
                # A diastole has room for its three waves, also where the systole is long.
                interval_s=max(60 / rate_bpm, systole + 0.38),
                early=early,
                kind=kind,
                rate_hz=acquisition.frame_rate_hz,
                breathing_mm=parameters.breathing_mm,
                probe_mm=parameters.probe_mm,
            )
        )
    assert len(recordings) == len(VIEWS)
    return recordings
