"""Readers of what commands have written and read again, and of weights and figures that come from elsewhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fuzzing.reader import Bytes, Reader, drawn_clip, unet_spec
from harness.data.folder_guess import guess_manifest
from harness.errors import DataError
from harness.files import canonical_hash
from harness.modeling.published import read_state_dict
from harness.registry import MODELS, load_plugins
from harness.reporting.figures.history import read_history
from harness.segment.card import Card, ModelFacts, TrainingFacts
from harness.segment.existing import kept
from harness.segment.report import source_header
from harness.segment.weights import read_weights, write_weights
from harness.statistics.audit_table import audit_file
from harness.store.formats.evaluation import FILE, FOLDER, Evaluated, read_evaluated
from harness.training.tracking import JsonLinesBackend, drop_lines_after


def outputs(folder: Path) -> list[Reader]:
    """All of them, with their files below a folder that holds those of ``media``."""
    place = folder / "outputs"
    place.mkdir()
    shutil.copyfile(folder / "media" / "a.dcm", place / "a.dcm")
    frames, masks = drawn_clip()
    np.savez(place / "a.npz", video=frames, mask=masks)
    log = JsonLinesBackend(str(place), 0, {"device": "cpu"})
    log.add_config(None)
    for step in (1, 2):
        log.add_scalars({"train/loss": 1.5}, step=step)
        log.add_scalars({"val/dice": 0.5}, step=step)
    (place / "summary.json").write_text(
        json.dumps({"beats": [], "made_from": {"clip": "0", "run": "r", "settings": {}}})
    )
    facts: dict[str, Any] = {"dataset": "phantom", "clip": "half", "fingerprint": "x", "mark": None, "code": "0"}
    evaluated = Evaluated(**facts, views=("4CH",), split="test", metrics=("dice",), all_frames=True)
    evaluated.write(place)
    (place / "aggregates.csv").write_text("# printed\nmethod,dice,iou,ef_bias,ef_sd\nU-Net,93.1,87.2,0.5,6.1\n")
    (place / "pairs.csv").write_text("predicted,truth\n55,56.5\n61,60\n48,51\n")

    def continued() -> None:
        drop_lines_after(place / "log.jsonl", 1)
        read_history(place)

    def text(name: str, read: Any, file: str = "") -> Reader:
        return Reader(name=name, file=place / (file or name), kind="text", read=read)

    origin = {"clip": "0", "run": "r", "settings": {}}
    return [
        text("log.jsonl", continued),
        Reader(name="summary.json", file=place / "summary.json", kind="json",
               read=lambda: kept(place / "summary.json", origin, "refuse")),
        Reader(name="evaluation.json", file=place / FOLDER / evaluated.key / FILE, kind="json",
               read=lambda: read_evaluated(place, evaluated.key)),
        text("audited table", lambda: audit_file(place / "aggregates.csv"), "aggregates.csv"),
        text("audited pairs", lambda: audit_file(place / "pairs.csv"), "pairs.csv"),
        Reader(name="folder to guess from", file=place / "a.npz", kind="binary", read=lambda: guess_manifest(place)),
        Reader(name="DICOM header for a report", file=place / "a.dcm", kind="binary",
               read=lambda: source_header(place / "a.dcm", "identified")),
        *_weights_files(place),
    ]  # fmt: skip


def _weights_files(place: Path) -> list[Reader]:
    load_plugins()
    spec = unet_spec()
    torch.manual_seed(0)
    model = MODELS.build(spec.model["build"])
    facts = ModelFacts(name="unet", size="small", label="U-Net", build=spec.model["build"])
    training = TrainingFacts(
        dataset="phantom", views=("4CH",), clip="half", fingerprint="x", mark=None, terms="none", patients={"train": 3},
        recipe=spec.recipe, seed=0, device="cpu", precision="fp32", code="0",
    )  # fmt: skip
    card = Card(
        name="phantom/u-s0", identity="0123456789", echobench="0", demonstration=True, model=facts, first_mask=None,
        structures=("lv",), image_size=32, first_frame="auto", training=training, scores=(), known_failures=(), range=None,
    )  # fmt: skip
    path = write_weights(place / "u.safetensors", card, model)
    torch.save({"state_dict": model.state_dict()}, place / "foreign.pth")

    def foreign() -> None:
        try:
            read_state_dict(place / "foreign.pth")
        except ValueError as error:  # whoever calls it says for which model
            raise DataError(str(error)) from error

    return [
        Reader(name="weights file", file=path, kind="binary", read=lambda: read_weights(path)),
        Reader(name="weights file, its card", file=path, kind="json", read=lambda: read_weights(path),
               unpack=_card, pack=_with_card(path.read_bytes())),
        Reader(name="foreign checkpoint", file=place / "foreign.pth", kind="binary", read=foreign),
    ]  # fmt: skip


def _header(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The header of a safetensors file, which begins with its length in eight bytes, and what follows it."""
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


def _card(content: bytes) -> bytes:
    stated = json.loads(_header(content)[0]["__metadata__"]["echobench"])
    return json.dumps(stated["card"]).encode()


def _with_card(original: bytes) -> Bytes:
    """Puts a changed card into the file, with the checksum that it should have: what somebody would do who forges one."""
    header, tensors = _header(original)

    def pack(changed: bytes) -> bytes:
        stated = json.loads(header["__metadata__"]["echobench"])
        try:
            card = json.loads(changed)
            stated |= {"card": card, "card_sha256": canonical_hash(card, length=64)}
        except (ValueError, TypeError, RecursionError):
            stated["card"] = changed.decode("utf-8", "replace")
        text = json.dumps({**header, "__metadata__": {"echobench": json.dumps(stated)}}).encode()
        return len(text).to_bytes(8, "little") + text + tensors

    return pack
