"""What every dataset reader offers: cases by split, clips at native resolution, and a check of its root."""

from __future__ import annotations

import os
import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.clip import LABELS, Case, Clip
from harness.data.findings import Finding
from harness.errors import DataError, unknown
from harness.files import canonical_hash

SPLITS = ("train", "val", "test")
CLIP_KINDS = ("ed_es", "half")
_BLOCKS, _BLOCK = 16, 256


class ClipRefused(DataError):
    """A case of which no clip can be made although its files are sound; the rest of its split goes on without it, counted."""


class EchoDataset(ABC):
    """A folder of echocardiograms with masks, checked before anything is read from it.

    Args:
        root: the dataset's folder as its owners (or a mirror) lay it out.
        views: views to use, a subset of ``all_views``.
        clip: ``"ed_es"`` (the two stills, ED first) or ``"half"`` (the half sequence, in time order).
        allow_partial: go on with a root that lacks patients or files; every result then carries ``mark``.
        split_dir: folder of the split lists, for roots that come without them.

    Raises:
        DataError: no root was given, or it is not a folder.
        ConfigError: a view or clip kind that this dataset does not have, with the nearest valid one.
    """

    name: str = ""
    title: str = ""
    all_views: tuple[str, ...] = ("2CH", "4CH")
    all_clips: tuple[str, ...] = CLIP_KINDS
    structures: tuple[str, ...] = tuple(LABELS)
    """Structures that the masks distinguish."""
    official_spacing_mm: tuple[float, float] | None = None
    """(row, column) pixel size that every file of a release states; None where none is known beforehand."""
    fold: int | None = None
    """The fold that is tested, of data that are divided into folds; None for data in splits."""

    def __init__(
        self,
        root: str | Path | None,
        *,
        views: Sequence[str] = ("2CH", "4CH"),
        clip: str = "half",
        allow_partial: bool = False,
        split_dir: str | Path | None = None,
    ) -> None:
        if root is None:
            raise DataError(f"The dataset {self.title} needs its folder; name it with --root PATH.")
        self.root = Path(root).expanduser()
        if not self.root.is_dir():
            raise DataError(f"The {self.title} root {self.root} is not a folder; give the right one with --root PATH.")
        self.views = self._check_views([views] if isinstance(views, str) else list(views))
        if clip not in self.all_clips:
            raise unknown("clip kind", clip, self.all_clips, f"dataset '{self.name}'")
        self.clip = clip
        self.allow_partial = bool(allow_partial)
        self.split_dir = Path(split_dir).expanduser() if split_dir else None

    def _check_views(self, views: list[str]) -> tuple[str, ...]:
        for view in views:
            if view not in self.all_views:
                raise unknown("view", view, self.all_views, f"dataset '{self.name}'")
        if not views:
            raise DataError(
                f"No view is chosen for {self.title}; give --views with some of {','.join(self.all_views)}."
            )
        # In the dataset's order: 4CH,2CH and 2CH,4CH are one condition with one cache.
        return tuple(view for view in self.all_views if view in views)

    @classmethod
    def words_at(cls, root: str | Path | None, views: Sequence[str] | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Views (some of them, in the data set's order) and structures; a reader that knows them by itself reads nothing."""
        return tuple(view for view in cls.all_views if views is None or view in views), cls.structures

    @property
    @abstractmethod
    def mark(self) -> str | None:
        """What is missing from a partial root, in a few words that stand beside every result; None when complete."""

    @abstractmethod
    def layout(self) -> list[Finding]:
        """Findings from names alone: folders, files and split lists. No image is opened."""

    @abstractmethod
    def cases(self, split: str) -> list[Case]:
        """The usable cases of one split (``"train"``, ``"val"``, ``"test"``), ordered by patient, then view."""

    @abstractmethod
    def load(self, case: Case) -> Clip:
        """Read one clip at native resolution; a damaged or contradictory file raises ``DataError``."""

    @abstractmethod
    def sources(self) -> list[Path]:
        """Every file that the cases of all splits are read from, split lists and tables included."""

    def verify(self) -> None:
        """Return when the root holds what the options ask for.

        Reads names only; the pixels are checked while they are loaded and, all at once, by ``inspection.check``.

        Raises:
            DataError: the first thing that is wrong, in one sentence.
        """
        for finding in self.layout():
            if finding.level == "error":
                raise DataError(finding.message)

    def available(self) -> dict[str, Any]:
        """The options (``views``, ``clip``) that would have to change for this root to serve them; empty when none."""
        return {}

    def examine(self, clip: Clip) -> list[Finding]:
        """Checks of one loaded clip that only this dataset knows; see ``inspection`` for the general ones."""
        return []

    def survey(self) -> list[Finding]:
        """Checks over several clips that only this dataset knows; they come last in a check of its root."""
        return []

    def fold_of_patient(self) -> dict[str, int]:
        """The fold in which each patient is tested, whichever is tested now; empty for data in splits."""
        return {}

    def options(self) -> dict[str, Any]:
        """What was chosen of the dataset, as plain values; of a fold also into which folds the data are divided."""
        chosen = {"name": self.name, "views": list(self.views), "clip": self.clip}
        return chosen if self.fold is None else {**chosen, "fold": {"test": self.fold, **self._division}}

    @cached_property
    def _division(self) -> dict[str, Any]:
        """How many folds there are, and a hash that all of them share: who is in which, and of which files."""
        groups = self.fold_of_patient()
        cases = {(case.patient, case.view) for split in SPLITS for case in self.cases(split)}
        # Lists of splits are of one fold each; what they say is in the groups.
        files = [(_relative(path, self.root), *_identity(path)) for path in self.sources() if path.suffix != ".txt"]
        return {
            "of": len(set(groups.values())),
            "division": canonical_hash({"groups": groups, "cases": sorted(cases), "files": sorted(files)}, length=12),
        }

    def fingerprint(self) -> str:
        """Sixteen hex digits that change when a file that is used, or the choice of views and clip kind, changes.

        Covers for each used file its path below the root, its size, and sixteen blocks of 256 bytes spread evenly
        from its start to its end. The end of a ``.nii.gz`` is the CRC-32 of its whole content, and split lists and
        cfg files are shorter than that, so for the NIfTI layout every change of content shows. In raw and video
        files a change between the blocks that keeps the size is not seen. Times and the root's place do not matter.
        """
        # Neither times nor the absolute path: a copied dataset is the same dataset.
        files = [(_relative(path, self.root), *_identity(path)) for path in self.sources()]
        cases = [[case.split, case.name] for split in SPLITS for case in self.cases(split)]
        return canonical_hash({"options": self.options(), "cases": cases, "files": sorted(files)}, length=16)

    def check_split(self, split: str) -> str:
        """Return ``split``, or raise ``ConfigError`` for a name that is none."""
        if split not in SPLITS:
            raise unknown("split", split, SPLITS)
        return split


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _identity(path: Path) -> tuple[int, int]:
    """Size, and CRC-32 of sixteen blocks: all of a small file, else spread evenly, the last at the end."""
    try:
        with open(path, "rb", buffering=0) as stream:
            # Hashing whole files would read gigabytes before each command.
            size = stream.seek(0, os.SEEK_END)
            # In a small file the blocks touch each other and cover all of it.
            step, checksum = max(_BLOCK, (size - _BLOCK) // (_BLOCKS - 1)), 0
            for start in range(0, min(size, step * _BLOCKS), step):
                stream.seek(max(0, size - _BLOCK) if start == step * (_BLOCKS - 1) else start)
                checksum = zlib.crc32(stream.read(_BLOCK), checksum)
            return size, checksum
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); restore the file or its permissions.") from error
