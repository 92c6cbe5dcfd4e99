"""A phantom written in EchoNet's layout and read back by EchoNet's reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.data import EchoNet, Phantom
from harness.data.resample import resize_masks
from harness.errors import DataError
from harness.phantom import generate, read_manifest
from harness.phantom.echonet_export import export_phantom


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(
        tmp_path_factory.mktemp("p") / "phantom", patients=(1, 1, 1), pixel_mm=0.9, workers=1, progress=False
    )


@pytest.fixture(scope="module")
def exported(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_phantom(phantom, tmp_path_factory.mktemp("e") / "echonet")


def test_splits_ef_and_masks_survive_the_way(phantom: Path, exported: Path) -> None:
    source, dataset = Phantom(phantom, views=("4CH",)), EchoNet(exported)
    dataset.verify()
    truth = {patient["id"]: patient["ef_percent"] for patient in read_manifest(phantom)["patients"]}
    for split in ("train", "val", "test"):
        (before,), (after,) = source.cases(split), dataset.cases(split)
        original, clip = source.load(before), dataset.load(after)
        assert after.patient == before.patient.replace("patient", "0X")
        assert clip.ef_percent == pytest.approx(truth[before.patient])
        assert clip.frame_rate_hz == original.frame_rate_hz
        for index, own in ((0, original.ed), (-1, original.es)):
            there = resize_masks(original.masks[own][None], 112)[0] == 1
            overlap = 2 * np.sum(there & (clip.masks[index] == 1)) / (there.sum() + (clip.masks[index] == 1).sum())
            assert overlap > 0.95


def test_an_unfinished_phantom_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a finished phantom"):
        export_phantom(tmp_path, tmp_path / "echonet")
