"""Fixtures of the segment tests: a clip, a model, a results store."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from drawn_clips import DarkIsCavity, ellipse_clip

from harness.segment import Trained
from harness.store.runs import RunSpec, RunStore


@pytest.fixture
def trained() -> Trained:
    """The dark-is-cavity model, trained at 32 pixels."""
    model = DarkIsCavity().eval()
    return Trained(name="d/m", model=model, image_size=32, structures=("lv",), dataset="phantom", mark=None)


@pytest.fixture
def clip() -> np.ndarray:
    """uint8 [10, 64, 48], ED at frame 0 and ES at frame 5."""
    return ellipse_clip()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A results store with one finished, one failed, one of the protocol ``gt`` and one of other structures."""
    root = tmp_path / "runs"
    runs = (
        ("dark", "auto", "finished", "lv"),
        ("late", "auto", "failed", "lv"),
        ("given", "gt", "finished", "lv"),
        ("vessels", "auto", "finished", "lv+aorta"),
    )
    for name, first_frame, status, structures in runs:
        run = RunStore(root).open(
            RunSpec(
                model={"name": name, "size": "small", "label": name, "build": {"type": "DarkIsCavity"}},
                data={"dataset": "phantom", "fingerprint": "x", "image_size": 32, "mark": None},
                recipe={"image_size": 32},
                seed=0,
                protocol={"first_frame": first_frame, "structures": structures},
            )
        )
        (run.path / "checkpoints").mkdir()
        torch.save({"model": DarkIsCavity().state_dict()}, run.path / "checkpoints" / "best.pth")
        run.finish() if status == "finished" else run.stop("failed", "a test")
    return root
