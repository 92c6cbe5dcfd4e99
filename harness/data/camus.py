"""CAMUS, NIfTI release (Leclerc et al., IEEE TMI 38(9), 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.clip import Case, Clip
from harness.data.camus_cfg import CamusInfo, info_fields, read_info
from harness.data.camus_layout import CamusIndex, Gaps, find_gaps, index_root, refusal
from harness.data.dataset import SPLITS, EchoDataset
from harness.data.findings import Finding, shorten
from harness.data.nifti import Volume, read_frames, read_labels, spacing_notes
from harness.data.order import order_half_sequence, order_stills
from harness.data.splits import find_split_folder, folds_in, list_names, read_split_lists, tested_in_folds
from harness.errors import DataError
from harness.registry import DATASETS

LABEL_IDS = (0, 1, 2, 3)


@DATASETS.register_module()
class Camus(EchoDataset):
    """Apical two- and four-chamber views with masks of LV cavity (1), LV myocardium (2) and left atrium (3).

    ``root`` contains ``database_nifti/`` or is it; the split lists lie in ``database_split/`` beside it or in
    ``split_dir``. Stills are stored (W, H) and sequences (W, H, T): they are transposed, never rotated, so that
    the apex is up. Only the ED and ES masks were drawn by a person (``labelled``); those between them in a half
    sequence were interpolated by the owners (``interpolated``). A root that lacks something is refused with one
    sentence unless the options accept it.
    """

    name = "camus"
    title = "CAMUS"
    suffix = "nii.gz"
    official_split: ClassVar[dict[str, int] | None] = {"train": 400, "val": 50, "test": 50}
    official_spacing_mm: tuple[float, float] | None = (0.308, 0.308)

    def __init__(
        self,
        root: str | Path | None,
        *,
        views: Sequence[str] = ("2CH", "4CH"),
        clip: str = "half",
        allow_partial: bool = False,
        split_dir: str | Path | None = None,
        fold: int | None = None,
    ) -> None:
        super().__init__(root, views=views, clip=clip, allow_partial=allow_partial, split_dir=split_dir)
        self.fold = fold

    @cached_property
    def index(self) -> CamusIndex:
        """File names of the root, listed once."""
        return index_root(self.root, self.title)

    @cached_property
    def split_folder(self) -> Path:
        """Where the split lists lie; there is no substitute for them."""
        places = self._list_places()
        folder = find_split_folder(places, self.fold)
        if folder is None and self.fold is None and (folds := folds_in(places)):
            raise DataError(
                f"The lists with the {self.title} root {self.root} are of the folds {', '.join(map(str, folds))} "
                f"(subGroup{folds[0]}_training.txt, ...); choose one with --fold."
            )
        if folder is None:
            place = f"in {self.split_dir}" if self.split_dir else f"with the {self.title} root {self.root}"
            raise DataError(
                f"There are no split lists {place} ({list_names(self.fold)['train']}, ...); name their folder with --split-dir PATH."
            )
        return folder

    def _list_places(self) -> list[Path]:
        # Where the owners' archive puts them, for either folder that a user may call the root.
        names = ("database_split", "listSubGroups")
        beside = [*(place / name for name in names for place in (self.root, self.root.parent)), self.root]
        return [self.split_dir] if self.split_dir else beside

    def fold_of_patient(self) -> dict[str, int]:
        """By the test lists of all folds; see ``EchoDataset``."""
        return tested_in_folds(self._list_places())

    @cached_property
    def lists(self) -> dict[str, tuple[str, ...]]:
        """Patient ids of each split."""
        return read_split_lists(self.split_folder, self.fold)

    @cached_property
    def gaps(self) -> Gaps:
        """What is missing of the listed patients."""
        # Patients in no list do not count as missing: they would not be used.
        listed = sorted(patient for ids in self.lists.values() for patient in ids)
        return find_gaps(self.index, listed, self.views, self.clip, self.all_views)

    @property
    def mark(self) -> str | None:
        """What is missing, and whether the split lists are the user's own; None when complete."""
        fold = None if self.fold is None else f"fold {self.fold}"
        parts = [text for text in (self.gaps.mark(), self._own_split(), fold) if text]
        return "; ".join(parts) or None

    def available(self) -> dict[str, Any]:
        """The views and the clip kind that this root could serve instead; empty when it serves what was asked for."""
        gaps = self.gaps
        there: dict[str, Any] = {"views": gaps.views_there} if gaps.views_absent and gaps.views_there else {}
        return {**there, "clip": gaps.other_clip} if gaps.clip_absent and not gaps.other_clip_absent else there

    def _own_split(self) -> str | None:
        counts = {split: len(ids) for split, ids in self.lists.items()}
        # Own lists are allowed, but a table must say so: figures of another split are not comparable.
        if self.official_split is None or counts == self.official_split:
            return None
        return f"own split lists ({'/'.join(str(counts[split]) for split in SPLITS)} patients)"

    def layout(self) -> list[Finding]:
        """Findings from names of folders, files and split lists; an unreadable root is a finding, no exception."""
        try:
            return self._layout()
        except DataError as error:
            return [Finding(level="error", check="layout", message=str(error))]

    def _layout(self) -> list[Finding]:
        index, gaps = self.index, self.gaps
        found = [
            Finding(
                level="note",
                check="patients",
                message=f"{len(index.patients)} patient folders",
                count=len(index.patients),
            )
        ]
        # A whole view that is absent is no partial view: --allow-partial cannot accept it.
        refused = gaps.structural or (gaps.any and not self.allow_partial)
        if refused:
            found.append(Finding(level="error", check="complete", message=refusal(gaps, self.root, self.title)))
        elif gaps.any:
            found += [
                Finding(level="warning", check="complete", message=f"missing: {text}") for text in gaps.describe()
            ]
        found += [Finding(level="note", check="complete", message=text) for text in gaps.not_asked_for()]
        if own := self._own_split():
            found.append(Finding(level="warning", check="splits", message=own))
        return found + self._split_findings(refused)

    def _split_findings(self, refused: bool) -> list[Finding]:
        listed = {patient for ids in self.lists.values() for patient in ids}
        found = []
        if unlisted := sorted(set(self.index.patients) - listed):
            text = f"{shorten(unlisted)} in no split list and therefore unused"
            found.append(Finding(level="warning", check="splits", message=text, count=len(unlisted)))
        for split in SPLITS:
            count = len(self.cases(split))
            if count == 0 and not refused:
                text = f"The split '{split}' of {self.root} has no usable case: none of its patients is there."
                found.append(Finding(level="error", check="splits", message=text))
            text = f"{split}: {len(self.lists[split])} patients listed, {count} clips usable"
            found.append(Finding(level="note", check="splits", message=text, count=count))
        return found

    def cases(self, split: str) -> list[Case]:
        """Cases of one split whose image and mask are both there, ordered by patient, then view."""
        # Sorted, because the order of the cases is part of the fingerprint and of every batch.
        patients = sorted(self.lists[self.check_split(split)])
        return [
            Case(dataset=self.name, split=split, patient=patient, view=view)
            for patient in patients
            for view in self.views
            if self.index.has(patient, view, self.clip)
        ]

    def sources(self) -> list[Path]:
        """Split lists, images, masks, cfg files and the ED stills that order half sequences, in a fixed order."""
        pattern = "subgroup_*.txt" if self.fold is None else f"subGroup{self.fold}_*.txt"
        # Lists of other folds may lie beside these and change nothing.
        paths = sorted(self.split_folder.glob(pattern))
        for split in SPLITS:
            for case in self.cases(split):
                names = self.index.patients[case.patient]
                used = [*self.index.files(case.patient, case.view, self.clip), f"Info_{case.view}.cfg"]
                # The ED still decides the order of a half sequence, so that it belongs to the fingerprint.
                used += [name for name in self._still_files(case.name) if name not in used]
                paths += [self.index.folder / case.patient / name for name in used if name in names]
        return paths

    def _still_files(self, stem: str) -> tuple[str, ...]:
        """Files of the ED still, which a half sequence is ordered by."""
        return (f"{stem}_ED.nii.gz",)

    def load(self, case: Case) -> Clip:
        """Read one clip at native size; ``DataError`` for a damaged file, a missing frame or an unknown label."""
        folder = self.index.folder / case.patient
        path = folder / f"Info_{case.view}.cfg"
        info = read_info(path) if path.is_file() else CamusInfo()
        return self._load_stills(case, folder, info) if self.clip == "ed_es" else self._load_half(case, folder, info)

    def _load_stills(self, case: Case, folder: Path, info: CamusInfo) -> Clip:
        pairs = [self._read_pair(folder / f"{case.name}_{phase}.{self.suffix}") for phase in ("ED", "ES")]
        shapes = [image.pixels.shape for image, _ in pairs]
        # Two stills of one view are stacked into one clip.
        if shapes[0] != shapes[1] or shapes[0][0] != 1:
            raise DataError(
                f"The ED and ES stills of {case.view} in {folder} have shapes {shapes[0]} and {shapes[1]} instead of one "
                "frame each of the same rows and columns; restore them."
            )
        masks = np.concatenate([mask.pixels for _, mask in pairs])
        return Clip(
            case=case,
            frames=np.concatenate([image.pixels for image, _ in pairs]),
            masks=masks,
            labelled=np.ones(2, dtype=bool),
            interpolated=np.zeros(2, dtype=bool),
            spacing_mm=pairs[0][0].spacing_mm,
            ed=0,
            es=1,
            source=f"{case.patient}/{case.name}_{{ED,ES}}.{self.suffix}",
            notes=order_stills(masks) + spacing_notes([volume for pair in pairs for volume in pair]),
            **info_fields(info),
        )

    def _load_half(self, case: Case, folder: Path, info: CamusInfo) -> Clip:
        path = folder / f"{case.name}_half_sequence.nii.gz"
        image, mask = self._read_pair(path)
        last = len(image.pixels) - 1
        if last < 1:
            raise DataError(f"{path} holds one frame; a half sequence has at least its ED and ES frame.")
        # A sequence may run from ES to ED: the still tells which end is which.
        order = order_half_sequence(image.pixels, mask.pixels, _still(folder / f"{case.name}_ED.nii.gz"), info)
        labelled = np.zeros(last + 1, dtype=bool)
        # Drawn by a person; the owners interpolated the masks between them.
        labelled[[0, last]] = True
        return Clip(
            case=case,
            frames=image.pixels,
            masks=mask.pixels,
            labelled=labelled,
            interpolated=~labelled,
            spacing_mm=image.spacing_mm,
            ed=order.ed,
            es=order.es,
            source=f"{case.patient}/{path.name}",
            notes=order.notes + spacing_notes([image, mask]),
            **info_fields(info),
        )

    def _read_pair(self, path: Path) -> tuple[Volume, Volume]:
        """An image and its mask, which must have the same shape."""
        mask_path = path.with_name(path.name.replace(f".{self.suffix}", f"_gt.{self.suffix}"))
        image, mask = self._read(path), self._read(mask_path, LABEL_IDS)
        if image.pixels.shape != mask.pixels.shape:
            raise DataError(
                f"The image {path} has shape {image.pixels.shape} and its mask {mask_path.name} {mask.pixels.shape} "
                "(frames, rows, columns); restore the pair from its source."
            )
        return image, mask

    def _read(self, path: Path, labels: tuple[int, ...] | None = None) -> Volume:
        return read_frames(path) if labels is None else read_labels(path, labels)

    def examine(self, clip: Clip) -> list[Finding]:
        """A warning where the pixel size is not the release's (1 % is allowed)."""
        if self.official_spacing_mm is None or clip.spacing_mm is None:
            return []
        if np.allclose(clip.spacing_mm, self.official_spacing_mm, rtol=0.01):
            return []
        stated, expected = (f"{value[0]:.4g} x {value[1]:.4g}" for value in (clip.spacing_mm, self.official_spacing_mm))
        text = f"pixel spacing {stated} mm (row x column) instead of {expected}"
        return [Finding(level="warning", check="spacing", message=text)]


def _still(path: Path) -> NDArray[np.uint8] | None:
    return read_frames(path).pixels[0] if path.is_file() else None
