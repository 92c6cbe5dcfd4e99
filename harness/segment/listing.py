"""Which clips a folder or a list names, and where the result of each goes: no two in the same place."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from harness.data.media.dicom import looks_like_dicom
from harness.data.media.dicom_series import series_in
from harness.data.media.pictures import holds_pictures, natural
from harness.data.media.source import ARRAY_KINDS
from harness.data.media.video import VIDEO_KINDS
from harness.errors import ConfigError, DataError
from harness.files import refuse_pipe
from harness.stated import stated

LIST_KINDS = (".csv", ".txt")
VIEWS = ("2CH", "4CH")
_COLUMNS = ("clip", "patient", "view", "spacing_row_mm", "spacing_column_mm", "frame_rate_hz")
_NAMED_KINDS = (*VIDEO_KINDS, *ARRAY_KINDS, ".nii", ".nii.gz", ".dcm", ".dicom")


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedClip:
    """A clip of a list.

    Attributes:
        path: where it lies.
        name: of its result, a relative path that no other clip of the list has.
        patient, view, spacing_mm, frame_rate_hz: what the list states; None where it does not.
        files: of a series of single-frame DICOM images, in the order of the frames; ``path`` is the first then. Else empty.
    """

    path: Path
    name: str
    patient: str | None = None
    view: str | None = None
    spacing_mm: tuple[float, float] | None = None
    frame_rate_hz: float | None = None
    files: tuple[Path, ...] = ()


def is_list(path: Path) -> bool:
    """Whether a path names several clips: a list, or a folder that is not itself a clip of pictures or a DICOM series."""
    if path.is_dir():
        return not (holds_pictures(path) or len(list(_walk(path, path))) == 1 == len(series_in(path.iterdir())))
    # By its name alone: a clip may be huge, and nothing of it is read to decide this.
    return path.suffix.lower() in LIST_KINDS


def clips_of(path: Path, *, beside: Path) -> list[ListedClip]:
    """The clips of a folder (all levels, by name) or of a list, in order.

    A list is a CSV with a column ``clip`` and, where known, ``patient``, ``view`` (2CH or 4CH), ``spacing_row_mm``,
    ``spacing_column_mm`` and ``frame_rate_hz``, or a text with a path in each line; relative paths count from the list.

    Args:
        beside: folder of the results, which is left out where it lies inside.

    Raises:
        DataError: no clip, a list that cannot be read, a clip named twice. ConfigError: an unknown column or view.
    """
    listed = _from_folder(path, beside) if path.is_dir() else _from_list(path)
    if not listed:
        raise DataError(f"{path} names no clip: no video, NIfTI, DICOM or folder of pictures was seen in it.")
    return _named_apart(listed)


def _from_folder(folder: Path, beside: Path) -> list[ListedClip]:
    return [
        ListedClip(path=files[0], name=files[0].relative_to(folder).as_posix(), files=files if len(files) > 1 else ())
        for files in _walk(folder, beside.resolve())
    ]


def _walk(folder: Path, beside: Path) -> Iterator[tuple[Path, ...]]:
    """The files of each clip: one, or those of a series of single-frame DICOM images, whose place is that of its first."""
    entries = sorted((entry for entry in folder.iterdir() if not entry.name.startswith(".")), key=natural)
    names = {entry.name for entry in entries}
    series = {path: files for files in series_in(entries) for path in files}
    for entry in entries:
        if entry in series:
            if entry == series[entry][0]:
                yield series[entry]
            continue
        if entry.is_dir():
            if entry.resolve() == beside:
                continue
            if holds_pictures(entry):
                yield (entry,)
            else:
                yield from _walk(entry, beside)
        # A reference mask beside its image is no clip.
        elif _is_clip(entry) and not ("_gt." in entry.name and entry.name.replace("_gt.", ".") in names):
            yield (entry,)


def _is_clip(path: Path) -> bool:
    name = path.name.lower()
    # What has a name of another kind is not opened: a folder may hold reports and notes.
    return name.endswith(_NAMED_KINDS) or ((path.suffix[1:].isdecimal() or not path.suffix) and looks_like_dicom(path))


def _from_list(path: Path) -> list[ListedClip]:
    refuse_pipe(path, "The list")
    try:
        if path.suffix.lower() == ".csv":
            # As text: a patient 007 must not become 7, nor one called NA become nobody.
            return _from_csv(path, pd.read_csv(path, dtype=str, keep_default_na=False))
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(
            f"The list {path} cannot be read ({reason}); give a CSV or a text with a path a line."
        ) from error
    named = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return [ListedClip(path=path.parent / name, name=_result_name(name)) for name in named]


def _from_csv(path: Path, table: pd.DataFrame) -> list[ListedClip]:
    unknown = sorted(set(table.columns) - set(_COLUMNS))
    if "clip" not in table or unknown:
        wrong = f"the unknown column '{unknown[0]}'" if unknown else "no column 'clip'"
        raise ConfigError(f"The list {path} has {wrong}; its columns are {', '.join(_COLUMNS)}, all but clip optional.")
    return [_from_row(path, index, row) for index, row in enumerate(table.to_dict("records"), start=2)]


def _from_row(path: Path, line: int, row: Mapping[Hashable, Any]) -> ListedClip:
    view = row.get("view", "").strip().upper() or None
    if view is not None and view not in VIEWS:
        raise ConfigError(f"{path}, line {line}: the view '{row['view']}' is unknown; use 2CH, 4CH or nothing.")
    sides = [_positive(path, line, row, f"spacing_{side}_mm") for side in ("row", "column")]
    spacing = None if None in sides else (float(sides[0] or 0), float(sides[1] or 0))
    return ListedClip(
        path=path.parent / row["clip"],
        name=_result_name(row["clip"]),
        patient=row.get("patient", "").strip() or None,
        view=view,
        spacing_mm=spacing,
        frame_rate_hz=_positive(path, line, row, "frame_rate_hz"),
    )


def _positive(path: Path, line: int, row: Mapping[Hashable, Any], column: str) -> float | None:
    text = row.get(column, "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    size = column.startswith("spacing")
    try:
        stated("", spacing_mm=(value, value) if size else None, frame_rate_hz=None if size else value)
    except DataError:
        raise ConfigError(f"{path}, line {line}: {column} is '{text}'; a positive number was expected.") from None
    return value


def _result_name(stated: str) -> str:
    """A relative path inside the folder of results, whatever the list states."""
    parts = [part for part in Path(os.path.normpath(stated)).parts if part not in ("..", os.sep)]
    return "/".join(parts) or "clip"


def _named_apart(listed: Sequence[ListedClip]) -> list[ListedClip]:
    """The same clips; results of the same name get a part of their path's hash."""
    paths = [os.path.abspath(clip.path) for clip in listed]
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise DataError(f"The clip {twice} is listed twice; list it once.")
    # Without regard to case: on some disks A.dcm and a.dcm are one folder.
    names = [clip.name.casefold() for clip in listed]
    return [
        replace(clip, name=f"{clip.name}-{hashlib.sha256(path.encode()).hexdigest()[:8]}")
        if names.count(clip.name.casefold()) > 1
        else clip
        for clip, path in zip(listed, paths, strict=True)
    ]
