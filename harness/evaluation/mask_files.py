"""Files of masks that another program wrote: which file is of which case and frame, and the label maps in it.

A file is matched by its name, or by a map (a CSV with the columns ``file``, ``case`` and, where a file is one frame,
``frame``), as ``echobench data export`` writes it for programs that number their cases. Where the export numbered the
structures too, the column ``labels`` holds their label ids, and the classes 1, 2, ... of the file are translated to them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.clip import LABELS
from harness.data.nifti import read_nifti
from harness.data.opencv import cv2
from harness.errors import DataError, decoding
from harness.files import canonical_hash, sha256_file
from harness.numpy_files import ArrayFile, read_array

SUFFIXES = (".npy", ".npz", ".nii.gz", ".nii", ".png")
MAP_COLUMNS = ("file", "case", "frame")
Frame = int | str
"""Index of a frame in its clip, or ``ED`` or ``ES``."""
Masks = NDArray[Any] | Mapping[Frame, NDArray[Any]]
"""Label maps of a case: [T, H, W], or [H, W] by frame."""

_PHASES = ("ED", "ES")
# What programs append to the name of the image that a mask belongs to.
_ENDINGS = ("gt", "mask", "masks", "pred", "prediction", "seg", "label")


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskFile:
    """A file of masks: its path, the array in it (of an archive of several), and its frame (None: of the whole clip).

    ``labels`` are the label ids of the classes 1, 2, ... in it; none where it holds label ids.
    """

    path: Path
    array: str = ""
    frame: Frame | None = None
    labels: tuple[int, ...] = ()


class MaskFolder(Mapping[str, Masks]):
    """A folder of masks by case, each read when it is asked for.

    Files are ``<case>`` for all frames (or all labelled ones), or ``<case>_<frame>``, ``<case>/<frame>`` for one, where a
    frame is its index in the clip, ``ED`` or ``ES``; ``.npy``, ``.npz``, ``.nii.gz``, ``.nii`` or ``.png``. A ``.npz`` may hold
    several such arrays by these names. Arrays are [T, H, W] or [H, W]; NIfTI files have the axes of CAMUS (W, H, T).

    Args:
        folder: searched with its subfolders.
        cases: names of the cases that are scored; a file of no case is in ``extra``. None takes each file's name as its case.
        names: a map, see above: the only files that are looked at are those in it.

    Raises:
        DataError: no such folder, two files of one frame, or a map that is none.
    """

    def __init__(self, folder: Path | str, cases: Iterable[str] | None = None, names: Path | str | None = None) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise DataError(
                f"{self.folder} is no folder of masks; give one with a file <case>.npy, <case>.nii.gz or <case>_<frame>.png each."
            )
        self.extra: list[str] = []
        self._files: dict[str, list[MaskFile]] = {}
        known = None if cases is None else set(cases)
        table = None if names is None else read_map(Path(names))
        for file, name in _named_files(self.folder):
            target = _by_map(name, table) if table is not None else _by_name(name, known)
            if target is None or (known is not None and target.case not in known):
                self.extra.append(name)
            else:
                self._add(target.case, replace(file, frame=target.frame, labels=target.labels))

    def _add(self, case: str, file: MaskFile) -> None:
        files = self._files.setdefault(case, [])
        same = next((item for item in files if item.frame == file.frame or None in (item.frame, file.frame)), None)
        if same is not None:
            # Which of two files is the method's answer, only its author knows.
            raise DataError(
                f"{same.path.name} and {file.path.name} in {self.folder} are both masks of {case}; leave one of them."
            )
        files.append(file)

    def __getitem__(self, case: str) -> Masks:
        """Label maps of one case."""
        files = self._files[case]
        if files[0].frame is None:
            array = _read(files[0])
            return array[None] if array.ndim == 2 else array
        return {file.frame: _still(_read(file), file) for file in files if file.frame is not None}

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def fingerprint(self) -> str:
        """Hash of the content of all masks of a case, and of the case and frame that each was matched to."""
        content = {path: sha256_file(path) for path in {file.path for files in self._files.values() for file in files}}
        # Not the names: what a file is of decides the rows, and a corrected map changes that alone.
        masks = [
            [case, str(file.frame), file.array, list(file.labels), content[file.path]]
            for case, files in self._files.items()
            for file in files
        ]
        return canonical_hash(sorted(masks), length=16)


@dataclass(frozen=True, kw_only=True, slots=True)
class MapEntry:
    """What a map says of a file: its case, its frame (None: the whole clip), and the labels of its classes; see ``MaskFile``."""

    case: str
    frame: Frame | None = None
    labels: tuple[int, ...] = ()


def read_map(path: Path) -> dict[str, MapEntry]:
    """By name of a file (its ending does not matter): what it is of.

    Raises:
        DataError: no such file, one that is no CSV in UTF-8, a column or a cell is missing, or a file is listed twice.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"The map {path} is no CSV in UTF-8 ({error}); save it as such.") from error
    except OSError as error:
        raise DataError(
            f"The map {path} cannot be read ({error.strerror}); give the CSV that the export wrote."
        ) from error
    if not rows or not {"file", "case"} <= set(rows[0]):
        raise DataError(f"The map {path} needs the columns file and case (and frame, where a file is one frame).")
    table: dict[str, MapEntry] = {}
    for number, row in enumerate(rows, start=2):
        file, case, frame, labels = ((row.get(name) or "").strip() for name in ("file", "case", "frame", "labels"))
        if not file or not case or (frame and _frame(frame) is None) or not f"0{labels}".replace(" ", "").isdecimal():
            raise DataError(
                f"Row {number} of the map {path} is incomplete; it needs a file, a case and, where a file is one frame, its number, "
                "ED or ES (and label ids with blanks between them in labels)."
            )
        if _stem(file) in table:
            # The later row would win in silence, and the masks of two cases would be mixed up.
            raise DataError(f"The map {path} lists {file} twice (row {number}); a file is of one case and frame.")
        table[_stem(file)] = MapEntry(case=case, frame=_frame(frame), labels=tuple(map(int, labels.split())))
    return table


def _named_files(folder: Path) -> Iterator[tuple[MaskFile, str]]:
    """Every file of masks (every array of an archive of several) with its name, without ending."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.name.lower().endswith(SUFFIXES) or any(part.startswith(".") for part in Path(name).parts):
            continue
        if path.suffix.lower() != ".npz":
            yield MaskFile(path=path), _stem(name)
            continue
        held = _arrays(path)
        if "probabilities" in held:  # nnU-Net writes these beside its masks
            continue
        if len(held) == 1:
            yield MaskFile(path=path, array=held[0]), _stem(name)
        else:
            yield from ((MaskFile(path=path, array=array), array) for array in held)


def _stem(name: str) -> str:
    ending = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(ending)]


def _by_map(name: str, table: Mapping[str, MapEntry]) -> MapEntry | None:
    return table.get(name) or table.get(name.rpartition("/")[2])


def _by_name(name: str, cases: set[str] | None) -> MapEntry | None:
    """Case and frame of a file's name; None for no case."""
    if cases is None:
        return MapEntry(case=name.rpartition("/")[2])
    for text in (name.rpartition("/")[2], name.replace("/", "_")):
        words = text.split("_")
        while len(words) > 1 and words[-1].lower() in _ENDINGS:
            words.pop()
        if "_".join(words) in cases:
            return MapEntry(case="_".join(words))
        frame = _frame(words[-1])
        if frame is not None and "_".join(words[:-1]) in cases:
            return MapEntry(case="_".join(words[:-1]), frame=frame)
    return None


def _frame(text: str) -> Frame | None:
    if text.upper() in _PHASES:
        return text.upper()
    return int(text) if text.isdecimal() else None


def _read(file: MaskFile) -> NDArray[Any]:
    """Label maps [T, H, W] or [H, W]."""
    array = _stored(file)
    # Where classes are label ids there is nothing to translate, and a binary mask may keep its 255.
    if file.labels in ((), tuple(range(1, 1 + len(file.labels)))):
        return array
    table = np.array([0, *file.labels])
    if len(file.labels) == 1 and set(np.unique(array).tolist()) <= {0, 255}:
        array = (array > 0).astype(np.uint8)
    strange = [value for value in np.unique(array).tolist() if value not in range(len(table))]
    if strange:
        raise DataError(
            f"{file.path} holds the class {strange[0]:g}; by its map it has the classes 0 to {len(file.labels)} of the export."
        )
    return table[array.astype(np.intp)]


def _stored(file: MaskFile) -> NDArray[Any]:
    path = file.path
    if path.suffix.lower() == ".png":
        return _picture(path)
    if path.name.lower().endswith((".nii", ".nii.gz")):
        # Labels are checked where the data set is there: 1, 2 and 3 are not all that it may have.
        return read_nifti(path)[0]
    if path.suffix.lower() == ".npz":
        with decoding(path, "is damaged", "write it again with numpy.savez_compressed"), ArrayFile(path) as arrays:
            return arrays[file.array]
    with decoding(path, "cannot be read as an array", "write it with numpy.save"):
        return read_array(path)


def _arrays(path: Path) -> list[str]:
    # A single array that was called .npz is told here too.
    cure = "write it with numpy.savez_compressed"
    with decoding(path, "cannot be read as arrays", cure), ArrayFile(path) as arrays:
        return list(arrays)


def _picture(path: Path) -> NDArray[Any]:
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise DataError(f"{path} is damaged or no PNG; write it again.")
    if pixels.ndim == 3:
        # A grey mask saved as RGB has three equal channels; colours are not class numbers.
        if not (pixels[..., :1] == pixels[..., :3]).all():
            raise DataError(
                f"{path} is a coloured picture; write class numbers as grey levels (0 background, {LABELS})."
            )
        pixels = pixels[..., 0]
    return np.asarray(pixels)


def _still(array: NDArray[Any], file: MaskFile) -> NDArray[Any]:
    if array.ndim == 3 and 1 in array.shape:
        array = np.squeeze(array, axis=array.shape.index(1))
    if array.ndim != 2:
        raise DataError(f"{file.path} is one frame by its name but has the shape {array.shape}; one frame is [H, W].")
    return array
