"""A trained run applied to a clip of one's own: masks, area curve, ejection fraction, overlay."""

from harness.segment.apply import segment
from harness.segment.frames import FrameSource, Region
from harness.segment.outcome import Outcome
from harness.segment.source import open_source, with_stated
from harness.segment.trained import Trained, find_trained, with_engine

__all__ = [
    "FrameSource",
    "Outcome",
    "Region",
    "Trained",
    "find_trained",
    "open_source",
    "segment",
    "with_engine",
    "with_stated",
]
