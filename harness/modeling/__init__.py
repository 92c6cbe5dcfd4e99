"""The contract of a video segmenter and the blocks that several models share."""

from harness.modeling.contract import AuxiliaryLogits, PerFrameSegmenter, TrainingOutput, VideoSegmenter

__all__ = ["AuxiliaryLogits", "PerFrameSegmenter", "TrainingOutput", "VideoSegmenter"]
