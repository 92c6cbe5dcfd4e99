"""What Cutie and its linear descendant LiVOS have in common: sensory memory, object queries, decoder, their order.

Cheng et al., "Putting the Object Back into Video Object Segmentation", CVPR 2024 (arXiv 2310.12982). GDKVM comes from the
same family, so the blocks are its own (``gdkvm/``); what differs are the memory of pixels, the decoder's blocks and when
things are written.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gdkvm.decoder import MaskDecoder
from gdkvm.encoder import ValueEncoder
from gdkvm.fusion import ReadoutFusion
from gdkvm.model import SensoryHead
from gdkvm.objects import ObjectSummariser, stride16_masks
from gdkvm.transformer import QueryTransformer
from harness.modeling.aggregation import other_objects
from harness.modeling.contract import AuxiliaryLogits, Padding, TrainingOutput, check_padding
from harness.modeling.grey import FrameNormalization
from harness.modeling.log_odds import aggregate_logits
from harness.modeling.memory_segmenter import MemorySegmenter, Moment, to_weights
from harness.modeling.resnet import ResNetTrunk, load_torchvision
from harness.modeling.structure_start import structure_start


class Query(NamedTuple):
    """What a frame brings, whatever its masks.

    ``keys`` is what the pixel memory makes of the frame; ``for_value`` and ``for_readout`` are the pixel feature after
    the 1x1 convolutions of the two fusers. Skips are None for a frame whose mask is given.
    """

    keys: Tensor
    pixel: Tensor
    for_value: Tensor
    for_readout: Tensor
    skip8: Tensor | None
    skip4: Tensor | None


@dataclass(frozen=True, slots=True)
class Memory:
    """What is carried from frame to frame.

    Attributes:
        pixels: the memory of pixels; of a kind that the model knows.
        hidden: sensory memory [B·K, C, h, w], float32.
        masks: soft masks of the last frame at stride 16 [B, K, h, w].
        summaries: sums of the object summaries [B, K, queries, C + 1].
    """

    pixels: Any
    hidden: Tensor
    masks: Tensor
    summaries: Tensor


class Trace(NamedTuple):
    """What segmenting a frame leaves: the memory with its new sensory part, and class logits of the auxiliary heads."""

    memory: Memory
    auxiliary: list[Tensor]


class ObjectMemorySegmenter(MemorySegmenter):
    """Pixel memory, sensory memory and object queries; subclasses bring the memory of pixels.

    Frame t is segmented from what frames before it wrote. The readout of the pixel memory is fused with the sensory memory
    and the last masks, refined by the query transformer, and decoded to stride 4; the decoder then updates the sensory
    memory. On memory frames the value encoder writes frame and soft masks, updates the sensory memory deeply, and adds
    the object summaries. Objects are aggregated at stride 4 and enlarged, as published.

    Subclasses set ``keys``' layout by ``make_keys`` and implement ``write`` and ``read``.

    Args:
        num_structures, in_channels, image_channels, padding, learned_start: as in ``MemorySegmenter``.
        image_depth, value_depth: ResNets of image (50) and value encoder (18).
        image_width, value_width: channels of their stems, 64 in the paper.
        width: channels of pixel feature, value, sensory memory and queries, 256.
        queries, blocks, attention_heads, feed_width: of the query transformer: 16, 3, 8, 2048.
        memory_every: interval of memory frames.
        auxiliary_weight: weight of each auxiliary head in the loss, 0.01.
        pretrained: path of a torchvision-style ResNet state dict for the image encoder, or None (from scratch).
    """

    objects_share_weights = True

    def __init__(
        self,
        *,
        num_structures: int = 1,
        in_channels: int = 1,
        image_channels: int = 3,
        image_depth: int = 50,
        image_width: int = 64,
        value_depth: int = 18,
        value_width: int = 64,
        width: int = 256,
        queries: int = 16,
        blocks: int = 3,
        attention_heads: int = 8,
        feed_width: int = 2048,
        memory_every: int = 5,
        auxiliary_weight: float = 0.01,
        learned_start: bool = False,
        padding: Padding = "edge",
        pretrained: str | None = None,
    ) -> None:
        super().__init__(num_structures=num_structures, in_channels=in_channels)
        if memory_every < 1:
            raise ValueError(f"memory_every must be >= 1, got {memory_every}")
        self.width, self.memory_every, self.auxiliary_weight = width, memory_every, auxiliary_weight
        self.padding = check_padding(padding)
        self.normalize = FrameNormalization(in_channels, image_channels)
        self.image_encoder = ResNetTrunk(image_depth, image_channels, image_width)
        self.pixel_projector = nn.Conv2d(self.image_encoder.channels[2], width, 1)
        self.value_encoder = ValueEncoder(
            image_channels=image_channels, depth=value_depth, trunk_width=value_width, pixel_width=width, width=width
        )
        self.readout_fusion = ReadoutFusion(width, width, width)
        self.summariser = ObjectSummariser(width, width, queries)
        self.transformer = QueryTransformer(
            width=width, queries=queries, blocks=blocks, heads=attention_heads, hidden=feed_width
        )
        self.sensory_head = SensoryHead(width)
        self.start = structure_start(learned_start, num_structures, width, width)
        if pretrained is not None:
            load_torchvision(self.image_encoder, pretrained)

    decoder: MaskDecoder
    """Made by the subclass; with the interface of GDKVM's."""

    # -- the memory of pixels -----------------------------------------------------------------------------

    @abstractmethod
    def make_keys(self, f16: Tensor) -> Tensor:
        """Stride-16 features [N, C16, h, w] → what the memory needs of a frame, [N, channels, h, w], float32."""

    @abstractmethod
    def write(self, pixels: Any, features: Query, values: Tensor) -> Any:
        """The memory (None: empty) with a frame's values [B, K, P, C], float32, added; nothing is changed in place."""

    @abstractmethod
    def read(self, pixels: Any, features: Query) -> tuple[Tensor, Any]:
        """Readout [B, K, P, C] of a frame, float32, and the memory after it was read."""

    # -- MemorySegmenter ----------------------------------------------------------------------------------

    def encode(self, frames: Tensor) -> Query:
        """All that does not depend on masks, for frames [N, C, H, W]."""
        f4, f8, f16 = self.image_encoder(to_weights(self.normalize(frames), self.image_encoder))
        return self._query(f16, self.decoder.project8(f8), self.decoder.project4(f4))

    def encode_given(self, frame: Tensor) -> Query:
        """Like ``encode``, without the decoder's skips."""
        return self._query(self.image_encoder(to_weights(self.normalize(frame), self.image_encoder))[2], None, None)

    def _query(self, f16: Tensor, skip8: Tensor | None, skip4: Tensor | None) -> Query:
        pixel = self.pixel_projector(f16)
        for_value = self.value_encoder.fuser.transform_image(pixel)
        return Query(
            self.make_keys(f16), pixel, for_value, self.readout_fusion.fuser.transform_image(pixel), skip8, skip4
        )

    def blank(self, frame: Tensor, features: Query) -> Memory:
        """The memory of ``auto`` before frame 0: that frame with empty masks, to be read once."""
        masks = frame.new_zeros(frame.shape[0], self.num_structures, *frame.shape[-2:])
        return self._memorize(frame, features, masks, None, self._no_hidden(features))

    def segment(self, features: Query, memory: Memory) -> tuple[Tensor, Trace]:
        """Object logits [B, K, h4, w4] at stride 4, and what the pass leaves."""
        count = self.num_structures
        # Similarities and sums over all pixels in float32 whatever the autocast.
        with torch.autocast(features.pixel.device.type, enabled=False):
            readout, pixels = self.read(memory.pixels, features)
        readout = readout.flatten(0, 1).transpose(1, 2).unflatten(2, features.pixel.shape[-2:])
        hidden = memory.hidden.to(features.pixel.dtype)
        others = other_objects(memory.masks)
        fused = self.readout_fusion(readout, hidden, memory.masks, others, features.for_readout)
        refined, stages = self.transformer(fused, memory.summaries, self.training, self.start)
        logits, hidden = self.decoder(refined, features.skip8, features.skip4, memory.hidden, count)
        if self.training:
            stages = [self.sensory_head(hidden, features.pixel, count), *stages]
        after = Memory(pixels, hidden, memory.masks, memory.summaries)
        return logits.unflatten(0, (-1, count)).squeeze(2), Trace(after, stages)

    def merge(self, object_logits: Tensor) -> Tensor:
        """Aggregated at stride 4 and then enlarged, as published."""
        merged = aggregate_logits(object_logits)
        return F.interpolate(merged, scale_factor=4, mode="bilinear", align_corners=False)

    def remember(self, moment: Moment, trace: Trace | None) -> Memory | None:
        """Memorise the frame where it is due; in any case its masks are the last ones."""
        if moment.final:
            return None if trace is None else trace.memory
        if moment.time % self.memory_every:
            assert trace is not None, "a mask can be given for frame 0 only"
            memory = trace.memory
            small = stride16_masks(moment.masks, memory.hidden.shape[-2])
            return Memory(memory.pixels, memory.hidden, small, memory.summaries)
        # Time 0: what was read held frame 0 with empty masks, which must not stay in memory.
        kept = None if trace is None or moment.time == 0 else trace.memory
        hidden = self._no_hidden(moment.features) if trace is None else trace.memory.hidden
        return self._memorize(moment.frame, moment.features, moment.masks, kept, hidden)

    def checkpointed_modules(self) -> list[nn.Module]:
        """The trunks' stages, both fusers, the transformer's blocks and the decoder's stages."""
        trunks = [*self.image_encoder.stages(), *self.value_encoder.trunk.stages()]
        fusers = [self.value_encoder.fuser, self.readout_fusion.fuser]
        return [*trunks, *fusers, *self.transformer.blocks, self.decoder.up8, self.decoder.up4]

    def _memorize(self, frame: Tensor, features: Query, masks: Tensor, kept: Memory | None, hidden: Tensor) -> Memory:
        count = self.num_structures
        image = to_weights(self.normalize(frame), self.value_encoder)
        # A grey frame is repeated by broadcasting; the value encoder's first layer takes real channels.
        value = self.value_encoder(image, masks, other_objects(masks), features.for_value)
        value = value if self.start is None else self.start.add_to_values(value)
        hidden = self.value_encoder.update(value, hidden)
        small = stride16_masks(masks, value.shape[-2])
        summary = self.summariser(small, value)
        with torch.autocast(frame.device.type, enabled=False):
            rows = value.float().flatten(2).transpose(1, 2).unflatten(0, (-1, count))
            pixels = self.write(None if kept is None else kept.pixels, features, rows)
        return Memory(pixels, hidden, small, summary if kept is None else kept.summaries + summary)

    def _no_hidden(self, features: Query) -> Tensor:
        items, _, height, width = features.pixel.shape
        shape = items * self.num_structures, self.width, height, width
        return torch.zeros(shape, device=features.pixel.device)

    def _train_clip(self, frames: Tensor, first_mask: Tensor | None) -> TrainingOutput:
        outputs = self._run(frames, first_mask)
        stages = [trace.auxiliary for _, trace in outputs if trace is not None]
        # Frame 0 has no heads where its mask was given; it is not supervised then.
        missing = len(outputs) - len(stages)
        heads = []
        for number, head in enumerate(zip(*stages, strict=True)):
            stacked = torch.stack([*(torch.zeros_like(head[0]) for _ in range(missing)), *head], 1)
            name = f"query{number - 1}" if number else "sensory"
            heads.append(AuxiliaryLogits(name=name, logits=stacked, weight=self.auxiliary_weight))
        return TrainingOutput(logits=torch.stack([logits for logits, _ in outputs], 1), auxiliary=tuple(heads))
