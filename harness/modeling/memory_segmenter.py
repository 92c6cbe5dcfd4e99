"""The skeleton of memory networks: encode the query, read the memory, decode, memorise."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from harness.modeling.aggregation import object_masks
from harness.modeling.contract import VideoSegmenter
from harness.modeling.log_odds import aggregate_logits, mask_logits
from harness.modeling.precision import weight_dtype


class Moment(NamedTuple):
    """One segmented frame, ready to be memorised."""

    time: int
    frame: Tensor
    """[B, C, H, W] in [0, 1]."""
    features: Any
    masks: Tensor
    """[B, K, H, W], soft masks of the objects after aggregation (or the given masks of frame 0)."""
    final: bool
    """True when nothing will be read after this frame: memorising it would be wasted."""


@dataclass(frozen=True, slots=True)
class Stream:
    """State between two frames: how many are segmented, what is remembered, and frame 0 while it waits."""

    time: int
    memory: Any
    features: Any = None
    given: Tensor | None = None


class MemorySegmenter(VideoSegmenter):
    """Semi-supervised video object segmentation by memory, behind the ``VideoSegmenter`` contract.

    First frame. With a mask (``gt``), frame 0 is memorised with it, and the logits at frame 0 are those masks
    as confident log-odds (±16.1). Without (``auto``), one extra pass memorises frame 0 with an empty mask and
    segments frame 0 from that; afterwards frame 0 is memorised with its own prediction and the empty-mask
    memory is dropped. In both, predictions enter the memory as soft masks and gradients flow through them.

    Query features depend on the frame alone: a clip's frames are encoded in one batch in training, in groups
    of ``inference_batch`` otherwise (large batches fall out of the cache).

    Subclasses implement ``encode``, ``blank``, ``segment`` and ``remember``; none may change a state in place. What their
    constructors take in common is described here once:

    Args:
        num_structures, in_channels: K objects, channels of the frames, as in ``VideoSegmenter``.
        image_channels: channels of the encoders' image input; 3 repeats grey frames, as published.
        padding: how sizes that 16 does not divide are filled up; ``zeros`` on all sides as published.
        learned_start: give each of several structures a vector of its own where no first mask tells them apart.
    """

    inference_batch = 4

    # -- for subclasses -----------------------------------------------------------------------------------

    @abstractmethod
    def encode(self, frames: Tensor) -> Any:
        """Query features of frames [N, C, H, W]: a NamedTuple of tensors whose first dimension is N."""

    @abstractmethod
    def encode_given(self, frame: Tensor) -> Any:
        """The part of ``encode`` that ``remember`` needs of a frame whose mask is given, or None for nothing."""

    @abstractmethod
    def blank(self, frame: Tensor, features: Any) -> Any:
        """Memory of a frame with empty masks, from which ``auto`` segments frame 0."""

    @abstractmethod
    def segment(self, features: Any, memory: Any) -> tuple[Tensor, Any]:
        """Logits [B, K, H, W] of the objects, each for itself, and what ``remember`` needs of the pass."""

    @abstractmethod
    def remember(self, moment: Moment, trace: Any) -> Any:
        """Memory for the next frame; ``trace`` is what ``segment`` left, None where masks were given."""

    def merge(self, object_logits: Tensor) -> Tensor:
        """What ``segment`` says of the objects → class logits [B, K+1, H, W] at the frames' size."""
        return aggregate_logits(object_logits)

    # -- the contract -------------------------------------------------------------------------------------

    def _begin(self, frame: Tensor, first_mask: Tensor | None) -> Stream:
        given = None if first_mask is None else object_masks(first_mask, self.num_structures)
        return self._open(frame, self.encode(frame) if given is None else self.encode_given(frame), given)

    def _step(self, frame: Tensor, memory: Stream) -> tuple[Tensor, Stream]:
        features = memory.features if memory.time == 0 else self.encode(frame)
        logits, _, stream = self._advance(frame, features, memory, final=False)
        return logits, stream

    def _clip(self, frames: Tensor, first_mask: Tensor | None) -> Tensor:
        return torch.stack([logits for logits, _ in self._run(frames, first_mask)], 1)

    def _run(self, frames: Tensor, first_mask: Tensor | None) -> list[tuple[Tensor, Any]]:
        """Logits of every frame, and what ``segment`` left (None where the mask was given)."""
        given = None if first_mask is None else object_masks(first_mask, self.num_structures)
        if given is None:
            features = self._encode_clip(frames)
        else:
            features = [self.encode_given(frames[:, 0]), *self._encode_clip(frames[:, 1:])]
        stream = self._open(frames[:, 0], features[0], given)
        outputs = []
        for time, frame in enumerate(frames.unbind(1)):
            final = time == frames.shape[1] - 1
            logits, trace, stream = self._advance(frame, features[time], stream, final=final)
            outputs.append((logits, trace))
        return outputs

    def _open(self, frame: Tensor, features: Any, given: Tensor | None) -> Stream:
        return Stream(0, self.blank(frame, features) if given is None else None, features, given)

    def _advance(self, frame: Tensor, features: Any, stream: Stream, *, final: bool) -> tuple[Tensor, Any, Stream]:
        if stream.given is None:
            object_logits, trace = self.segment(features, stream.memory)
            logits = self.merge(object_logits)
        else:
            logits, trace = mask_logits(stream.given), None
        masks = logits.softmax(1)[:, 1:]
        memory = self.remember(Moment(stream.time, frame, features, masks, final), trace)
        return logits, trace, Stream(stream.time + 1, memory)

    def _encode_clip(self, frames: Tensor) -> list[Any]:
        # frames: B T C H W; time comes first, so that each frame's features are one block of memory
        batch, length = frames.shape[:2]
        if not length:
            return []
        size = length if self.training else max(1, self.inference_batch // batch)
        groups = frames.transpose(0, 1).split(size)
        return [features for group in groups for features in self._encode_group(group)]

    def _encode_group(self, group: Tensor) -> Iterable[Any]:
        # group: t B C H W
        features = self.encode(group.flatten(0, 1))
        parts = [part.unflatten(0, group.shape[:2]).unbind(0) for part in features]
        return [type(features)(*items) for items in zip(*parts, strict=True)]


def to_weights(x: Tensor, layer: nn.Module) -> Tensor:
    """Cast to the type of a layer's weights (no copy where it is the same; autocast does the rest itself)."""
    return x.to(weight_dtype(layer))
