"""Telling from a folder's content which dataset it is."""

from __future__ import annotations

from pathlib import Path

from harness.data.folder_manifest import MANIFEST_FILE
from harness.errors import DataError


def recognise(root: Path) -> str:
    """Name of the dataset config (``folder``, ``phantom``, ``camus``, ``camus_mhd``, ``echonet``) that reads this root.

    Raises:
        DataError: the folder is missing or is none of them; the sentence says what each would hold.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; give the root of a dataset.")
    # First, because it was written on purpose: files of other layouts may lie beside it.
    if (root / MANIFEST_FILE).is_file():
        return "folder"
    if (root / "FileList.csv").is_file() or (root / "A4C/FileList.csv").is_file():
        return "echonet"
    # Before CAMUS, whose layout the phantom has.
    if (root / "phantom.json").is_file():
        return "phantom"
    if (root / "database_nifti").is_dir() or _any(root, "patient*/*.nii.gz"):
        return "camus"
    if _any(root, "patient*/*.mhd") or _any(root, "training/patient*/*.mhd"):
        return "camus_mhd"
    raise DataError(
        f"{root} is no dataset that is known: CAMUS holds database_nifti/, its old release training/patientXXXX/*.mhd, "
        "EchoNet-Dynamic FileList.csv, data of your own manifest.csv ('echobench data manifest FOLDER' writes a first one); "
        "give the right folder, or the reader with --dataset."
    )


def _any(root: Path, pattern: str) -> bool:
    return next(root.glob(pattern), None) is not None
