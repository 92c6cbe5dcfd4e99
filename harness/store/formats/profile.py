"""``profile.csv`` of a run: one row per measured quantity and condition."""

from __future__ import annotations

from harness.store.formats.table import Kind, TableFormat

_COLUMNS: dict[str, Kind] = {
    "model": "text",
    "size": "text",
    "mode": "text",
    "engine": "text",
    "status": "text",
    "median_ms": "number",
    "p5_ms": "number",
    "p95_ms": "number",
    "n": "number",
    "fps": "number",
    "fps_low": "number",
    "fps_high": "number",
    "busy": "flag",
    "waited_percent": "number",
    "cpu_per_wall": "number",
    "load": "number",
    "peak_memory_mb": "number",
    "peak_reserved_mb": "number",
    "memory_method": "text",
    "parameters": "number",
    "gmacs_per_frame_torch": "number",
    "gmacs_per_frame_fvcore": "number",
    "gmacs_per_clip_torch": "number",
    "gmacs_per_clip_fvcore": "number",
    "difference_percent": "number",
    "difference_products_percent": "number",
    "difference_explained": "text",
    "uncounted_torch": "text",
    "uncounted_fvcore": "text",
    "device": "text",
    "device_name": "text",
    "precision": "text",
    "channels_last": "flag",
    "tf32": "flag",
    "threads": "number",
    "image_size": "number",
    "batch_size": "number",
    "clip_length": "number",
    "warmup_clips": "number",
    "torch": "text",
    "cudnn": "text",
}
# variant and compiled said how a model was executed before engines had names: a row without engine ran in an unknown way.
# gmacs_per_frame was a second name of gmacs_per_frame_torch, and a table once printed it as fvcore's count.
PROFILE = TableFormat(
    name="a profile",
    file="profile.csv",
    columns=_COLUMNS,
    optional=frozenset(_COLUMNS) - {"model", "size", "mode", "status"},
    retired=frozenset({"gmacs_per_frame", "variant", "compiled"}),
)
PROFILE_COLUMNS = tuple(_COLUMNS)
"""What a row does not measure is empty."""
