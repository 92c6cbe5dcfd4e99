"""A data set of one's own without code: a folder with ``manifest.csv`` and ``labels.yaml`` (docs/your-data.md)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from harness.clip import Case, Clip
from harness.data.dataset import SPLITS, EchoDataset
from harness.data.findings import Finding, shorten
from harness.data.folder_clip import LABELLED, cut, joined, label_masks, placed_masks
from harness.data.folder_manifest import (
    BACKGROUND,
    JOINED,
    LABELS_FILE,
    MANIFEST_FILE,
    ManifestRow,
    read_labels_file,
    read_manifest,
)
from harness.data.folder_split import Splitting, assign_splits, fold_groups
from harness.data.media.levels import to_grey
from harness.data.media.metaimage import metaimage_files
from harness.data.media.pictures import picture_files
from harness.errors import DataError
from harness.registry import DATASETS
from harness.vocabulary import counted

_ONE_BY_ONE = "spacing: the manifest states pixels of 1 x 1 mm, which is taken as meant; leave both cells empty where the size is not known"


@DATASETS.register_module()
class Folder(EchoDataset):
    """Clips and masks in files of any usual kind, described by a table (``manifest.csv``) and by ``labels.yaml``.

    Clip kinds: ``labelled`` is the clip from its first labelled frame to its last one, so that a model sees every frame between
    them; ``half`` the frames from ED to ES, ``ed_es`` these two alone (both need the columns ``ed`` and ``es``). What a row
    leaves out is missing: no pixel size gives distances in pixels, no EF leaves its comparison out.

    Args:
        root: the folder with both files.
        views: views to use; None for all of the manifest.
        clip: see above.
        allow_partial: leave out clips whose files are missing; results then carry that mark.
        split_dir: folder of split lists (``subgroup_training.txt``, ...) that replace the manifest's column.
        split_seed: decides who goes where in a manifest without a column ``split``.
        fold: the fold that is tested, by its number in the column ``split``, or of ``folds`` drawn ones (from 0) where there is no
            column; the next fold is validation, the rest training.
        folds: how many folds are drawn.
    """

    name = "folder"
    title = "folder"
    all_views: tuple[str, ...] = ()
    all_clips = (LABELLED, "half", "ed_es")
    structures: tuple[str, ...] = ()

    def __init__(
        self,
        root: str | Path | None,
        *,
        views: Sequence[str] | None = None,
        clip: str = LABELLED,
        allow_partial: bool = False,
        split_dir: str | Path | None = None,
        split_seed: int = 0,
        fold: int | None = None,
        folds: int = 5,
    ) -> None:
        if root is None:
            raise DataError("The dataset 'folder' needs the folder with manifest.csv; name it with --root PATH.")
        self.root = Path(root).expanduser()
        self.rows = read_manifest(self.root / MANIFEST_FILE)
        self.all_views = tuple(sorted({row.view for row in self.rows}))
        super().__init__(
            root,
            views=self.all_views if views is None else views,
            clip=clip,
            allow_partial=allow_partial,
            split_dir=split_dir,
        )
        self.values = read_labels_file(self.root / LABELS_FILE)
        self.structures = tuple(name for name in self.values if name != BACKGROUND)
        self.split_seed, self.fold, self.folds = split_seed, fold, folds

    @classmethod
    def words_at(cls, root: str | Path | None, views: Sequence[str] | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Views and structures that the root's two files name."""
        opened = cls(root, views=views)
        return opened.views, opened.structures

    @cached_property
    def splitting(self) -> Splitting:
        """Who is in which split, and what has to be said of it."""
        return assign_splits(
            self.rows, seed=self.split_seed, split_dir=self.split_dir, fold=self.fold, folds=self.folds
        )

    def fold_of_patient(self) -> dict[str, int]:
        """By split lists, by the numbers of the column ``split``, or as drawn; see ``EchoDataset``."""
        return fold_groups(self.rows, seed=self.split_seed, split_dir=self.split_dir, folds=self.folds)

    @cached_property
    def missing(self) -> dict[str, list[str]]:
        """Rows whose clip or mask does not exist, by what is missing."""
        lacking: dict[str, list[str]] = {"clip": [], "mask": []}
        for row in self.rows:
            for what, cell in (("clip", row.clip), ("mask", row.mask)):
                if not self._there(cell):
                    lacking[what].append(f"{cell} (line {row.line})")
                    break
        return {what: names for what, names in lacking.items() if names}

    def files(self, cell: str) -> list[tuple[Path, str | None]]:
        """Files of a cell (``ED.png|ES.png`` joins some), each with the name of its array where one is given (``clip.npz#video``)."""
        found = []
        for item in cell.split(JOINED):
            name, _, array = item.strip().partition("#")
            path = Path(name).expanduser()
            found.append((path if path.is_absolute() else self.root / path, array or None))
        return found

    def _there(self, cell: str) -> bool:
        return all(path.exists() for path, _ in self.files(cell))

    @cached_property
    def by_case(self) -> dict[Case, ManifestRow]:
        """Rows that can be used, by their case."""
        # Partial data are used as far as they go; what is missing stands in the mark.
        usable = [
            row for row in self.rows if row.view in self.views and self._there(row.clip) and self._there(row.mask)
        ]
        return {
            Case(dataset=self.name, split=split, patient=row.patient, view=row.view): row
            for row in usable
            if (split := self.splitting.of.get(row.patient)) is not None
        }

    @property
    def mark(self) -> str | None:
        """How the patients were split where the user did not say so, and how many clips are missing."""
        absent = sum(map(len, self.missing.values()))
        parts = [self.splitting.mark, f"partial: {absent} of {len(self.rows)} clips absent" if absent else None]
        return "; ".join(part for part in parts if part) or None

    def layout(self) -> list[Finding]:
        """Findings from the manifest and the names of its files."""
        patients = {row.patient for row in self.rows}
        text = f"{counted(len(self.rows), 'row')} of {counted(len(patients), 'patient')}; structures {', '.join(self.structures)}"
        found = [Finding(level="note", check="patients", message=text, count=len(self.rows))]
        try:
            found += [*self._second_clips(), *self._completeness(), *self.splitting.findings]
            found += self._split_findings(refused=any(item.level == "error" for item in found))
        except DataError as error:
            found.append(Finding(level="error", check="splits", message=str(error)))
        return found

    def _second_clips(self) -> list[Finding]:
        """What was called ``4CH.2`` because an earlier row of the patient has the view."""
        names = [f"{row.patient}_{row.view}" for row in self.rows if row.renamed]
        text = f"a further clip of its patient and view, named with a number: {shorten(names)}"
        return [Finding(level="note", check="views", message=text, count=len(names))] if names else []

    def _completeness(self) -> list[Finding]:
        items = [
            f"the {what} of {counted(len(names), 'row')} ({shorten(names)})" for what, names in self.missing.items()
        ]
        if not items:
            return []
        if self.allow_partial:
            count = sum(map(len, self.missing.values()))
            return [Finding(level="warning", check="complete", message=f"missing: {'; '.join(items)}", count=count)]
        text = f"{self.root / MANIFEST_FILE} names files that do not exist: {'; '.join(items)}"
        cure = "correct the paths (they are relative to the manifest), or accept it with --allow-partial"
        return [Finding(level="error", check="complete", message=f"{text}; {cure}.")]

    def _split_findings(self, refused: bool) -> list[Finding]:
        found = []
        for split in SPLITS:
            cases = self.cases(split)
            patients = len({case.patient for case in cases})
            if not cases and not refused:
                text = f"The split '{split}' of {self.root} has no clip; give some rows this split, or leave the column out."
                found.append(Finding(level="error", check="splits", message=text))
            text = f"{split}: {counted(len(cases), 'clip')} of {counted(patients, 'patient')} usable"
            found.append(Finding(level="note", check="splits", message=text, count=len(cases)))
        return found

    def cases(self, split: str) -> list[Case]:
        """The usable clips of one split, ordered by patient, then view."""
        self.check_split(split)
        return sorted(case for case in self.by_case if case.split == split)

    def sources(self) -> list[Path]:
        """Both tables, split lists, and every file of the usable rows."""
        paths = [self.root / MANIFEST_FILE, self.root / LABELS_FILE, *self.splitting.files]
        for row in self.by_case.values():
            for cell in (row.clip, row.mask):
                # A clip may be a folder of pictures or a header with a raw file: each file counts for the
                # fingerprint.
                paths += [file for path, _ in self.files(cell) for file in _files(path)]
        return list(dict.fromkeys(paths))

    def options(self) -> dict[str, Any]:
        """The choices, with the masks' values: other values are other data."""
        values = {name: list(numbers) for name, numbers in self.values.items()}
        return {**super().options(), "labels": values}

    def load(self, case: Case) -> Clip:
        """Read one row's clip and masks; ``DataError`` names the file that is wrong and what to do."""
        row = self.by_case[case]
        (clip_path, _), (mask_path, _) = self.files(row.clip)[0], self.files(row.mask)[0]
        picture = joined(self.files(row.clip))
        stored = joined(self.files(row.mask), masks=True)
        frames, scale = to_grey(picture.values, clip_path)
        notes = [*picture.notes, *([scale.note] if scale.note else [])]
        # Values first: a mask whose values are unknown may be of any size.
        masks, labelled = placed_masks(row, label_masks(stored, mask_path, self.values), frames.shape, mask_path)
        for name, frame in (("ed", row.ed), ("es", row.es)):
            if frame is not None and frame >= len(frames):
                raise DataError(
                    f"{clip_path} has {len(frames)} frames, but its row says {name} = {frame} (counted from 0)."
                )
        clip = Clip(
            case=case,
            frames=frames,
            masks=masks,
            labelled=labelled,
            interpolated=np.zeros(len(frames), dtype=bool),
            spacing_mm=row.spacing_mm or picture.spacing_mm,
            ed=row.ed,
            es=row.es,
            frame_rate_hz=row.frame_rate_hz or picture.frame_rate_hz,
            ef_percent=row.ef_percent,
            quality=row.quality,
            source=f"{row.clip} + {row.mask}",
            # The manifest overrides the file's header, so what was wrong there no longer matters.
            notes=[
                *(note for note in notes if row.spacing_mm is None or not note.startswith("spacing:")),
                *([_ONE_BY_ONE] if row.spacing_mm == (1.0, 1.0) else []),
            ],
            subgroups=row.subgroups,
        )
        return cut(clip, self.clip, self.values)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return picture_files(path)[0]
    return metaimage_files(path) if path.suffix.lower() == ".mhd" else [path]
