"""Exporting a phantom to the layout of EchoNet-Dynamic, so that its reader can be tried on data that may be passed on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.clip import LABELS, Case
from harness.data.camus_phantom import Phantom
from harness.data.dataset import SPLITS
from harness.data.resample import resize_frames, resize_masks
from harness.phantom import read_manifest
from harness.phantom.echonet_writer import EchoNetVideo, write_echonet

SIZE = 112
"""Side of EchoNet-Dynamic's frames in pixels."""


def export_phantom(phantom_root: str | Path, root: str | Path, *, size: int = SIZE) -> Path:
    """Write the four-chamber half sequences of a phantom as videos with traced ED and ES, true EF and volumes.

    Raises:
        DataError: the phantom is not finished, or ``root`` is not empty.
    """
    truth = {patient["id"]: patient for patient in read_manifest(phantom_root)["patients"]}
    dataset = Phantom(phantom_root, views=("4CH",))
    dataset.verify()
    cases = [case for split in SPLITS for case in dataset.cases(split)]
    return write_echonet(root, _videos(dataset, cases, truth, size))


def _videos(dataset: Phantom, cases: list[Case], truth: dict[str, Any], size: int) -> Iterator[EchoNetVideo]:
    for case in cases:
        clip, known = dataset.load(case), truth[case.patient]
        masks = resize_masks(clip.masks, size) == LABELS["lv"]
        # EchoNet-Dynamic traces these two frames only; the reader is to be tried on what it will meet.
        ends = [index for index in (clip.ed, clip.es) if index is not None]
        yield EchoNetVideo(
            name=f"0X{case.patient.removeprefix('patient')}",
            split=case.split,
            frames=resize_frames(clip.frames, size),
            masks={index: masks[index] for index in ends},
            ef_percent=known["ef_percent"],
            edv_ml=known["edv_ml"],
            esv_ml=known["esv_ml"],
            frame_rate_hz=clip.frame_rate_hz or 50.0,
        )
