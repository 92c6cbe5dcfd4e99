"""A kind of CSV file: named columns with a type each, written and read by the same object."""

from __future__ import annotations

import gzip
import io
import lzma
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from harness.errors import DataError, unknown
from harness.files import open_piecewise, write_bytes, write_text

Kind = Literal["text", "integer", "number", "flag"]
"""``text`` is never missing (empty instead), ``integer`` never either; a missing ``number`` is NaN, a missing ``flag`` NA."""

PACKED = ".xz"
"""What an export adds to the name of a table: half the bytes of ``.gz``."""
LIMIT_BYTES, RATIO_LIMIT = 256 << 20, 300
"""A packed table may unpack to so much, or to so many times its size where it is large; rows of the largest study are 40 times their size."""
_UNPACKER_BYTES = 64 << 20
"""Memory of a stream of xz, which may ask for gigabytes; what is written here needs nine megabytes."""
_DTYPES: dict[str, Any] = {"text": str, "integer": int, "number": float, "flag": "boolean"}


@dataclass(frozen=True, kw_only=True, slots=True)
class TableFormat:
    """One kind of table on disk.

    Attributes:
        name: what error messages call it.
        file: what its file is called, where there is one file of it in a folder.
        columns: name → kind, in the order in which they are written.
        optional: columns that a file may lack; they are read as missing.
        sparse: whether optional columns without any value are left out when a file is written.
        retired: columns of older files that nothing reads any more.
        further: kind of columns that are not named; None refuses them.

    >>> times = TableFormat(name="times", columns={"run": "text", "ms": "number"})
    >>> times.text(pd.DataFrame({"ms": [1.5, float("nan")], "run": ["a", "b"]}))
    'run,ms\\na,1.5\\nb,\\n'
    """

    name: str
    columns: Mapping[str, Kind]
    file: str = ""
    optional: frozenset[str] = frozenset()
    sparse: bool = False
    retired: frozenset[str] = frozenset()
    further: Kind | None = None

    def empty(self) -> pd.DataFrame:
        """A table without rows."""
        return pd.DataFrame({name: pd.Series(dtype=_DTYPES[kind]) for name, kind in self.columns.items()})

    def text(self, table: pd.DataFrame, digits: int | None = None) -> str:
        """The table as CSV: this format's columns in its order; numbers in full precision, or so many significant digits.

        Raises:
            ValueError: a column is missing or unknown.
        """
        present = set(table.columns)
        missing = set(self.columns) - self.optional - present
        surplus = present - set(self.columns) if self.further is None else set()
        if missing or surplus:
            raise ValueError(f"{self.name} must have the columns {tuple(self.columns)}, got {tuple(table.columns)}")
        rest = [name for name in table.columns if name not in self.columns]
        # In the format's order, whatever the caller's: two writers of one table write the same bytes.
        kept = [name for name in self.columns if name in present and not self._void(name, table[name])]
        return table.loc[:, [*kept, *rest]].to_csv(index=False, float_format=f"%.{digits}g" if digits else None)

    def write(self, table: pd.DataFrame, path: Path, digits: int | None = None) -> None:
        """Replace the file at ``path`` atomically by the table; one whose name ends in ``.gz`` or ``.xz`` is compressed."""
        text = self.text(table, digits)
        if path.suffix == ".gz":
            # Without a time in its head: the same table is the same bytes.
            write_bytes(path, gzip.compress(text.encode(), mtime=0))
        elif path.suffix == PACKED:
            write_bytes(path, lzma.compress(text.encode()))
        else:
            write_text(path, text)

    def stored(self, folder: Path) -> Path | None:
        """The file of this format in a folder, compressed (``.xz``) or not; None where there is neither.

        An export compresses what a run wrote plainly; of two, the plain one is the run's own.
        """
        plain = Path(folder) / self.file
        return next((path for path in (plain, plain.with_name(plain.name + PACKED)) if path.is_file()), None)

    def read(self, path: Path) -> pd.DataFrame:
        """Read a file that ``write`` made, every column with its type; absent optional columns are missing throughout.

        Raises:
            DataError: the file lacks a column, or has one that this format does not know.
        """
        try:
            return self._read(path)
        # What pandas and gzip raise on bytes that are no such table: another error would be a mistake of ours.
        except (ValueError, OverflowError, EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise DataError(f"{path} is damaged as {self.name} ({reason}); make the file again.") from error

    def _read(self, path: Path) -> pd.DataFrame:
        content = _content(Path(path))
        # The head is read alone first: pandas would take an unknown column for numbers and fail far from the cause.
        heads = content.readline().decode("utf-8").rstrip("\r\n").split(",")
        # A file that was cut in the middle of a row still parses, with fewer rows or a shorter number.
        if heads != [""] and not content.getbuffer()[-1:] == b"\n":
            raise ValueError("its last line is cut off")
        content.seek(0)
        kinds = {name: self._kind(name, path) for name in heads if name not in self.retired}
        missing = set(self.columns) - self.optional - set(heads)
        if missing:
            raise DataError(f"{path} lacks the column {sorted(missing)[0]} of {self.name}; make the file again.")
        table = pd.read_csv(
            content,
            usecols=list(kinds),
            dtype={name: _DTYPES[kind] for name, kind in kinds.items()},
            # Patients may be called "NA" and perturbations "null": only numbers and flags can be missing.
            keep_default_na=False,
            na_values={name: [""] for name, kind in kinds.items() if kind in ("number", "flag")},
        )
        absent = {name: self.empty()[name].reindex(table.index) for name in self.columns if name not in kinds}
        rest = [name for name in kinds if name not in self.columns]
        return table.assign(**absent)[[*self.columns, *rest]]

    def _kind(self, name: str, path: Path) -> Kind:
        if name in self.columns:
            return self.columns[name]
        if self.further is None:
            raise unknown("column", name, list(self.columns), str(path))
        return self.further

    def _void(self, name: str, values: pd.Series) -> bool:
        if not self.sparse or name not in self.optional:
            return False
        # A hundred thousand empty fields of a sweep's rows are megabytes that say nothing.
        return bool((values.isna() | (values.astype(str) == "")).all())


def _content(path: Path) -> io.BytesIO:
    """A table's bytes, unpacked; no more memory is taken than they need.

    Raises:
        ValueError: it unpacks to more than a table of its size can. EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError: damaged.
    """
    content, limit = io.BytesIO(), max(LIMIT_BYTES, RATIO_LIMIT * path.stat().st_size)
    for piece in _pieces(path):
        content.write(piece)
        if path.suffix in (".gz", PACKED) and content.tell() > limit:
            raise ValueError(f"it unpacks to more than {limit >> 20} MB")
    content.seek(0)
    return content


def _pieces(path: Path) -> Iterator[bytes]:
    with open_piecewise(path, packed=path.suffix == ".gz") as stream:
        if path.suffix != PACKED:
            while piece := stream.read(stream.PIECE):
                yield piece
            return
        unpacker = lzma.LZMADecompressor(memlimit=_UNPACKER_BYTES)
        while not unpacker.eof:
            packed = stream.read(stream.PIECE) if unpacker.needs_input else b""
            if unpacker.needs_input and not packed:
                raise EOFError("it ends before its rows do")
            yield unpacker.decompress(packed, stream.PIECE)
