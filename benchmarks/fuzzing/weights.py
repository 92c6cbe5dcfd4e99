"""Readers of checkpoints and of stored pictures, also behind the checksums of their archives."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import torch

from fuzzing.reader import Bytes, Reader, drawn_clip
from harness.results.pictures import CasePicture, load_pictures, save_pictures
from harness.tensors import mismatch
from harness.training import checkpoints


def weights(folder: Path) -> list[Reader]:
    """All of them, with their files in a new folder."""
    place = folder / "checkpoints"
    place.mkdir()
    state = {"conv.weight": torch.ones(2, 3), "conv.bias": torch.zeros(2)}
    checkpoints.save(place / "best.pth", {"model": state, "iteration": 1, "score": 0.5})
    checkpoints.save_last(place, {"format": checkpoints.FORMAT, "job": "j", "model": state, "iteration": 1})
    frames, masks = drawn_clip()
    save_pictures(
        place,
        [
            CasePicture(
                label="U-Net", patient="p", view="4CH", dice=90.0, frames=frames, reference=masks, predicted=masks
            )
        ],
    )

    def best() -> str | None:
        return mismatch(state, checkpoints.load(place / "best.pth").get("model"))

    inside = "data.pkl"
    return [
        Reader(name="checkpoint", file=place / "best.pth", kind="binary", read=best),
        Reader(name="checkpoint, inside the archive", file=place / "best.pth", kind="binary", read=best,
               unpack=lambda data: _member(data, inside), pack=_repacked(place / "best.pth", inside)),
        Reader(name="last checkpoint", file=place / "last.pth", kind="binary", read=lambda: checkpoints.load_last(place, "j")),
        Reader(name="pictures.npz", file=place / "pictures.npz", kind="binary", read=lambda: load_pictures(place)),
        Reader(name="pictures.npz, inside", file=place / "pictures.npz", kind="binary", read=lambda: load_pictures(place),
               unpack=lambda data: _member(data, "meta.npy"), pack=_repacked(place / "pictures.npz", "meta.npy")),
    ]  # fmt: skip


def _member(data: bytes, ending: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith(ending)))


def _repacked(path: Path, ending: str) -> Bytes:
    """Puts a member into a copy of an archive, with the checksum of its new content."""
    original = path.read_bytes()

    def repack(content: bytes) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(original)) as old, zipfile.ZipFile(stream, "w") as new:
            for item in old.infolist():
                new.writestr(item.filename, content if item.filename.endswith(ending) else old.read(item.filename))
        return stream.getvalue()

    return repack
