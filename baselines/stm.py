"""STM, the space-time memory network (Oh et al., ICCV 2019, arXiv 1904.00607)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from baselines.stm_network import Decoder, KeyValueHead, MemoryEncoder
from harness.modeling.aggregation import other_objects
from harness.modeling.contract import Padding, check_padding
from harness.modeling.grey import FrameNormalization
from harness.modeling.memory_read import as_map, dot_similarity, rows
from harness.modeling.memory_segmenter import MemorySegmenter, Moment, to_weights
from harness.modeling.residual import per_object
from harness.modeling.resnet import ResNetTrunk, load_torchvision
from harness.modeling.structure_start import structure_start
from harness.registry import MODELS


class Query(NamedTuple):
    """What a frame brings to the reading: key, value and the decoder's two skips."""

    key: Tensor
    value: Tensor
    skip8: Tensor
    skip4: Tensor


class Elements(NamedTuple):
    """Memory elements of B·K objects: keys [B·K, N, Ck] and values [B·K, N, Cv], float32."""

    key: Tensor
    value: Tensor


@dataclass(frozen=True, slots=True)
class Pending:
    """The last segmented frame: it is encoded when the next frame comes, and kept if its time asks for it."""

    frame: Tensor
    masks: Tensor
    keep: bool


@dataclass(frozen=True, slots=True)
class Memory:
    """The kept frames (None before there is one) and the previous frame."""

    kept: Elements | None
    pending: Pending


@MODELS.register_module()
class STM(MemorySegmenter):
    """Space-time memory network: every query position reads all positions of all remembered frames.

    Memory: frame 0 always, every ``memory_every``-th frame for good, the previous frame for one step. Nothing
    is ever forgotten, so memory and cost grow with time, by the method. Keys and values of a frame are made by
    the memory encoder from the frame and its soft masks; each object has a memory of its own, and objects meet
    in the mask of the others and in the soft aggregation. Training uses the same schedule as inference, and
    gradients flow through keys, values and the soft masks of earlier frames.

    Args:
        num_structures, in_channels, image_channels, padding, learned_start: as in ``MemorySegmenter``.
        depth, width: ResNet trunks (50 and 64 in the paper).
        key_channels, value_channels, decoder_width: 128, 512 and 256 in the paper.
        memory_every: interval of the frames that are kept, 5 in the paper.
        pretrained: path of a torchvision-style ResNet state dict for both trunks, or None (from scratch).

    With the defaults: 38,925,570 parameters.
    """

    objects_share_weights = True

    def __init__(
        self,
        *,
        num_structures: int = 1,
        in_channels: int = 1,
        image_channels: int = 3,
        depth: int = 50,
        width: int = 64,
        key_channels: int = 128,
        value_channels: int = 512,
        decoder_width: int = 256,
        memory_every: int = 5,
        learned_start: bool = False,
        padding: Padding = "edge",
        pretrained: str | Path | None = None,
    ) -> None:
        super().__init__(num_structures=num_structures, in_channels=in_channels)
        if memory_every < 1:
            raise ValueError(f"memory_every must be >= 1, got {memory_every}")
        self.padding = check_padding(padding)
        self.memory_every = memory_every
        self.normalize = FrameNormalization(in_channels, image_channels)
        self.memory_encoder = MemoryEncoder(depth, image_channels, width)
        self.query_encoder = ResNetTrunk(depth, image_channels, width)
        f4, f8, f16 = self.query_encoder.channels
        self.memory_head = KeyValueHead(f16, key_channels, value_channels)
        self.query_head = KeyValueHead(f16, key_channels, value_channels)
        self.decoder = Decoder(2 * value_channels, f8, f4, decoder_width)
        self.start = structure_start(learned_start, num_structures, value_channels)
        # Published training starts both trunks from ImageNet; from scratch is the default here and the table says so.
        if pretrained is not None:
            load_torchvision(self.query_encoder, pretrained)
            load_torchvision(self.memory_encoder.trunk, pretrained)

    def encode(self, frames: Tensor) -> Query:
        """Key, value and skips of query frames [N, C, H, W]."""
        # The query encoder never sees a mask: a frame is read before it is segmented.
        images = to_weights(self.normalize(frames), self.query_encoder)
        f4, f8, f16 = self.query_encoder(images)
        key, value = self.query_head(f16)
        return Query(key, value, self.decoder.skip8(f8), self.decoder.skip4(f4))

    def encode_given(self, frame: Tensor) -> None:
        """Nothing: the memory encoder makes the keys of a frame from its mask too."""

    def memorize(self, frame: Tensor, masks: Tensor) -> Elements:
        """Memory elements of a frame [B, C, H, W] with soft masks [B, K, H, W]."""
        images = per_object(self.normalize(frame), self.num_structures)
        # The mask of the object and the sum of all others, soft, so that later losses reach this frame's masks.
        own, others = (m.flatten(0, 1).unsqueeze(1) for m in (masks, other_objects(masks)))
        key, value = self.memory_head(self.memory_encoder(images, own, others))
        value = value if self.start is None else self.start.add_to_values(value)
        return Elements(rows(key), rows(value))

    def blank(self, frame: Tensor, features: Query) -> Memory:
        """The memory of ``auto`` before frame 0: that frame with empty masks, to be read once."""
        # Published STM is always given a mask; without it frame 0 reads a memory of itself with nothing marked.
        masks = frame.new_zeros(frame.shape[0], self.num_structures, *frame.shape[-2:])
        return Memory(None, Pending(frame, masks, keep=False))

    def segment(self, features: Query, memory: Memory) -> tuple[Tensor, Elements | None]:
        """Object logits [B, K, H, W], and the kept elements with the previous frame taken in where it is due."""
        # Only now are the previous frame's masks final; the paper adds it for one step even where it is not kept.
        latest = self.memorize(memory.pending.frame, memory.pending.masks)
        if memory.pending.keep:
            kept = latest if memory.kept is None else _joined(memory.kept, latest)
            return self._decode(features, [kept]), kept
        banks = [latest] if memory.kept is None else [memory.kept, latest]
        return self._decode(features, banks), memory.kept

    def remember(self, moment: Moment, trace: Elements | None) -> Memory:
        """Put the frame in waiting; ``trace`` holds the elements kept so far."""
        # Every fifth frame is kept, and frame 0 because 0 mod 5 = 0: it is the frame with the best mask.
        return Memory(trace, Pending(moment.frame, moment.masks, moment.time % self.memory_every == 0))

    def checkpointed_modules(self) -> list[nn.Module]:
        """The trunks' stages and the decoder's parts: what activation checkpointing computes again."""
        decoder = [self.decoder, self.decoder.skip8, self.decoder.skip4]
        return [*self.memory_encoder.trunk.stages(), *self.query_encoder.stages(), *decoder]

    def _decode(self, features: Query, banks: list[Elements]) -> Tensor:
        # What was read and the query's value side by side, 1,024 channels in the paper.
        readout = to_weights(self._read(features.key, banks), self.decoder)
        value = per_object(features.value, self.num_structures)
        logits = self.decoder(torch.cat([readout, value], 1), features.skip8, features.skip4)
        return logits.unflatten(0, (-1, self.num_structures)).squeeze(2)

    def _read(self, key: Tensor, banks: list[Elements]) -> Tensor:
        # One softmax over all banks; the banks are not joined, since the kept one may be large.
        # Float32: a bf16 number around 10 has steps of 1/16, so its exponential would be off by up to 3 %.
        with torch.autocast(key.device.type, enabled=False):
            query = per_object(rows(key), self.num_structures)
            affinity = torch.cat([dot_similarity(query, bank.key) for bank in banks], -1).softmax(-1)
            # Joining the banks would copy every kept value at every frame.
            parts = affinity.split([bank.key.shape[1] for bank in banks], -1)
            read = [part @ bank.value for part, bank in zip(parts, banks, strict=True)]
            return as_map(torch.stack(read).sum(0).unsqueeze(1), key.shape[-2:])


def _joined(first: Elements, second: Elements) -> Elements:
    return Elements(torch.cat([first.key, second.key], 1), torch.cat([first.value, second.value], 1))
