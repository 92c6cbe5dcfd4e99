"""Reading every clip of a dataset and saying what is strange about it."""

from __future__ import annotations

import functools
import hashlib
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from harness.clip import LABELS, Case, Clip, label_ids
from harness.data.dataset import SPLITS, ClipRefused, EchoDataset
from harness.data.findings import Finding, Level, shorten
from harness.errors import DataError
from harness.jobs import map_ordered
from harness.vocabulary import counted


@dataclass(kw_only=True, slots=True)
class ClipReport:
    """What one clip contributes to the check of its root; ``error`` instead of the rest where it cannot be read."""

    case: Case
    error: str | None = None
    level: Level = "error"
    frames: int = 0
    size: tuple[int, int] = (0, 0)
    spacing_mm: tuple[float, float] | None = None
    labels: tuple[int, ...] = ()
    ef_percent: float | None = None
    lv_areas: tuple[int, int] | None = None
    hashes: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    findings: list[Finding] = field(default_factory=list)


def check(dataset: EchoDataset, *, workers: int | None = None, progress: bool = False) -> list[Finding]:
    """Everything that can be said about a dataset's root: its layout first, then every clip is read and examined.

    Args:
        dataset: the opened dataset.
        workers: processes that read clips; None uses every core.
        progress: show a bar.

    Returns:
        Findings in the order of the checks. With an error in the layout only the layout is reported: clips that
        cannot be listed cannot be read either.
    """
    findings = dataset.layout()
    if any(finding.level == "error" for finding in findings):
        return findings
    return findings + inspect_pixels(dataset, workers=workers, progress=progress) + dataset.survey()


def inspect_pixels(dataset: EchoDataset, *, workers: int | None = None, progress: bool = False) -> list[Finding]:
    """Load every case of every split and collect errors, statistics, duplicates and leakage."""
    cases = [case for split in SPLITS for case in dataset.cases(split)]
    job = functools.partial(inspect_clip, dataset)
    label = f"checking {dataset.name}"
    reports = list(map_ordered(job, cases, workers=workers, progress=progress, label=label, worth=32))
    readable = [report for report in reports if report.error is None]
    return [
        *unreadable(reports, dataset.root),
        *_statistics(readable, dataset.structures),
        *strange(dataset, readable),
        *leakage(cases),
        *duplicates(sharing(readable)),
    ]


def strange(dataset: EchoDataset, reports: list[ClipReport]) -> list[Finding]:
    """What is unusual about the clips, each kind once with a count: their own findings, and structures that some lack."""
    return [*_gathered(reports), *_absent(dataset.structures, reports)]


def _absent(structures: tuple[str, ...], reports: list[ClipReport]) -> list[Finding]:
    """Structures that no mask holds, and clips in which a labelled frame lacks one that most others have."""
    found = []
    for name in structures:
        names = [report.case.name for report in reports if name in report.lacking]
        if reports and not any(label_ids(structures)[name] in report.labels for report in reports):
            text = f"no mask holds {name}: it cannot be segmented, --structures must leave it out"
            found.append(Finding(level="warning", check="structures", message=text, count=len(names)))
        # A structure that half of the frames lack is not forgotten but rare (an aorta in some views).
        elif names and 2 * len(names) < len(reports):
            text = f"a labelled frame has no {name}, which the others have: {shorten(names)}"
            found.append(Finding(level="warning", check="structures", message=text, count=len(names)))
    return found


def inspect_clip(dataset: EchoDataset, case: Case) -> ClipReport:
    """Read one clip; a ``DataError`` becomes part of the report."""
    try:
        return report_of(dataset, dataset.load(case))
    except ClipRefused as error:
        return ClipReport(case=case, error=str(error), level="warning")
    # The check goes on: a user wants to hear of all damaged files at once.
    except DataError as error:
        return ClipReport(case=case, error=str(error))


def report_of(dataset: EchoDataset, clip: Clip) -> ClipReport:
    """What there is to say of one loaded clip."""
    findings = [*_examine(clip), *dataset.examine(clip)]
    ids = label_ids(dataset.structures)
    return ClipReport(
        case=clip.case,
        frames=len(clip.frames),
        size=(clip.frames.shape[1], clip.frames.shape[2]),
        spacing_mm=clip.spacing_mm,
        # bincount of 256 ids: np.unique would sort every pixel.
        labels=tuple(int(label) for label in np.flatnonzero(np.bincount(clip.masks.ravel(), minlength=256))),
        ef_percent=clip.ef_percent,
        lv_areas=_lv_areas(clip),
        # Of pixels, not of files: the same frame under two names is leakage whatever its header says.
        # An even frame (black, frozen white) is nobody's picture and may occur anywhere.
        hashes=tuple(
            hashlib.blake2b(frame.tobytes(), digest_size=8).hexdigest()
            for frame in clip.frames
            if frame.min() != frame.max()
        ),
        lacking=tuple(
            name for name, value in ids.items() if not all((mask == value).any() for mask in clip.masks[clip.labelled])
        ),
        findings=findings,
    )


def _lv_areas(clip: Clip) -> tuple[int, int] | None:
    """LV pixels at ED and ES."""
    if clip.ed is None or clip.es is None:
        return None
    ed, es = (int((clip.masks[index] == LABELS["lv"]).sum()) for index in (clip.ed, clip.es))
    return ed, es


def _examine(clip: Clip) -> list[Finding]:
    """Checks that hold for every dataset."""
    found = [_from_note(note) for note in clip.notes]
    empty = [index for index in np.flatnonzero(clip.labelled) if not clip.masks[index].any()]
    if empty:
        found.append(Finding(level="warning", check="labels", message="a labelled frame has an empty mask"))
    if any(not frame.any() for frame in clip.frames):
        found.append(Finding(level="warning", check="frames", message="a frame is all black"))
    return found


def _from_note(note: str) -> Finding:
    check, _, message = note.partition(": ")
    # Some sequences of the release run from ES to ED; that is known and handled.
    level: Level = "note" if message.startswith("the half sequence runs") else "warning"
    return Finding(level=level, check=check, message=message)


def unreadable(reports: list[ClipReport], root: Path) -> list[Finding]:
    """Clips that cannot be read; the same fault of many files is one line with a count."""
    groups: dict[tuple[Level, str], list[ClipReport]] = defaultdict(list)
    for report in reports:
        if report.error is not None:
            # Faults are the same when they differ in nothing but the file.
            kind = re.sub(
                rf"{re.escape(str(root))}\S*|\b{re.escape(report.case.name)}\S*|line \d+", "FILE", report.error
            )
            groups[report.level, kind].append(report)
    return [
        Finding(
            level=level, check="files", message=_with_others([str(report.error) for report in group]), count=len(group)
        )
        for (level, _), group in groups.items()
    ]


def _with_others(messages: list[str]) -> str:
    others = len(messages) - 1
    return messages[0] + (f" The same is wrong with {counted(others, 'other clip')}." if others else "")


def _statistics(reports: list[ClipReport], structures: tuple[str, ...]) -> list[Finding]:
    if not reports:
        return []
    frames = sorted(report.frames for report in reports)
    heights, widths = zip(*(report.size for report in reports), strict=True)
    # More than one size in a release is worth seeing: distances depend on it.
    spacings = Counter(report.spacing_mm for report in reports)
    labels = sorted({label for report in reports for label in report.labels})
    efs = [report.ef_percent for report in reports if report.ef_percent is not None]
    areas = [report.lv_areas for report in reports if report.lv_areas is not None]
    views = Counter(report.case.view for report in reports)
    lines = {
        "views": ", ".join(f"{view}: {counted(count, 'clip')}" for view, count in sorted(views.items())),
        "frames": f"{frames[0]} to {frames[-1]} per clip, median {frames[len(frames) // 2]}, {sum(frames)} in all",
        "size": f"height {min(heights)} to {max(heights)}, width {min(widths)} to {max(widths)}, {len(set(zip(heights, widths, strict=True)))} shapes",
        "spacing": "; ".join(
            f"{_spacing_text(value)} ({counted(count, 'clip')})" for value, count in spacings.most_common(3)
        ),
        "labels": f"{_label_words(labels, structures)} found",
        "order": f"LV area at ED larger than at ES in {sum(ed > es for ed, es in areas)} of {len(areas)} clips",
        "ef": f"mean {np.mean(efs):.1f}, {min(efs):.3g} to {max(efs):.3g} %, known for {counted(len(efs), 'clip')}"
        if efs
        else "unknown",
    }
    return [Finding(level="note", check=check, message=text, count=len(reports)) for check, text in lines.items()]


def _label_words(labels: list[int], structures: tuple[str, ...]) -> str:
    """Label ids with what they stand for: a data set's own structures have ids that no file of it holds."""
    names = {0: "background", **{value: name for name, value in label_ids(structures).items()}}
    return ", ".join(names.get(label, str(label)) for label in labels)


def _spacing_text(spacing: tuple[float, float] | None) -> str:
    return "none" if spacing is None else f"{spacing[0]:.4g} x {spacing[1]:.4g} mm"


def _gathered(reports: list[ClipReport]) -> list[Finding]:
    """The same finding of many clips becomes one line that names a few of them."""
    # A thousand clips without a pixel size are one line, or nobody reads the others.
    groups: dict[tuple[Level, str, str], list[str]] = defaultdict(list)
    for report in reports:
        for finding in report.findings:
            groups[finding.level, finding.check, finding.message].append(report.case.name)
    return [
        Finding(level=level, check=check, message=f"{message}: {shorten(names)}", count=len(names))
        for (level, check, message), names in groups.items()
    ]


def leakage(cases: list[Case]) -> list[Finding]:
    """An error for every patient that appears in more than one split, or a note that there is none."""
    # By patient: two views of one heart in two splits are leakage as well.
    splits: dict[str, set[str]] = defaultdict(set)
    for case in cases:
        splits[case.patient].add(case.split)
    leaking = sorted(patient for patient, names in splits.items() if len(names) > 1)
    if leaking:
        text = f"in more than one split: {shorten(leaking)}"
        return [Finding(level="error", check="leakage", message=text, count=len(leaking))]
    return [Finding(level="note", check="leakage", message="no patient is in two splits", count=0)]


def sharing(reports: list[ClipReport]) -> list[tuple[Case, ...]]:
    """Clips that have a frame with the same pixels, by name: each pair (or more) once, however many frames they share."""
    owners: dict[str, dict[str, Case]] = defaultdict(dict)
    for report in reports:
        for digest in report.hashes:
            owners[digest][report.case.name] = report.case
    # Pairs of clips and not of frames: two copies of a video share a hundred frames.
    groups = {tuple(sorted(cases)): cases for cases in owners.values() if len(cases) > 1}
    return [tuple(cases[name] for name in names) for names, cases in sorted(groups.items())]


def duplicates(groups: list[tuple[Case, ...]]) -> list[Finding]:
    """What ``sharing`` found: an error between splits, a warning inside one, a note that there is none."""
    found = []
    # Between splits a duplicate makes test results too good; inside one it only weighs twice.
    for level, across in (("error", True), ("warning", False)):
        names = [
            "=".join(case.name for case in cases)
            for cases in groups
            if (len({case.split for case in cases}) > 1) == across
        ]
        if names:
            text = f"same pixels in {'different splits' if across else 'one split'}: {shorten(names)}"
            found.append(Finding(level=level, check="duplicates", message=text, count=len(names)))  # type: ignore[arg-type]
    return found or [Finding(level="note", check="duplicates", message="no frame occurs in two clips", count=0)]
