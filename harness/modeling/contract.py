"""VideoSegmenter: what every model of the benchmark is, seen from outside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Padding = Literal["edge", "zeros"]


def check_padding(value: Padding) -> Padding:
    """Return ``value`` if it is a way to pad.

    Raises:
        ValueError: it is none.
    """
    if value not in get_args(Padding):
        raise ValueError(f"padding must be one of {', '.join(get_args(Padding))}, got {value!r}")
    return value


@dataclass(frozen=True, kw_only=True, slots=True)
class AuxiliaryLogits:
    """Logits of a training-only head, supervised like the main output but with its own weight.

    Attributes:
        name: what the head is, for the log.
        logits: [B, T, K+1, h, w] at any resolution (the reference is reduced to it).
        weight: factor of this head in the loss.
    """

    name: str
    logits: Tensor
    weight: float


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingOutput:
    """What a model returns to the training loop: logits [B, T, K+1, H, W] and its auxiliary heads."""

    logits: Tensor
    auxiliary: tuple[AuxiliaryLogits, ...] = ()


@dataclass(slots=True)
class StreamState:
    """State of a stream: the original frame size and the model's own memory."""

    size: tuple[int, int]
    memory: Any


class VideoSegmenter(nn.Module, ABC):
    """A plain torch model that segments the frames of a clip in their order.

    Frames are float [B, C, H, W] in [0, 1] (the model normalises them itself); masks given to a model are
    integer label maps [B, H, W] with ids 0..K; logits are [B, K+1, H, W], class 0 = background, at the
    frames' size. Sizes that ``stride`` does not divide are padded at the bottom and right with edge values
    (``padding``) and the logits are cropped back.

    Guarantees that ``tests/contracts`` checks for every registered model: the clip call equals the streaming
    calls and the output at t does not depend on later frames (unless it says ``causal = False``), batch items do not influence each other in eval
    mode, every parameter receives a gradient in training, any T >= 1 works.

    Subclasses implement ``_begin`` and ``_step`` on sizes that are multiples of ``stride``, and may override
    ``_clip`` (a faster whole-clip path with the same result) and ``_train_clip`` (auxiliary heads).

    Args:
        num_structures: K >= 1, the number of structures beside the background.
        in_channels: C, 1 for grey images.
    """

    stride = 16
    uses_first_mask = True
    """False for models that cannot take a mask of frame 0: the argument is then ignored."""
    causal = True
    """False for models whose logits of a frame depend on later frames: they segment whole clips, and a stream of them equals
    the clip at its last frame only."""
    padding: Padding = "edge"
    """How sizes are filled up to multiples of ``stride``: ``edge`` repeats the last row and column at the bottom and right,
    ``zeros`` puts black on all sides, as the published code of STM, XMem, Cutie and LiVOS does."""
    objects_share_weights = False
    """True for networks that know their structures by the first masks alone. Without masks several structures are equal
    for ever, unless the model is built with ``learned_start=True`` (``harness/modeling/structure_start.py``)."""

    def __init__(self, *, num_structures: int = 1, in_channels: int = 1) -> None:
        super().__init__()
        if num_structures < 1:
            raise ValueError(f"num_structures must be >= 1, got {num_structures}")
        self.num_structures = num_structures
        self.in_channels = in_channels

    # -- public interface ---------------------------------------------------------------------------------

    def begin(self, frame: Tensor, first_mask: Tensor | None = None) -> StreamState:
        """Open a stream with frame 0 [B, C, H, W] and, in the ``gt`` protocol, its mask [B, H, W].

        ``step`` is then called for every frame, frame 0 included.
        """
        mask = None if first_mask is None or not self.uses_first_mask else self._pad(first_mask)
        return StreamState(_size(frame), self._begin(self._pad(frame), mask))

    def step(self, frame: Tensor, state: StreamState) -> tuple[Tensor, StreamState]:
        """Segment the next frame [B, C, H, W]; return its logits [B, K+1, H, W] and the new state."""
        logits, memory = self._step(self._pad(frame), state.memory)
        return self._crop(logits, state.size), StreamState(state.size, memory)

    def forward(self, frames: Tensor, first_mask: Tensor | None = None) -> Tensor:
        """Segment a clip: frames [B, T, C, H, W] → logits [B, T, K+1, H, W]."""
        self._check_clip(frames)
        mask = None if first_mask is None or not self.uses_first_mask else self._pad(first_mask)
        return self._crop(self._clip(self._pad(frames), mask), _size(frames))

    def forward_train(self, frames: Tensor, first_mask: Tensor | None = None) -> TrainingOutput:
        """Like ``forward``, with the auxiliary outputs that the loss needs."""
        self._check_clip(frames)
        mask = None if first_mask is None or not self.uses_first_mask else self._pad(first_mask)
        padded = self._pad(frames)
        output = self._train_clip(padded, mask)
        auxiliary = tuple(self._crop_auxiliary(head, _size(padded), _size(frames)) for head in output.auxiliary)
        return TrainingOutput(logits=self._crop(output.logits, _size(frames)), auxiliary=auxiliary)

    # -- for subclasses -----------------------------------------------------------------------------------

    @abstractmethod
    def _begin(self, frame: Tensor, first_mask: Tensor | None) -> Any:
        """Memory before frame 0 is segmented, from frame 0 and (optionally) its mask."""

    @abstractmethod
    def _step(self, frame: Tensor, memory: Any) -> tuple[Tensor, Any]:
        """Logits [B, K+1, H, W] of one frame and the memory for the next; ``memory`` is not changed in place."""

    def _clip(self, frames: Tensor, first_mask: Tensor | None) -> Tensor:
        memory = self._begin(frames[:, 0], first_mask)
        logits = []
        for frame in frames.unbind(1):
            frame_logits, memory = self._step(frame, memory)
            logits.append(frame_logits)
        return torch.stack(logits, 1)

    def _train_clip(self, frames: Tensor, first_mask: Tensor | None) -> TrainingOutput:
        return TrainingOutput(logits=self._clip(frames, first_mask))

    def _pad(self, images: Tensor) -> Tensor:
        """Pad the last two dimensions to multiples of ``stride``, by ``padding``.

        Label maps (integers) are padded with background.
        """
        height, width = _size(images)
        bottom, right = -height % self.stride, -width % self.stride
        if not bottom and not right:
            return images
        if self.padding == "zeros":
            # The smaller half first, as pad_divide_by of the published code has it.
            top, left = bottom // 2, right // 2
            return F.pad(images, (left, right - left, top, bottom - top))
        # A repeated edge of a label map would enlarge the structure that touches it.
        if not images.is_floating_point():
            return F.pad(images, (0, right, 0, bottom))
        flat = images.reshape(-1, 1, height, width)
        return F.pad(flat, (0, right, 0, bottom), mode="replicate").reshape(
            *images.shape[:-2], height + bottom, width + right
        )

    def _crop(self, logits: Tensor, size: tuple[int, int]) -> Tensor:
        """Cut the padding off logits whose last two dimensions are a padded ``size``."""
        top = left = 0
        if self.padding == "zeros":
            top, left = (-size[0] % self.stride) // 2, (-size[1] % self.stride) // 2
        return logits[..., top : top + size[0], left : left + size[1]]

    def _crop_auxiliary(self, head: AuxiliaryLogits, padded: tuple[int, int], size: tuple[int, int]) -> AuxiliaryLogits:
        """The same for a head of any resolution: bring it to the padded size first (nothing where unpadded)."""
        if padded == size:
            return head
        # Cut at its own resolution, a border of a fraction of a pixel would be left or lost.
        logits = F.interpolate(head.logits.flatten(0, 1), padded, mode="bilinear").unflatten(0, head.logits.shape[:2])
        return replace(head, logits=self._crop(logits, size))

    def _check_clip(self, frames: Tensor) -> None:
        if frames.ndim != 5 or frames.shape[1] < 1 or frames.shape[2] != self.in_channels:
            raise ValueError(f"frames must be [B, T >= 1, {self.in_channels}, H, W], got {tuple(frames.shape)}")


class PerFrameSegmenter(VideoSegmenter):
    """A segmenter without memory: subclasses implement ``segment``; time is folded into the batch."""

    uses_first_mask = False

    @abstractmethod
    def segment(self, images: Tensor) -> Tensor:
        """Logits [N, K+1, H, W] of images [N, C, H, W]."""

    def _begin(self, frame: Tensor, first_mask: Tensor | None) -> None:
        return None

    def _step(self, frame: Tensor, memory: None) -> tuple[Tensor, None]:
        return self.segment(frame), None

    def _clip(self, frames: Tensor, first_mask: Tensor | None) -> Tensor:
        return self.segment(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])


def _size(images: Tensor) -> tuple[int, int]:
    return images.shape[-2], images.shape[-1]
