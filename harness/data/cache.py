"""Preparing a dataset once: clips resized to model size and written so that training never waits for decoding."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import hashlib
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from harness.clip import Case, Clip
from harness.data.dataset import SPLITS, ClipRefused, EchoDataset
from harness.data.findings import Finding
from harness.data.inspection import ClipReport, duplicates, leakage, report_of, sharing, strange, unreadable
from harness.data.prepared import FORMAT, FRAMES, MANIFEST, MASKS, NATIVE, ClipRecord, PreparedCache
from harness.data.prepared import PreparedClip as PreparedClip
from harness.data.prepared import PreparedSplit as PreparedSplit
from harness.data.resample import resize_frames, resize_masks
from harness.data.resplit import SHARING, other_findings, other_fold, share_clips
from harness.errors import DataError
from harness.files import canonical_hash, sync_folder, write_json
from harness.jobs import map_ordered
from harness.leftovers import drop_private, make_private

_PIXELS = 2
"""Version of the pixels, not of the files: runs are known by it, so it stays where only the storage changes."""
RESAMPLING = "frames: area when shrinking, linear when growing; masks: label that covers most"


def prepare(
    dataset: EchoDataset,
    *,
    image_size: int,
    cache_root: str | Path,
    workers: int | None = None,
    progress: bool = True,
) -> PreparedCache:
    """Return the prepared cache of ``dataset`` at ``image_size``, building it when there is none yet.

    The folder's name ends in a hash of the source fingerprint, the options and the parameters of resampling: a
    cache is reused as long as these stay the same, and changed files lead to a new one. It is built in a hidden
    folder beside its place and renamed when complete; an error or Ctrl-C removes what was begun. A process that
    finds another one preparing waits for it.

    Args:
        image_size: side S of the square that clips are resized to.
        cache_root: folder that holds the prepared caches.
        workers: processes that read and resize; None uses all cores, 0 or 1 none besides this one.

    Raises:
        DataError: a split without cases, a damaged source file, a full disk, or a damaged cache at its place.
    """
    header, place = _header(dataset, image_size, Path(cache_root))
    if place.exists():
        return PreparedCache.open(place)
    # Two processes of one command want the same cache; the second waits, and finds it whole.
    with _writable(place), _locked(place.parent):
        if not place.exists():
            _build(dataset, place, header, workers, progress)
    return PreparedCache.open(place)


def find_prepared(dataset: EchoDataset, *, image_size: int, cache_root: str | Path) -> PreparedCache | None:
    """The prepared cache that ``prepare`` would return at once; None where it would have to be built.

    Raises:
        DataError: a source file that cannot be read, or a damaged cache.
    """
    _, place = _header(dataset, image_size, Path(cache_root))
    return PreparedCache.open(place) if place.exists() else None


def _header(dataset: EchoDataset, image_size: int, cache_root: Path) -> tuple[dict[str, Any], Path]:
    """The head of a cache's manifest, and the folder of the cache."""
    # What the pixels depend on besides their source: other resampling leads to another folder.
    parameters = {"image_size": image_size, "format": _PIXELS, "resampling": RESAMPLING}
    source = dataset.fingerprint()
    fingerprint = canonical_hash({"source": source, "parameters": parameters, "mark": dataset.mark}, length=16)
    parts = [dataset.name, "+".join(dataset.views).lower(), dataset.clip, str(image_size), fingerprint[:10]]
    place = cache_root / "-".join(part for part in parts if part)
    header = {
        "format": FORMAT,
        "name": dataset.name,
        "mark": dataset.mark,
        "image_size": image_size,
        "fingerprint": fingerprint,
        "source_fingerprint": source,
        "options": dataset.options(),
        "structures": list(dataset.structures),
        "resampling": RESAMPLING,
    }
    return header, place


def _build(dataset: EchoDataset, place: Path, header: dict[str, Any], workers: int | None, progress: bool) -> None:
    cases = [case for split in SPLITS for case in _cases_of(dataset, split)]
    # Left by a kill; nobody else writes there, because the lock is held.
    for stale in place.parent.glob(f".{place.name}.*"):
        shutil.rmtree(stale, ignore_errors=True)
    folder = make_private(place.parent, f".{place.name}.")
    try:
        if (shared := other_fold(header, place, cases)) is not None:
            content = share_clips(shared, folder, cases)
            findings = other_findings(dataset, shared, content, cases)
            marks = [*_unknown_spacing(dataset, shared.records), *_leaks(findings)]
            _publish(folder, place, header, content, findings, marks)
            return
        job = functools.partial(prepare_clip, dataset, image_size=header["image_size"])
        label = f"preparing {dataset.name} at {header['image_size']} px"
        with contextlib.closing(
            map_ordered(job, cases, workers=workers, progress=progress, label=label, worth=32)
        ) as clips:
            content, reports = _write_clips(folder, clips)
        content[SHARING] = [
            [[case.patient, case.view] for case in cases]
            for cases in sharing([report for report in reports if report.error is None])
        ]
        findings = _findings(dataset, reports, cases)
        _publish(
            folder, place, header, content, findings, _marks(dataset, content["refused"], len(cases), reports, findings)
        )
    finally:
        drop_private(folder)


def _publish(
    folder: Path,
    place: Path,
    header: dict[str, Any],
    content: dict[str, Any],
    findings: list[Finding],
    marks: list[str],
) -> None:
    """Write the manifest, and give the folder its name."""
    content |= {
        "findings": [asdict(finding) for finding in findings],
        "mark": "; ".join(filter(None, [header["mark"], *marks])) or None,
    }
    write_json(folder / MANIFEST, {**header, **content})
    # mkdtemp makes folders that other users cannot read; a cache on a shared disk is for all of them.
    os.chmod(folder, 0o755)
    os.rename(folder, place)
    sync_folder(place.parent)


def _findings(dataset: EchoDataset, reports: list[ClipReport], cases: list[Case]) -> list[Finding]:
    """Warnings and errors about the layout and the clips, each kind once with a count.

    Raises:
        DataError: clips that cannot be read, the first one and how many more.
    """
    if faults := [finding for finding in unreadable(reports, dataset.root) if finding.level == "error"]:
        more = sum(finding.count for finding in faults[1:])
        others = f" {more} further clips have other faults; 'echobench data check' lists them." if more else ""
        raise DataError(faults[0].message + others)
    readable = [report for report in reports if report.error is None]
    found = [*dataset.layout(), *strange(dataset, readable), *leakage(cases), *duplicates(sharing(readable))]
    return [finding for finding in found if finding.level != "note"]


def _marks(
    dataset: EchoDataset, refused: list[str], count: int, reports: list[ClipReport], findings: list[Finding]
) -> list[str]:
    """What the clips themselves add to the data set's mark, so that it stands beside every result."""
    marks = [f"{len(refused)} of {count} clips refused"] if refused else []
    marks += _unknown_spacing(dataset, [report for report in reports if report.error is None])
    return [*marks, *_leaks(findings)]


def _leaks(findings: list[Finding]) -> list[str]:
    leaks = [finding for finding in findings if finding.check in ("duplicates", "leakage") and finding.level == "error"]
    return [f"{_SHARED[finding.check]} in different splits: {finding.count}" for finding in leaks]


def _unknown_spacing(dataset: EchoDataset, clips: Sequence[ClipReport] | Sequence[ClipRecord]) -> list[str]:
    """A data set that never states a pixel size says so by its unit; one that should, or does for some clips, is marked."""
    unknown = sum(clip.spacing_mm is None for clip in clips)
    if unknown and (unknown < len(clips) or getattr(dataset, "official_spacing_mm", None) is not None):
        return [f"pixel size unknown for {unknown} of {len(clips)} clips"]
    return []


_SHARED = {"duplicates": "pairs of clips with the same pixels", "leakage": "patients"}


def _cases_of(dataset: EchoDataset, split: str) -> list[Case]:
    cases = dataset.cases(split)
    if not cases:
        raise DataError(f"The split '{split}' of {dataset.root} has no usable case; check its split lists and files.")
    return cases


@dataclass(kw_only=True, slots=True)
class ResizedClip:
    """A clip at model size, its native masks compressed, and all that is known of it."""

    clip: Clip
    frames: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    native: bytes
    native_size: tuple[int, int]
    report: ClipReport


def prepare_clip(dataset: EchoDataset, case: Case, *, image_size: int) -> ResizedClip | ClipReport:
    """Load one case and resize it; what is needed of the native pixels is kept compressed.

    Of a refused or damaged case the report is returned: refused ones are left out and counted in the cache's mark, damaged ones
    are gathered, so that a user hears of all of them at once.
    """
    try:
        clip = dataset.load(case)
    except ClipRefused as refusal:
        return ClipReport(case=case, error=str(refusal), level="warning")
    except DataError as error:
        return ClipReport(case=case, error=str(error))
    report = report_of(dataset, clip)
    frames, masks = resize_frames(clip.frames, image_size), resize_masks(clip.masks, image_size)
    # Masks are mostly background and compress well; distances are measured on them as the dataset has them.
    native = zlib.compress(clip.masks.tobytes(), 9)
    size = (clip.frames.shape[1], clip.frames.shape[2])
    clip.frames, clip.masks = clip.frames[:, :1, :1], clip.masks[:, :1, :1]  # the native pixels stay in the worker
    return ResizedClip(clip=clip, frames=frames, masks=masks, native=native, native_size=size, report=report)


def _write_clips(folder: Path, clips: Iterable[ResizedClip | ClipReport]) -> tuple[dict[str, Any], list[ClipReport]]:
    records: list[ClipRecord] = []
    reports: list[ClipReport] = []
    with contextlib.ExitStack() as stack:
        files = {name: stack.enter_context(_HashedFile(folder / name)) for name in (FRAMES, MASKS, NATIVE)}
        # Offsets in frames and bytes: a clip is a slice of a memory-mapped file, found without reading others.
        start = mask_start = 0
        for item in clips:
            reports.append(item.report if isinstance(item, ResizedClip) else item)
            if isinstance(item, ClipReport):
                continue
            # Most frames of a video have no mask; half of a cache would be zeros.
            kept = np.flatnonzero(item.masks.any(axis=(1, 2)))
            record = _record(item, start, files[NATIVE].size)
            records.append(replace(record, mask_start=mask_start, mask_frames=tuple(kept.tolist())))
            files[FRAMES].write(item.frames.tobytes())
            files[MASKS].write(item.masks[kept].tobytes())
            files[NATIVE].write(item.native)
            start += len(item.frames)
            mask_start += len(kept)
    sizes = {name: {"bytes": file.size, "sha256": file.digest.hexdigest()} for name, file in files.items()}
    refused = [str(report.error) for report in reports if report.error is not None]
    return {"files": sizes, "clips": [record.to_json() for record in records], "refused": refused}, reports


def _record(item: ResizedClip, start: int, offset: int) -> ClipRecord:
    clip = item.clip
    return ClipRecord(
        case=clip.case,
        start=start,
        count=len(item.frames),
        native=(offset, len(item.native)),
        labelled=tuple(clip.labelled.tolist()),
        interpolated=tuple(clip.interpolated.tolist()),
        ed=clip.ed,
        es=clip.es,
        native_size=item.native_size,
        spacing_mm=clip.spacing_mm,
        frame_rate_hz=clip.frame_rate_hz,
        ef_percent=clip.ef_percent,
        quality=clip.quality,
        source=clip.source,
        notes=tuple(clip.notes),
        subgroups=dict(clip.subgroups),
    )


class _HashedFile:
    """A file being written, with its size and SHA-256 so far; synced to disk when closed."""

    def __init__(self, path: Path) -> None:
        self.size = 0
        self.digest = hashlib.sha256()
        self._stream = open_for_writing(path)

    def write(self, block: bytes) -> None:
        self._stream.write(block)
        self.digest.update(block)
        self.size += len(block)

    def __enter__(self) -> _HashedFile:
        return self

    def __exit__(self, *exception: object) -> None:
        with self._stream:
            if exception[0] is None:
                self._stream.flush()
                # Before the rename: after a power cut a complete name with empty files would pass for a cache.
                os.fsync(self._stream.fileno())


def open_for_writing(path: Path) -> BinaryIO:
    """A new binary file."""
    return open(path, "wb")


@contextlib.contextmanager
def _writable(place: Path) -> Iterator[None]:
    """Make the cache's folder, and turn a full or read-only disk into one sentence."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        # EDQUOT is the full quota of a user on a shared disk.
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            text = (
                f"The disk is full while preparing {place}; free some space (or choose another place with --data-dir)"
            )
            raise DataError(f"{text} and run the same command again.") from error
        if isinstance(error, (PermissionError, FileExistsError, NotADirectoryError)):
            raise DataError(
                f"{place.parent} cannot be written ({error.strerror}); choose another --data-dir."
            ) from error
        raise


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: two processes that prepare the same clips build them once. It leaves no file behind."""
    # The folder itself is locked: a lock file would have to be removed, and removing one while another waits loses
    # the lock.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems cannot lock a folder
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
