"""What to do where a result lies already: it is kept where it was made from the same, and never replaced unasked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from harness.data.media.metaimage import metaimage_files
from harness.errors import BenchError
from harness.files import sha256_file

Existing = Literal["refuse", "keep", "replace"]


def made_from(clips: Sequence[Path], run: str, settings: dict[str, Any]) -> dict[str, Any]:
    """What tells one result from another: content of the clip's files (or of its folder's), run, settings."""
    digest = hashlib.sha256()
    for clip in clips:
        for path in _files(clip):
            if path.is_file():
                digest.update(path.name.encode() if clip.is_dir() else b"")
                digest.update(sha256_file(path).encode())
    return {"clip": digest.hexdigest(), "run": run, "settings": settings}


def _files(clip: Path) -> list[Path]:
    if clip.is_dir():
        return sorted(clip.iterdir())
    # The header alone says nothing of the picture: its pixels lie in another file.
    return metaimage_files(clip) if clip.suffix.lower() == ".mhd" else [clip]


def kept(summary: Path, origin: dict[str, Any], existing: Existing) -> dict[str, Any] | None:
    """The summary of a result that stays as it is; None where the clip has to be segmented.

    Raises:
        BenchError: another result lies there and may be neither kept nor replaced.
    """
    if existing == "replace" or not summary.is_file():
        return None
    try:
        read = json.loads(summary.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        read = None
    stored: dict[str, Any] = read if isinstance(read, dict) else {}
    # Through JSON, as the stored one went: tuples have become lists.
    if (existing == "keep" and "beats" in stored) or stored.get("made_from") == json.loads(json.dumps(origin)):
        return stored
    raise BenchError(
        f"{summary.parent} holds the result of another clip, run or setting; choose another folder with --out, or say "
        "--existing replace (or keep)."
    )
