"""Small roots written by hand in the layouts that the readers know; no reader code is used to make them."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # modules of this folder can be imported by name

SPLIT_FILES = {"train": "subgroup_training.txt", "val": "subgroup_validation.txt", "test": "subgroup_testing.txt"}
PATIENTS = {"train": [1, 4], "val": [7], "test": [3]}
HEIGHT, WIDTH = 40, 56


def patient(number: int) -> str:
    return f"patient{number:04d}"


def heart(radius: float, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Mask [H, W]: LV disc (1) in a ring of myocardium (2), a block of left atrium (3) below; LV right of centre."""
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot(rows - height * 0.4, columns - width * 0.65)
    mask = np.where(distance < radius, 1, np.where(distance < radius + 3, 2, 0)).astype(np.uint8)
    mask[int(height * 0.8) :, int(width * 0.6) : int(width * 0.75)] = 3
    return mask


def picture(seed: int, mask: np.ndarray) -> np.ndarray:
    """Grey levels [H, W] that go with a mask; different for every seed."""
    noise = np.random.default_rng(seed).integers(0, 60, mask.shape)
    return (noise + 60 * (mask == 2) + 100).astype(np.uint8)


def write_nifti(path: Path, pixels: np.ndarray, spacing: tuple[float, float] = (0.308, 0.308)) -> None:
    """[H, W] or [T, H, W] stored as the owners do: float32 (W, H[, T]); spacing is (row, column)."""
    array = pixels.astype(np.float32).T
    image = nibabel.Nifti1Image(array, np.eye(4))
    image.header.set_zooms((spacing[1], spacing[0], 1.0)[: array.ndim])
    nibabel.save(image, path)


def write_view(folder: Path, number: int, view: str, frames: int = 5, reverse: bool = False) -> None:
    stem = f"{patient(number)}_{view}"
    radii = np.linspace(10, 6, frames)
    masks = np.stack([heart(radius) for radius in (radii[::-1] if reverse else radii)])
    pixels = np.stack([picture(zlib.crc32(f"{stem} {t}".encode()), mask) for t, mask in enumerate(masks)])
    ends = (("ED", -1), ("ES", 0)) if reverse else (("ED", 0), ("ES", -1))
    for name, index in ends:
        write_nifti(folder / f"{stem}_{name}.nii.gz", pixels[index])
        write_nifti(folder / f"{stem}_{name}_gt.nii.gz", masks[index])
    write_nifti(folder / f"{stem}_half_sequence.nii.gz", pixels)
    write_nifti(folder / f"{stem}_half_sequence_gt.nii.gz", masks)
    ed, es = (frames, 1) if reverse else (1, frames)
    (folder / f"Info_{view}.cfg").write_text(
        f"ED: {ed}\nES: {es}\nNbFrame: {frames}\nSex: F\nAge: 57\nImageQuality: Good\nEF: 63\nFrameRate: 56.5\n"
    )


def write_camus(root: Path, patients: dict[str, list[int]] = PATIENTS, views: tuple[str, ...] = ("2CH", "4CH")) -> Path:
    """A complete little CAMUS root; test patient 3 has a 2CH half sequence that runs from ES to ED."""
    (root / "database_split").mkdir(parents=True)
    for split, numbers in patients.items():
        (root / "database_split" / SPLIT_FILES[split]).write_text("".join(f"{patient(n)}\n" for n in numbers))
        for number in numbers:
            folder = root / "database_nifti" / patient(number)
            folder.mkdir(parents=True)
            for view in views:
                write_view(folder, number, view, frames=4 + number % 4, reverse=(number, view) == (3, "2CH"))
    return root


@pytest.fixture
def camus_root(tmp_path: Path) -> Path:
    """A complete CAMUS root of four patients in ``tmp_path/camus``."""
    return write_camus(tmp_path / "camus")


@pytest.fixture(scope="session")
def camus_root_shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same root, made once, for tests that only read."""
    return write_camus(tmp_path_factory.mktemp("data") / "camus")


@pytest.fixture(scope="session")
def nifti_writer() -> Callable[..., None]:
    """``write_nifti(path, pixels, spacing)``."""
    return write_nifti


@pytest.fixture(scope="session")
def heart_mask() -> Callable[..., np.ndarray]:
    """``heart(radius, height, width)``."""
    return heart
