"""A trained run applied to clips of one's own: masks, area curve, ejection fraction, overlay, a table of all."""

from harness.data.media.frames import FrameSource, Region
from harness.data.media.source import open_source, with_stated
from harness.segment.apply import segment
from harness.segment.batch import TABLE, Settings, kept_or_segmented, segment_all
from harness.segment.listing import ListedClip, clips_of, is_list
from harness.segment.outcome import Outcome
from harness.segment.trained import Trained, find_trained, publish, trained_from_file, with_engine

__all__ = [
    "TABLE",
    "FrameSource",
    "ListedClip",
    "Outcome",
    "Region",
    "Settings",
    "Trained",
    "clips_of",
    "find_trained",
    "is_list",
    "kept_or_segmented",
    "open_source",
    "publish",
    "segment",
    "segment_all",
    "trained_from_file",
    "with_engine",
    "with_stated",
]
