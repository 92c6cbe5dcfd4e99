"""The ``Info_*.cfg`` files of CAMUS: ``Key: value`` lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from harness.errors import DataError
from harness.stated import stated

N = TypeVar("N", int, float)
_NAMES = {
    "ed": "ED", "es": "ES", "frames": "NbFrame", "edv_ml": "LVedv", "esv_ml": "LVesv", "frame_rate_hz": "FrameRate", "age": "Age",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class CamusInfo:
    """Values of one view; None where the file or the line is absent.

    Attributes:
        ed, es: 1-based frame numbers in the half sequence.
        frames: length of the half sequence.
        ef_percent: biplane ejection fraction, the same in both views (``EF``; ``LVef`` in the old release).
        edv_ml, esv_ml: biplane volumes (``LVedv``, ``LVesv``; old release only).
        beat_ed, beat_es: 1-based frame numbers in the whole cycles of a phantom: of each beat's ED and of the last beat's end, of
            each beat's ES; empty where there are none.
    """

    ed: int | None = None
    es: int | None = None
    frames: int | None = None
    ef_percent: float | None = None
    edv_ml: float | None = None
    esv_ml: float | None = None
    frame_rate_hz: float | None = None
    quality: str | None = None
    sex: str | None = None
    age: int | None = None
    beat_ed: tuple[int, ...] = ()
    beat_es: tuple[int, ...] = ()


def read_info(path: Path) -> CamusInfo:
    """Parse one cfg file of either release.

    Raises:
        DataError: unreadable, a number that is none, or one that no heart has (``harness.stated``).
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}); restore the file.") from error
    values = {
        key.strip(): text.strip() for key, separator, text in (line.partition(":") for line in lines) if separator
    }
    # The NIfTI release says EF, the old one LVef.
    ef_key = "EF" if "EF" in values else "LVef"
    numbers: dict[str, Any] = {
        "ed": _number(values, "ED", int, path),
        "es": _number(values, "ES", int, path),
        "frames": _number(values, "NbFrame", int, path),
        "ef_percent": _number(values, ef_key, float, path),
        "edv_ml": _number(values, "LVedv", float, path),
        "esv_ml": _number(values, "LVesv", float, path),
        "frame_rate_hz": _number(values, "FrameRate", float, path),
        "age": _number(values, "Age", int, path),
    }
    stated(str(path), {**_NAMES, "ef_percent": ef_key}, **numbers)
    return CamusInfo(
        **numbers,
        quality=values.get("ImageQuality") or None,
        sex=values.get("Sex") or None,
        beat_ed=_numbers(values, "BeatED", path),
        beat_es=_numbers(values, "BeatES", path),
    )


def _numbers(values: dict[str, str], key: str, path: Path) -> tuple[int, ...]:
    words = {str(k): word for k, word in enumerate(values.get(key, "").split())}
    return tuple(number for k in words if (number := _number(words, k, int, path)) is not None)


def _number(values: dict[str, str], key: str, kind: Callable[[str], N], path: Path) -> N | None:
    text = values.get(key, "")
    # The owners write NA where they do not know.
    if not text or text.upper() in ("NA", "N/A", "NAN"):
        return None
    try:
        return kind(text)
    except ValueError as error:
        raise DataError(f"{path} says '{key}: {text}', which is not a number; restore the file.") from error


def info_fields(info: CamusInfo) -> dict[str, Any]:
    """What a cfg file states, under the names that ``Clip`` has for it; None where it states nothing."""
    return {"frame_rate_hz": info.frame_rate_hz, "ef_percent": info.ef_percent, "quality": info.quality}
