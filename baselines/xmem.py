"""XMem, long-term video object segmentation with three memories (Cheng and Schwing, ECCV 2022, arXiv 2207.07115)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from baselines.xmem_memory import Bank, Limits, memorize, new_bank, read
from baselines.xmem_network import Decoder, DecoderFeatures, KeyHeads, ValueEncoder
from harness.modeling.aggregation import other_objects
from harness.modeling.contract import Padding, check_padding
from harness.modeling.grey import FrameNormalization
from harness.modeling.memory_read import as_map, rows
from harness.modeling.memory_segmenter import MemorySegmenter, Moment, to_weights
from harness.modeling.residual import per_object
from harness.modeling.resnet import ResNetTrunk, load_torchvision
from harness.modeling.structure_start import structure_start
from harness.registry import MODELS


class Query(NamedTuple):
    """What a frame brings: keys (stored too where it is memorised), f16, the decoder's skips (None if unused)."""

    key: Tensor
    shrinkage: Tensor
    selection: Tensor
    f16: Tensor
    skip8: Tensor | None
    skip4: Tensor | None


@dataclass(frozen=True, slots=True)
class Memory:
    """Working and long-term memory in one bank, and the sensory memory [B·K, Cs, h, w] (float32)."""

    bank: Bank
    sensory: Tensor


class Trace(NamedTuple):
    """What one decoding leaves: the memory with new usage counters, and the decoder's object features."""

    memory: Memory
    features: DecoderFeatures


@MODELS.register_module()
class XMem(MemorySegmenter):
    """Three memories: sensory (every frame), working (every few frames), long-term (consolidated prototypes).

    Keys depend on the frame alone and are shared by all objects. On memory frames (0, ``memory_every``, ...)
    the value encoder writes frame and soft masks to working memory and updates the sensory memory deeply;
    on all others the decoder's features update it. Working memory holds up to ``max_frames`` frames, then all but
    the first and the latest become ``prototypes`` long-term elements, of which at most ``max_long_term``
    are kept, the least used going first: the size of the state is bounded.

    A query reads its ``top`` most similar elements in eval mode, all of them in training mode (as published).
    Training follows the same deterministic schedule as inference (published training draws memory frames and
    deep updates at random); gradients flow through values, sensory memory and soft masks of earlier frames.
    In ``auto`` the sensory memory goes on from the empty-mask pass, the working memory starts anew.

    Args:
        num_structures, in_channels, image_channels, padding, learned_start: as in ``MemorySegmenter``.
        key_depth, value_depth: ResNets of the key encoder (50) and the value encoder (18).
        width: channels of both stems, 64 in the paper.
        key_channels, value_channels, sensory_channels: 64, 512 and 64 in the paper.
        decoder_widths: at strides 16, 8, 4: 512, 256, 256 in the paper.
        update_width: of the sensory update's input, 256 in the paper.
        memory_every, top, max_frames, min_frames, prototypes, max_long_term: see above.
        pretrained, value_pretrained: paths of torchvision-style ResNet state dicts for the key encoder and for
            the image part of the value encoder, or None (from scratch).

    With the defaults: 62,185,224 parameters.
    """

    objects_share_weights = True

    def __init__(
        self,
        *,
        num_structures: int = 1,
        in_channels: int = 1,
        image_channels: int = 3,
        key_depth: int = 50,
        value_depth: int = 18,
        width: int = 64,
        key_channels: int = 64,
        value_channels: int = 512,
        sensory_channels: int = 64,
        decoder_widths: tuple[int, int, int] = (512, 256, 256),
        update_width: int = 256,
        memory_every: int = 5,
        top: int = 30,
        max_frames: int = 10,
        min_frames: int = 5,
        prototypes: int = 128,
        max_long_term: int = 10_000,
        learned_start: bool = False,
        padding: Padding = "edge",
        pretrained: str | Path | None = None,
        value_pretrained: str | Path | None = None,
    ) -> None:
        super().__init__(num_structures=num_structures, in_channels=in_channels)
        # Else a modulo by zero would end a training that has already begun.
        if memory_every < 1 or top < 1:
            raise ValueError(f"memory_every and top must be >= 1, got {memory_every} and {top}")
        self.memory_every, self.top, self.sensory_channels = memory_every, top, sensory_channels
        self.padding = check_padding(padding)
        self.limits = Limits(
            max_frames=max_frames, min_frames=min_frames, prototypes=prototypes, max_long_term=max_long_term
        )
        self.normalize = FrameNormalization(in_channels, image_channels)
        self.key_encoder = ResNetTrunk(key_depth, image_channels, width)
        f4, f8, f16 = self.key_encoder.channels
        self.key_heads = KeyHeads(f16, key_channels)
        self.value_encoder = ValueEncoder(value_depth, image_channels, width, f16, value_channels, sensory_channels)
        # Readout and sensory memory enter the decoder side by side.
        objects = value_channels + sensory_channels
        self.decoder = Decoder((f4, f8, f16), objects, decoder_widths, update_width, sensory_channels)
        self.value_encoder.start = structure_start(learned_start, num_structures, value_channels)
        if pretrained is not None:
            load_torchvision(self.key_encoder, pretrained)
        if value_pretrained is not None:
            self.value_encoder.load_torchvision(value_pretrained)

    def encode(self, frames: Tensor) -> Query:
        """Keys, image feature and skips of frames [N, C, H, W]."""
        f4, f8, f16 = self.key_encoder(to_weights(self.normalize(frames), self.key_encoder))
        key, shrinkage, selection = self.key_heads(f16)
        return Query(key, shrinkage, selection, f16, self.decoder.skip8(f8), self.decoder.skip4(f4))

    def encode_given(self, frame: Tensor) -> Query:
        """Like ``encode``, without the decoder's skips."""
        # A given mask needs no decoder on frame 0.
        f16 = self.key_encoder(to_weights(self.normalize(frame), self.key_encoder))[2]
        key, shrinkage, selection = self.key_heads(f16)
        return Query(key, shrinkage, selection, f16, None, None)

    def blank(self, frame: Tensor, features: Query) -> Memory:
        """The memory of ``auto`` before frame 0: that frame with empty masks, to be read once."""
        masks = frame.new_zeros(frame.shape[0], self.num_structures, *frame.shape[-2:])
        return self._memorize(frame, features, masks, None, self._no_sensory(features))

    def segment(self, features: Query, memory: Memory) -> tuple[Tensor, Trace]:
        """Logits [B, K, H, W] of the objects, and what the pass leaves for the memory."""
        size = features.key.shape[-2:]
        # Similarities are squared distances times s >= 1: float16 overflows, bf16 cannot tell neighbours apart.
        with torch.autocast(features.key.device.type, enabled=False):
            # Published: 30 elements per query in inference, all in training, where the memory is short.
            top = None if self.training else self.top
            readout, bank = read(memory.bank, rows(features.key), rows(features.selection), top)
        # B K Q Cv -> B·K Cv h w
        readout = to_weights(as_map(readout, size), self.decoder)
        sensory = to_weights(memory.sensory, self.decoder)
        logits, traces = self.decoder(features.f16, features.skip8, features.skip4, readout, sensory)
        object_logits = logits.unflatten(0, (-1, self.num_structures)).squeeze(2)
        return object_logits, Trace(Memory(bank, memory.sensory), traces)

    def remember(self, moment: Moment, trace: Trace | None) -> Memory | None:
        """Memorise the frame where it is due, else update the sensory memory."""
        if moment.final:
            return None if trace is None else trace.memory
        # Ordinary frame: only the sensory memory changes, from the decoder's features.
        if moment.time % self.memory_every:
            assert trace is not None, "a mask can be given for frame 0 only"
            sensory = self.decoder.sensory(trace.features, trace.memory.sensory)
            return Memory(trace.memory.bank, sensory)
        # Time 0: the bank that was read held frame 0 with empty masks, which must not stay in memory.
        bank = None if trace is None or moment.time == 0 else trace.memory.bank
        sensory = self._no_sensory(moment.features) if trace is None else trace.memory.sensory
        return self._memorize(moment.frame, moment.features, moment.masks, bank, sensory)

    def checkpointed_modules(self) -> list[nn.Module]:
        """The trunks' stages, both fusers and the decoder's blocks: what activation checkpointing computes again."""
        trunks = [*self.key_encoder.stages(), *self.value_encoder.trunk.stages()]
        return [*trunks, self.value_encoder.fuser, self.decoder.fuser, self.decoder.up8, self.decoder.up4]

    def _memorize(self, frame: Tensor, features: Query, masks: Tensor, bank: Bank | None, sensory: Tensor) -> Memory:
        images = per_object(self.normalize(frame), self.num_structures)
        # Soft masks, so that the loss of a later frame reaches this one's segmentation.
        own, others = (m.flatten(0, 1).unsqueeze(1) for m in (masks, other_objects(masks)))
        value, sensory = self.value_encoder(images, features.f16, own, others, sensory)
        values = rows(value).unflatten(0, (-1, self.num_structures))
        shrinkage = rows(features.shrinkage).squeeze(-1)
        latest = new_bank(rows(features.key), shrinkage, rows(features.selection), values)
        with torch.autocast(frame.device.type, enabled=False):
            # On memory frames the value encoder's deep update replaces the decoder's.
            return Memory(memorize(bank, latest, self.limits), sensory)

    def _no_sensory(self, features: Query) -> Tensor:
        items, _, height, width = features.key.shape
        return features.key.new_zeros(items * self.num_structures, self.sensory_channels, height, width)
