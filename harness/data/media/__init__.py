"""Files of users as streams of grey frames: one opener for `segment` and for datasets in folders of one's own."""

from harness.data.media.frames import Frame, FrameSource, Region
from harness.data.media.source import PICTURE_KINDS, open_source, with_stated
from harness.data.media.video import VIDEO_KINDS

__all__ = ["PICTURE_KINDS", "VIDEO_KINDS", "Frame", "FrameSource", "Region", "open_source", "with_stated"]
