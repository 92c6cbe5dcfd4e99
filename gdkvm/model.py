"""GDKVM (ICCV 2025, arXiv 2512.10252): gated delta key-value memory for echocardiography video segmentation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gdkvm.decoder import MaskDecoder
from gdkvm.encoder import FrameFeatures, KeyProjector, ValueEncoder, in_layout_of
from gdkvm.fusion import KeyPixelFusion, ReadoutFusion
from gdkvm.memory import KeyScale, check_choice, memory_key
from gdkvm.objects import ObjectSummariser, stride16_masks
from gdkvm.rule_registry import build_rule
from gdkvm.rules import LARGEST_DECAY, GateInput
from gdkvm.transformer import QueryTransformer
from harness.modeling.aggregation import object_masks, other_objects, soft_aggregate
from harness.modeling.contract import AuxiliaryLogits, TrainingOutput, VideoSegmenter
from harness.modeling.log_odds import aggregate_logits
from harness.modeling.resnet import ResNetTrunk, load_torchvision
from harness.modeling.structure_start import structure_start
from harness.registry import MODELS

ValuePixelFeature = Literal["stale", "current"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """What GDKVM carries from frame to frame; its size does not depend on the number of frames.

    Attributes:
        state: S [B, N, Ck, Cv], float32; None before frame 0 and where there is no memory.
        hidden: sensory memory [B * N, width, h, w], float32.
        masks: probabilities of the last frame [B, N, H, W], float32.
        summaries: sums of the object summaries so far [B, N, queries, width + 1], float32; None before frame 0, which
            is segmented with its own summary. Frame t >= 1 is segmented with those of frames 0 … t−1 (as published).
        pixel: the last frame's pixel feature for the value encoder, kept only where it is used.
        given: the masks are the reference of frame 0, which stays the last mask when frame 0 has been segmented.
    """

    state: Tensor | None
    hidden: Tensor
    masks: Tensor
    summaries: Tensor | None = None
    pixel: Tensor | None = None
    given: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameOutput:
    """Outputs of one frame: logits [B, N+1, H, W] and, in training, class logits of the auxiliary heads."""

    logits: Tensor
    query_logits: list[Tensor]
    sensory_logits: Tensor | None


class SensoryHead(nn.Module):
    """Auxiliary head: a mask logit per pixel from the sensory memory and the pixel feature."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(width, width + 1, 1)

    def forward(self, hidden: Tensor, pixel: Tensor, objects: int) -> Tensor:
        """hidden [B * N, C, h, w], pixel [B, C, h, w] → class logits [B, N + 1, h, w]."""
        x = self.project(hidden).unflatten(0, (-1, objects))
        logits = (x[:, :, :-1] * pixel.unsqueeze(1)).sum(2) + x[:, :, -1]
        # Probabilities and their logarithms in float32: bf16 rounds 0.999 to 1, and log(1 − p) is then −inf.
        return soft_aggregate(torch.sigmoid(logits.float()))


@MODELS.register_module()
class GDKVM(VideoSegmenter):
    """Linear key-value memory with gated delta updates, as the published code computes it, traps as options.

    Args:
        num_structures: N, number of structures; the weights do not depend on it.
        in_channels: channels of a frame.
        image_depth, image_width: ResNet depth and stem width of the image encoder (50, 64 in the paper).
        value_depth, value_width: the same of the value encoder (18, 64).
        width: channels of pixel feature, value, sensory memory and queries (256).
        key_width: Ck, rows of the state (64).
        heads: gate heads of the update rule (8).
        queries, blocks, attention_heads, feed_width: of the query transformer (16, 3, 8, 2048).
        decoder_widths: channels at strides 8 and 4 (128, 128).
        lkva: False takes the memory away (a readout of zeros, frames are segmented one by one but for the
            sensory memory, the last masks and the summaries).
        gdr: False makes the update the plain sum, whatever ``update_rule`` says.
        kpff: False sends the key projector's output straight to the softmax.
        update_rule: see ``gdkvm.rule_registry.list_rules``. ``gated`` is the paper's rule with the re-release's
            correction; ``released`` is the first release's arithmetic, which can diverge.
        gate_input: what the gates look at, ``state`` (published) or ``write``.
        decay_init: the decay gates start from A ~ U(0, ``decay_init``) (published: 16); larger forgets faster.
        key_scale: ``none`` (published), ``bound`` (default: λmax(KKᵀ) <= 1, so an update never expands what it
            erases) or ``l2``; see ``gdkvm.memory.memory_key``.
        value_pixel_feature: ``stale`` (published: the value encoder of frame t sees the pixel feature of t−1) or
            ``current`` (default).
        auxiliary_weight: weight of each auxiliary head in the loss.
        learned_start: give each of several structures a vector of its own (``StructureStart``); the plan of a suite
            asks for it where no first mask is given. Off for published weights.
        pretrained: path of a torchvision-style ResNet state dict for the image encoder, or None.
    """

    objects_share_weights = True

    def __init__(
        self,
        *,
        num_structures: int = 1,
        in_channels: int = 1,
        image_depth: int = 50,
        image_width: int = 64,
        value_depth: int = 18,
        value_width: int = 64,
        width: int = 256,
        key_width: int = 64,
        heads: int = 8,
        queries: int = 16,
        blocks: int = 3,
        attention_heads: int = 8,
        feed_width: int = 2048,
        decoder_widths: tuple[int, int] = (128, 128),
        lkva: bool = True,
        gdr: bool = True,
        kpff: bool = True,
        update_rule: str = "gated",
        gate_input: GateInput = "state",
        decay_init: float = LARGEST_DECAY,
        key_scale: KeyScale = "bound",
        value_pixel_feature: ValuePixelFeature = "current",
        auxiliary_weight: float = 0.01,
        learned_start: bool = False,
        pretrained: str | Path | None = None,
    ) -> None:
        super().__init__(num_structures=num_structures, in_channels=in_channels)
        check_choice("key_scale", key_scale, KeyScale)
        check_choice("value_pixel_feature", value_pixel_feature, ValuePixelFeature)
        self.width = width
        self.queries = queries
        self.key_scale: KeyScale = key_scale
        self.stale_pixel = value_pixel_feature == "stale"
        self.auxiliary_weight = auxiliary_weight

        self.image_encoder = ResNetTrunk(image_depth, in_channels, image_width)
        c4, c8, c16 = self.image_encoder.channels
        self.pixel_projector = nn.Conv2d(c16, width, 1)
        self.key_projector = KeyProjector(c16, width, key_width) if lkva else None
        self.key_fusion = KeyPixelFusion(width, key_width) if lkva and kpff else None
        self.rule = (
            build_rule(
                update_rule if gdr else "sum",
                value_width=width,
                heads=heads,
                gate_input=gate_input,
                decay_init=decay_init,
            )
            if lkva
            else None
        )
        self.value_encoder = ValueEncoder(
            image_channels=in_channels, depth=value_depth, trunk_width=value_width, pixel_width=width, width=width
        )
        self.readout_fusion = ReadoutFusion(width, width, width)
        self.summariser = ObjectSummariser(width, width, queries)
        self.transformer = QueryTransformer(
            width=width, queries=queries, blocks=blocks, heads=attention_heads, hidden=feed_width
        )
        self.decoder = MaskDecoder((c4, c8), (width, *decoder_widths), width)
        self.sensory_head = SensoryHead(width)
        self.start = structure_start(learned_start, num_structures, width, width)
        if pretrained is not None:
            load_torchvision(self.image_encoder, pretrained)

    # -- frames alone -------------------------------------------------------------------------------------

    def encode(self, frames: Tensor) -> FrameFeatures:
        """All that does not depend on the recurrence, for frames [N, C, H, W] in [0, 1] of any clips and times."""
        # Grey levels to [−1, 1], the published mean and deviation of 0.5.
        image = in_layout_of(self.image_encoder, (frames - 0.5) / 0.5)
        f4, f8, f16 = self.image_encoder(image)
        pixel = self.pixel_projector(f16)
        return FrameFeatures(
            image=image,
            pixel=pixel,
            key=self._key(f16, pixel),
            skip8=self.decoder.project8(f8),
            skip4=self.decoder.project4(f4),
            for_value=self.value_encoder.fuser.transform_image(pixel),
            for_readout=self.readout_fusion.fuser.transform_image(pixel),
        )

    def fused_key(self, f16: Tensor, pixel: Tensor) -> Tensor:
        """Key before the softmax [N, Ck, h, w] from stride-16 features and the pixel feature."""
        if self.key_projector is None:
            raise ValueError("a model without memory (lkva=False) has no keys")
        key = self.key_projector(f16)
        return key if self.key_fusion is None else self.key_fusion(key, pixel)

    def _key(self, f16: Tensor, pixel: Tensor) -> Tensor | None:
        return None if self.key_projector is None else memory_key(self.fused_key(f16, pixel), self.key_scale)

    # -- one frame of the recurrence ----------------------------------------------------------------------

    def _begin(self, frame: Tensor, first_mask: Tensor | None) -> Memory:
        batch, _, height, width = frame.shape
        h, w = height // self.stride, width // self.stride
        objects = self.num_structures
        if first_mask is None:
            # As published: no mask is a mask of zeros, and frame 0 is segmented like any other.
            masks = torch.zeros(batch, objects, height, width, device=frame.device)
        else:
            masks = object_masks(first_mask, objects).to(frame.device)
        return Memory(
            state=None,
            hidden=torch.zeros(batch * objects, self.width, h, w, device=frame.device),
            masks=masks,
            given=first_mask is not None,
        )

    def _advance(self, features: FrameFeatures, memory: Memory, auxiliary: bool) -> tuple[FrameOutput, Memory]:
        """Segment one frame of which the features are known."""
        objects = self.num_structures
        masks, others = memory.masks, other_objects(memory.masks)
        height = features.pixel.shape[-2]
        small_masks = stride16_masks(masks, height)
        small_others = other_objects(small_masks)

        # A slip of the published code that its weights were trained with; see value_pixel_feature.
        stale = self.stale_pixel and memory.pixel is not None
        value = self.value_encoder(features.image, masks, others, memory.pixel if stale else features.for_value)
        # Deep update before the frame is segmented, the decoder's update after it: the order of the published code.
        value = value if self.start is None else self.start.add_to_values(value)
        hidden = self.value_encoder.update(value, memory.hidden)
        state, readout = self._remember(features, value, memory)
        fused = self.readout_fusion(readout, hidden.to(value.dtype), small_masks, small_others, features.for_readout)
        # From the masks of t − 1, so it is added after frame t was segmented; frame 0 has nothing else and uses it.
        summary = self.summariser(small_masks, value)
        known = summary if memory.summaries is None else memory.summaries
        pixels, query_logits = self.transformer(fused, known, auxiliary, self.start)
        logits, hidden = self.decoder(pixels, features.skip8, features.skip4, hidden, objects)
        # Here objects exclude each other: the background has the probability Π(1 − p) (soft aggregation, STM).
        logits = aggregate_logits(logits.unflatten(0, (-1, objects)).squeeze(2))
        # Aggregated at stride 4 and then enlarged, as published; the other order gives other borders between objects.
        logits = F.interpolate(logits, scale_factor=4, mode="bilinear", align_corners=False)
        output = FrameOutput(
            logits=logits,
            query_logits=query_logits,
            sensory_logits=self.sensory_head(hidden, features.pixel, objects) if auxiliary else None,
        )
        return output, Memory(
            state=state,
            hidden=hidden,
            # The next frame sees soft masks: gradients of later frames flow through them.
            masks=torch.softmax(logits, 1)[:, 1:],
            summaries=summary if memory.summaries is None else memory.summaries + summary,
            pixel=features.for_value if self.stale_pixel else None,
        )

    def _remember(self, features: FrameFeatures, value: Tensor, memory: Memory) -> tuple[Tensor | None, Tensor | None]:
        """New state and readout [B * N, Cv, h, w] of this frame, in float32."""
        if self.rule is None or features.key is None:
            return None, None
        # The recurrence in float32: a bf16 state was off by 0.7 %, an fp16 one overflowed.
        with torch.autocast(value.device.type, enabled=False):
            values = value.float().flatten(2).unflatten(0, (-1, self.num_structures))
            pixel = features.pixel.float()
            if memory.state is None:
                # S_0 holds frame 0 alone; gates that read a state of zeros would only scale it.
                state = self.rule.begin(features.key, values, pixel)
            else:
                state = self.rule(memory.state, features.key, values, pixel)
            readout = self.rule.read(state, features.key)
        return state, readout.flatten(0, 1).unflatten(-1, value.shape[-2:])

    def _next(self, features: FrameFeatures, memory: Memory, auxiliary: bool) -> tuple[FrameOutput, Memory]:
        """Like ``_advance``; after frame 0 a given first mask stays the last mask."""
        output, following = self._advance(features, memory, auxiliary)
        # gt: the given mask is the truth for frame 1 as well, so frame 0's own prediction does not replace it.
        if memory.given:
            following = replace(following, masks=memory.masks)
        return output, following

    # -- clips --------------------------------------------------------------------------------------------

    def _step(self, frame: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        output, following = self._next(self.encode(frame), memory, auxiliary=False)
        return output.logits, following

    def _run(self, frames: Tensor, first_mask: Tensor | None, auxiliary: bool) -> list[FrameOutput]:
        length = frames.shape[1]
        # All frames at once: the encoders know nothing of time, and a batch keeps the device busy.
        features = self.encode(frames.flatten(0, 1))
        memory: Any = self._begin(frames[:, 0], first_mask)
        outputs = []
        for t in range(length):
            output, memory = self._next(features.frame(t, length), memory, auxiliary)
            outputs.append(output)
        return outputs

    def _clip(self, frames: Tensor, first_mask: Tensor | None) -> Tensor:
        return torch.stack([output.logits for output in self._run(frames, first_mask, False)], 1)

    def _train_clip(self, frames: Tensor, first_mask: Tensor | None) -> TrainingOutput:
        outputs = self._run(frames, first_mask, True)
        sensory = [output.sensory_logits for output in outputs if output.sensory_logits is not None]
        heads = [("sensory", torch.stack(sensory, 1))]
        for number, stage in enumerate(zip(*(output.query_logits for output in outputs), strict=True)):
            heads.append((f"query{number}", torch.stack(stage, 1)))
        auxiliary = tuple(AuxiliaryLogits(name=n, logits=x, weight=self.auxiliary_weight) for n, x in heads)
        return TrainingOutput(logits=torch.stack([output.logits for output in outputs], 1), auxiliary=auxiliary)
