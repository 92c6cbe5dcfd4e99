"""The contract of a video segmenter and the blocks that several models share."""

from harness.modeling.contract import AuxiliaryLogits, PerFrameSegmenter, TrainingOutput, VideoSegmenter
from harness.modeling.first_mask import FirstMaskSegmenter

__all__ = ["AuxiliaryLogits", "FirstMaskSegmenter", "PerFrameSegmenter", "TrainingOutput", "VideoSegmenter"]
