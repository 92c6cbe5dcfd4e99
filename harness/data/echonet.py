"""EchoNet-Dynamic (Ouyang et al., Nature 580, 2020): apical four-chamber videos with traced ED and ES frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.clip import Case, Clip
from harness.data.dataset import SPLITS, EchoDataset
from harness.data.echonet_tables import (
    TRACINGS_WITHOUT_VIDEO,
    WITHOUT_TRACINGS,
    Video,
    read_file_list,
    read_tracings,
    tracing_count,
    tracing_mask,
)
from harness.data.findings import Finding, shorten
from harness.data.video import read_avi, read_rate
from harness.errors import DataError
from harness.registry import DATASETS

Tracings = dict[int, NDArray[np.float64]]


@DATASETS.register_module()
class EchoNet(EchoDataset):
    """``FileList.csv``, ``VolumeTracings.csv`` and ``Videos/*.avi``; masks of the LV cavity (1) at ED and ES.

    Of two traced frames the one with the larger polygon is ED; of more, ED and the ES after it are the pair that loses most area,
    and traced frames between them are labelled too. A ``half`` clip runs from ED to ES, cyclically (over the end of the video to
    its beginning) where ES precedes ED; ``ed_es`` is the two frames alone. Nothing is known of the pixel size: distances from this
    dataset are in pixels. The owners' known bad items are left out; whatever else is missing makes the root partial. A video is a
    patient. EchoNet-Pediatric (``A4C`` or ``PSAX``: outlines as points, folds instead of splits) is read with ``fold``.

    Args:
        fold: of a list with folds 0..9: this fold is the test split, the next one (cyclically) validation, the rest training.
    """

    name = "echonet"
    title = "EchoNet-Dynamic"
    all_views = ("4CH",)
    structures = ("lv",)
    official_split: ClassVar[dict[str, int]] = {"train": 7460, "val": 1288, "test": 1276}

    def __init__(
        self,
        root: str | Path | None,
        *,
        views: Sequence[str] = ("4CH",),
        clip: str = "half",
        allow_partial: bool = False,
        split_dir: str | Path | None = None,
        fold: int | None = None,
    ) -> None:
        super().__init__(root, views=views, clip=clip, allow_partial=allow_partial, split_dir=split_dir)
        self.fold = fold
        if split_dir is not None:
            raise DataError("EchoNet-Dynamic has its splits in FileList.csv; leave --split-dir out.")

    @cached_property
    def videos(self) -> dict[str, Video]:
        """Rows of ``FileList.csv`` by name, without the known bad items."""
        if not (self.root / "FileList.csv").is_file():
            inner = [name for name in ("A4C", "PSAX") if (self.root / name / "FileList.csv").is_file()]
            hint = f"that is EchoNet-Pediatric: give {self.root / inner[0]}" if inner else "give the folder that has it"
            raise DataError(f"{self.root} is not an {self.title} root: it has no FileList.csv; {hint}.")
        rows = self._in_splits(read_file_list(self.root / "FileList.csv"))
        return {name: row for name, row in sorted(rows.items()) if name not in WITHOUT_TRACINGS}

    def fold_of_patient(self) -> dict[str, int]:
        """By the numbers in ``FileList.csv``; see ``EchoDataset``."""
        rows = read_file_list(self.root / "FileList.csv")
        return {
            name: int(row.split) for name, row in rows.items() if row.split.isdigit() and name not in WITHOUT_TRACINGS
        }

    def _in_splits(self, rows: dict[str, Video]) -> dict[str, Video]:
        """The rows with folds turned into splits."""
        folds = sorted({int(row.split) for row in rows.values() if row.split.isdigit()})
        if not folds:
            if self.fold is not None:
                raise DataError(f"{self.root / 'FileList.csv'} has splits and no folds; leave --fold out.")
            return rows
        if self.fold not in folds:
            raise DataError(
                f"{self.root / 'FileList.csv'} has the folds {folds[0]} to {folds[-1]} instead of splits (as EchoNet-Pediatric does); "
                "choose the one that is tested with --fold, the next one is validation."
            )
        # The next one validates: every fold is tested once and validates once, and no choice is left to the user.
        val = folds[(folds.index(self.fold) + 1) % len(folds)]
        names = {str(self.fold): "test", str(val): "val"}
        return {name: replace(row, split=names.get(row.split, "train")) for name, row in rows.items()}

    @cached_property
    def tracings(self) -> dict[str, Tracings]:
        """Tracings by video name, then frame."""
        return read_tracings(self.root / "VolumeTracings.csv")

    @cached_property
    def missing(self) -> dict[str, list[str]]:
        """Listed videos that cannot be used, by what they lack."""
        # Listed once: ten thousand calls of ``exists`` on a network disk take minutes.
        there = {path.stem for path in self._folder().glob("*.avi")}
        lacking: dict[str, list[str]] = {"video file": [], "two traced frames": []}
        for name in self.videos:
            if name not in there:
                lacking["video file"].append(name)
            # ED and ES: with one traced frame nobody can say which it is.
            elif len(self.tracings.get(name, {})) < 2:
                lacking["two traced frames"].append(name)
        return {what: names for what, names in lacking.items() if names}

    def _folder(self) -> Path:
        """``Videos``; ``DataError`` says what was looked for where it is absent or holds no AVI file."""
        folder = self.root / "Videos"
        if not folder.is_dir():
            others = [path.name for path in sorted(self.root.iterdir()) if path.is_dir() and any(path.glob("*.avi"))]
            hint = f"; the AVI files in {others[0]}/ belong there, rename that folder" if others else ""
            raise DataError(f"The videos of {self.root} were looked for in Videos/, which is absent{hint}.")
        if next(folder.glob("*.avi"), None) is None:
            kinds = sorted({path.suffix for path in folder.iterdir() if path.suffix})
            raise DataError(
                f"{folder} holds no AVI file ({shorten(kinds) or 'nothing'} instead); this reader takes the owners' Videos/*.avi."
            )
        return folder

    @cached_property
    def usable(self) -> list[Video]:
        """Videos that have everything, ordered by name."""
        absent = {name for names in self.missing.values() for name in names}
        return [video for name, video in self.videos.items() if name not in absent]

    @property
    def mark(self) -> str | None:
        """How many listed videos are missing and whether the list is the user's; None when complete."""
        parts = []
        if self.missing:
            parts.append(f"partial: {len(self.usable)} of {len(self.videos)} listed videos")
        listed = self._counts(list(self.videos.values()))
        if listed != self.official_split:
            parts.append(f"own list ({'/'.join(str(listed[split]) for split in SPLITS)} videos)")
        if self.fold is not None:
            parts.append(f"fold {self.fold}")
        return "; ".join(parts) or None

    def _counts(self, videos: list[Video]) -> dict[str, int]:
        return {split: sum(video.split == split for video in videos) for split in SPLITS}

    def layout(self) -> list[Finding]:
        """Findings from the two tables and the videos' names; an unreadable table is a finding, no exception."""
        try:
            return self._layout()
        except DataError as error:
            return [Finding(level="error", check="layout", message=str(error))]

    def _layout(self) -> list[Finding]:
        total = len(self.videos)
        found = [Finding(level="note", check="patients", message=f"{total} listed videos", count=total)]
        found += self._completeness()
        found += self._retraced()
        found += self._orphans()
        for split, count in self._counts(self.usable).items():
            if not count and not any(finding.level == "error" for finding in found):
                text = f"The split '{split}' of {self.root} has no usable video; check FileList.csv."
                found.append(Finding(level="error", check="splits", message=text))
            found.append(Finding(level="note", check="splits", message=f"{split}: {count} videos usable", count=count))
        return found

    def _completeness(self) -> list[Finding]:
        items = [f"the {what} of {len(names)} videos ({shorten(names)})" for what, names in self.missing.items()]
        if not items:
            return []
        if self.allow_partial and self.usable:
            count = sum(map(len, self.missing.values()))
            return [Finding(level="warning", check="complete", message=f"missing: {'; '.join(items)}", count=count)]
        text = f"The {self.title} root {self.root} is partial, it lacks {'; '.join(items)}"
        cure = "accept that with --allow-partial (make: ALLOW_PARTIAL=1)" if self.usable else "restore them"
        return [Finding(level="error", check="complete", message=f"{text}; {cure}.")]

    def _retraced(self) -> list[Finding]:
        """Frames that were traced several times, of which the first tracing is used, and videos with more than two traced frames."""
        names = [video.name for video in self.usable]
        twice = [
            f"{name} frame {frame}"
            for name in names
            for frame, rows in self.tracings[name].items()
            if tracing_count(rows) > 1
        ]
        many = [name for name in names if len(self.tracings[name]) > 2]
        texts = (
            (twice, "frames were traced several times, the first tracing is used"),
            (many, "videos have more than two traced frames, ED and ES are those that lose most area"),
        )
        return [
            Finding(
                level="warning", check="tracings", message=f"{len(items)} {text}: {shorten(items)}", count=len(items)
            )
            for items, text in texts
            if items
        ]

    def _orphans(self) -> list[Finding]:
        # Those that the owners' own release has are no fault of a copy.
        orphans = sorted(set(self.tracings) - set(self.videos) - TRACINGS_WITHOUT_VIDEO - WITHOUT_TRACINGS)
        if not orphans:
            return []
        text = f"tracings without a listed video: {shorten(orphans)}"
        return [Finding(level="warning", check="files", message=text, count=len(orphans))]

    def cases(self, split: str) -> list[Case]:
        """Usable videos of one split, ordered by name; the view is always 4CH."""
        self.check_split(split)
        return [
            Case(dataset=self.name, split=split, patient=video.name, view="4CH")
            for video in self.usable
            if video.split == split
        ]

    def sources(self) -> list[Path]:
        """Both tables, then every usable video."""
        tables = [self.root / "FileList.csv", self.root / "VolumeTracings.csv"]
        return tables + [self.root / "Videos" / f"{video.name}.avi" for video in self.usable]

    def load(self, case: Case) -> Clip:
        """Decode a video and draw its tracings; ``DataError`` where it is damaged or lacks a traced frame."""
        path = self.root / "Videos" / f"{case.patient}.avi"
        video, pixels = self.videos[case.patient], read_avi(path)
        shape = (pixels.shape[1], pixels.shape[2])
        # Drawn at the video's size, which the tracings are in.
        masks = {frame: tracing_mask(rows, shape) for frame, rows in self.tracings[case.patient].items()}
        if max(masks) >= len(pixels):
            raise DataError(f"{path} holds {len(pixels)} frames, but frame {max(masks)} is traced; restore the video.")
        notes = []
        if video.frames is not None and len(pixels) != video.frames:
            notes.append(f"frames: {video.frames} listed, {len(pixels)} in the file")
        ed, es = ed_and_es({frame: int(mask.sum()) for frame, mask in masks.items()})
        # ED to ES is systole; the frames between carry no mask but are what a model with memory sees.
        chosen = between(ed, es, len(pixels)) if self.clip == "half" else np.array([ed, es])
        if es < ed:
            notes.append("order: the traced ES precedes ED in the video")
        last = len(chosen) - 1
        labels = np.zeros((last + 1, *shape), dtype=np.uint8)
        labelled = np.zeros(last + 1, dtype=bool)
        for index, frame in enumerate(chosen.tolist()):
            if frame in masks:
                labels[index], labelled[index] = masks[frame], True
        return Clip(
            case=case,
            frames=pixels[chosen],
            masks=labels,
            labelled=labelled,
            interpolated=np.zeros(last + 1, dtype=bool),
            # Videos were resized to 112 x 112 from unknown sizes.
            spacing_mm=None,
            ed=0,
            es=last,
            frame_rate_hz=video.frame_rate_hz or read_rate(path),
            ef_percent=video.ef_percent,
            source=f"Videos/{path.name} frames {ed}..{es}",
            notes=notes,
        )


def ed_and_es(areas: dict[int, int]) -> tuple[int, int]:
    """Frames of ED and ES among traced ones: the pair in time order that loses most area, else the largest and the smallest.

    >>> ed_and_es({0: 100, 14: 60, 29: 104}), ed_and_es({3: 60, 9: 100})
    ((0, 14), (9, 3))
    """
    frames = sorted(areas)
    pairs = [
        (areas[first] - areas[later], -first, first, later) for first in frames for later in frames if later > first
    ]
    lost, _, first, later = max(pairs, default=(0, 0, 0, 0))
    if lost > 0:
        return first, later
    # The table does not name the phases; the larger cavity is ED by definition, ties to the earlier frame.
    ordered = sorted(areas, key=lambda frame: (-areas[frame], frame))
    return ordered[0], ordered[-1]


def between(ed: int, es: int, count: int) -> NDArray[np.int64]:
    """Frame indices from ED to ES, over the end of the video to its beginning where ES precedes ED."""
    # Taken round the end where ES comes first, so that every clip runs from ED to ES.
    return np.arange(ed, es + 1 if es >= ed else es + count + 1) % count
