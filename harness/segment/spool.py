"""Label maps of a clip of unknown length on disk, readable as one array without being loaded."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray


class MaskSpool:
    """Appends uint8 [H, W] label maps to a file; after ``masks()`` they are one memory-mapped [T, H, W].

    Use as a context manager; the file belongs to the caller, who removes its folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.size: tuple[int, int] | None = None
        self._stream = open(path, "wb")  # noqa: SIM115  (closed by __exit__)

    def __enter__(self) -> MaskSpool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stream.close()

    def append(self, labels: NDArray[np.uint8]) -> None:
        """Write one label map [H, W].

        Raises:
            ValueError: not uint8, or of another size than the first.
        """
        size = (labels.shape[0], labels.shape[1])
        if labels.dtype != np.uint8 or size != (self.size or size):
            raise ValueError(f"labels must be uint8 {self.size or '[H, W]'}, got {labels.dtype} {labels.shape}")
        self.size = size
        self.count += 1
        # Raw bytes without a header: they can be mapped as one array although their number was unknown at the start.
        self._stream.write(np.ascontiguousarray(labels).tobytes())

    def masks(self) -> NDArray[np.uint8]:
        """All label maps so far, uint8 [T, H, W], memory-mapped and read-only.

        Raises:
            ValueError: nothing was appended.
        """
        if self.size is None:
            raise ValueError("no label map was appended")
        # What is still in the buffer would read as zeros through the map.
        self._stream.flush()
        return np.memmap(self.path, dtype=np.uint8, mode="r", shape=(self.count, *self.size))
