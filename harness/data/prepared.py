"""Reading a prepared cache: clips at model size, memory-mapped, with the native masks beside them."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.clip import Case, label_ids
from harness.data.findings import Finding
from harness.errors import DataError, decoding
from harness.files import inside, read_json, sha256_file
from harness.schema import parsed
from harness.stated import stated

FORMAT = 3
READABLE = (2, 3)
"""Formats that are read: 2 kept a mask of every frame, 3 those that are not empty."""
MANIFEST = "manifest.json"
FRAMES = "frames.u8"
MASKS = "masks.u8"
NATIVE = "native_masks.zlib"
AGAIN = "remove that folder and run the command again to prepare it anew"


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipRecord:
    """What the manifest says of one clip; ``start`` and ``count`` are in frames, ``native`` in bytes."""

    case: Case
    start: int
    count: int
    native: tuple[int, int]
    labelled: tuple[bool, ...]
    interpolated: tuple[bool, ...]
    ed: int | None
    es: int | None
    native_size: tuple[int, int]
    spacing_mm: tuple[float, float] | None
    frame_rate_hz: float | None
    ef_percent: float | None
    quality: str | None
    source: str
    notes: tuple[str, ...] = ()
    subgroups: Mapping[str, str] = field(default_factory=dict)
    mask_start: int | None = None
    mask_frames: tuple[int, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for the manifest."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ClipRecord:
        """The inverse of ``to_json``."""
        record = parsed(cls, dict(values), "A clip of the prepared cache", AGAIN)
        stated(
            f"The clip {record.case.name} of a prepared cache",
            spacing_mm=record.spacing_mm, frame_rate_hz=record.frame_rate_hz, ef_percent=record.ef_percent,
            frames=record.count, ed=record.ed, es=record.es,
        )  # fmt: skip
        return record


class PreparedClip:
    """One clip of a cache.

    Attributes:
        case: its identity.
        frames: uint8 [T, S, S], memory-mapped, in time order.
        masks: uint8 [T, S, S] label ids; zeros where a frame has no mask (only the others are kept on disk).
        labelled, interpolated: bool [T], masks drawn by a person; masks made by the owners between those.
        ed, es: frame indices or None.
        native_size: (H, W) before resizing.
        spacing_mm: (row, column) at native size, or None.
        frame_rate_hz, ef_percent, quality: as the dataset states them, or None.
        notes, subgroups: see ``Clip``.
    """

    def __init__(self, cache: PreparedCache, record: ClipRecord) -> None:
        span = slice(record.start, record.start + record.count)
        self._cache = cache
        self._record = record
        self.case = record.case
        self.frames: NDArray[np.uint8] = cache.frames[span]
        self.masks: NDArray[np.uint8] = cache.masks[span] if record.mask_start is None else self._filled(record)
        self.labelled = np.array(record.labelled, dtype=bool)
        self.interpolated = np.array(record.interpolated, dtype=bool)
        self.ed, self.es = record.ed, record.es
        self.native_size = record.native_size
        self.spacing_mm = record.spacing_mm
        self.frame_rate_hz = record.frame_rate_hz
        self.ef_percent = record.ef_percent
        self.quality = record.quality
        self.notes = record.notes
        self.subgroups = record.subgroups

    def _filled(self, record: ClipRecord) -> NDArray[np.uint8]:
        """uint8 [T, S, S]: the masks that are kept at their frames, zeros elsewhere."""
        kept = record.mask_frames or ()
        start = record.mask_start or 0
        if len(kept) == record.count:
            return self._cache.masks[start : start + record.count]
        masks = np.zeros(self.frames.shape, dtype=np.uint8)
        if kept:
            masks[list(kept)] = self._cache.masks[start : start + len(kept)]
        return masks

    @property
    def labels(self) -> dict[str, int]:
        """Label ids of the masks by structure."""
        return self._cache.labels

    def __len__(self) -> int:
        return self._record.count

    def native_masks(self) -> NDArray[np.uint8]:
        """uint8 [T, H, W] label ids at native size, exactly as the dataset has them; zeros where there is no mask."""
        offset, length = self._record.native
        try:
            # Decompressed at each call: native masks are asked for once per evaluation and would fill memory.
            packed, size = (
                bytes(self._cache.native[offset : offset + length]),
                self._record.count * math.prod(self.native_size),
            )
            # One byte more than stated: a few kilobytes can unpack to gigabytes.
            raw = zlib.decompressobj().decompress(packed, size + 1)
            return np.frombuffer(raw, dtype=np.uint8).reshape(self._record.count, *self.native_size)
        except (zlib.error, ValueError) as error:
            raise DataError(
                f"The prepared cache {self._cache.path} is damaged in {NATIVE} ({error}); {AGAIN}."
            ) from error

    def phase(self, frame: int) -> str:
        """``"ED"``, ``"ES"`` or ``""`` for the frame at this index."""
        return "ED" if frame == self.ed else "ES" if frame == self.es else ""


class PreparedSplit:
    """The clips of one split, in the order of the dataset's cases."""

    def __init__(self, cache: PreparedCache, name: str, records: list[ClipRecord]) -> None:
        self.cache = cache
        self.name = name
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    @property
    def cases(self) -> list[Case]:
        """Identities of the clips."""
        return [record.case for record in self._records]

    def clip(self, index: int) -> PreparedClip:
        """The clip at this index."""
        return PreparedClip(self.cache, self._records[index])

    def __iter__(self) -> Iterator[PreparedClip]:
        return (self.clip(index) for index in range(len(self)))


class PreparedCache:
    """A folder made by ``prepare``: a manifest, frames and masks as raw uint8, native masks compressed.

    ``findings`` are the warnings and errors that came up while the clips were prepared; empty in caches of older versions.
    Opening checks the manifest and every file's size; ``verify`` reads and hashes all of it. Pickling carries the
    path only, so that loader workers map the files themselves.
    """

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path = path
        self.manifest = manifest
        self.name: str = manifest["name"]
        self.mark: str | None = manifest["mark"]
        self.image_size: int = manifest["image_size"]
        self.fingerprint: str = manifest["fingerprint"]
        self.structures: tuple[str, ...] = tuple(manifest["structures"])
        self.findings = tuple(Finding(**item) for item in manifest.get("findings", ()))
        self.labels = label_ids(self.structures)
        self.records = [ClipRecord.from_json(item) for item in manifest["clips"]]
        if strange := next((record for record in self.records if not self._holds(record)), None):
            raise DataError(f"The prepared cache {path} does not hold what it says of {strange.case.name}; {AGAIN}.")

    @classmethod
    def open(cls, path: str | Path) -> PreparedCache:
        """Open a prepared folder.

        Raises:
            DataError: not a prepared cache, of another format, or with files that are missing or of the wrong size.
        """
        path = Path(path)
        if not (path / MANIFEST).is_file():
            raise DataError(f"{path} is not a prepared cache (it has no {MANIFEST}); {AGAIN}.")
        with decoding(f"The prepared cache {path}", f"is damaged in {MANIFEST}", AGAIN):
            try:
                manifest = read_json(path / MANIFEST)
            except DataError as error:
                raise ValueError(str(error)) from error
            if manifest["format"] not in READABLE:
                raise DataError(
                    f"The prepared cache {path} has format {manifest['format']} instead of {FORMAT}; {AGAIN}."
                )
            texts = [manifest["name"], manifest["fingerprint"], manifest["mark"] or "", *manifest["structures"]]
            if not all(isinstance(text, str) for text in texts) or not isinstance(manifest["image_size"], int):
                raise TypeError("a name, a mark or a size is of another kind")
            cache = cls(path, manifest)
            cache._check_sizes()
        return cache

    def _holds(self, record: ClipRecord) -> bool:
        """Whether the files have what a record points at: a slice beyond their end would be shorter without a word."""
        sizes = {name: self.manifest["files"][name]["bytes"] for name in (FRAMES, MASKS, NATIVE)}
        area = self.image_size**2
        kept = record.count if record.mask_start is None else len(record.mask_frames or ())
        first = record.start if record.mask_start is None else record.mask_start
        offset, length = record.native
        ends = (record.ed or 0, record.es or 0, *(record.mask_frames or ()))
        return (
            min(record.start, first, offset, length, *record.native_size) >= 0
            and (record.start + record.count) * area <= sizes[FRAMES]
            and (first + kept) * area <= sizes[MASKS]
            and offset + length <= sizes[NATIVE]
            and len(record.labelled) == len(record.interpolated) == record.count
            and all(0 <= frame < record.count for frame in ends)
        )

    def _check_sizes(self) -> None:
        for name, expected in self.manifest["files"].items():
            file = inside(self.path, name, f"A file of the prepared cache {self.path}")
            # Sizes are checked at each opening and cost nothing; hashing gigabytes is for verify().
            size = file.stat().st_size if file.is_file() else -1
            if size != expected["bytes"]:
                found = f"{size} bytes instead of {expected['bytes']}" if size >= 0 else "missing"
                raise DataError(f"The prepared cache {self.path} is damaged ({name}: {found}); {AGAIN}.")

    def verify(self) -> None:
        """Hash every file (about a second per gigabyte) and compare with the manifest.

        Raises:
            DataError: a file's content is not what was prepared.
        """
        self._check_sizes()
        for name, expected in self.manifest["files"].items():
            if sha256_file(self.path / name) != expected["sha256"]:
                raise DataError(f"The prepared cache {self.path} is damaged ({name} has other content); {AGAIN}.")

    def split(self, name: str) -> PreparedSplit:
        """The clips of ``"train"``, ``"val"`` or ``"test"``.

        Raises:
            DataError: the cache has no clip of this split.
        """
        records = [record for record in self.records if record.case.split == name]
        if not records:
            raise DataError(f"The split '{name}' of the prepared cache {self.path} is empty.")
        return PreparedSplit(self, name, records)

    @cached_property
    def frames(self) -> NDArray[np.uint8]:
        """uint8 [N, S, S]: all frames of all clips, memory-mapped."""
        return self._map(FRAMES).reshape(-1, self.image_size, self.image_size)

    @cached_property
    def masks(self) -> NDArray[np.uint8]:
        """uint8 [M, S, S]: the masks that are kept, memory-mapped."""
        return self._map(MASKS).reshape(-1, self.image_size, self.image_size)

    @cached_property
    def native(self) -> NDArray[np.uint8]:
        """The compressed native masks, memory-mapped."""
        return self._map(NATIVE)

    def _map(self, name: str) -> NDArray[np.uint8]:
        if not self.manifest["files"][name]["bytes"]:
            return np.zeros(0, dtype=np.uint8)  # an empty file cannot be mapped
        # Mapped: loader workers share one copy in the page cache, and only what is read is loaded.
        return np.memmap(self.path / name, dtype=np.uint8, mode="r")

    def __getstate__(self) -> dict[str, Any]:
        # A memory map does not survive pickling: it would arrive as a copy of the whole file.
        return {"path": self.path, "manifest": self.manifest}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"], state["manifest"])  # type: ignore[misc]
