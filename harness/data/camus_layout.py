"""The file names of the CAMUS NIfTI release: an index of a root, and what is missing from it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.data.findings import shorten
from harness.errors import DataError

PATIENT = re.compile(r"patient\d{4}")
KIND_NAMES = {
    "ed_es": "ED/ES stills",
    "half": "half sequences",
    "cycle": "whole cycles",
    "beats": "whole cycles",
}
_PARTS = {"ed_es": ("ED", "ES"), "half": ("half_sequence",), "cycle": ("cycles",), "beats": ("cycles",)}
FileNames = Callable[[str, str, str], tuple[str, ...]]


def nifti_files(patient: str, view: str, clip: str) -> tuple[str, ...]:
    """Names of the images and masks that one clip is read from."""
    stems = [f"{patient}_{view}_{part}" for part in _PARTS[clip]]
    return tuple(f"{stem}{suffix}.nii.gz" for stem in stems for suffix in ("", "_gt"))


def mhd_files(patient: str, view: str, clip: str) -> tuple[str, ...]:
    """The same for the old release, whose sequences have no masks of their own: those of the stills serve."""
    # The old release states pixels (.raw) and header (.mhd) in two files; either alone is useless.
    parts = ("ED", "ES", "ED_gt", "ES_gt") if clip == "ed_es" else ("sequence", "ED_gt", "ES_gt")
    return tuple(f"{patient}_{view}_{part}.{suffix}" for part in parts for suffix in ("mhd", "raw"))


@dataclass(frozen=True, slots=True)
class CamusIndex:
    """Patients of a root with the names of their files. ``folder`` holds the patients' folders."""

    folder: Path
    patients: dict[str, frozenset[str]]
    files: FileNames

    def has(self, patient: str, view: str, clip: str) -> bool:
        """Whether every file of one clip is there."""
        return set(self.files(patient, view, clip)) <= self.patients.get(patient, frozenset())

    def count(self, view: str, clip: str, patients: Iterable[str]) -> int:
        """How many of ``patients`` have this clip."""
        return sum(self.has(patient, view, clip) for patient in patients)


def index_root(root: Path, title: str) -> CamusIndex:
    """List a root of the NIfTI release that holds ``database_nifti/`` or is that folder.

    Raises:
        DataError: there are no patient folders with NIfTI files, or files of the old release are among them.
    """
    # Users name either folder; refusing the inner one would only send them back.
    folder = root / "database_nifti" if (root / "database_nifti").is_dir() else root
    patients = _list_patients(folder)
    if not _any_file(patients, ".nii.gz"):
        raise DataError(_not_camus(root, patients, title))
    _refuse_mixture(folder, patients)
    return CamusIndex(folder, patients, nifti_files)


def index_mhd_root(root: Path, title: str) -> CamusIndex:
    """List a root of the old mhd release that holds ``training/`` or is that folder; ``testing/`` has no masks.

    Raises:
        DataError: there are no patient folders with mhd files, or files of the NIfTI release are among them.
    """
    # testing/ of the old release came without masks for the challenge.
    folder = root / "training" if (root / "training").is_dir() else root
    patients = _list_patients(folder)
    _refuse_mixture(folder, patients)
    if _any_file(patients, ".mhd"):
        return CamusIndex(folder, patients, mhd_files)
    if (root / "database_nifti").is_dir() or _any_file(patients, ".nii.gz"):
        raise DataError(f"{root} is the NIfTI release of CAMUS, whose masks and EF differ; use --dataset camus for it.")
    raise DataError(
        f"{root} is not a {title} root: it holds no patientXXXX folders with mhd files; give the folder that contains "
        "training/ (or training itself) with --root PATH."
    )


def _list_patients(folder: Path) -> dict[str, frozenset[str]]:
    return {
        # One listing per patient: asking a network disk for each file of 500 patients would be slow.
        entry.name: frozenset(os.listdir(entry.path))
        for entry in sorted(os.scandir(folder), key=lambda item: item.name)
        if PATIENT.fullmatch(entry.name) and entry.is_dir()
    }


def _any_file(patients: dict[str, frozenset[str]], suffix: str) -> bool:
    return any(name.endswith(suffix) for names in patients.values() for name in names)


def _refuse_mixture(folder: Path, patients: dict[str, frozenset[str]]) -> None:
    # The releases differ in masks, EF and numbering: a mixture would be evaluated without complaint.
    if _any_file(patients, ".nii.gz") and _any_file(patients, ".mhd"):
        raise DataError(
            f"{folder} mixes files of both CAMUS releases (nii.gz and mhd), whose masks differ; keep one of them there."
        )


def _not_camus(root: Path, patients: dict[str, frozenset[str]], title: str) -> str:
    # A wrong root is most often another dataset's: say which reader takes it.
    old = [folder for folder in (root, root / "training") if any(folder.glob("patient*/*.mhd"))]
    if old:
        return f"{root} is the old mhd release of CAMUS, whose masks and EF differ; use --dataset camus_mhd for it."
    if (root / "FileList.csv").is_file():
        return f"{root} is an EchoNet-Dynamic root; use --dataset echonet for it."
    found = f"{len(patients)} patient folders without NIfTI files" if patients else "no patientXXXX folders"
    return (
        f"{root} is not a {title} root: it holds {found}; give the folder that contains database_nifti/ "
        "(or database_nifti itself) with --root PATH."
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Gaps:
    """What a root lacks of the patients in its split lists and of the views and clip kind that were asked for."""

    total: int
    views_there: tuple[str, ...]
    views_absent: tuple[str, ...]
    other_views_absent: tuple[str, ...]
    clip: str
    clip_absent: bool
    other_clip: str
    other_clip_absent: bool
    patients_absent: tuple[str, ...]
    cases_absent: tuple[str, ...]
    cfg_absent: int
    cases: int

    @property
    def structural(self) -> bool:
        """A view or clip kind that was asked for does not exist at all: only other options can help."""
        return bool(self.views_absent) or self.clip_absent

    @property
    def any(self) -> bool:
        """Whether something that was asked for is missing."""
        return self.structural or bool(self.patients_absent or self.cases_absent or self.cfg_absent)

    def accepting_options(self) -> list[tuple[str, str]]:
        """(option, value) pairs that accept the root as it is."""
        options = []
        if self.views_absent and self.views_there:
            options.append(("views", ",".join(self.views_there)))
        if self.clip_absent and not self.other_clip_absent:
            options.append(("clip", self.other_clip))
        if self.patients_absent or self.cases_absent or self.cfg_absent:
            options.append(("allow-partial", ""))
        return options

    def describe(self) -> list[str]:
        """What is missing, item by item."""
        items = [f"view {view} (no patient has it)" for view in self.views_absent]
        if self.clip_absent:
            items.append(f"{KIND_NAMES[self.clip]} (no patient has them)")
        if self.patients_absent:
            items.append(f"{len(self.patients_absent)} of {self.total} patients ({shorten(self.patients_absent)})")
        if self.cases_absent:
            items.append(f"files of {len(self.cases_absent)} clips ({shorten(self.cases_absent)})")
        if self.cfg_absent:
            items.append(f"Info_*.cfg of {self.cfg_absent} of {self.cases} clips (EF, frame rate and quality unknown)")
        return items

    def not_asked_for(self) -> list[str]:
        """What the root lacks besides, which the chosen options do not need."""
        items = [f"view {view} is absent and not asked for" for view in self.other_views_absent]
        other = f"{KIND_NAMES[self.other_clip]} are absent and not asked for"
        return items + ([other] if self.other_clip_absent and not self.clip_absent else [])

    def mark(self) -> str | None:
        """The short form that stands beside results; None when nothing is missing."""
        if not self.any:
            return None
        absent_views = self.views_absent + self.other_views_absent
        items = [f"{'+'.join(self.views_there)} only"] if absent_views and self.views_there else []
        if self.patients_absent:
            items.append(f"{self.total - len(self.patients_absent)} of {self.total} patients")
        if self.cases_absent:
            items.append(f"{len(self.cases_absent)} clips absent")
        kinds = ((self.clip, self.clip_absent), (self.other_clip, self.other_clip_absent))
        items += [f"no {KIND_NAMES[kind]}" for kind, absent in kinds if absent]
        if self.cfg_absent:
            items.append("no cfg files" if self.cfg_absent == self.cases else f"{self.cfg_absent} cfg files absent")
        return "partial: " + "; ".join(items)


def find_gaps(
    index: CamusIndex, listed: list[str], views: tuple[str, ...], clip: str, all_views: tuple[str, ...]
) -> Gaps:
    """Compare the files of ``listed`` patients with what ``views`` and ``clip`` ask for."""
    other = "half" if clip == "ed_es" else "ed_es"
    there = tuple(view for view in all_views if any(index.count(view, kind, listed) for kind in (clip, other)))
    present = [patient for patient in listed if patient in index.patients]
    clip_absent = not any(index.count(view, clip, listed) for view in there)
    # Count what the root could serve, so that the sentence names options that really work.
    usable_clip = other if clip_absent else clip
    wanted = [(patient, view) for patient in present for view in views if view in there]
    cases = [(patient, view) for patient, view in wanted if index.has(patient, view, usable_clip)]
    cfg_absent = [item for item in cases if f"Info_{item[1]}.cfg" not in index.patients[item[0]]]
    return Gaps(
        total=len(listed),
        views_there=tuple(view for view in views if view in there) or there,
        views_absent=tuple(view for view in views if view not in there),
        other_views_absent=tuple(view for view in all_views if view not in there and view not in views),
        clip=clip,
        clip_absent=clip_absent,
        other_clip=other,
        other_clip_absent=not any(index.count(view, other, listed) for view in there),
        patients_absent=tuple(patient for patient in listed if patient not in index.patients),
        cases_absent=tuple(
            f"{patient}_{view}" for patient, view in wanted if not index.has(patient, view, usable_clip)
        ),
        cfg_absent=len(cfg_absent),
        cases=len(cases),
    )


def refusal(gaps: Gaps, root: Path, title: str) -> str:
    """The sentence that stops a run on a partial root: what is missing and which options accept it."""
    missing = "; ".join(gaps.describe())
    options = gaps.accepting_options()
    if gaps.structural and not (gaps.views_there and (not gaps.clip_absent or not gaps.other_clip_absent)):
        return f"The {title} root {root} lacks {missing}; restore the files from their source."
    flags = " ".join(f"--{name} {value}".strip() for name, value in options)
    # Who came by make needs the variable, not the flag.
    variables = " ".join(f"{name.upper().replace('-', '_')}={value or 1}" for name, value in options)
    return f"The {title} root {root} is partial, it lacks {missing}; accept that with {flags} (make: {variables})."
