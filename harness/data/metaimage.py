"""Reading the MetaImage files (``.mhd`` header, ``.raw`` pixels) of the old CAMUS release."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.data.nifti import Volume
from harness.errors import DataError

_REQUIRED = {"ElementType": "MET_UCHAR", "CompressedData": "False", "BinaryData": "True"}


def read_metaimage(path: Path, labels: tuple[int, ...] | None = None) -> Volume:
    """Pixels uint8 [T, H, W] and (row, column) spacing in mm; with ``labels`` every value must be one of them.

    Raises:
        DataError: missing, not plain uint8, of the wrong length, or with an unknown label.
    """
    header = _read_header(path)
    # Another type or compression would be read as noise of the right length.
    for key, expected in _REQUIRED.items():
        if header.get(key, expected) != expected:
            raise DataError(f"{path} says {key} = {header[key]}; only {expected} is known of the old CAMUS release.")
    try:
        width, height, *rest = (int(value) for value in header["DimSize"].split())
        # MetaImage counts x first; everything here is (row, column).
        column_mm, row_mm, *_ = (float(value) for value in header["ElementSpacing"].split())
        # The name only: a header must not lead out of the patient's folder.
        raw = path.with_name(Path(header["ElementDataFile"]).name)
    except (KeyError, ValueError) as error:
        raise DataError(f"{path} is damaged ({type(error).__name__}: {error}); restore the file.") from error
    shape = (rest[0] if rest else 1, height, width)
    pixels = _read_raw(raw, shape).reshape(shape)
    if labels is not None and (strange := sorted(set(np.unique(pixels).tolist()) - set(labels))):
        known = ", ".join(map(str, labels))
        raise DataError(f"{raw} holds the unknown label {strange[0]} (known: {known}); restore the original mask.")
    return Volume(pixels=pixels, spacing_mm=(row_mm, column_mm))


def _read_header(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; restore the file.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a MetaImage header ({error}); restore the file.") from error
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _read_raw(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    try:
        pixels = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); restore the file.") from error
    expected = shape[0] * shape[1] * shape[2]
    # np.reshape would refuse too, but without the file's name.
    if pixels.size != expected:
        raise DataError(f"{path} holds {pixels.size} bytes instead of {expected}; restore the file from its source.")
    return pixels
